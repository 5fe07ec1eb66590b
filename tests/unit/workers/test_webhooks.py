"""Webhooks get every event that they want, in order, signed, at least once; the tests also follow endpoints that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from gateway.domain import feed
from gateway.domain.account import ApiScope
from gateway.domain.event import EventKind
from gateway.domain.webhook import DeliveryState, EndpointState, PauseWhy, TryCode
from gateway.errors import NotFound, StaleLease
from gateway.store.webhooks import Report
from gateway.workers import webhooks
from tests.support import node
from tests.support.hooks import Behaviour, Hooked, Receiver, answers, fine, is_signed, near, receiving
from tests.support.node import DEPARTMENT
from tests.support.sealed import tamper
from tests.support.statements import noted_statements
from tests.support.waiting import within_limit

HOUR = timedelta(hours=1)


@pytest.fixture
async def hooked(tmp_path: Path) -> AsyncIterator[Hooked]:
    async with node.opened(tmp_path / "node", change=near) as town:
        yield Hooked(town=town)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as new_receiver:
        yield new_receiver


async def test_every_wanted_event_is_told_in_order_signed_and_as_the_feed_says_it(
    hooked: Hooked, receiver: Receiver
) -> None:
    secret, endpoint = await hooked.add(receiver.url, "message.*")
    await hooked.town.send("15", external_id="qlvb-15", callback_data="as it is")
    await hooked.town.carry()
    await hooked.town.number()
    await hooked.push()

    events = await hooked.town.node.store.events_after(endpoint.agency_id, 0, 500)
    messages = [x for x in events if x.kind.startswith("message.")]
    assert receiver.sequences == [x.agency_seq for x in messages]
    assert receiver.all_signed(secret)
    assert {headers["webhook-id"] for headers, _ in receiver.raw} == {feed.event_id(x) for x in messages}
    assert all(body["data"]["callback_data"] == "as it is" for body in receiver.bodies)
    assert receiver.bodies[0]["data"]["external_id"] == "qlvb-15"
    words = await hooked.town.node.webhooks.rows.client_words(endpoint.agency_id, feed.documents_of(messages))
    assert receiver.bodies == [feed.event_body(x, DEPARTMENT, words) for x in messages]
    assert [x.state for x in await hooked.log(endpoint.id)] == [DeliveryState.DELIVERED] * len(messages)


async def test_one_begins_with_what_happens_next_or_behind_a_named_event(
    hooked: Hooked, receiver: Receiver
) -> None:
    await hooked.happen(3)
    await hooked.add(receiver.url)
    await hooked.happen(1)
    await hooked.push()
    assert receiver.sequences == [4, 5], "the fourth says that there is a webhook now"

    receiver.bodies.clear()
    await hooked.add(receiver.url, "message.retry", start_after=1)
    await hooked.push()
    assert [sequence for sequence in receiver.sequences if sequence <= 3] == [2, 3]


@pytest.mark.parametrize(
    ("behave", "code", "status"),
    [
        (answers(500, text="broken\x1b[2J whsec_" + "A" * 44), TryCode.STATUS, 500),
        (answers(404), TryCode.STATUS, 404),
        (answers(302, headers={"Location": "http://127.0.0.1:1/"}), TryCode.REDIRECT, 302),
    ],
)
async def test_an_answer_that_is_none_is_tried_again_by_the_plan(
    hooked: Hooked, receiver: Receiver, behave: Behaviour, code: TryCode, status: int
) -> None:
    receiver.behave = behave
    secret, endpoint = await hooked.add(receiver.url)
    await hooked.happen()
    await hooked.push()

    (first,) = [delivery for delivery in await hooked.log(endpoint.id) if delivery.kind == "message.retry"]
    assert first.last is not None
    assert (first.state, first.last.code, first.last.status) == (DeliveryState.WAITING, code, status)
    assert "whsec_" not in first.last.said
    assert first.last.said.isprintable()

    tried = len(receiver.bodies)
    await hooked.push(timedelta(seconds=4))
    assert len(receiver.bodies) == tried, "the first wait is five seconds"
    receiver.behave = fine
    await hooked.push(timedelta(seconds=2))
    assert [delivery.state for delivery in await hooked.log(endpoint.id)] == [DeliveryState.DELIVERED] * 2
    assert receiver.all_signed(secret)


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody ends this")


async def drips(request: web.Request) -> web.StreamResponse:
    """Send a byte of the headers now and then, without end."""
    assert request.transport is not None
    while True:
        request.transport.write(b"H")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("behave", [hangs, drips])
async def test_one_that_hangs_or_drips_is_given_up_after_its_time(
    tmp_path: Path, receiver: Receiver, behave: Behaviour
) -> None:
    receiver.behave = behave
    async with node.opened(tmp_path / "node", change=partial(near, timeout_s=1)) as town:
        hooked = Hooked(town=town)
        _, endpoint = await hooked.add(receiver.url, "message.retry")
        await hooked.happen()
        await within_limit(hooked.push(), "telling one that never answers")
        (delivery,) = await hooked.log(endpoint.id)

    assert delivery.last is not None
    assert delivery.last.code in (TryCode.TIMEOUT, TryCode.BROKEN)


async def floods(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(1000):
        await answer.write(b"x" * 65536)
    return answer


async def trickles(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(300):
        await answer.write(b"x")
        await asyncio.sleep(0.1)
    return answer


@pytest.mark.parametrize("behave", [floods, trickles])
async def test_of_an_answer_the_beginning_alone_is_read_and_its_status_counts(
    hooked: Hooked, receiver: Receiver, behave: Behaviour
) -> None:
    (delivery,) = await hooked.log(await endpoint_of(hooked, receiver, behave))

    assert delivery.state is DeliveryState.DELIVERED
    assert delivery.last is not None
    assert delivery.last.said == "x" * len(delivery.last.said)
    assert len(delivery.last.said) <= 300


async def endpoint_of(hooked: Hooked, receiver: Receiver, behave: Behaviour = fine, count: int = 1) -> str:
    """Add a webhook with this answer, push some events to it, and return its id."""
    receiver.behave = behave
    _, endpoint = await hooked.add(receiver.url, "message.retry")
    await hooked.happen(count)
    await hooked.push()
    return endpoint.id


async def test_one_that_is_down_costs_two_tries_and_misses_nothing(
    hooked: Hooked, receiver: Receiver
) -> None:
    endpoint = await endpoint_of(hooked, receiver, answers(503), 30)
    assert len(receiver.bodies) == 2
    assert (await hooked.endpoint(endpoint)).is_failing

    receiver.behave = fine
    await hooked.push(timedelta(seconds=31))
    assert sorted(set(receiver.sequences)) == list(range(2, 32))
    assert receiver.sequences[2:] == list(range(2, 32)), "in order, what failed first"
    assert not (await hooked.endpoint(endpoint)).is_failing


async def test_one_event_that_never_comes_through_holds_nothing_up(
    hooked: Hooked, receiver: Receiver
) -> None:
    async def not_the_third(request: web.Request) -> web.StreamResponse:
        return web.Response(status=422 if receiver.bodies[-1]["sequence"] == 3 else 200)

    endpoint = await endpoint_of(hooked, receiver, not_the_third, 6)
    states = {x.sequence: x.state for x in await hooked.log(endpoint)}
    assert states == {n: DeliveryState.WAITING if n == 3 else DeliveryState.DELIVERED for n in range(2, 8)}

    for _ in range(12):
        await hooked.push(12 * HOUR)
        await hooked.happen()
        await hooked.push()
    (third,) = [x for x in await hooked.log(endpoint) if x.sequence == 3]
    assert third.state is DeliveryState.FAILED
    assert (await hooked.endpoint(endpoint)).state is EndpointState.ACTIVE
    gave_up = await hooked.town.events(DEPARTMENT, endpoint)
    assert [x.data["sequence"] for x in gave_up if x.kind is EventKind.WEBHOOK_GAVE_UP] == [3]


async def test_due_deliveries_are_read_at_once_and_one_whose_event_is_gone_waits_no_more(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deliveries wait, and the event of one is removed; one that waits is enough to keep new events back."""
    endpoint = await endpoint_of(hooked, receiver, answers(503), 2)
    lost_number, kept_number = [x.sequence for x in await hooked.log(endpoint)]
    url = hooked.town.node.settings.database.url
    await tamper(url, "DELETE FROM event WHERE agency_seq = :sequence", sequence=lost_number)
    await hooked.happen()
    monkeypatch.setattr(webhooks, "MOST_WAITING", 1)
    receiver.behave = fine
    receiver.bodies.clear()
    hooked.town.clock.advance(31)

    with noted_statements() as statements:
        async with asyncio.TaskGroup() as tasks:
            await hooked.pusher(tasks.create_task).step()

    assert receiver.sequences == [kept_number, kept_number + 1], "the new event goes out in the same batch"
    assert statements.reads("event") == 2, "those that are due, and the new one"
    assert [x.state for x in await hooked.log(endpoint)] == [
        DeliveryState.FAILED,
        *[DeliveryState.DELIVERED] * 2,
    ]


