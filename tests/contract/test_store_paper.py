"""The paper dispatch list on both databases: which recipients wait, in what order, and what one agency knows of
another's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import errors
from gateway.store.paper_letters import PaperPart
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, delivery, outgoing


async def test_what_waits_is_handed_over_once_and_by_its_own_agency_alone(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = outgoing(clock)
    to = [delivery(document, f"Z91.0{n}") for n in range(1, 4)]
    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.deliveries.add(to)
        await work.paper.open(document.id, [to[0].id, to[1].id], clock.now())
        await work.paper.open(document.id, [to[2].id], clock.now() - timedelta(days=1))
        await work.deliveries.save_state(to[1].id, "cancelled", (), clock.now())
    day = clock.now().date()

    async with committing(store) as work:
        first, second = await work.paper.waiting(10)
        await work.paper.close(replace(first, handed_over=day, means="post", closed_at=clock.now()))
        with pytest.raises(errors.NotFound):
            await work.paper.close(PaperPart(delivery_id="none", document_id="", opened_at=clock.now()))
    async with store.begin(SOUTH) as work:
        assert (await work.paper.waiting(10), await work.paper.of_document(document.id)) == ([], [])
        with pytest.raises(errors.NotFound):
            await work.paper.close(second)
    async with store.read(NORTH) as work:
        waiting, handed_over = await work.paper.waiting(10), await work.paper.handed_over(day, day, 10)
        assert await work.paper.handed_over(day + timedelta(days=1), day + timedelta(days=2), 10) == []

    assert [p.delivery_id for p in (first, second)] == [to[2].id, to[0].id]
    assert [p.delivery_id for p in waiting] == [to[0].id]
    assert [(p.delivery_id, p.means) for p in handed_over] == [(to[2].id, "post")]
