"""Step 6 of the way in: enters an admitted document in the register book on 03. In: the document, and a given number or
none. Out: the entry, or None in mode A while there is no number. In mode B the number is drawn in the transaction of the
03, so the run has no gaps. Mail entered by hand takes its number from the same run. A number that comes from outside
later is sent in a second 03; once given it stays (R32, numbers are kept)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.book import Book, RegisterEntry
from gateway.domain.document import WORKED_ON, IncomingDocument, InState, Source, Staff
from gateway.domain.event import EventKind
from gateway.domain.proof import Terms
from gateway.domain.states import AT_WORK_CODES, Track
from gateway.domain.status import Fact
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Refused
from gateway.incoming import acknowledge, settle
from gateway.incoming.services import IncomingServices
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

# Each agency has one book of incoming documents.
BOOK = Book.INCOMING.value
TAKEN_IN_STATES = (*WORKED_ON, InState.DONE, InState.REPLACED)


async def enter(
    work: SqlWork,
    agency: HostedAgency,
    document: IncomingDocument,
    given_number: str | None,
    year: int | None,
    at: datetime,
    stated_at: datetime,
) -> RegisterEntry | None:
    """Return the document's register entry, making it if need be; None while there is no number. Raises Clash when a
    given number is taken. A number from elsewhere belongs to the year of `stated_at`, unless the caller names a year."""
    earlier = await work.register.of_document(document.id)
    if earlier is not None:
        return earlier
    is_own_book = agency.numbering is NumberingMode.B
    book_year = local(at).year if is_own_book else year or local(stated_at).year
    number = await number_for(work, agency, given_number, book_year)
    if number is None:
        return None
    entry = RegisterEntry(
        incoming_id=document.id,
        book=BOOK,
        year=book_year,
        number=number,
        entered_at=at,
        entered_by=work.scope.principal_id,
    )
    await work.register.enter(entry)
    return entry


async def number_for(work: SqlWork, agency: HostedAgency, given_number: str | None, year: int) -> str | None:
    """Return the book's next number in mode B, else the given one. Raises Refused where mode C lacks a number."""
    if agency.numbering is NumberingMode.B:
        return str(await work.register.next_number(BOOK, year))
    if given_number is None and agency.numbering is NumberingMode.C:
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/register_no", field="register_no"),)))
    return given_number


async def strike(work: SqlWork, entry: RegisterEntry, why: str, at: datetime) -> bool:
    """Strike out the entry, whose line and number stay; return False when it was struck before."""
    if not await work.register.strike(entry.incoming_id, at, work.scope.principal_id, why):
        return False
    details = {"book": entry.book, "year": entry.year, "number": entry.number, "reason": why}
    await work.events.append(EventKind.BOOK_STRUCK, entry.incoming_id, at, details)
    return True


async def recalled(
    work: SqlWork, document: IncomingDocument, request: IncomingDocument | None, at: datetime
) -> None:
    """Strike out the entry of a document whose recall was agreed to, with the sender's reason."""
    if document.state is not InState.RECALLED:
        return
    entry = await work.register.of_document(document.id)
    if entry is not None:
        why = request.change.reason if request is not None and request.change is not None else ""
        await strike(work, entry, why or labels.say("book.reason.recall", "vi"), at)


def check_number(
    agency: HostedAgency, document: IncomingDocument, code: str, number: str | None, year: int | None
) -> None:
    """Check that a given number is the document's present one, or its first with a 03. Clash or Refused otherwise."""
    standing_no = document.register_no
    if number is None or (number == standing_no and year in (None, document.register_year)):
        return
    if standing_no is not None:
        raise Clash(
            f"{document.id} has the arrival number {standing_no} of {document.register_year}; a number once given stays",
            code="GW-REGISTERED",
            params={"register_no": standing_no, "register_year": document.register_year},
        )
    if code in AT_WORK_CODES:
        raise Refused(Verdict(reasons=(reason(ReasonCode.NUMBER_WITHOUT_03, "/register_no", status=code),)))
    if code == "03" and agency.numbering is NumberingMode.B:
        raise Clash(
            f"{agency.code} numbers in its own book (mode B), which takes no number from outside; {document.id} has none "
            "yet: leave register_no out",
            code="GW-BOOK-GIVES",
            params={"register_no": None, "register_year": None},
        )


def lacks_number(state: InState, document: IncomingDocument) -> bool:
    """Tell whether the document was taken in without a number, as in mode A: a document system may bring one later."""
    return document.register_no is None and state in TAKEN_IN_STATES


async def give_number(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    document: IncomingDocument,
    facts: Sequence[Fact],
    entry: RegisterEntry,
    *,
    given_at: datetime,
    note: str | None,
    staff: Staff | None,
) -> IncomingDocument:
    """Store the number of a document that was taken in without one, and send it in a second 03; the state does not
    change. The text names the number for systems that do not read Terms, and makes the body differ from the first 03's
    (A4, repeats)."""
    fact = Fact(
        track=Track.BUSINESS,
        code="03",
        at=services.clock.now(),
        stated_at=given_at,
        note=note,
        staff=staff,
        register_no=entry.number,
        register_year=entry.year,
    )
    await work.facts.add(document.id, fact)
    numbered = replace(document, register_no=entry.number, register_year=entry.year)
    document = await settle.stand(work, numbered, [*facts, fact])
    if document.source is Source.AXIS:
        words = labels.say("status.registered", "vi", number=entry.number, year=entry.year)
        await acknowledge.queue_answer(
            services,
            work,
            agency,
            acknowledge.of_document(document),
            "03",
            description=f"{words}. {note}" if note else words,
            staff=staff,
            stated_at=given_at,
            terms=number_terms(document),
        )
    return document


def number_terms(document: IncomingDocument) -> Terms | None:
    """Return the arrival number as the Terms of a 03 (W6a, signed terms); None while there is none."""
    if document.register_no is None or document.register_year is None:
        return None
    return Terms(register_no=document.register_no, register_year=document.register_year)
