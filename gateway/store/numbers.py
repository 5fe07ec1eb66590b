"""The numbers under which mail left: documents of the exchange, and letters on paper, which are lines of the same book. In:
a number, a notation, a year. Out: what has it, and which is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, not_, select
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.book import Span, end_of_run
from gateway.domain.document import Kind, OutgoingDocument, OutState
from gateway.domain.letter import OutgoingLine, PaperLetter
from gateway.store.columns import from_json, one_of
from gateway.store.register_tables import PaperOutgoingRow
from gateway.store.sqlite_here import FEW
from gateway.store.tables import OutgoingRow
from gateway.store.transaction import Transaction

OutgoingTable = type[OutgoingRow] | type[PaperOutgoingRow]
_O, _P = OutgoingRow, PaperOutgoingRow
# What was never more than a draft, or waits for its undo time with the right to vanish, took no number.
NO_LINE = (OutState.DRAFT.value,)
_LETTERS = (Kind.DOCUMENT.value, Kind.REPLACEMENT.value)
_MOST = 500


def asked(agency_id: str, number: str, symbol: str, year: int) -> dict[str, Any]:
    """What `under_in` is asked with."""
    span = {"first": date(year, 1, 1), "last": date(year, 12, 31)}
    return {"agency": agency_id, "number": number, "symbol": symbol, **span}


def issued(agency_id: str, table: OutgoingTable, span: Span) -> list[ColumnElement[bool]]:
    first = max(date(span.year, 1, 1), span.since or date.min)
    last = min(date(span.year, 12, 31), span.until or date.max)
    return [col(table.agency_id) == agency_id, col(table.issued_on).between(first, last)]


def to_letter(row: PaperOutgoingRow) -> PaperLetter:
    """The body is as it was entered; that it was struck stands in its columns."""
    kept = from_json(PaperLetter, row.body)
    return replace(kept, struck_at=row.struck_at, struck_by=row.struck_by, struck_reason=row.struck_reason)


IS_LINE = (one_of(col(_O.kind), _LETTERS), not_(one_of(col(_O.state), NO_LINE)), col(_O.number) != "")


def under_in(table: OutgoingTable, *which: ColumnElement[bool]) -> Select[Any]:
    """Of one number and symbol in one year: few rows, asked for by every document that leaves."""
    same = [col(getattr(table, name)) == bindparam(name) for name in ("number", "symbol")]
    in_year = col(table.issued_on).between(bindparam("first"), bindparam("last"))
    mine = col(table.agency_id) == bindparam("agency")
    return select(table).where(mine, in_year, *same, *which).limit(_MOST).execution_options(**FEW)


SENT_UNDER = under_in(_O, *IS_LINE, col(_O.state) != OutState.CANCELLED.value)
_PAPER_UNDER = under_in(_P, col(_P.struck_at).is_(None))


class SqlOutgoingNumbers:
    """Keeps the promise of `ports.OutgoingNumbers`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def free_number(self, number: str, symbol: str, year: int) -> str:
        if not (number.isascii() and number.isdigit()):
            return ""
        taken = []
        for table in (_O, _P):
            named = select(col(table.number)).where(
                *issued(self._agency_id, table, Span(year=year)), col(table.symbol) == symbol
            )
            taken += [row[0] for row in await self._tx.tuples(named)]
        numbers = (int(each) for each in taken if each.isascii() and each.isdigit())
        return str(end_of_run(numbers, int(number)) + 1)

    async def under(self, number: str, symbol: str, year: int) -> Sequence[OutgoingLine]:
        these = asked(self._agency_id, number, symbol, year)
        sent = await self._tx.rows(_O, SENT_UNDER, **these)
        found: list[OutgoingLine] = [from_json(OutgoingDocument, row.body) for row in sent]
        return [*found, *map(to_letter, await self._tx.rows(_P, _PAPER_UNDER, **these))]
