"""Rows that a process writes while it has a courier are leased to it from the start and sent without a claim; those
that it loses from memory are claimed when the lease is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from gateway.domain.document import Lane, OutgoingDocument, ReplyLink, Urgency
from gateway.errors import StoreFailure
from gateway.outgoing import files
from gateway.store.blob_refs import SqlBlobRefs
from gateway.store.work import SqlWork
from gateway.workers import couriers
from tests.support.node import DEPARTMENT, LEASE_S, PDF, PROVINCE, Town

MOST = 3
SMALL = (("14.pdf", PDF),)
LARGE = (("14.pdf", PDF + bytes(100_000)),)


@pytest.fixture
async def rung(town: Town) -> AsyncIterator[list[str]]:
    """Give the process a courier; yield a list with an entry for each ring."""
    rings: list[str] = []
    await town._host()
    town.node.out.own_rows.open(lambda: rings.append("rung"), MOST, LEASE_S)
    yield rings
    town.node.out.own_rows.close()


async def send_own(town: Town) -> bool:
    return bool(await couriers.send_own(town.node.out, 10, LEASE_S))


async def state_of(town: Town, sent: OutgoingDocument) -> str:
    return (await town.delivery(sent)).state


async def test_a_document_and_its_01_go_there_and_back_without_a_claim(town: Town, rung: list[str]) -> None:
    sent = await town.send("15")
    assert (rung, await town.dispatch(), await state_of(town, sent)) == (["rung"], 0, "queued")

    assert await send_own(town)
    assert (await town.dispatch(), await state_of(town, sent)) == (0, "sent")

    await town.land(by_steps=False)
    assert (len(rung), await town.dispatch()) == (2, 0)
    assert await send_own(town)
    await town.land(by_steps=False)
    assert await state_of(town, sent) == "delivered"
    assert not await send_own(town)
    assert {row.state for code in (DEPARTMENT, PROVINCE) for row in await town.outbox(code)} == {"sent"}


async def test_a_reply_ends_the_wait_of_what_it_answers_and_any_other_document_asks_for_none(
    town: Town, rung: list[str]
) -> None:
    today = town.node.out.today()
    letter = await town.send("14")
    await send_own(town)
    await town.land(by_steps=False)
    link = ReplyLink(agency=DEPARTMENT, number=letter.draft.code, date=today, document_id=letter.document_id)
    reply = await town.send("88", DEPARTMENT, sender=PROVINCE, replies_to=(link,))

    await send_own(town)

    assert (await town.reload(await town.only())).answered_by == (reply.id,)


async def test_what_is_large_goes_by_its_file_without_another_look_and_nothing_small_waits_for_it(
    town: Town, rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    large: list[str] = []
    town.node.out.own_rows.open(lambda: rung.append("rung"), MOST, LEASE_S, lambda: large.append("rung"))
    sent = await town.send("14", files=LARGE)
    assert (rung, large, await town.dispatch(), await send_own(town)) == ([], ["rung"], 0, False)

    with monkeypatch.context() as patch:
        patch.setattr(SqlBlobRefs, "find_all", None)
        assert await couriers.dispatch_batch(town.node.out, 10, LEASE_S)

    assert (await state_of(town, sent), await town.dispatch()) == ("sent", 0)
    await town.land(by_steps=False)
    assert await town.read(await town.only()) == LARGE[0][1]


async def test_what_is_claimed_goes_beside_what_is_large_and_our_own(town: Town, rung: list[str]) -> None:
    town.node.out.own_rows.close()
    claimed = await town.send("14")
    town.node.out.own_rows.open(lambda: None, MOST, LEASE_S)
    own = await town.send("15", files=LARGE)

    assert await couriers.dispatch_batch(town.node.out, 10, LEASE_S)

    assert [await state_of(town, sent) for sent in (claimed, own)] == ["sent", "sent"]


@pytest.mark.parametrize(("files", "other"), [(SMALL, LARGE), (LARGE, SMALL)])
async def test_more_than_the_couriers_may_have_of_a_kind_waits_for_a_claim(
    town: Town,
    rung: list[str],
    files: Sequence[tuple[str, bytes]],
    other: Sequence[tuple[str, bytes]],
) -> None:
    await town.send("14", files=other)
    for n in range(MOST + 1):
        await town.send(f"{15 + n}", files=files)

    assert (len(rung), await town.dispatch()) == (MOST + 1, 1)


async def test_without_a_courier_and_after_it_stopped_everything_waits_for_a_claim(
    town: Town, rung: list[str]
) -> None:
    await town.send("15")
    town.node.out.own_rows.close()
    await town.send("16")
    assert await town.dispatch() == 1

    await town.node.store.release_leases()

    assert await town.dispatch() == 1


async def test_who_is_late_leaves_them_to_whoever_claims_them_when_the_lease_is_over(
    town: Town, rung: list[str]
) -> None:
    sent = await town.send("15")
    town.clock.advance(LEASE_S / 2)

    assert not await send_own(town)
    assert await town.dispatch() == 0
    town.clock.advance(LEASE_S / 2)
    (row,) = await town.node.store.claim_outbox(10, LEASE_S)
    assert (row.item.subject_id, row.lease.attempt, row.body) == (sent.id, 2, None)


async def test_a_lease_that_another_took_over_writes_nothing(town: Town, rung: list[str]) -> None:
    sent = await town.send("15")
    rows = town.node.out.own_rows.take(10)
    town.clock.advance(LEASE_S)
    assert len(await town.node.store.claim_outbox(10, LEASE_S)) == 1

    for row in rows:
        town.node.out.own_rows.give(row)
    town.clock.advance(-LEASE_S)
    await send_own(town)

    assert await state_of(town, sent) == "queued"


@pytest.mark.parametrize("waited_s", [1, 2])
async def test_a_document_that_waited_for_longer_than_a_moment_is_reread(
    town: Town, rung: list[str], monkeypatch: pytest.MonkeyPatch, waited_s: int
) -> None:
    """It may have been sealed, and then it is never sent."""
    lookups, original_lookup = [], SqlBlobRefs.find_all

    async def noted(*arguments: object) -> object:
        lookups.append(arguments)
        return await original_lookup(*arguments)  # type: ignore[arg-type]  # as it was called

    sent = await town.send("15")
    town.clock.advance(waited_s)
    if waited_s > 1:
        scope = await town.scope(DEPARTMENT)
        await files.seal_document(town.node.out, town.node.hold, scope, sent.id, "Có dấu Mật")
    monkeypatch.setattr(SqlBlobRefs, "find_all", noted)
    await send_own(town)

    assert bool(lookups) is (waited_s > 1)
    assert (await state_of(town, sent) == "sent") is not bool(lookups)


async def test_a_unit_that_leaves_nothing_hands_nothing_over(
    town: Town, rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.send("14")
    await send_own(town)

    async def fails(work: SqlWork) -> None:
        raise StoreFailure("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(SqlWork, "commit", fails)
        with pytest.raises(StoreFailure):
            await town.send("15")

    assert (len(rung), await send_own(town)) == (1, False)


async def test_urgent_ones_go_first(town: Town, rung: list[str]) -> None:
    await town.send("15")
    await town.send("16", urgency=Urgency.URGENT)

    (first,) = town.node.out.own_rows.take(1)

    assert first.item.lane is Lane.URGENT
    assert len(town.node.out.own_rows.take(10)) == 1


async def test_rows_of_a_moment_share_a_token_and_are_settled_by_it(town: Town, rung: list[str]) -> None:
    for number in ("15", "16"):
        await town.send(number)
    town.clock.advance(timedelta(seconds=2))
    await town.send("17")

    tokens = [row.lease.token for row in town.node.out.own_rows.take(10)]

    assert tokens[0] == tokens[1] != tokens[2]
