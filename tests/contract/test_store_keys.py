"""Ends of keys, notices of ends, and envelopes by what signed them: one answer for every process of a database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyEnd
from gateway.errors import StaleLease
from gateway.store.people import SqlKeyEnds
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, digest, outbox_item, refused, stored

NODE = AgencyScope(agency_id="", principal_id="node")
DAY = timedelta(days=1)


def end(clock: ManualClock, at: timedelta = timedelta(), stolen: timedelta | None = None) -> KeyEnd:
    now = clock.now()
    return KeyEnd(
        agency_code="Z91",
        key_id="k",
        fingerprint="aa",
        at=now + at,
        by="operator",
        stolen_since=None if stolen is None else now + stolen,
    )


async def save_end(store: SqlStore, end_of_key: KeyEnd) -> None:
    async with store.writing() as tx:
        await SqlKeyEnds(tx).save(end_of_key)
        await tx.commit()


async def test_of_two_ends_of_a_key_the_earlier_holds(store: SqlStore, clock: ManualClock) -> None:
    await save_end(store, end(clock, 2 * DAY))
    await save_end(store, end(clock, DAY, stolen=-DAY))
    await save_end(store, end(clock, 5 * DAY, stolen=-2 * DAY))

    assert list(await store.key_ends("Z91")) == [end(clock, DAY, stolen=-2 * DAY)]
    assert list(await store.key_ends("Z92")) == []


@pytest.mark.parametrize("first", ["", "the key"])
async def test_an_end_keeps_the_key_that_any_of_its_reports_named(
    store: SqlStore, clock: ManualClock, first: str
) -> None:
    """The node ends a revoked certificate without naming its key; a person may name it before or after."""
    for key_id in (first, "the key" if not first else ""):
        await save_end(store, replace(end(clock, DAY), key_id=key_id))

    assert [key_end.key_id for key_end in await store.key_ends("Z91")] == ["the key"]


async def test_an_end_is_told_by_one_process_alone(store: SqlStore) -> None:
    answers = await asyncio.gather(*(store.record_key_expiring("aa", 30, {"code": "Z91"}) for _ in range(5)))

    assert sorted(answers) == [False, False, False, False, True]
    assert await store.record_key_expiring("aa", 7, {"code": "Z91"})
    async with store.read(NODE) as work:
        events = await work.events.of_subject("key:aa")
    assert [event.data["days"] for event in events] == [30, 7]


async def test_envelopes_are_found_by_what_signed_them_and_when(store: SqlStore, clock: ManualClock) -> None:
    for n, (scope, signed_by) in enumerate(((NORTH, "aa"), (NORTH, "bb"), (SOUTH, "aa"), (NORTH, None))):
        async with committing(store, scope) as work:
            at = clock.now() + n * DAY
            item = outbox_item(clock, scope=scope, id=f"obx_{n}", signed_by=signed_by, created_at=at)
            await work.outbox.add(item)

    envelopes = await store.signed_under("aa", clock.now(), 10)
    late = await store.signed_under("aa", clock.now() + DAY, 10)

    assert [e.id for e in envelopes] == ["obx_0", "obx_2"]
    assert [e.id for e in late] == ["obx_2"]


async def test_only_who_holds_the_row_gives_it_another_envelope(store: SqlStore, clock: ManualClock) -> None:
    await stored(store, outbox_item(clock, id="obx_1", signed_by="aa"))
    (claim,) = await store.claim_outbox(1, 60)
    clock.advance(61)
    (newer,) = await store.claim_outbox(1, 60)
    other = replace(claim.item, envelope_digest=digest("another"), signed_by="bb")

    async with refused(store, NORTH, StaleLease) as work:
        await work.outbox.replace_envelope(claim.lease, other)
    async with committing(store) as work:
        await work.outbox.replace_envelope(newer.lease, other)

    async with store.read(NORTH) as work:
        item = await work.outbox.get("obx_1")
    assert (item.envelope_digest, item.signed_by, item.state) == (other.envelope_digest, "bb", "waiting")
