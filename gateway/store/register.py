"""The document register: counters and entries of one agency. In: a book and a year, or an entry. Out: the next number,
or the entry kept. Everything happens in the caller's transaction, so a rolled back 03 gives its number back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.book import RegisterEntry, end_of_run
from gateway.domain.document import IncomingDocument, InState
from gateway.store.repository import AgencyRows
from gateway.store.row import from_json, value_of
from gateway.store.tables import IncomingRow, RegisterCounterRow, RegisterEntryRow

_THIS = (
    col(RegisterCounterRow.agency_id) == bindparam("agency"),
    col(RegisterCounterRow.book) == bindparam("at_book"),
    col(RegisterCounterRow.year) == bindparam("at_year"),
)
_COUNTER = select(RegisterCounterRow).where(*_THIS)
_COUNT = update(RegisterCounterRow).where(*_THIS).values(last=col(RegisterCounterRow.last) + 1)
_GO_ON = update(RegisterCounterRow).where(*_THIS)
_MINE = (
    col(RegisterEntryRow.agency_id) == bindparam("agency"),
    col(RegisterEntryRow.book) == bindparam("at_book"),
    col(RegisterEntryRow.year) == bindparam("at_year"),
)
_NUMBERS = select(col(RegisterEntryRow.number)).where(*_MINE)
_HOLDER = (
    select(col(IncomingRow.body))
    .join(
        RegisterEntryRow,
        (col(RegisterEntryRow.agency_id) == col(IncomingRow.agency_id))
        & (col(RegisterEntryRow.incoming_id) == col(IncomingRow.id)),
    )
    .where(*_MINE, col(RegisterEntryRow.number).in_(bindparam("spellings", expanding=True)))
)
_TAKEN = _NUMBERS.where(col(RegisterEntryRow.number).in_(bindparam("spellings", expanding=True)))
# Of a number as people type it: 7 is also 07 and 0007.
_MOST_DIGITS = 10


class SqlDocumentRegister(AgencyRows):
    """The books of incoming documents of one agency: one entry for each document, own numbers without gaps or repeats in a
    book and year."""

    async def next_number(self, book: str, year: int) -> int:
        """The next number of the book's year, from its counter row, in the caller's transaction: no gaps, no repeats. After
        those that were typed before the book began to count, but for one far ahead of them."""
        this = {"agency": self._agency_id, "at_book": book, "at_year": year}
        await self._tx.put_new(RegisterCounterRow(agency_id=self._agency_id, book=book, year=year, last=0))
        # The update holds the counter's lock until the caller ends: the next number waits for this one's fate.
        await self._tx.change(_COUNT, **this)
        row = await self._tx.first(RegisterCounterRow, _COUNTER, **this)
        if row is None:
            raise errors.StoreFailure(
                f"the counter of book {book!r}, year {year}, was just written and is gone"
            )
        if not await self._is_taken(book, year, str(row.last)):
            return row.last
        return await self._after_those_typed(this, row.last)

    async def _after_those_typed(self, this: dict[str, object], first: int) -> int:
        """Numbers were typed into this book before it began to count by itself: the run goes on after them. One far ahead
        of the others was a slip; the run does not follow it, and leaves it out should it ever come there."""
        taken = [row[0] for row in await self._tx.tuples(_NUMBERS, **this)]
        last = end_of_run((int(each) for each in taken if _is_number(each)), first) + 1
        await self._tx.change(_GO_ON, **this, last=last)
        return last

    async def _is_taken(self, book: str, year: int, number: str) -> bool:
        asked = {"agency": self._agency_id, "at_book": book, "at_year": year}
        return bool(await self._tx.tuples(_TAKEN, **asked, spellings=_spellings(number)))

    async def enter(self, entry: RegisterEntry) -> None:
        """Clash when the number is taken in that book and year (07 is 7), or the document is already entered."""
        # Two that type 7 and 07 at once are no race for the unique key.
        await self._tx.hold(
            self._agency_id, "register", entry.book, str(entry.year), entry.number.lstrip("0")
        )
        taken = await self._is_taken(entry.book, entry.year, entry.number)
        if not taken and await self._tx.put_new(RegisterEntryRow.of(entry, agency_id=self._agency_id)):
            return
        if await self.of(entry.incoming_id) is not None:
            raise errors.Clash(
                f"the document {entry.incoming_id} is entered already; correct that entry instead"
            )
        raise await self._taken_by(entry)

    async def _taken_by(self, entry: RegisterEntry) -> errors.Clash:
        """Names the number, who has it, and the next that nobody has."""
        this = {"agency": self._agency_id, "at_book": entry.book, "at_year": entry.year}
        held = await self._tx.tuples(_HOLDER, **this, spellings=_spellings(entry.number))
        document = from_json(IncomingDocument, held[0][0]) if held else None
        following = ""
        if _is_number(entry.number):
            typed = [row[0] for row in await self._tx.tuples(_NUMBERS, **this)]
            numbers = (int(each) for each in typed if _is_number(each))
            following = str(end_of_run(numbers, int(entry.number)) + 1)
        told = {
            "number": entry.number,
            "year": str(entry.year),
            "held_by": document.id if document else "",
            "of": _code(document),
            "sender": _sender(document),
            "next_free": following or "–",
        }
        return errors.Clash(
            f"number {entry.number} is taken in book {entry.book!r}, year {entry.year}, by {told['held_by']} "
            f"({told['of']}, {told['sender']}); the next free one is {told['next_free']}",
            code="GW-NUMBER-TAKEN",
            told=told,
        )

    async def of(self, incoming_id: str) -> RegisterEntry | None:
        rows = await self._entries(col(RegisterEntryRow.incoming_id) == incoming_id)
        return rows[0] if rows else None

    async def strike(self, incoming_id: str, at: datetime, by: str, reason: str) -> bool:
        """The line is struck through and keeps its number; False when there is none, or it was struck before."""
        this = and_(
            col(RegisterEntryRow.agency_id) == self._agency_id,
            col(RegisterEntryRow.incoming_id) == incoming_id,
            col(RegisterEntryRow.struck_at).is_(None),
        )
        values = {"struck_at": at, "struck_by": by, "struck_reason": reason}
        return await self._tx.change(update(RegisterEntryRow).where(this).values(**values)) == 1

    async def entries(self, book: str, year: int) -> Sequence[RegisterEntry]:
        """By number: 9 before 10, and what is no number after those that are."""
        condition = and_(col(RegisterEntryRow.book) == book, col(RegisterEntryRow.year) == year)
        return sorted(await self._entries(condition), key=_by_number)

    async def _entries(self, condition: ColumnElement[bool]) -> list[RegisterEntry]:
        mine = col(RegisterEntryRow.agency_id) == self._agency_id
        rows = await self._tx.rows(RegisterEntryRow, select(RegisterEntryRow).where(mine, condition))
        return [value_of(RegisterEntry, row) for row in rows]


def _code(document: IncomingDocument | None) -> str:
    """Nothing is told of what is sealed."""
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
    """The same number with and without leading zeros."""
    if not _is_number(number):
        return [number]
    bare = str(int(number))
    return [bare.zfill(width) for width in range(len(bare), _MOST_DIGITS + 1)]
