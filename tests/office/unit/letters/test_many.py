"""Many incoming documents at once: which may be taken in unopened, the numbers shown before, marked read, offered again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.account import NumberingMode
from gateway.domain.document import FileRole, IncomingDocument, InState, Kind
from gateway.domain.event import EventKind
from gateway.domain.signatures import FileVerdict, SignatureWord
from gateway.errors import Clash
from gateway_office.letters import received
from tests.office.support.node import PDF, PROVINCE, OfficeTown, document

FILES = (("van-ban.pdf", PDF),)


async def arrived(town: OfficeTown) -> IncomingDocument:
    """Bring a document with as many pages as are stated, of a sender whose certificate is known not to be revoked."""
    await town.brought(town.forge(document(), FILES))
    arrived_document = await town.only()
    lead = replace(arrived_document.files[0], role=FileRole.LEAD, pages=arrived_document.pages)
    return replace(arrived_document, files=(lead,), checks=arrived_document.checks | {"revocation": "good"})


async def test_what_passed_everything_may_be_taken_in_unopened_and_one_doubtful_check_leaves_it_to_a_person(
    town: OfficeTown,
) -> None:
    document = await arrived(town)
    assert received.doubt(document) is None

    doubtful = {
        "envelope_signature": "weak",
        "certificate_confirmed": "false",
        "revocation": "unknown",
        "digests": "differ",
        "recipient": "other",
        "rules": "held",
    }
    for key, check in doubtful.items():
        assert received.doubt(replace(document, checks=document.checks | {key: check})) == key
        checks_left = {name: value for name, value in document.checks.items() if name != key}
        assert received.doubt(replace(document, checks=checks_left)) == key


async def test_pages_signatures_state_and_kind_are_looked_at_too(town: OfficeTown) -> None:
    document = await arrived(town)
    lead = replace(document.files[0], pages=3)
    paged = replace(document, files=(lead,))
    bad, unknown, unsigned = (
        FileVerdict(n=1, file="van-ban.pdf", verdict=word)
        for word in (SignatureWord.INVALID, SignatureWord.UNKNOWN, SignatureWord.UNSIGNED)
    )

    assert received.doubt(replace(paged, pages=3)) is None
    assert received.doubt(replace(paged, pages=4)) == "pages"
    assert received.doubt(replace(paged, pages=3, files=(replace(lead, pages=None),))) == "pages"
    assert received.doubt(replace(document, signatures=(unsigned, bad))) == "pdf_signature"
    assert received.doubt(replace(document, signatures=(unknown,))) == "pdf_signature"
    assert received.doubt(replace(document, signatures=(unsigned,))) is None
    assert received.doubt(replace(document, state=InState.HELD)) == "state"
    assert received.doubt(replace(document, kind=Kind.RECALL)) == "state"


async def test_numbers_are_shown_before_and_none_is_taken_by_looking(town: OfficeTown) -> None:
    scope = await town.scope(PROVINCE)
    modes = {agency.id: agency.numbering for agency in await town.node.store.hosted()}
    expected = (1, 2, 3) if modes[scope.agency_id] is NumberingMode.B else ()

    first = await received.next_numbers(town.node.inn, scope, 3)
    second = await received.next_numbers(town.node.inn, scope, 3)

    assert tuple(first) == tuple(second) == expected


async def test_read_is_told_once(town: OfficeTown) -> None:
    document, scope = await arrived(town), await town.scope(PROVINCE)

    assert await received.mark_read(town.node.inn, scope, [document.id]) == 1
    assert await received.mark_read(town.node.inn, scope, [document.id]) == 0


async def test_what_the_document_system_had_is_offered_once_more(town: OfficeTown) -> None:
    document, scope = await arrived(town), await town.scope(PROVINCE)
    async with town.node.store.changing(scope) as work:
        await work.handovers.ack(document.id, "key_1", town.clock.now())

    assert await received.repeat_offer(town.node.inn, scope, document.id)
    assert not await received.repeat_offer(town.node.inn, scope, document.id)

    async with town.node.store.begin(scope) as work:
        leased = await work.handovers.lease("key_1", 5, town.clock.now())
        kinds = [event.kind for event in await work.events.of_subject(document.id)]
    assert [row.incoming_id for row in leased] == [document.id]
    assert kinds.count(EventKind.INBOX_OFFERED) == 1

    await town.status(document, "02", reason="BAD_FORM")
    with pytest.raises(Clash):  # what was refused goes to no document system
        await received.repeat_offer(town.node.inn, scope, document.id)
