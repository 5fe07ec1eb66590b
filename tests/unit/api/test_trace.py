"""The trace of a call: taken from its header or begun, kept with what it made, told of and passed on."""

from __future__ import annotations

import logging
import re

import pytest
from aiohttp import web
from multidict import CIMultiDict

from gateway import log, tracing
from tests.support import api
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Door, form, meta
from tests.support.hooks import Behaviour, Hooked, Receiver, receiving

ID, STEP = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{ID}-{STEP}-01"
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


@pytest.fixture
def door(near_door: Door) -> Door:
    return near_door


async def hooked(door: Door, url: str, agency: str = DEPARTMENT) -> str:
    answer = await door.ask("POST", "/webhooks", json={"url": url}, once=f"hook-{agency}", agency=agency)
    assert answer.status == 201, str(answer)
    return str(answer.json["id"])


async def push(door: Door) -> None:
    await door.carry()
    await Hooked(town=door.town).push()


async def called(door: Door, headers: CIMultiDict[str]) -> str:
    """The trace under which the key's log has a call with these headers."""
    secret = door.keys.get(DEPARTMENT) or await door.key(DEPARTMENT)
    door.keys[DEPARTMENT] = secret
    headers["Authorization"] = f"Bearer {secret}"
    async with door.client.get(f"{api.BASE}/limits", headers=headers) as answer:
        assert answer.status == 200
        assert not {"traceparent", "tracestate", "traceresponse"} & {h.lower() for h in answer.headers}
    assert door.calls is not None
    await door.calls.flush()
    rows = (await door.ask("GET", "/me/calls?limit=5")).json["data"]
    return str(next(row["trace_id"] for row in rows if row["route"] == "/api/v1/limits"))


async def test_a_call_is_logged_under_the_trace_that_it_names_and_one_that_names_none_begins_one(
    door: Door,
) -> None:
    assert await called(door, CIMultiDict(traceparent=PARENT)) == ID
    for headers in (
        CIMultiDict[str](),
        CIMultiDict(traceparent="hello"),
        CIMultiDict(traceparent=PARENT.upper()),
        CIMultiDict(traceparent=f"00-{'0' * 32}-{STEP}-01"),
        CIMultiDict([("traceparent", PARENT), ("traceparent", PARENT)]),
    ):
        for _ in range(2):
            begun = await called(door, headers.copy())
            assert begun != ID
            assert re.fullmatch("[0-9a-f]{32}", begun)
            assert begun.strip("0")


async def test_every_line_that_is_logged_for_a_call_names_its_trace(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    trace_ids: list[str | None] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if getattr(record, "action", "") == "message.accepted":
                trace_ids.append(log.ids_bound().get("trace_id"))

    handler, accepting = Noting(), logging.getLogger("gateway.outgoing.accept")
    accepting.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "gateway.outgoing.accept"):
            await door.send(headers={"traceparent": PARENT})
    finally:
        accepting.removeHandler(handler)

    assert trace_ids == [ID]
    assert tracing.current_trace() is None


async def test_what_a_webhook_is_told_of_the_document_is_in_its_trace_each_time_in_a_step_of_its_own(
    door: Door, receiver: Receiver
) -> None:
    await hooked(door, receiver.url)
    headers = {"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE"}
    sent = await door.send(headers=headers)
    assert sent.status == 202, str(sent)
    await push(door)

    calls = [n for n, body in enumerate(receiver.bodies) if body["subject"] == sent.json["id"]]
    parents = [_PARENT.fullmatch(receiver.raw[n][0]["traceparent"]) for n in calls]
    assert {"message.accepted", "message.sent", "message.status"} <= {
        receiver.bodies[n]["type"] for n in calls
    }
    assert {(parent[1], parent[3]) for parent in parents if parent} == {(ID, "01")}
    assert len({parent[2] for parent in parents if parent} | {STEP}) == len(calls) + 1
    assert {receiver.raw[n][0]["tracestate"] for n in calls} == {"congo=t61rcWkgMzE"}
    assert {receiver.bodies[n]["data"]["trace"] for n in calls} == {ID}


