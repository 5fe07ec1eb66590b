"""Links between documents in both databases: recorded once, seen from both sides, of the agency alone; a correction comes
from the agency that issued the original."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway_office.domain.document_link import LinkKind
from gateway_office.letters.links import add_link, links_of, remove_link
from gateway_office.services import TodoServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.contract.test_store_book import letter
from tests.office.contract.test_store_work_files import sent, services, taken_in
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing

__all__ = ["services"]


async def list_links(store: SqlOfficeStore, id: str) -> list[tuple[str, bool, str]]:
    async with store.read(NORTH) as work:
        return [(link.link.kind.value, link.is_target, link.code) for link in await links_of(work, id)]


async def test_every_kind_of_link_is_seen_from_both_documents(
    services: TodoServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """R73 (links between documents): corrects, copy, forward, appendix and reminder, to letters of both directions and on
    paper."""
    first, second = await taken_in(store, clock), await taken_in(store, clock, number="8")
    ours = await sent(store, clock)
    async with committing(store) as work:
        await work.office.books.put_letter(letter("14"))
    for kind, target in (
        (LinkKind.CORRECTS, "7/snn"),
        (LinkKind.REMINDER, first.id),
        (LinkKind.COPY, "012/UBND-VP"),
        (LinkKind.APPENDIX, ours.id),
        (LinkKind.FORWARD, "14/UBND-VP"),
    ):
        assert await add_link(services, NORTH, second.id, kind, target)
        clock.advance(timedelta(seconds=1))
    assert not await add_link(services, NORTH, second.id, LinkKind.CORRECTS, first.id)

    assert await list_links(store, second.id) == [
        ("corrects", True, "7/SNN"),
        ("reminder-of", True, "7/SNN"),
        ("copy-of", True, "12/UBND-VP"),
        ("appendix-of", True, "12/UBND-VP"),
        ("forward-of", True, "14/UBND-VP"),
    ]
    assert await list_links(store, first.id) == [
        ("corrects", False, "8/SNN"),
        ("reminder-of", False, "8/SNN"),
    ]
    await remove_link(services, NORTH, second.id, LinkKind.CORRECTS, first.id)
    await remove_link(services, SOUTH, second.id, LinkKind.REMINDER, first.id)
    assert await list_links(store, first.id) == [("reminder-of", False, "8/SNN")]
    async with store.read(NORTH) as work:
        kinds = [event.kind for event in await work.events.of_subject(second.id)]
    assert kinds == [EventKind.DOCUMENT_LINKED] * 5 + [EventKind.DOCUMENT_UNLINKED]


async def test_a_correction_is_issued_by_the_agency_that_issued_the_original(
    services: TodoServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """R72 (a correction is linked, and the original stays valid). R73: the issuer is checked."""
    theirs, ours = await taken_in(store, clock), await sent(store, clock)
    third = await taken_in(store, clock, sender_code="Z91.09", number="9")
    own_correction = await sent(store, clock, number="13")
    for document, original in ((ours, theirs), (theirs, ours), (third, theirs)):
        with pytest.raises(Clash, match="one agency"):
            await add_link(services, NORTH, document.id, LinkKind.CORRECTS, original.id)
    assert await add_link(services, NORTH, own_correction.id, LinkKind.CORRECTS, ours.id)
    for target in (ours.id, "99/UBND-VP", "no number"):
        with pytest.raises(Clash):
            await add_link(services, NORTH, ours.id, LinkKind.COPY, target)
    with pytest.raises(NotFound):
        await add_link(services, SOUTH, theirs.id, LinkKind.COPY, ours.id)
