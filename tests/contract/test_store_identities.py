"""Tombstones: a packet is admitted once, whatever it is called the second time (G3, A4, A9)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway import errors
from gateway.domain.document import Kind
from gateway.domain.proof import Identity
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, digest, opened, refused


@pytest.fixture
def identity(clock: ManualClock) -> Identity:
    return Identity(
        sender="Z91.02",
        body_digest=digest("body"),
        kind=Kind.DOCUMENT,
        packet_id="p-1",
        document_id="d-1",
        inbox_id="box-1",
        incoming_id="inc-1",
        at=clock.now(),
    )


async def test_a4_an_identity_is_found_by_body_and_by_packet_and_either_again_conflicts(
    store: SqlStore, identity: Identity
) -> None:
    async with committing(store) as work:
        await work.identities.claim(identity)

    async with store.read(NORTH) as view:
        assert await view.identities.by_body("Z91.02", digest("body")) == identity
        assert await view.identities.by_packet("Z91.02", "p-1") == identity
        assert await view.identities.by_packet("z91.02", "p-1") is None
        assert await view.identities.by_body("Z91.02", digest("other")) is None

    async with refused(store, NORTH, errors.Conflict) as work:
        await work.identities.claim(replace(identity, packet_id="p-2"))
    async with refused(store, NORTH, errors.Conflict) as work:
        await work.identities.claim(replace(identity, body_digest=digest("other")))
    async with store.read(NORTH) as work:
        assert await work.identities.by_packet("Z91.02", "p-1") == identity


async def test_packets_without_an_id_or_of_others_do_not_conflict(
    store: SqlStore, identity: Identity
) -> None:
    async with committing(store) as work:
        for n in range(2):
            await work.identities.claim(replace(identity, packet_id=None, body_digest=digest(n)))
        await work.identities.claim(replace(identity, sender="Z91.03"))
    async with committing(store, SOUTH) as work:
        await work.identities.claim(identity)


async def test_a9_new_and_replacement_packets_of_a_document_come_newest_first(
    store: SqlStore, identity: Identity, clock: ManualClock
) -> None:
    kinds = [Kind.DOCUMENT, Kind.STATUS, Kind.REPLACEMENT, Kind.UPDATE]
    async with store.begin(NORTH) as work:
        for n, kind in enumerate(kinds):
            clock.advance(1)
            identity_of_kind = replace(
                identity, kind=kind, packet_id=f"p-{n}", body_digest=digest(n), at=clock.now()
            )
            await work.identities.claim(identity_of_kind)

        identities = await work.identities.by_document("Z91.02", "d-1")

    assert [identity_of_kind.packet_id for identity_of_kind in identities] == ["p-2", "p-0"]


async def test_g3_only_one_of_many_admitting_transactions_wins(
    store: SqlStore, identity: Identity, clock: ManualClock, store_url: str
) -> None:
    async def admit(through: SqlStore, n: int) -> bool:
        async with through.begin(NORTH) as work:
            try:
                await work.identities.claim(replace(identity, inbox_id=f"box-{n}"))
                await work.commit()
            except errors.Conflict:
                return False
            return True

    async with opened(store_url, clock) as second:
        won = await asyncio.gather(*(admit((store, second)[n % 2], n) for n in range(10)))

    assert sum(won) == 1
