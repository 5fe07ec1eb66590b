"""Readings of documents by programs. In: an open transaction of one agency; a reading. Out: whether it is the first one
of that program and document, and further ones that no event tells yet, folded by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.wall_clock import local
from gateway.store.repository import AgencyRows
from gateway.store.tables import ProgramReadingRow
from gateway.store.transaction import Transaction

_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherReadings:
    """Further readings of one document by one program on one day."""

    agency_id: str
    document_id: str
    reader_id: str
    first_at: datetime
    last_at: datetime
    count: int


class SqlReadings(AgencyRows):
    """Repository of one agency's readings by programs."""

    async def note(
        self, document_id: str, reader_id: str, at: datetime
    ) -> tuple[bool, FurtherReadings | None]:
        """Note a reading. Return whether it is the first one, which the caller tells at once, and the readings of an
        earlier day that the caller has to tell now."""
        key = {"agency_id": self._agency_id, "document_id": document_id, "reader_id": reader_id}
        row = ProgramReadingRow(**key, first_at=at, last_at=at, count=0)
        if await self._tx.insert_new(row):
            return True, None
        earlier = await self._find(
            FurtherReadings, ProgramReadingRow, document_id=document_id, reader_id=reader_id
        )
        is_same_day = earlier is not None and earlier.count and _day(earlier.last_at) == _day(at)
        first_at, count = (earlier.first_at, earlier.count + 1) if earlier and is_same_day else (at, 1)
        await self._tx.update(ProgramReadingRow(**key, first_at=first_at, last_at=at, count=count))
        return False, earlier if earlier is not None and earlier.count and not is_same_day else None

    async def take(self, reading: FurtherReadings) -> FurtherReadings | None:
        """Return these readings, and have none left to tell; None where another process has told them."""
        stored = await self._find(
            FurtherReadings,
            ProgramReadingRow,
            document_id=reading.document_id,
            reader_id=reading.reader_id,
        )
        if stored is None or not stored.count or stored.last_at != reading.last_at:
            return None
        await self._tx.update(ProgramReadingRow.from_value(stored, count=0))
        return stored


async def untold_before(tx: Transaction, day_begins: datetime) -> Sequence[FurtherReadings]:
    """Return further readings of all agencies before that moment, the oldest first, a page of them."""
    query = select(ProgramReadingRow).where(
        col(ProgramReadingRow.count) > 0, col(ProgramReadingRow.last_at) < day_begins
    )
    return await tx.values(FurtherReadings, query.order_by(col(ProgramReadingRow.last_at)).limit(_AT_ONCE))


def _day(at: datetime) -> object:
    return local(at).date()
