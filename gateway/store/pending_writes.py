"""What a unit of work has asked to be written, gathered by table: a call to the database costs more than a row. In: new
rows of a table, and changes of which it is enough to hear in the end how many rows they changed. Out: the same, in the
order of asking, when somebody in that unit asks for one of these tables, and at the latest when it ends; for a server in
few statements, each of which writes to several tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeVar, cast

from sqlalchemy import ARRAY, Table, bindparam, func, select
from sqlalchemy.sql.dml import Insert, Update, UpdateBase

from gateway.store.row import Row
from gateway.store.together import change

R = TypeVar("R", bound=Row)
Values = dict[str, Any]
# Hears how many rows were changed, and raises where that is wrong.
Check = Callable[[int], None]
# Gives rows their last values, by the transaction that writes them.
Finish = Callable[[Any, list[Values]], Awaitable[None]]


@dataclass(frozen=True, slots=True, eq=False)
class RowInsert:
    """How rows come into a table; got by `row_insert`, so that the same way is the same object. `over` names the columns
    that are written into a row that is there; with none of them such a row stays as it is (`missing`), or it is a clash."""

    kind: type[Row]
    missing: bool
    over: tuple[str, ...]
    table: str

    def one(self, dialect: str) -> Insert:
        """For a call with one row, or one for each of many."""
        return _one(self, dialect)

    def written(self, rows: list[Values]) -> list[Values]:
        """The same rows; a key that the database counts itself is left out."""
        if (counted := _counted(self.kind)) is not None:
            for row in rows:
                if counted in row and row[counted] is None:
                    del row[counted]
        return rows

    def many(self, given: list[Values]) -> tuple[Insert, Values]:
        """For a server: all rows as one list of values for each column."""
        rows = self.last_of_each(self.written(given))
        return _many(self, tuple(rows[0])), _by_column(rows)

    def last_of_each(self, rows: Sequence[Values]) -> Sequence[Values]:
        """One statement cannot write over a row twice, so the last word stands."""
        key = [column.name for column in table_of(self.kind).primary_key]
        return list({tuple(row[name] for name in key): row for row in rows}.values()) if self.over else rows

    def settled(self, insert: Any) -> Insert:
        """ON CONFLICT is in both databases but not in the common language. Any: the two inserts share no base type that
        has it."""
        if self.over:
            key = [column.name for column in table_of(self.kind).primary_key]
            over = {name: insert.excluded[name] for name in self.over}
            insert = insert.on_conflict_do_update(index_elements=key, set_=over)
        elif self.missing:
            insert = insert.on_conflict_do_nothing()
        made: Insert = insert
        return made


@cache
def row_insert(kind: type[Row], *over: str, missing: bool = False) -> RowInsert:
    return RowInsert(kind=kind, missing=missing, over=over, table=table_of(kind).name)


@dataclass(slots=True)
class PendingWrite:
    """One statement with its values; or rows, of one table. Rows lend their values: who gave one changes it no more."""

    what: RowInsert | UpdateBase
    table: str
    values: list[Values]
    check: Check | None = None
    finish: Finish | None = None

    def one_by_one(self, dialect: str) -> tuple[UpdateBase, list[Values]]:
        """For a call with all of its values."""
        if isinstance(self.what, RowInsert):
            return self.what.one(dialect), self.what.written(self.values)
        return self.what, self.values

    def on_server(self) -> tuple[UpdateBase, Values]:
        if isinstance(self.what, RowInsert):
            return self.what.many(self.values)
        if len(self.values) == 1:
            return self.what, self.values[0]
        return change(cast("Update", self.what), tuple(self.values[0])), _by_column(self.values)


@dataclass(slots=True)
class PendingWrites:
    """In the order of asking; rows that come into one table in one way are together, where the first of them stands, unless
    they may name a row that is asked for after that one. Those that are open stand before all others."""

    is_empty: bool = True
    _open: list[PendingWrite] = field(default_factory=list)
    _closed: list[PendingWrite] = field(default_factory=list)
    _rows: dict[RowInsert, int] = field(default_factory=dict)
    _tables: set[str] = field(default_factory=set)

    def all(self) -> list[PendingWrite]:
        return [*self._open, *self._closed]

    def add(self, way: RowInsert, *rows: Row, finish: Finish | None = None) -> None:
        first = self._rows.get(way)
        if first is not None and self._may_be_together(way, first):
            self._closed[first].values.extend(map(_VALUES, rows))
            return
        self._rows[way] = len(self._closed)
        self._closed.append(PendingWrite(way, way.table, [*map(_VALUES, rows)], finish=finish))
        self._tables.add(way.table)
        self.is_empty = False

    def add_apart(
        self, what: RowInsert | UpdateBase, *values: Mapping[str, Any], check: Check | None = None
    ) -> None:
        """A change, or a row of which more is to be done."""
        table = what.table if isinstance(what, RowInsert) else cast("Table", what.table).name
        self._closed.append(PendingWrite(what, table, [*map(dict, values)], check))
        self._tables.add(table)
        self.is_empty = False

    def add_open(self, way: RowInsert, row: Row) -> PendingWrite:
        """A row of which more is said until it is written."""
        write = PendingWrite(way, way.table, [row.__dict__])
        self._open.append(write)
        self.is_empty = False
        return write

    def amend(self, row: PendingWrite, values: Values) -> bool:
        """False where it is written already."""
        for write in self._open:
            if write is row:
                row.values[0].update(values)
                return True
        return False

    def touches(self, tables: Collection[str], *, open_too: bool = True) -> bool:
        """Whether one of these tables will be written to; `open_too`: also by open rows."""
        if not self._tables.isdisjoint(tables):
            return True
        if open_too:
            for write in self._open:
                if write.table in tables:
                    return True
        return False

    def _may_be_together(self, way: RowInsert, first: int) -> bool:
        """Whether no row that was asked for after those may be named by one that joins them."""
        later = [write.table for write in self._closed[first + 1 :]]
        return not later or named_by(way.kind).isdisjoint(later)


def exactly_one(error: Callable[[], Exception]) -> Check:
    def check(changed: int) -> None:
        if changed != 1:
            raise error()

    return check


# Making a statement takes longer than running it: what is made once is also compiled once.
@cache
def _one(way: RowInsert, dialect: str) -> Insert:
    table = table_of(way.kind)
    if not (way.missing or way.over):
        return table.insert().inline()
    return way.settled(insert_of(dialect, table))


def insert_of(dialect: str, table: Table) -> Any:
    """Make an insert that knows ON CONFLICT; only the dialect of this node's database is loaded. Any: as in
    `RowInsert.settled`."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


@cache
def _many(way: RowInsert, names: tuple[str, ...]) -> Insert:
    table = table_of(way.kind)
    given = [bindparam(name, type_=ARRAY(table.c[name].type, dimensions=1)) for name in names]
    cells = func.unnest(*given).table_valued(*names).render_derived("given")
    rows = insert_of("postgresql", table).from_select(names, select(*cells.c), include_defaults=False)
    return way.settled(rows)


def _by_column(rows: Sequence[Values]) -> Values:
    return {name: [row[name] for row in rows] for name in rows[0]}


@cache
def named_by(kind: type[Row]) -> frozenset[str]:
    """The table itself, and those whose rows its rows name."""
    table = table_of(kind)
    return frozenset({table.name, *(key.column.table.name for key in table.foreign_keys)})


def table_of(kind: type[Row]) -> Table:
    return kind.__table__


# Every column's value.
_VALUES = attrgetter("__dict__")


@cache
def _counted(kind: type[Row]) -> str | None:
    column = table_of(kind).autoincrement_column
    return None if column is None else column.name
