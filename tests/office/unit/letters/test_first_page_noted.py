"""The note that a receiver sees at a lead file that is probably of another document."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.document import InState
from gateway_office.domain.listing import doubt_of, incoming_line, may_be_taken, note_of
from gateway_office.letters.received import doubt
from tests.office.support.api import PROVINCE
from tests.office.support.node import OfficeTown
from tests.support import first_pages
from tests.unit.api.test_recipients_asked import CONFIRMED, OTHER


async def test_another_number_is_doubtful_to_the_receiver_and_another_subject_is_noted(
    town: OfficeTown,
) -> None:
    """Neither holds it."""
    rows = {
        "15": (OTHER, "other", "first_page", ""),
        "17": (first_pages.printed("17", subject=first_pages.OTHER), "differs", "", "first_page"),
        "18": (first_pages.printed("20"), "other", "first_page", ""),
        "19": (first_pages.printed("19"), "same", "", ""),
    }
    for number, (raw, _, _, _) in rows.items():
        await town.send(number, files=(("a.pdf", raw),), confirm=tuple(CONFIRMED))
    await town.carry()

    arrived = {i.number: i for i in await town.incoming(PROVINCE)}
    for number, (_, word, doubtful, noted) in rows.items():
        document = arrived[number]
        line = incoming_line(document, str(document.state), None)
        assert (document.state, document.checks["first_page"]) == (InState.NEW, word)
        assert doubt_of(line) == doubtful
        assert may_be_taken(line) is not bool(doubtful)
        assert note_of(line) == noted or note_of(line) == "revocation" != noted
        checked = replace(document, checks=document.checks | {"revocation": "good"})
        assert (doubt(checked) == "first_page") is bool(doubtful)
    await town.status(arrived["15"], "03")