async def test_one_that_takes_nothing_for_three_days_is_paused_told_of_and_goes_on_where_it_stopped(
    hooked: Hooked, receiver: Receiver
) -> None:
    endpoint = await endpoint_of(hooked, receiver, answers(500), 5)
    while (endpoint_row := await hooked.endpoint(endpoint)).state is EndpointState.ACTIVE:
        await hooked.push(HOUR / 2)
    assert endpoint_row.paused_why is PauseWhy.FAILING
    assert endpoint_row.paused_at is not None
    assert timedelta(days=3) <= endpoint_row.paused_at - endpoint_row.created_at <= timedelta(days=3, hours=1)
    events = await hooked.town.events(DEPARTMENT, endpoint)
    assert [event.data["why"] for event in events if event.kind is EventKind.WEBHOOK_PAUSED] == ["failing"]

    receiver.behave, receiver.bodies = fine, []
    await hooked.push(HOUR)
    assert not receiver.bodies
    await hooked.town.node.webhooks.resume(await hooked.scope(), endpoint)
    await hooked.town.number()
    await hooked.push()
    assert receiver.sequences == [2, 3, 4, 5, 6]


async def test_410_pauses_at_once_and_an_agency_that_left_is_told_nothing(
    hooked: Hooked, receiver: Receiver
) -> None:
    receiver.behave = answers(410)
    _, endpoint = await hooked.add(receiver.url)
    await hooked.happen(5)
    await hooked.push()

    assert (await hooked.endpoint(endpoint.id)).paused_why is PauseWhy.GONE
    assert len(receiver.bodies) == 1

    receiver.bodies.clear()
    _, other = await hooked.add(receiver.url, start_after=0)
    await hooked.town.number()
    assert await hooked.town.node.store.accounts.leave(other.agency_id) == {}
    await hooked.push()

    assert not receiver.bodies
    endpoint_row = await hooked.town.node.webhooks.rows.get(other.agency_id, other.id)
    assert endpoint_row.state is EndpointState.PAUSED