async def test_a_try_again_is_the_same_trace_in_another_step(door: Door) -> None:
    turns: list[int] = []

    async def behave(request: web.Request) -> web.StreamResponse:
        turns.append(1)
        return web.Response(status=500 if len(turns) == 2 else 204)

    taking: Behaviour = behave
    async with receiving(taking) as receiver:
        await hooked(door, receiver.url)
        await door.send(headers={"traceparent": PARENT})
        await push(door)
        door.clock.advance(3600)
        await Hooked(town=door.town).push()

    steps = [
        (headers["webhook-id"], headers["traceparent"])
        for headers, body in receiver.raw
        if ID in headers.get("traceparent", "")
    ]
    assert len(steps) > len({id for id, _ in steps})
    assert len({parent for _, parent in steps}) == len(steps)


async def test_the_other_agency_learns_nothing_of_it(door: Door, receiver: Receiver) -> None:
    """A document of no call has no trace, and events about other things have none either."""
    await hooked(door, receiver.url, PROVINCE)
    await door.send(headers={"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE"})
    await push(door)
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]

    assert "inbox.received" in {body["type"] for body in receiver.bodies}
    for headers, body in receiver.raw:
        assert "traceparent" not in headers
        assert ID.encode() not in body
    for path in (f"/inbox/{item['id']}", f"/inbox/{item['id']}/envelope", "/events"):
        answer = await door.ask("GET", path, agency=PROVINCE)
        assert ID.encode() not in answer.raw
        assert b"t61rcWkgMzE" not in answer.raw


async def test_a_call_again_changes_neither_document_nor_trace(door: Door) -> None:
    other = PARENT.replace("4bf9", "0000")
    first = await door.send(meta(external_id="one"), headers={"traceparent": PARENT})
    repeat = await door.send(meta(external_id="one"), once="two", headers={"traceparent": other})
    await door.carry()

    assert first.json["id"] == repeat.json["id"]
    rows = (await door.ask("GET", f"/events?subject={first.json['id']}")).json["data"]
    assert {row["data"]["trace"] for row in rows} == {ID}


async def test_what_follows_from_a_document_has_the_trace_of_its_own_call(door: Door) -> None:
    """And what a draft becomes stays in the trace in which it was made."""
    draft = await door.send(meta(number="20", send=False), once="d", headers={"traceparent": PARENT})
    assert draft.json["state"] == "draft"
    sent = await door.ask("POST", f"/messages/{draft.json['id']}/send", once="go", json={})
    assert sent.status == 200, str(sent)
    first = await door.send(headers={"traceparent": PARENT})
    await door.carry()
    update = await door.ask(
        "POST",
        f"/messages/{first.json['id']}/update",
        once="update",
        data=form(meta(reason="The subject was wrong"), (("lead", "15.pdf", PDF),)),
        headers={"traceparent": PARENT.replace("4bf9", "0000")},
    )
    assert update.status == 202, str(update)
    await door.carry()

    rows = (await door.ask("GET", "/events?limit=200")).json["data"]
    traces = {(row["subject"], row["data"]["trace"]) for row in rows if row["subject"].startswith("msg_")}
    assert traces == {
        (draft.json["id"], ID),
        (first.json["id"], ID),
        (update.json["id"], ID.replace("4bf9", "0000")),
    }
    assert "message.status" in {row["type"] for row in rows if row["subject"] == draft.json["id"]}


async def test_a_trial_of_a_webhook_is_a_step_of_the_call_that_asked_for_it(
    door: Door, receiver: Receiver
) -> None:
    id = await hooked(door, receiver.url)

    await door.ask("POST", f"/webhooks/{id}/test", json={}, headers={"traceparent": PARENT})

    assert receiver.raw[0][0]["traceparent"].startswith(f"00-{ID}-")
    assert STEP not in receiver.raw[0][0]["traceparent"]
