"""Step 6 of the way in: enters an admitted document in the register book on 03. In: the document, the given number or
none. Out: the entry, or None in mode A without a number yet. In mode B the number is taken in the same transaction
as the 03, so the run has no gaps; 02 never comes here."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import IncomingDocument
from gateway.domain.wall_clock import local
from gateway.errors import Refused
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import RegisterEntry, Work

# One book of incoming documents per agency at this stage.
BOOK = "incoming"


async def enter(
    work: Work,
    agency: HostedAgency,
    document: IncomingDocument,
    given: str | None,
    year: int | None,
    at: datetime,
) -> RegisterEntry | None:
    """The entry of this document: the one it has, or a new one. Clash when a given number is taken."""
    known = await work.register.of(document.id)
    if known is not None:
        return known
    number = given
    book_year = year or local(at).year
    if agency.numbering is NumberingMode.B:
        book_year = local(at).year
        number = str(await work.register.next_number(BOOK, book_year))
    elif number is None and agency.numbering is NumberingMode.C:
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/register_no", field="register_no"),)))
    if number is None:
        return None
    entry = RegisterEntry(incoming_id=document.id, book=BOOK, year=book_year, number=number, entered_at=at)
    await work.register.enter(entry)
    return entry