async def test_while_a_secret_is_changed_both_are_good_and_then_the_new_one_alone(
    hooked: Hooked, receiver: Receiver
) -> None:
    old, endpoint = await hooked.add(receiver.url, "message.retry")
    new, _ = await hooked.town.node.webhooks.rotate(await hooked.scope(), endpoint.id, timedelta(hours=2))
    await hooked.happen()
    await hooked.push()
    await hooked.happen()
    await hooked.push(2 * HOUR)

    first, second = receiver.raw
    assert is_signed(old, *first)
    assert is_signed(new, *first)
    assert not is_signed(old, *second)
    assert is_signed(new, *second)
    headers, body = second
    assert not is_signed(new, headers, body.replace(b"retry", b"reset")), "what was changed does not fit"


async def test_a_lease_that_was_lost_keeps_nothing(hooked: Hooked, receiver: Receiver) -> None:
    _, endpoint = await hooked.add(receiver.url)
    await hooked.happen()
    rows = hooked.town.node.webhooks.rows
    (early,) = await rows.claim(5, 10.0, slow=False)
    assert not await rows.claim(5, 10.0, slow=False)
    hooked.town.clock.advance(11)
    (late,) = await rows.claim(5, 10.0, slow=False)

    with pytest.raises(StaleLease):
        await rows.record(early, Report(cursor=99, suspects=0))
    await rows.record(late, Report(cursor=2, suspects=0))
    assert (await hooked.endpoint(endpoint.id)).cursor == 2


