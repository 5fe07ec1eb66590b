"""Step 6 of the way in: enters an admitted document in the register book on 03. In: the document, the given number or
none. Out: the entry, or None in mode A without a number yet. In mode B the number is taken in the same transaction
as the 03, so the run has no gaps; 02 never comes here. Mail entered by hand takes its number from the same run."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.book import Book
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Refused
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import RegisterEntry, Work
from gateway.words import labels

# One book of incoming documents per agency at this stage.
BOOK = Book.INCOMING.value


async def enter(
    work: Work,
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


async def number_for(work: Work, agency: HostedAgency, given: str | None, year: int) -> str | None:
    """The book's next number in mode B, else what was given; Refused where mode C needs one."""
    if agency.numbering is NumberingMode.B:
        return str(await work.register.next_number(BOOK, year))
    if given is None and agency.numbering is NumberingMode.C:
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/register_no", field="register_no"),)))
    return given


async def strike(work: Work, entry: RegisterEntry, why: str, at: datetime) -> bool:
    """The line stays with its number, struck through; False when it was struck before."""
    if not await work.register.strike(entry.incoming_id, at, work.scope.principal_id, why):
        return False
    told = {"book": entry.book, "year": entry.year, "number": entry.number, "reason": why}
    await work.events.append(EventKind.BOOK_STRUCK, entry.incoming_id, at, told)
    return True


async def recalled(
    work: Work, document: IncomingDocument, asked: IncomingDocument | None, at: datetime
) -> None:
    """After an answer to its sender: a document that is recalled by it has its line struck, with the sender's reason."""
    if document.state is not InState.RECALLED:
        return
    entry = await work.register.of(document.id)
    if entry is not None:
        change = asked.change if asked is not None else None
        why = (
            change.reason if change is not None and change.reason else labels.say("book.reason.recall", "vi")
        )
        await strike(work, entry, why, at)
