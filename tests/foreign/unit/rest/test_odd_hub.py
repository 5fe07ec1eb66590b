"""Answers of a hub as a weapon: they cost bounded room, lead nowhere, and stop nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.pool import ThreadPool
from gateway.ports.axis import Fate, Outcome, Parcel
from gateway_foreign.rest.answers import Answer
from gateway_foreign.rest.axis import RestAxis
from gateway_foreign.rest.line import Line, OddAnswer, OddAnswerError, Question
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.odd_hub import FINE, OddHub, cut, fixed, odd_hub, parcel_of, row, unsigned
from tests.support.parcels import LEASE_S
from tests.support.town import vxp

SYSTEM = "mau.lienthong.01"


@pytest.fixture
async def hub() -> AsyncIterator[OddHub]:
    async with odd_hub() as new_hub:
        yield new_hub


@pytest.fixture
async def axis(hub: OddHub, tmp_path: Path, clock: ManualClock) -> AsyncIterator[RestAxis]:
    async with vxp.client(tmp_path, hub.url, SYSTEM, clock) as new_axis:
        await new_axis.host(["Z92"])
        yield new_axis


async def ids_received(axis: RestAxis) -> list[str]:
    return [arrival.packet_id for arrival in await axis.take(10, LEASE_S)]


async def sent_to(axis: RestAxis, sent: Parcel | None = None) -> Outcome:
    """Return the outcome of one document to Z92."""
    return (await axis.publish(sent or parcel_of(unsigned("1")), ["Z92"]))["Z92"]


async def test_threat_135_an_answer_that_is_none_leads_nowhere_and_what_is_good_comes_after(
    hub: OddHub, tmp_path: Path, clock: ManualClock, cases: Cases
) -> None:
    listed = '{"status":"OK","ErrorCode":'
    answers = {
        "a page of an error": fixed("<html><body>502</body></html>", 502),
        "a redirect": fixed("", 302, Location="http://127.0.0.1:1/elsewhere"),
        "half an answer": fixed(listed + '"0","data":[{"docId":"a"'),
        "no list": fixed(listed + '"0"}'),
        "no text": fixed(b"\xff\xfe\x00"),
        "deep": fixed("[" * 70_000),
        "a long number": fixed(listed + "9" * 5000 + ',"data":[]}'),
        "cut": cut,
    }
    for name, answer in answers.items():
        with cases.case(name):
            async with vxp.client(tmp_path / name, hub.url, SYSTEM, clock) as axis:
                await axis.host(["Z92"])
                hub.calls.clear()
                hub.answers["getReceivedEdocList"] = answer
                await axis.look()
                assert axis.state().down_since is not None

                hub.lists("getReceivedEdocList", row("good"))
                hub.gives({"good": unsigned("1")})
                await axis.look()
                assert await ids_received(axis) == ["good"]
                assert axis.state().down_since is None
            # No redirect was followed, and nothing settled.
            assert set(hub.calls) == {"getReceivedEdocList", "getEdoc"}


async def test_threat_135_ids_that_no_call_can_name_stop_no_other_packet(hub: OddHub, axis: RestAxis) -> None:
    odd = ["\ud800", "a\u0000b", "a b", "x" * 5000, "", "văn-bản"]
    rows = [row(x) for x in odd] + [row("good", **{"from": "\ud800\u0000" + "y" * 9000, "to": "\udc00"})]
    hub.lists("getReceivedEdocList", *rows)
    hub.gives({"good": unsigned("1")})

    await axis.look()

    (arrival,) = await axis.take(10, LEASE_S)
    assert arrival.packet_id == "good"
    assert len(arrival.sender) <= 300
    assert arrival.sender.isprintable()


async def test_threat_135_a_damaged_file_is_put_off_alone_and_kept_without_its_content(
    hub: OddHub, axis: RestAxis
) -> None:
    secret = base64.b64encode(b"noi dung cua mot van ban " * 40).decode()
    good = base64.b64encode(unsigned("1")).decode()
    hub.lists("getReceivedEdocList", row("bad"), row("good"))

    async def give(request: web.Request) -> web.StreamResponse:
        data = f"{secret}*" if request.headers["XroadVnpt-docId"] == "bad" else good
        return web.json_response(FINE | {"data": data})

    hub.answers["getEdoc"] = give
    await axis.look()

    assert await ids_received(axis) == ["good"]
    (odd_answer,) = await axis.odd_answers()
    assert secret[:200].encode() not in odd_answer[5]
    assert b"characters left out" in odd_answer[5]
    assert "updateStatus" not in hub.calls


async def test_a_hub_that_cannot_be_told_is_still_asked_what_waits(hub: OddHub, axis: RestAxis) -> None:
    hub.answers["updateStatus"] = fixed("<html>500</html>", 500)
    hub.gives({"a": unsigned("1"), "b": unsigned("2"), "c": unsigned("3")})
    hub.lists("getReceivedEdocList", row("a"))
    await axis.look()
    for arrival in await axis.take(10, LEASE_S):
        await axis.settle(arrival, is_done=True)

    hub.lists("getReceivedEdocList", row("a"), row("b"))
    await axis.look()
    assert await ids_received(axis) == ["b"]
    hub.lists("getReceivedEdocList", row("a"), row("b"), row("c"))
    await axis.look()
    assert await ids_received(axis) == ["c"]
    assert (await axis.counts())["unsettled"] == 3


async def test_a_list_of_one_kind_that_is_odd_does_not_hide_the_other(hub: OddHub, axis: RestAxis) -> None:
    async def listed(request: web.Request) -> web.StreamResponse:
        if request.headers["XroadVnpt-messagetype"] == "edoc":
            return web.Response(text="<html></html>")
        return web.json_response(FINE | {"data": [row("status")]})

    hub.answers["getReceivedEdocList"] = listed
    hub.gives({"status": unsigned("1")})

    await axis.look()

    assert await ids_received(axis) == ["status"]


async def test_the_session_is_known_as_soon_as_a_packet_can_be_fetched(
    hub: OddHub, axis: RestAxis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the shelf and the ledger another process may take it, or ours may be killed."""
    hub.lists("getReceivedEdocList", row("a"))
    hub.gives({"a": unsigned("1")})

    def killed(*_: object) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(axis._ledger, "note_fetched", killed)
    with pytest.raises(RuntimeError):
        await axis.look()

    (arrival,) = await axis.take(10, LEASE_S)
    assert arrival.session == f"vxp:{SYSTEM}"


