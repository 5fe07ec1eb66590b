"""How a document ends, and how it comes back when its packet had left: state, number, figures, event, task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.deciding import agency_profile
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import OUT_NUMBERING
from gateway.domain.document import DeliveryMode, OutgoingDocument, OutState, Recipient
from gateway.domain.figures import OUT
from gateway.outgoing import dispatch, files, manage, more_recipients
from gateway.outgoing.sign_again import KeyFaults
from gateway.policy.outgoing import Handover, Means
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PROVINCE, Town
from tests.support.plain_count import Ours

_COUNTED = ("documents", "recipients", "failed", "delivered", "taken", "refused", "recalled", "done")


async def choose_own_book(town: Town) -> None:
    await town._host()
    scope = await town.scope(DEPARTMENT)
    await agency_profile.choose(town.node.store, town.clock, scope, "An", OUT_NUMBERING, "B")


async def counted(town: Town, code: str = DEPARTMENT, side: str = OUT) -> Mapping[str, int]:
    """Return the figures of the agency that are not nought."""
    await town.number()
    cells = await Ours(town.node.store, await town.scope(code)).counted(side, _COUNTED)
    return {name: total for name, total in cells.items() if total}


async def numbers(town: Town) -> list[tuple[int, str, str]]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        page = await work.given.page(2026, now=town.clock.now(), limit=50)
        return [(number.number, str(number.state), number.subject_id) for number in page]


async def leave_and_die(town: Town) -> None:
    """Publish waiting rows, without the record that they left: the process is killed between, and its leases end."""
    await town.pack()
    for row in await town.node.store.claim_outbox(10, LEASE_S):
        own = AgencyScope(agency_id=row.item.agency_id, principal_id="node")
        for ready in await dispatch._prepare(town.node.out, own, [row]):
            await dispatch._hand_over(town.node.out, own, ready, KeyFaults(town.node.out))
    town.clock.advance(timedelta(minutes=30))


async def cancel(town: Town, document: OutgoingDocument) -> None:
    await manage.cancel(town.node.out, await town.scope(DEPARTMENT), document.id, why="Ban hành nhầm")


async def seal(town: Town, document: OutgoingDocument) -> None:
    hold = replace(town.node.hold, sealer=None)
    await files.seal_document(town.node.out, hold, await town.scope(DEPARTMENT), document.id, "Có dấu mật")


async def test_a_document_that_is_sealed_before_it_left_ends_as_a_cancelled_one_does(town: Town) -> None:
    await choose_own_book(town)
    queued, packed, sent = await town.send(""), await town.send(""), await town.send("")
    await town.pack()
    await seal(town, packed)
    late = await town.send("")
    await seal(town, late)
    await cancel(town, queued)
    await town.carry()
    await town.carry()

    states = [(await town.document(d)).state.value for d in (queued, packed, sent, late)]
    assert states == ["cancelled", "cancelled", "packed", "cancelled"]
    assert [state for _, state, _ in await numbers(town)] == ["void", "void", "issued", "void"]
    assert await counted(town) == {"documents": 1, "recipients": 1, "delivered": 1}
    for ended in (packed, late):
        events = await town.events(DEPARTMENT, ended.id)
        assert [e.data for e in events if e.kind.value == "message.cancelled"] == [{"sealed": True}]
        assert (await town.document(ended)).is_sealed


async def test_a_sealed_document_that_left_for_one_recipient_has_not_ended(town: Town) -> None:
    await choose_own_book(town)
    sent = await town.send("", PROVINCE, COMMUNE)
    await town.carry()
    await seal(town, sent)

    assert (await town.document(sent)).state is OutState.PACKED
    assert [state for _, state, _ in await numbers(town)] == ["issued"]
    assert (await counted(town))["documents"] == 1


async def test_a_sealed_document_that_somebody_has_on_paper_has_not_ended(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    sent = await town.send("9", delivery_mode=DeliveryMode.PAPER)
    handed = Handover(on=town.clock.now().date(), means=Means.POST, note="")
    await manage.close_paper(town.node.out, scope, sent.id, handed)
    await seal(town, sent)

    assert (await town.document(sent)).state is OutState.PAPER
    assert (await town.delivery(sent)).state == "paper"
    assert (await counted(town)) == {"documents": 1, "recipients": 1}


@pytest.mark.parametrize("ended", ["first", "second"])
async def test_a_number_stays_with_the_attempt_that_stands(town: Town, ended: str) -> None:
    """One document has two attempts; one went to further recipients."""
    await choose_own_book(town)
    scope = await town.scope(DEPARTMENT)
    first = await town.send("")
    await (leave_and_die(town) if ended == "first" else town.carry())
    if ended == "first":
        await cancel(town, first)
        await town.land()
        await town.process()
        second = await town.send("01")
        await town.carry_around()
    else:
        more = (Recipient(code=COMMUNE, role=first.draft.recipients[0].role),)
        accepted = await more_recipients.send_to_more(town.node.out, scope, first.id, more)
        assert accepted.document is not None
        second = accepted.document
        await cancel(town, second)

    states = [(await town.document(d)).state.value for d in (first, second)]
    assert states == (["packed", "packed"] if ended == "first" else ["packed", "cancelled"])
    assert await numbers(town) == [(1, "issued", second.id if ended == "first" else first.id)]
