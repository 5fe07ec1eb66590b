"""What a unit of work has asked to be written, gathered by table: a call to the database costs more than a row. In: new
rows of a table, and changes of which it is enough to hear in the end how many rows they changed. Out: the same, in the
order of asking, when somebody in that unit asks for one of these tables, and at the latest when it ends; for a server in
few statements, each of which writes to several tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import chain
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

    def many(self, rows: Sequence[Values]) -> tuple[Insert, Values]:
        """For a server: all rows as one list of values for each column."""
        rows = self.last_of_each(rows)
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
    """One statement with its values; or rows, of one table."""

    what: RowInsert | UpdateBase
    values: list[Values]
    check: Check | None = None
    finish: Finish | None = None

    def one_by_one(self, dialect: str) -> UpdateBase:
        """For a call with all of its values."""
        return self.what.one(dialect) if isinstance(self.what, RowInsert) else self.what

    def on_server(self) -> tuple[UpdateBase, Values]:
        if isinstance(self.what, RowInsert):
            return self.what.many(self.values)
        if len(self.values) == 1:
            return self.what, self.values[0]
        return change(cast("Update", self.what), tuple(self.values[0])), _by_column(self.values)

    @property
    def table(self) -> str:
        return self.what.table if isinstance(self.what, RowInsert) else cast("Table", self.what.table).name


@dataclass(slots=True)
class PendingWrites:
    """In the order of asking; rows that come into one table in one way are together, where the first of them stands, unless
    they may name a row that is asked for after that one. Those that are open stand before all others."""

    _open: list[PendingWrite] = field(default_factory=list)
    _closed: list[PendingWrite] = field(default_factory=list)
    _rows: dict[RowInsert, int] = field(default_factory=dict)
    _tables: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self._closed or self._open)

    def __iter__(self) -> Iterator[PendingWrite]:
        return chain(self._open, self._closed)

    def add(self, way: RowInsert, *values: Values, finish: Finish | None = None) -> None:
        first = self._rows.get(way)
        if first is not None and not named_by(way.kind) & {each.table for each in self._closed[first + 1 :]}:
            self._closed[first].values.extend(values)
            return
        self._rows[way] = len(self._closed)
        self._put(PendingWrite(way, list(values), finish=finish))

    def add_apart(
        self, what: RowInsert | UpdateBase, *values: Mapping[str, Any], check: Check | None = None
    ) -> None:
        """A change, or a row of which more is to be done."""
        self._put(PendingWrite(what, [*map(dict, values)], check))

    def add_open(self, way: RowInsert, values: Values) -> PendingWrite:
        """A row of which more is said until it is written."""
        self._open.append(PendingWrite(way, [values]))
        return self._open[-1]

    def amend(self, row: PendingWrite, values: Values) -> bool:
        """False where it is written already."""
        if not any(each is row for each in self._open):
            return False
        row.values[0].update(values)
        return True

    def touches(self, tables: Collection[str], *, open_too: bool = True) -> bool:
        """Whether one of these tables will be written to; `open_too`: also by open rows."""
        return not self._tables.isdisjoint(tables) or (
            open_too and any(each.table in tables for each in self._open)
        )

    def _put(self, write: PendingWrite) -> None:
        self._closed.append(write)
        self._tables.add(write.table)


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


def values_of(row: Row) -> Values:
    """Every column's value; a key that the database counts itself is left out."""
    counted = _counted(type(row))
    return row.values() if counted is None or row.__dict__[counted] is not None else row.values(counted)


@cache
def _counted(kind: type[Row]) -> str | None:
    column = table_of(kind).autoincrement_column
    return None if column is None else column.name
