"""Drafts, cancelling at each stage, sending again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.document import OutState
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.errors import Clash, Refused, StaleVersion, Unreachable
from gateway.outgoing import manage, requests
from tests.support.faulty import Faulty
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PROVINCE, Town, opened


async def test_a_draft_may_be_incomplete_goes_nowhere_and_is_checked_when_it_is_sent(town: Town) -> None:
    incomplete = await town.send("", send=False)
    stored = await town.send("15", send=False)
    scope = await town.scope(DEPARTMENT)
    await town.carry()
    assert await town.incoming() == ()
    assert await town.count("delivery") == 0

    with pytest.raises(Refused, match="missing"):
        await manage.send_draft(town.node.out, scope, incomplete.id)
    sent = await manage.send_draft(town.node.out, scope, stored.id)
    await town.carry()

    assert (await town.delivery(sent)).state == "delivered"
    with pytest.raises(Clash):
        await manage.send_draft(town.node.out, scope, stored.id)
    assert len(await town.incoming()) == 1


async def test_a_draft_sent_by_two_at_once_leaves_once(town: Town) -> None:
    draft = await town.send("15", send=False)
    scope = await town.scope(DEPARTMENT)

    outcomes = await asyncio.gather(
        *(manage.send_draft(town.node.out, scope, draft.id) for _ in range(3)), return_exceptions=True
    )

    assert sum(isinstance(outcome, StaleVersion | Clash | Refused) for outcome in outcomes) == 2
    await town.carry()
    assert len(await town.incoming()) == 1
    assert await town.count("delivery") == 1


async def test_two_drafts_with_one_number_and_only_the_first_leaves(town: Town) -> None:
    """R117. And what has no envelope yet cannot be sent again."""
    scope = await town.scope(DEPARTMENT)
    first = await town.send("15", send=False)
    second = await town.send("15", send=False, subject="Bản khác")

    queued = await manage.send_draft(town.node.out, scope, first.id)
    with pytest.raises(Refused, match="number-taken"):
        await manage.send_draft(town.node.out, scope, second.id)
    with pytest.raises(Clash):
        await manage.resend(town.node.out, scope, queued.id)


@pytest.mark.parametrize("stage", ["draft", "queued", "packed"])
async def test_what_has_not_left_is_cancelled_and_never_leaves(town: Town, stage: str) -> None:
    document = await town.send("15", send=stage != "draft")
    if stage == "packed":
        await town.pack()
    scope = await town.scope(DEPARTMENT)

    cancelled = await manage.cancel(town.node.out, scope, document.id)
    await town.carry()

    assert cancelled.state is OutState.CANCELLED
    assert await town.incoming() == ()
    assert [delivery.state for delivery in (await town.deliveries(document)).values()] == (
        [] if stage == "draft" else ["cancelled"]
    )
    async with town.node.store.read(scope) as work:
        assert not await work.blobs.holds(document.files[0].sha256)
    assert "message.cancelled" in [event.kind.value for event in await town.events(DEPARTMENT, document.id)]
    with pytest.raises(Clash, match="cancelled already"):
        await manage.cancel(town.node.out, scope, document.id)
    await town.send("15")  # its number is free again


@pytest.mark.parametrize("stage", ["leased to a packer", "leased to a courier", "sent", "delivered"])
@pytest.mark.usefixtures("keys_away")
async def test_what_a_worker_has_or_had_is_not_cancelled(town: Town, stage: str) -> None:
    await town._host()
    document = await town.send("15")
    if stage == "leased to a packer":
        await town.node.store.claim_jobs("pack", 10, LEASE_S)
    else:
        await town.pack()
    if stage == "leased to a courier":
        await town.node.store.claim_outbox(10, LEASE_S)
    if stage in ("sent", "delivered"):
        await town.dispatch()
    if stage == "delivered":
        await town.carry()

    with pytest.raises(Clash) as clash:
        await manage.cancel(town.node.out, await town.scope(DEPARTMENT), document.id)

    assert clash.value.code == "GW-ALREADY-SENT"
    town.clock.advance(LEASE_S + 1)
    await town.carry()
    assert (await town.delivery(document)).state == "delivered"


@pytest.mark.parametrize("unsure", [False, True])
async def test_while_the_axis_is_away_what_waits_is_cancelled_and_what_arrived_all_the_same_is_recalled(
    tmp_path: Path, unsure: bool
) -> None:
    """The delivery of a try with an unknown outcome says that it may have left; where it did, a status of its recipient
    counts."""
    axis = Faulty("axis", "publish")
    async with opened(tmp_path / "node", wrap=axis) as town:
        await town._host()
        axis.error = Unreachable("no answer")
        axis.error.unsure = unsure
        sent = await town.send("15")
        await town.pack()
        await town.dispatch()

        await manage.cancel(town.node.out, await town.scope(DEPARTMENT), sent.id)

        standing = await town.standing(sent)
        assert (standing.word, standing.marks) == ("cancelled", ("may_have_left",) if unsure else ())
        axis.error = None
        town.clock.advance(24 * 3600)
        await town.carry()
        assert await town.incoming() == ()

        with pytest.raises(Clash, match="not left"):
            await town.recall(sent)
        arrived = Fact(track=Track.BUSINESS, code="01", at=town.clock.now(), stated_at=town.clock.now())
        delivery = await town.delivery(sent)
        async with town.node.store.changing(await town.scope(DEPARTMENT)) as work:
            await requests.add_fact(town.node.out, work, delivery, arrived)
        assert (await town.delivery(sent)).state == "delivered"
        await town.recall(sent)


async def test_cancelling_a_version_that_somebody_changed_is_refused(town: Town) -> None:
    draft = await town.send("15", send=False)

    with pytest.raises(StaleVersion):
        await manage.cancel(town.node.out, await town.scope(DEPARTMENT), draft.id, expect_version=7)

    assert (await town.document(draft)).state is OutState.DRAFT


async def test_the_same_bytes_sent_again_to_one_who_has_them_are_a_repeat(town: Town) -> None:
    sent = await town.send("15", PROVINCE, COMMUNE)
    await town.carry()
    scope = await town.scope(DEPARTMENT)
    with pytest.raises(Clash):
        await manage.resend(town.node.out, scope, sent.id)

    await manage.resend(town.node.out, scope, sent.id, [PROVINCE])
    await town.carry()

    assert (await town.deliveries(sent))[PROVINCE].state == "delivered"
    assert len(await town.incoming()) == 1
    with pytest.raises(Refused, match="recipient-unknown"):
        await manage.resend(town.node.out, scope, sent.id, [PROVINCE, "Z91.99"])


async def test_what_was_refused_or_cancelled_is_not_sent_again_as_it_was(town: Town) -> None:
    refused, recalled, cancelled = [await town.send(number) for number in ("15", "16", "17")]
    scope = await town.scope(DEPARTMENT)
    await town.pack()
    await manage.cancel(town.node.out, scope, cancelled.id)
    await town.carry()
    await town.status(await town.as_incoming(refused), "02")
    await town.recall(recalled)
    await town.carry()

    for document in (refused, recalled, cancelled):
        with pytest.raises(Clash):
            await manage.resend(town.node.out, scope, document.id, [PROVINCE])

    assert (await town.delivery(refused)).state == "rejected"
