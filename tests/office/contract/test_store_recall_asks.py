"""Recalls that wait for the head: each agency's own, closed once, also when two close it at the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import Clash, NotFound
from gateway_office.domain.task import AskState, RecallAsk
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, outgoing


async def add_ask(store: SqlOfficeStore, clock: ManualClock) -> RecallAsk:
    document = outgoing(clock)
    ask = RecallAsk(
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
        await work.office.recalls.add(ask)
    return ask


async def test_what_was_asked_comes_back_to_its_own_agency_alone_and_of_two_who_close_it_one_is_too_late(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    ask = await add_ask(store, clock)

    async with store.read(NORTH) as work:
        assert await work.office.recalls.get(ask.id) == ask
        assert list(await work.office.recalls.of_document(ask.document_id)) == [ask]
        assert list(await work.office.recalls.open(9)) == [ask]
    async with store.read(SOUTH) as work:
        assert list(await work.office.recalls.of_document(ask.document_id)) == []
        assert list(await work.office.recalls.open(9)) == []
        with pytest.raises(NotFound):
            await work.office.recalls.get(ask.id)

    async def close(state: AskState) -> None:
        async with committing(store) as work:
            closed = replace(
                ask, state=state, decided_by="prn_head", decided_at=clock.now(), why="Không cần."
            )
            await work.office.recalls.close(closed)

    outcomes = await asyncio.gather(
        close(AskState.REFUSED), close(AskState.WITHDRAWN), return_exceptions=True
    )

    assert sorted(type(o).__name__ for o in outcomes) == ["Clash", "NoneType"]
    assert any(isinstance(o, Clash) for o in outcomes)
    async with store.read(NORTH) as work:
        (stored,) = await work.office.recalls.of_document(ask.document_id)
        assert not stored.is_open
        assert stored.why == "Không cần."
        assert list(await work.office.recalls.open(9)) == []
