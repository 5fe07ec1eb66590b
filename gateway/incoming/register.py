"""Step 6 of the way in: enters an admitted document in the register book on 03. In: the document, the given number or
none. Out: the entry, or None in mode A without a number yet. In mode B the number is taken in the same transaction
as the 03, so the run has no gaps; 02 never comes here. Mail entered by hand takes its number from the same run.
A number that comes from outside later goes to the sender in a 03 of its own; once given it stays (R32)."""

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
from gateway.domain.status import AT_WORK_CODES, Fact, Track
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Refused
from gateway.incoming import acknowledge, settle
from gateway.incoming.services import IncomingServices
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

# One book of incoming documents per agency at this stage.
BOOK = Book.INCOMING.value


async def enter(
    work: SqlWork,
    agency: HostedAgency,
    document: IncomingDocument,
    given: str | None,
    year: int | None,
    at: datetime,
    said_at: datetime,
) -> RegisterEntry | None:
    """The entry of this document: the one it has, or a new one. Clash when a given number is taken. A number that was
    given elsewhere belongs into the year in which it was: `said_at`, where the caller names no year."""
    known = await work.register.of(document.id)
    if known is not None:
        return known
    is_own_book = agency.numbering is NumberingMode.B
    book_year = local(at).year if is_own_book else year or local(said_at).year
    number = await number_for(work, agency, given, book_year)
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


async def number_for(work: SqlWork, agency: HostedAgency, given: str | None, year: int) -> str | None:
    """The book's next number in mode B, else what was given; Refused where mode C needs one."""
    if agency.numbering is NumberingMode.B:
        return str(await work.register.next_number(BOOK, year))
    if given is None and agency.numbering is NumberingMode.C:
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/register_no", field="register_no"),)))
    return given


async def strike(work: SqlWork, entry: RegisterEntry, why: str, at: datetime) -> bool:
    """The line stays with its number, struck through; False when it was struck before."""
    if not await work.register.strike(entry.incoming_id, at, work.scope.principal_id, why):
        return False
    told = {"book": entry.book, "year": entry.year, "number": entry.number, "reason": why}
    await work.events.append(EventKind.BOOK_STRUCK, entry.incoming_id, at, told)
    return True


async def recalled(
    work: SqlWork, document: IncomingDocument, asked: IncomingDocument | None, at: datetime
) -> None:
    """After an answer to its sender: a document that is recalled by it has its line struck, with the sender's reason."""
    if document.state is not InState.RECALLED:
        return
    entry = await work.register.of(document.id)
    if entry is not None:
        said = asked.change.reason if asked is not None and asked.change is not None else ""
        await strike(work, entry, said or labels.say("book.reason.recall", "vi"), at)


_TAKEN_IN = (*WORKED_ON, InState.DONE, InState.REPLACED)


def check_given(
    agency: HostedAgency, document: IncomingDocument, code: str, number: str | None, year: int | None
) -> None:
    """Clash or Refused where the number would be dropped: it is the one that stands, or the first with a 03. What is
    refused or asked (02, 15, 16) never takes one."""
    stands = document.register_no
    if number is None or (number == stands and year in (None, document.register_year)):
        return
    if stands is not None:
        raise Clash(
            f"{document.id} has the arrival number {stands} of {document.register_year}; a number once given stays",
            code="GW-REGISTERED",
            told={"register_no": stands, "register_year": document.register_year},
        )
    if code in AT_WORK_CODES:
        raise Refused(Verdict(reasons=(reason(ReasonCode.NUMBER_WITHOUT_03, "/register_no", status=code),)))
    if code == "03" and agency.numbering is NumberingMode.B:
        raise Clash(
            f"{agency.code} numbers in its own book (mode B), which takes no number from outside; {document.id} has none "
            "yet: leave register_no out",
            code="GW-BOOK-GIVES",
            told={"register_no": None, "register_year": None},
        )


def lacks_number(state: InState, document: IncomingDocument) -> bool:
    """Whether it was taken in without a number: the document system of mode A may bring one later."""
    return document.register_no is None and state in _TAKEN_IN


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
    """Goes out in a second 03 with the time at which it was given; the state does not move. The words name the number for
    systems that do not read Terms, and keep this 03 from having the body of the first (A4)."""
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
        await acknowledge.put(
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
    """What a 03 says of the number (W6a)."""
    if document.register_no is None or document.register_year is None:
        return None
    return Terms(register_no=document.register_no, register_year=document.register_year)