async def test_a_process_that_only_looks_says_whether_the_hub_lets_it_in(
    hub: OddHub, tmp_path: Path, clock: ManualClock
) -> None:
    """`gateway axis status` and `doctor` have an axis of their own, which has fetched nothing."""
    hub.answers["getReceivedEdocList"] = fixed("Unauthorized", 401)
    async with vxp.client(tmp_path / "doctor", hub.url, SYSTEM, clock) as looker:
        for _ in range(5):
            await looker.counts()
            clock.advance(86_400)

        assert looker.state().down_since is not None
        assert SYSTEM in looker.state().reason
    assert hub.calls.total() == 1  # repetition locks no account


async def test_a_hub_that_refuses_every_list_is_down_and_well_again_afterwards(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    """One that says no to one packet is not."""
    hub.answers["getReceivedEdocList"] = fixed('{"status":"FAIL","ErrorCode":"20","ErrorDesc":"maintenance"}')
    await axis.counts()
    assert "maintenance" in axis.state().reason
    del hub.answers["getReceivedEdocList"]
    clock.advance(86_400)
    await axis.counts()
    assert axis.state().connected_since is not None
    hub.answers["sendEdoc"] = fixed('{"status":"FAIL","ErrorCode":"18","ErrorDesc":"no such receiver"}')
    await sent_to(axis)
    assert axis.state().connected_since is not None


# --- what was sent -------------------------------------------------------------------------------------------------


async def test_threat_135_another_document_under_a_likely_id_is_not_taken_for_ours(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    hub.answers["sendEdoc"] = cut
    sent = parcel_of(unsigned("1"))
    first = await sent_to(axis, sent)
    assert (first.fate, first.code, first.unsure) == (Fate.RETRY, "outcome-unknown", True)

    del hub.answers["sendEdoc"]
    hub.lists("getSentEdocList", {"senderDocId": "other", "toCode": "Z92", "title": "Số 1"})
    hub.gives({"other": unsigned("2", subject="Số 1")})
    clock.advance(301)
    second_outcome = await sent_to(axis, sent)

    assert second_outcome.fate is Fate.DELIVERED
    assert "other" not in second_outcome.detail
    assert hub.calls["sendEdoc"] == 2


async def test_a_title_that_the_list_cuts_is_still_ours(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    raw = unsigned("1", subject="Về việc " + "rất dài " * 20)
    hub.answers["sendEdoc"] = cut
    await sent_to(axis, parcel_of(raw))
    hub.lists("getSentEdocList", {"senderDocId": "ours", "toCode": "Z92", "title": "Về việc rất dài"})
    hub.gives({"ours": raw})
    clock.advance(301)

    outcome = await sent_to(axis, parcel_of(raw))

    assert outcome.fate is Fate.DELIVERED
    assert "ours" in outcome.detail
    assert hub.calls["sendEdoc"] == 1


async def test_where_too_many_look_like_it_nothing_is_resent(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    hub.answers["sendEdoc"] = cut
    sent = parcel_of(unsigned("1"))
    await sent_to(axis, sent)
    hub.lists("getSentEdocList", *({"senderDocId": f"d{n}"} for n in range(60)))
    hub.gives({f"d{n}": unsigned("2") for n in range(60)})
    clock.advance(3600)

    outcome = await sent_to(axis, sent)

    assert (outcome.fate, outcome.unsure) == (Fate.RETRY, True)
    assert hub.calls["sendEdoc"] == 1


async def test_a_long_upload_that_broke_gives_the_hub_its_time_from_the_end(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    """The list of the hub shows a file some seconds after it has it; the upload itself took longer than that."""

    async def slow(request: web.Request) -> web.StreamResponse:
        clock.advance(600)
        return await cut(request)

    hub.answers["sendEdoc"] = slow
    sent = parcel_of(unsigned("1"))
    await sent_to(axis, sent)
    clock.advance(5)

    outcome = await sent_to(axis, sent)

    assert (outcome.fate, outcome.code) == (Fate.RETRY, "outcome-unknown")
    assert hub.calls["sendEdoc"] == 1


async def test_recipients_that_no_call_can_name_are_never_sent_to_all(hub: OddHub, axis: RestAxis) -> None:
    """Without the names in the call the hub would send it to all in the file, who may have it another way."""
    to = tuple(f"H{n:02}.{m:02}.99" for n in range(10, 30) for m in range(15))
    sent = parcel_of(unsigned("1", to=to))

    outcomes = await axis.publish(sent, to[:250])

    assert {(outcome.fate, outcome.code) for outcome in outcomes.values()} == {
        (Fate.NEVER, "axis-too-many-recipients")
    }
    assert hub.calls["sendEdoc"] == 0
    assert (await axis.publish(sent, to[:20]))[to[0]].fate is Fate.DELIVERED
    assert json.loads(hub.request_headers[-1]["xroadvnpt-to"]) == list(to[:20])


async def test_a_hubs_words_about_a_refusal_are_cut_short_and_printable(hub: OddHub, axis: RestAxis) -> None:
    no = {"status": "FAIL", "ErrorCode": "9\u0000" + "8" * 500, "ErrorDesc": "\ud800\u001b[31m" + "x" * 9000}
    hub.answers["sendEdoc"] = fixed(json.dumps(no))

    outcome = await sent_to(axis)

    assert (outcome.fate, outcome.unsure) == (Fate.RETRY, False)
    assert len(outcome.detail) < 500
    assert outcome.detail.isprintable()


async def test_a_document_does_not_go_on_a_connection_that_the_hub_may_have_given_up(
    hub: OddHub, axis: RestAxis
) -> None:
    """Cut there, its outcome is unknown: a person would have to look."""
    used: set[object] = set()

    async def listed(request: web.Request) -> web.StreamResponse:
        used.add(request.get_extra_info("peername"))
        return web.json_response(FINE | {"data": []})

    async def impatient(request: web.Request) -> web.StreamResponse:
        if request.get_extra_info("peername") in used:
            return await cut(request)
        used.add(request.get_extra_info("peername"))
        return web.json_response(FINE | {"DocId": "taken"})

    hub.answers |= {"getReceivedEdocList": listed, "sendEdoc": impatient}
    await axis.look()

    for n in range(2):
        outcome = await sent_to(axis, parcel_of(unsigned(str(n))))
        assert outcome.fate is Fate.DELIVERED, outcome


async def test_a_hub_that_keeps_failing_is_left_alone_for_a_while_of_the_node_s_clock(
    hub: OddHub, axis: RestAxis, clock: ManualClock
) -> None:
    hub.answers["sendEdoc"] = fixed("<html>503</html>", 503)
    sent = parcel_of(unsigned("1"))
    for _ in range(5):
        await sent_to(axis, sent)
    del hub.answers["sendEdoc"]

    clock.advance(4)
    early = await sent_to(axis, sent)
    clock.advance(2)
    late = await sent_to(axis, sent)

    assert (early.fate, early.unsure, late.fate) == (Fate.RETRY, False, Fate.DELIVERED)
    assert "5 times in a row" in early.detail
    assert hub.calls["sendEdoc"] == 6


# --- one line ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [b'{"data":[', b'{"data":"'])
async def test_threat_135_an_answer_without_end_is_left_at_the_limit(hub: OddHub, begin: bytes) -> None:
    went = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal went
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(begin)
        piece = b'{"docId":"x"},' * 1000 if begin.endswith(b"[") else b"A" * 14_000
        try:
            while True:
                await response.write(piece)
                went += len(piece)
        except (ConnectionError, asyncio.CancelledError):
            return response

    hub.answers["list"] = endless
    odd: list[OddAnswer] = []
    pool = ThreadPool(2)
    line = Line(hub.url, pool, ManualClock(), ca=None, rate_per_s=1000.0, max_bytes=1 << 20, keep=odd.append)
    try:
        with pytest.raises(OddAnswerError, match="larger than"):
            await line.ask(
                Question(operation="list", path="list"),
                lambda: Answer(item=lambda _: None, file=frozenset({"data"})),
            )
    finally:
        await line.close()
        pool.close()

    assert went < 64 << 20
    assert [len(answer.head) <= 64 * 1024 for answer in odd] == [True]