async def test_told_anew_are_events_that_it_may_be_told_alone(hooked: Hooked, receiver: Receiver) -> None:
    _, endpoint = await hooked.add(receiver.url, "message.retry", scopes=frozenset({ApiScope.MESSAGES_READ}))
    await hooked.happen(2)
    await hooked.push()
    services, scope = hooked.town.node.webhooks, await hooked.scope()
    assert await services.redeliver(scope, endpoint.id, [3]) == 1
    await hooked.push()
    assert receiver.sequences == [2, 3, 3]
    assert receiver.raw[1][0]["webhook-id"] == receiver.raw[2][0]["webhook-id"]
    for other in (1, 99):  # the webhook's own making, and none at all
        with pytest.raises(NotFound):
            await services.redeliver(scope, endpoint.id, [other])


async def test_a_report_for_one_webhook_is_told_to_that_one_alone(hooked: Hooked, receiver: Receiver) -> None:
    async with receiving() as other:
        _, endpoint = await hooked.add(receiver.url, "message.report")
        _, deaf = await hooked.add(other.url, "message.report")
        scope, clock = await hooked.scope(), hooked.town.clock
        async with hooked.town.node.store.changing(scope) as work:
            for facts in ({"report": "outgoing", "webhook": endpoint.id}, {"report": "paper"}):
                await work.events.append(EventKind.MESSAGE_REPORT, "rsc_1", clock.now(), facts)
        await hooked.town.number()
        await hooked.push()

        assert [body["data"]["report"] for body in receiver.bodies] == ["outgoing", "paper"]
        assert [body["data"]["report"] for body in other.bodies] == ["paper"]
        with pytest.raises(NotFound):
            await hooked.town.node.webhooks.redeliver(scope, deaf.id, [receiver.sequences[0]])


async def test_a_slow_one_has_other_places_than_those_that_answer(hooked: Hooked) -> None:
    """Eight that hang take the half that is theirs; the others get their events meanwhile."""
    rows = hooked.town.node.webhooks.rows
    async with receiving(hangs) as stuck, receiving() as quick:
        for _ in range(8):
            await hooked.add(stuck.url, "message.retry")
        await hooked.happen(3)
        for claim in await rows.claim(8, 60.0, slow=False):
            await rows.record(claim, Report(cursor=0, suspects=0, slow=True))
        await hooked.add(quick.url, "message.retry", start_after=0)
        pushing = asyncio.create_task(hooked.push())
        await quick.wait_for(3)
        assert len(stuck.bodies) <= 4
        pushing.cancel()
        await asyncio.wait([pushing])


async def test_a_trial_is_signed_and_no_event_and_no_secret_stands_in_rows_or_events(
    hooked: Hooked, receiver: Receiver
) -> None:
    secret, endpoint = await hooked.add(receiver.url + "?token=theirs")
    trial = await hooked.town.node.webhooks.test(await hooked.scope(), endpoint.id, DEPARTMENT)

    assert trial.is_good
    assert receiver.all_signed(secret)
    assert (receiver.bodies[0]["type"], receiver.bodies[0]["sequence"]) == ("webhook.test", 0)
    assert not await hooked.log(endpoint.id)
    secrets_kept = json.dumps([x.sealed for x in (await hooked.endpoint(endpoint.id)).secrets])
    events = json.dumps([x.data for x in await hooked.town.events(DEPARTMENT, endpoint.id)])
    assert secret.removeprefix("whsec_") not in secrets_kept
    assert "theirs" not in events


async def test_new_events_are_looked_through_only_where_an_endpoint_is_active(
    hooked: Hooked, receiver: Receiver
) -> None:
    """The list of active endpoints is as old as the last look; adding or changing an endpoint asks for one."""
    rung: list[bool] = []
    async with asyncio.TaskGroup() as tasks:
        pusher = hooked.pusher(tasks.create_task, lambda: rung.append(True))
        pusher.hear_of_events()
        assert len(rung) == 1, "at first nobody knows"

        await pusher.step()
        pusher.hear_of_events()
        assert len(rung) == 1

        _, endpoint = await hooked.add(receiver.url)
        await hooked.happen(1)
        await pusher.step()
        pusher.hear_of_events()
        assert len(rung) == 2

    assert receiver.sequences
    await hooked.town.node.webhooks.rows.remove(await hooked.scope(), endpoint.id)
    await pusher.step()
    rung.clear()
    pusher.hear_of_events()
    assert not rung
