"""The register of incoming documents: counters and entries of one agency. In: a book and a year, or an entry. Out: the next
number, or the stored entry. All writes are in the caller's transaction, so that a rolled-back registration (status 03)
gives its number back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.book import Book, RegisterEntry, end_of_run
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.numbers import GivenNumber, NumberState
from gateway.domain.wall_clock import day_text, local
from gateway.store.events import SqlEvents
from gateway.store.repository import AgencyRows
from gateway.store.row import Moment, Row, among, equal, from_json, same
from gateway.store.tables import (
    HAS_SUBJECT,
    MAY_BE_FREE,
    GivenNumberRow,
    IncomingRow,
    RegisterCounterRow,
    RegisterEntryRow,
)
from gateway.store.transaction import Transaction

# A typed number may have leading zeros: 7 is also 07 and 0007.
_MOST_DIGITS = 10
_G = GivenNumberRow
_OF_SUBJECT = select(_G).where(
    equal(_G, agency_id=bindparam("agency"), subject_id=bindparam("subject")), HAS_SUBJECT
)
_IS_RESERVED = col(_G.state) == NumberState.RESERVED.value
_NOW = bindparam("now", type_=Moment)
# How a number stands now (`GivenNumber.standing`): a reservation ends by itself.
_STANDS = {
    NumberState.RESERVED: and_(_IS_RESERVED, col(_G.until) > _NOW),
    NumberState.FREE: or_(col(_G.state) == NumberState.FREE.value, and_(_IS_RESERVED, col(_G.until) <= _NOW)),
    NumberState.ISSUED: col(_G.state) == NumberState.ISSUED.value,
    NumberState.VOID: col(_G.state) == NumberState.VOID.value,
}


def _in_book(table: type[Row], **columns: object) -> ColumnElement[bool]:
    """Return the condition that a row is of the agency, book and year in the parameters."""
    return equal(
        table, agency_id=bindparam("agency"), book=bindparam("at_book"), year=bindparam("at_year"), **columns
    )


_IN_COUNTER, _IN_BOOK = _in_book(RegisterCounterRow), _in_book(RegisterEntryRow)
_COUNTER = select(RegisterCounterRow).where(_IN_COUNTER)
_INCREMENT = update(RegisterCounterRow).where(_IN_COUNTER).values(last=col(RegisterCounterRow.last) + 1)
_SET_COUNTER = update(RegisterCounterRow).where(_IN_COUNTER)
_NUMBERS = select(col(RegisterEntryRow.number)).where(_IN_BOOK)
_HOLDER = (
    select(col(IncomingRow.body))
    .join(RegisterEntryRow, same(RegisterEntryRow.incoming_id, IncomingRow.id))
    .where(_IN_BOOK, among(col(RegisterEntryRow.number), "spellings"))
)
_USED = _NUMBERS.where(among(col(RegisterEntryRow.number), "spellings"))


async def count_up(tx: Transaction, agency_id: str, book: str, year: int) -> int:
    """Count the book's year up by one and return the number. The counter is locked until the caller's transaction ends, so
    that the next number waits for its outcome."""
    book_year = {"agency": agency_id, "at_book": book, "at_year": year}
    await tx.insert_new(RegisterCounterRow(agency_id=agency_id, book=book, year=year, last=0))
    await tx.change(_INCREMENT, **book_year)
    row = await tx.first(RegisterCounterRow, _COUNTER, **book_year)
    if row is None:
        raise errors.StoreFailure(f"the counter of book {book!r}, year {year}, was just written and is gone")
    return row.last


async def refuse_closed(events: SqlEvents, book: str, year: int, now: datetime) -> None:
    """Raise Clash for the book of an earlier year that was printed whole after that year: it is bound and signed, so a late
    line stands in the present year's book."""
    if year >= local(now).year:
        return
    for event in await events.of_subject("book"):
        data = event.data if event.kind is EventKind.BOOK_EXPORTED else {}
        is_whole = not (data.get("since") or data.get("until"))
        if (data.get("book"), data.get("year"), data.get("format"), is_whole) != (book, year, "pdf", True):
            continue
        if local(event.at).year > year:
            on = day_text(local(event.at))
            raise errors.Clash(
                f"the book of {year} was printed and closed on {on}; enter the line in this year's book",
                code="GW-BOOK-CLOSED",
                params={"year": str(year), "date": on},
            )


