"""Recalls that wait for the head: each agency's own, closed once, also when two close it at the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import Clash, NotFound
from gateway.office.domain.task import AskState, RecallAsk
from gateway.office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, outgoing


async def asked(store: SqlOfficeStore, clock: ManualClock) -> RecallAsk:
    document = outgoing(clock)
    made = RecallAsk(
        id=clock.new_id("rca_"),
        document_id=document.id,
        reason="Gửi nhầm nơi nhận.",
        notice_no="7/TB",
        take_back=False,
        recipients=("Z91.02", "Z91.03"),
        asked_by="prn_clerk",
        asked_at=clock.now(),
    )
    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.office.recalls.add(made)
    return made


async def test_what_was_asked_comes_back_to_its_own_agency_alone_and_of_two_who_close_it_one_is_too_late(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    made = await asked(store, clock)

    async with store.read(NORTH) as work:
        assert await work.office.recalls.get(made.id) == made
        assert list(await work.office.recalls.of_document(made.document_id)) == [made]
        assert list(await work.office.recalls.open(9)) == [made]
    async with store.read(SOUTH) as work:
        assert list(await work.office.recalls.of_document(made.document_id)) == []
        assert list(await work.office.recalls.open(9)) == []
        with pytest.raises(NotFound):
            await work.office.recalls.get(made.id)

    async def close(state: AskState) -> None:
        async with committing(store) as work:
            closed = replace(
                made, state=state, decided_by="prn_head", decided_at=clock.now(), why="Không cần."
            )
            await work.office.recalls.close(closed)

    found = await asyncio.gather(close(AskState.REFUSED), close(AskState.WITHDRAWN), return_exceptions=True)

    assert sorted(type(each).__name__ for each in found) == ["Clash", "NoneType"]
    assert any(isinstance(each, Clash) for each in found)
    async with store.read(NORTH) as work:
        (kept,) = await work.office.recalls.of_document(made.document_id)
        assert not kept.is_open
        assert kept.why == "Không cần."
        assert list(await work.office.recalls.open(9)) == []
