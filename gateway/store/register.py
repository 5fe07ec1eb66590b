"""The document register: counters and entries of one agency. In: a book and a year, or an entry. Out: the next number,
or the entry kept. Everything happens in the caller's transaction, so a rolled back 03 gives its number back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.ports.rows import RegisterEntry
from gateway.store.tables import RegisterCounterRow, RegisterEntryRow
from gateway.store.transaction import Transaction

_THIS = (
    col(RegisterCounterRow.agency_id) == bindparam("agency"),
    col(RegisterCounterRow.book) == bindparam("at_book"),
    col(RegisterCounterRow.year) == bindparam("at_year"),
)
_COUNTER = select(RegisterCounterRow).where(*_THIS)
_COUNT = update(RegisterCounterRow).where(*_THIS).values(last=col(RegisterCounterRow.last) + 1)


class SqlDocumentRegister:
    """Keeps the promise of `ports.DocumentRegister`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def next_number(self, book: str, year: int) -> int:
        this = {"agency": self._agency_id, "at_book": book, "at_year": year}
        await self._tx.put_new(RegisterCounterRow(agency_id=self._agency_id, book=book, year=year, last=0))
        # The update holds the counter's lock until the caller ends: the next number waits for this one's fate.
        await self._tx.change(_COUNT, **this)
        row = await self._tx.first(RegisterCounterRow, _COUNTER, **this)
        if row is None:
            raise errors.StoreFailure(
                f"the counter of book {book!r}, year {year}, was just written and is gone"
            )
        return row.last

    async def enter(self, entry: RegisterEntry) -> None:
        if await self._tx.put_new(from_domain(entry, self._agency_id)):
            return
        if await self.of(entry.incoming_id) is not None:
            raise errors.Clash(
                f"the document {entry.incoming_id} is entered already; correct that entry instead"
            )
        raise errors.Clash(
            f"number {entry.number} is taken in book {entry.book!r}, year {entry.year}; give another"
        )

    async def of(self, incoming_id: str) -> RegisterEntry | None:
        rows = await self._entries(col(RegisterEntryRow.incoming_id) == incoming_id)
        return rows[0] if rows else None

    async def entries(self, book: str, year: int) -> Sequence[RegisterEntry]:
        """By number: 9 before 10, and what is no number after those that are."""
        condition = and_(col(RegisterEntryRow.book) == book, col(RegisterEntryRow.year) == year)
        return sorted(await self._entries(condition), key=_by_number)

    async def _entries(self, condition: ColumnElement[bool]) -> list[RegisterEntry]:
        mine = col(RegisterEntryRow.agency_id) == self._agency_id
        rows = await self._tx.rows(RegisterEntryRow, select(RegisterEntryRow).where(mine, condition))
        return [to_domain(row) for row in rows]


def _by_number(entry: RegisterEntry) -> tuple[bool, int, str]:
    is_number = entry.number.isascii() and entry.number.isdigit()
    return not is_number, int(entry.number) if is_number else 0, entry.number


def to_domain(row: RegisterEntryRow) -> RegisterEntry:
    return RegisterEntry(
        incoming_id=row.incoming_id,
        book=row.book,
        year=row.year,
        number=row.number,
        entered_at=row.entered_at,
    )


def from_domain(entry: RegisterEntry, agency_id: str) -> RegisterEntryRow:
    return RegisterEntryRow(
        agency_id=agency_id,
        incoming_id=entry.incoming_id,
        book=entry.book,
        year=entry.year,
        number=entry.number,
        entered_at=entry.entered_at,
    )