class SqlDocumentRegister(AgencyRows):
    """Books of one agency's incoming documents. Each document has one entry; a year's numbers have no gaps or repeats."""

    async def next_number(self, book: str, year: int) -> int:
        """Take the next number of a book and year in the caller's transaction, without gaps or repeats. It follows the
        numbers that people typed before the counter began, but not one that is far ahead of the others."""
        book_year = {"agency": self._agency_id, "at_book": book, "at_year": year}
        last = await count_up(self._tx, self._agency_id, book, year)
        if not await self._is_taken(book, year, str(last)):
            return last
        return await self._continue_run(book_year, last)

    async def _continue_run(self, book_year: dict[str, object], first: int) -> int:
        """Set the counter behind the numbers that were typed before it began, and return the next number. A number far
        ahead of the others was a slip: the counter does not follow it, and skips it later."""
        used_numbers = [row[0] for row in await self._tx.tuples(_NUMBERS, **book_year)]
        last = end_of_run((int(number) for number in used_numbers if _is_number(number)), first) + 1
        await self._tx.change(_SET_COUNTER, **book_year, last=last)
        return last

    async def _is_taken(self, book: str, year: int, number: str) -> bool:
        book_year = {"agency": self._agency_id, "at_book": book, "at_year": year}
        return bool(await self._tx.tuples(_USED, **book_year, spellings=_spellings(number)))

    async def enter(self, entry: RegisterEntry) -> None:
        """Store the entry of a document. Clash when the number is used in that book and year (07 is 7), or the document is
        already entered."""
        # Locked, because the unique key does not show that two people type 7 and 07 at the same time.
        await self._tx.hold(
            self._agency_id, "register", entry.book, str(entry.year), entry.number.lstrip("0")
        )
        is_taken = await self._is_taken(entry.book, entry.year, entry.number)
        if not is_taken and await self._tx.insert_new(
            RegisterEntryRow.from_value(entry, agency_id=self._agency_id)
        ):
            return
        if await self.of_document(entry.incoming_id) is not None:
            raise errors.Clash(
                f"the document {entry.incoming_id} is entered already; correct that entry instead"
            )
        raise await self._number_clash(entry)

    async def _number_clash(self, entry: RegisterEntry) -> errors.Clash:
        """Return the error for a used number; it names the document that has it, and the next free number."""
        book_year = {"agency": self._agency_id, "at_book": entry.book, "at_year": entry.year}
        holders = await self._tx.tuples(_HOLDER, **book_year, spellings=_spellings(entry.number))
        document = from_json(IncomingDocument, holders[0][0]) if holders else None
        next_free = ""
        if _is_number(entry.number):
            used_numbers = [row[0] for row in await self._tx.tuples(_NUMBERS, **book_year)]
            numbers = (int(number) for number in used_numbers if _is_number(number))
            next_free = str(end_of_run(numbers, int(entry.number)) + 1)
        details = {
            "number": entry.number,
            "year": str(entry.year),
            "held_by": document.id if document else "",
            "of": _code(document),
            "sender": _sender(document),
            "next_free": next_free or "–",
        }
        return errors.Clash(
            f"number {entry.number} is taken in book {entry.book!r}, year {entry.year}, by {details['held_by']} "
            f"({details['of']}, {details['sender']}); the next free one is {details['next_free']}",
            code="GW-NUMBER-TAKEN",
            params=details,
        )

    async def of_document(self, incoming_id: str) -> RegisterEntry | None:
        return await self._find(RegisterEntry, RegisterEntryRow, lock=False, incoming_id=incoming_id)

    async def strike(self, incoming_id: str, at: datetime, by: str, reason: str) -> bool:
        """Strike a document's entry, which keeps its number. Return False when there is none, or it was struck before."""
        is_unstruck = self._where(RegisterEntryRow, incoming_id=incoming_id, struck_at=None)
        columns = {"struck_at": at, "struck_by": by, "struck_reason": reason}
        return await self._tx.change(update(RegisterEntryRow).where(is_unstruck).values(**columns)) == 1

    async def entries(self, book: str, year: int) -> Sequence[RegisterEntry]:
        """Return the entries of a book and year in the order of their numbers, texts that are no number last."""
        entries = await self._list(RegisterEntry, RegisterEntryRow, book=book, year=year)
        return sorted(entries, key=_by_number)


def _code(document: IncomingDocument | None) -> str:
    """Return the document's code, or a dash when it is sealed or unknown."""
    if document is None or document.state is InState.SEALED:
        return "–"
    return document.code or "–"


def _sender(document: IncomingDocument | None) -> str:
    if document is None or document.state is InState.SEALED:
        return "–"
    return document.sender_name or document.sender_code


def _by_number(entry: RegisterEntry) -> tuple[bool, int, str]:
    is_number = _is_number(entry.number)
    return not is_number, int(entry.number) if is_number else 0, entry.number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _spellings(number: str) -> list[str]:
    """Return the number in all lengths with leading zeros, which all mean the same; other texts as they are."""
    if not _is_number(number):
        return [number]
    bare = str(int(number))
    return [bare.zfill(width) for width in range(len(bare), _MOST_DIGITS + 1)]


