"""A sent document waits to be called back to a draft, until it is packed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.domain.document import OutgoingDocument, OutState
from gateway.errors import Clash
from gateway.outgoing import manage
from gateway_office.letters import follow_up
from tests.office.support.node import DEPARTMENT, PDF, OfficeTown
from tests.unit.outgoing.test_drafting import LEAD, WAIT, begun


async def test_a_document_waits_to_be_called_back_and_then_leaves_by_itself(town: OfficeTown) -> None:
    scope = await town.scope(DEPARTMENT)
    document = await begun(town, None, ("a.pdf", LEAD, PDF))
    sent = await manage.send_draft(town.node.out, scope, document.id, wait=WAIT)
    await town.carry()
    assert await town.incoming() == ()
    assert (await town.delivery(sent)).state == "queued"

    town.clock.advance(WAIT + timedelta(seconds=1))
    await town.carry()

    assert len(await town.incoming()) == 1
    with pytest.raises(Clash, match="called back"):
        await follow_up.call_back(town.node.out, scope, document.id)


async def test_a_document_that_is_called_back_never_leaves_and_becomes_a_draft(town: OfficeTown) -> None:
    scope = await town.scope(DEPARTMENT)
    document = await begun(town, None, ("a.pdf", LEAD, PDF))
    sent = await manage.send_draft(town.node.out, scope, document.id, wait=WAIT)

    outcomes = await asyncio.gather(
        *(follow_up.call_back(town.node.out, scope, document.id) for _ in range(2)), return_exceptions=True
    )
    reopened = next(x for x in outcomes if isinstance(x, OutgoingDocument))

    assert sum(isinstance(x, Clash) for x in outcomes) == 1
    assert (await town.delivery(sent)).state == "cancelled"
    assert (reopened.state, reopened.draft, reopened.files) == (OutState.DRAFT, sent.draft, sent.files)
    undone = [x.data for x in await town.events(DEPARTMENT, document.id) if x.kind == "message.cancelled"]
    assert undone == [{"undone": reopened.id}]
    town.clock.advance(WAIT + timedelta(seconds=1))
    await town.carry()
    assert await town.incoming() == ()

    await manage.send_draft(town.node.out, scope, reopened.id)
    await town.carry()
    assert [x.number for x in await town.incoming()] == ["15"]


async def test_what_is_being_packed_is_not_called_back(town: OfficeTown) -> None:
    """Either it leaves whole, or it comes back whole."""
    scope = await town.scope(DEPARTMENT)
    document = await begun(town, None, ("a.pdf", LEAD, PDF))
    await manage.send_draft(town.node.out, scope, document.id)
    assert await town.node.store.claim_jobs("pack", 1, 60.0)

    with pytest.raises(Clash, match="recall"):
        await follow_up.call_back(town.node.out, scope, document.id)

    assert await town.count("outgoing_document") == 1
