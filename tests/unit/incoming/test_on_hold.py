"""A clerk sets a new document aside: it waits with its reason, no document system gets it, taking it in ends the hold."""

from __future__ import annotations

import pytest

from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound, Refused, StaleVersion
from gateway.incoming import act, handover
from tests.support.node import PDF, PROVINCE, Town, document

FILES = (("van-ban.pdf", PDF),)
WHY = "Chờ hỏi lại nơi gửi"


async def test_what_is_on_hold_is_offered_to_nobody_until_it_is_taken_in(town: Town) -> None:
    """R37 (no duty without registration)."""
    await town.brought(town.forge(document(), FILES))
    arrived, scope = await town.only(), await town.scope(PROVINCE)

    saved = await act.set_aside(town.node.inn, scope, arrived.id, f" {WHY} ", expect_version=arrived.version)

    async with town.node.store.read(scope) as work:
        facts = await work.facts.of_subject(arrived.id)
        events = [
            event for event in await work.events.of_subject(arrived.id) if event.kind is EventKind.INBOX_HELD
        ]
        with pytest.raises(NotFound):
            await work.handovers.get(arrived.id)
    assert saved.state == "held"
    assert [fact.note for fact in facts if fact.code == "held"] == [WHY]
    assert [(event.data["why"], event.data["by"]) for event in events] == [(WHY, scope.principal_id)]
    await town.status(arrived, "03", register_no="4")
    async with town.node.store.read(scope) as work:
        assert (await work.handovers.get(arrived.id)).state == "available"
    assert (await town.only()).state == "accepted"


async def test_what_a_document_system_has_stays_with_it(town: Town) -> None:
    await town.brought(town.forge(document(), FILES))
    arrived, scope = await town.only(), await town.scope(PROVINCE)
    await handover.ack(town.node.inn, scope, arrived.id, "key")

    await act.set_aside(town.node.inn, scope, arrived.id, WHY)

    async with town.node.store.read(scope) as work:
        assert (await work.handovers.get(arrived.id)).state == "acked"


async def test_only_waiting_documents_are_held_and_only_with_a_reason_and_the_current_version(
    town: Town,
) -> None:
    """R59 (irregular signs)."""
    await town.brought(town.forge(document(), FILES))
    arrived, scope = await town.only(), await town.scope(PROVINCE)

    with pytest.raises(Refused, match="reason"):
        await act.set_aside(town.node.inn, scope, arrived.id, "  ")
    with pytest.raises(StaleVersion):
        await act.set_aside(town.node.inn, scope, arrived.id, WHY, expect_version=arrived.version + 1)
    assert await town.only() == arrived
    await town.status(arrived, "03", register_no="4")
    with pytest.raises(Clash, match="accepted"):
        await act.set_aside(town.node.inn, scope, arrived.id, WHY)