_IN_SERIES = _in_book(_G)
# The texts are those of the partial indexes, which a database chooses only for the same condition.
_FREE_NUMBER = select(_G).where(_IN_SERIES, MAY_BE_FREE, _STANDS[NumberState.FREE]).order_by(col(_G.number))
# The whole rule of issuing (`GivenNumber.issue`) as one statement, because it runs for every document that leaves.
_ISSUE = update(_G).where(
    _in_book(_G, number=bindparam("at_number")),
    or_(
        and_(
            _IS_RESERVED,
            or_(
                col(_G.subject_id) == bindparam("of_subject"),
                and_(col(_G.subject_id) == "", col(_G.by) == bindparam("of_person")),
            ),
        ),
        and_(
            col(_G.state).in_((NumberState.ISSUED.value, NumberState.VOID.value)),
            or_(
                col(_G.document_id) == bindparam("of_document_id"),
                col(_G.subject_id) == bindparam("of_subject"),
            ),
        ),
    ),
)
_RAISE_COUNTER = (
    update(RegisterCounterRow)
    .where(_IN_COUNTER, col(RegisterCounterRow.last) < bindparam("least"))
    .values(last=bindparam("least"))
)


class SqlGivenNumbers(AgencyRows):
    """Numbers of one agency's outgoing documents: of each series and year one row for every number up to its counter."""

    async def next_new(self, series: str, year: int) -> int:
        """Count up: the number had no state before."""
        return await count_up(self._tx, self._agency_id, _book(series), year)

    async def last(self, series: str, year: int) -> int:
        """Return the last number that was counted; 0 before the first."""
        place = {"agency": self._agency_id, "at_book": _book(series), "at_year": year}
        row = await self._tx.first(RegisterCounterRow, _COUNTER, **place)
        return row.last if row is not None else 0

    async def count_to(self, series: str, year: int, number: int) -> None:
        """Let the counter go on after that number, if it is behind."""
        place = {"agency": self._agency_id, "at_book": _book(series), "at_year": year}
        await self._tx.insert_new(
            RegisterCounterRow(agency_id=self._agency_id, book=_book(series), year=year, last=0)
        )
        await self._tx.change(_RAISE_COUNTER, **place, least=number)

    async def first_free(self, series: str, year: int, now: datetime) -> GivenNumber | None:
        """Return and lock the lowest number that may be given again."""
        place = {"at_book": series, "at_year": year, "now": now}
        return await self._value(GivenNumber, self._tx.lock_rows(_FREE_NUMBER), **place)

    def add(self, number: GivenNumber) -> None:
        self._tx.insert(_G.from_value(number, agency_id=self._agency_id))

    async def find(self, series: str, year: int, number: int) -> GivenNumber | None:
        """Return the number and lock it in a unit that writes."""
        return await self._find(GivenNumber, _G, book=series, year=year, number=number)

    async def of_subject(self, subject_id: str) -> GivenNumber | None:
        """Return the number that a document or draft has, locked in a unit that writes."""
        return await self._value(GivenNumber, self._tx.lock_rows(_OF_SUBJECT), subject=subject_id)

    async def issue(self, issued: GivenNumber, of_person: str) -> bool:
        """Store the issue of a number; return False, changing nothing, where `GivenNumber.issue` does not allow it."""
        rule = {
            "of_subject": issued.subject_id,
            "of_person": of_person,
            "of_document_id": issued.document_id,
        }
        row = _G.from_value(issued, agency_id=self._agency_id)
        place = {"at_book": issued.book, "at_year": issued.year, "at_number": issued.number}
        values = rule | place | row.values(*row.key_values())
        return await self._tx.change(_ISSUE, agency=self._agency_id, **values) == 1

    async def save(self, number: GivenNumber) -> None:
        """Store the changed state of a number that the caller has locked."""
        await self._tx.update(_G.from_value(number, agency_id=self._agency_id))

    async def page(
        self,
        year: int,
        *,
        now: datetime,
        series: str = "",
        states: Sequence[str] = (),
        limit: int,
        cursor: tuple[str, int] = ("", 0),
    ) -> Sequence[GivenNumber]:
        """List numbers of a year by series and number, of some states or all."""
        book, number = cursor
        is_later = or_(col(_G.book) > book, and_(col(_G.book) == book, col(_G.number) > number))
        conditions = [self._where(_G, is_later, year=year)]
        if series:
            conditions.append(col(_G.book) == series)
        if states:
            conditions.append(or_(*(_STANDS[NumberState(state)] for state in states)))
        query = select(_G).where(*conditions).order_by(col(_G.book), col(_G.number)).limit(limit)
        return await self._tx.values(GivenNumber, query, now=now)


def _book(series: str) -> str:
    """Return the name under which a series of outgoing documents is counted, beside the books of incoming ones."""
    return f"{Book.OUTGOING}:{series}"
