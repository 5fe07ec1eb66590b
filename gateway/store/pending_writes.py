"""Pending writes of a unit of work, collected because a call to the database costs more than a row. In: new rows, and
changes whose number of changed rows is needed only at the end. Out: these writes in their order, rows of one table
together. The transaction runs them when it reads one of their tables, and at the latest when it ends."""

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
# Gets the number of changed rows, and raises an error when it is wrong.
Check = Callable[[int], None]
# Sets the last values of rows, in the transaction that writes them.
Finish = Callable[[Any, list[Values]], Awaitable[None]]
# Returns the values of a row by column.
_VALUES = attrgetter("__dict__")


@dataclass(frozen=True, slots=True, eq=False)
class RowInsert:
    """Kind of insert into a table; get it by `row_insert`, which returns the same object for the same arguments. For a row
    that exists already, `over` names the columns to update, with `adds` by adding the new value to the old one; without
    `over` it stays unchanged (`missing`) or is a clash."""

    kind: type[Row]
    missing: bool
    over: tuple[str, ...]
    table: str
    adds: bool = False

    def for_one_row(self, dialect: str) -> Insert:
        """Return the insert statement with the values of one row as its parameters."""
        return _insert_one(self, dialect)

    def without_counted_key(self, rows: list[Values]) -> list[Values]:
        """Remove from each row an empty key that the database assigns itself; return the rows."""
        if (counted := _counted_key(self.kind)) is not None:
            for row in rows:
                if counted in row and row[counted] is None:
                    del row[counted]
        return rows

    def for_many_rows(self, new_rows: list[Values]) -> tuple[Insert, Values]:
        """Return one insert statement for all rows on a server, and its values: a list for each column."""
        rows = self.keep_last(self.without_counted_key(new_rows))
        return _insert_many(self, tuple(rows[0])), _by_column(rows)

    def keep_last(self, rows: Sequence[Values]) -> Sequence[Values]:
        """Return the rows; of several with the same key the last, because one statement cannot update a row twice."""
        key = [column.name for column in table_of(self.kind).primary_key]
        return list({tuple(row[name] for name in key): row for row in rows}.values()) if self.over else rows

    def add_conflict_clause(self, insert: Any) -> Insert:
        """Add the ON CONFLICT clause that existing rows need. Any: the dialects' inserts share no base type that has it."""
        if self.over:
            key = [column.name for column in table_of(self.kind).primary_key]
            old, new = table_of(self.kind).c, insert.excluded
            assignments = {name: old[name] + new[name] if self.adds else new[name] for name in self.over}
            insert = insert.on_conflict_do_update(index_elements=key, set_=assignments)
        elif self.missing:
            insert = insert.on_conflict_do_nothing()
        settled_insert: Insert = insert
        return settled_insert


@cache
def row_insert(kind: type[Row], *columns: str, missing: bool = False, adds: bool = False) -> RowInsert:
    return RowInsert(kind=kind, missing=missing, over=columns, table=table_of(kind).name, adds=adds)


@dataclass(slots=True)
class PendingWrite:
    """One statement with its sets of values, or rows to insert into one table. Callers no longer change these rows."""

    statement: RowInsert | UpdateBase
    table: str
    values: list[Values]
    check: Check | None = None
    finish: Finish | None = None

    def one_by_one(self, dialect: str) -> tuple[UpdateBase, list[Values]]:
        """Return the statement and its sets of values, for the driver's call with many sets."""
        if isinstance(self.statement, RowInsert):
            return self.statement.for_one_row(dialect), self.statement.without_counted_key(self.values)
        return self.statement, self.values

    def on_server(self) -> tuple[UpdateBase, Values]:
        if isinstance(self.statement, RowInsert):
            return self.statement.for_many_rows(self.values)
        if len(self.values) == 1:
            return self.statement, self.values[0]
        return change(cast("Update", self.statement), tuple(self.values[0])), _by_column(self.values)


@dataclass(slots=True)
class PendingWrites:
    """Pending writes in their order. Rows of the same `RowInsert` are one write, at the place of the first, unless they may
    refer to a row that is inserted after that. Open rows, which may still be amended, come before all others."""

    is_empty: bool = True
    _open: list[PendingWrite] = field(default_factory=list)
    _closed: list[PendingWrite] = field(default_factory=list)
    _rows: dict[RowInsert, int] = field(default_factory=dict)
    _tables: set[str] = field(default_factory=set)

    def all(self) -> list[PendingWrite]:
        return [*self._open, *self._closed]

    def add(self, insert: RowInsert, *rows: Row, finish: Finish | None = None) -> None:
        first = self._rows.get(insert)
        if first is not None and self._may_be_together(insert, first):
            self._closed[first].values.extend(map(_VALUES, rows))
            return
        self._rows[insert] = len(self._closed)
        self._closed.append(PendingWrite(insert, insert.table, [*map(_VALUES, rows)], finish=finish))
        self._tables.add(insert.table)
        self.is_empty = False

    def add_separate(
        self, statement: RowInsert | UpdateBase, *values: Mapping[str, Any], check: Check | None = None
    ) -> None:
        """Add a change, or an insert with a check, as a separate write."""
        table = statement.table if isinstance(statement, RowInsert) else cast("Table", statement.table).name
        self._closed.append(PendingWrite(statement, table, [*map(dict, values)], check))
        self._tables.add(table)
        self.is_empty = False

    def add_open(self, insert: RowInsert, row: Row) -> PendingWrite:
        """Add a row that may be amended until it is written."""
        write = PendingWrite(insert, insert.table, [row.__dict__])
        self._open.append(write)
        self.is_empty = False
        return write

    def amend(self, row: PendingWrite, values: Values) -> bool:
        """Change values of an open row. Return False when it is written already."""
        for write in self._open:
            if write is row:
                row.values[0].update(values)
                return True
        return False

    def touches(self, tables: Collection[str], *, open_too: bool = True) -> bool:
        """Tell whether a write to one of these tables is pending; open rows count only with `open_too`."""
        if not self._tables.isdisjoint(tables):
            return True
        if open_too:
            for write in self._open:
                if write.table in tables:
                    return True
        return False

    def _may_be_together(self, insert: RowInsert, first: int) -> bool:
        """Tell whether new rows may join the write at index `first`: no later write is to a table that they refer to."""
        later_tables = [write.table for write in self._closed[first + 1 :]]
        return not later_tables or referenced_tables(insert.kind).isdisjoint(later_tables)


def exactly_one(error: Callable[[], Exception]) -> Check:
    def check(changed: int) -> None:
        if changed != 1:
            raise error()

    return check


# Building a statement takes longer than running it, and a statement that is built once is also compiled once.
@cache
def _insert_one(insert: RowInsert, dialect: str) -> Insert:
    table = table_of(insert.kind)
    if not (insert.missing or insert.over):
        return table.insert().inline()
    return insert.add_conflict_clause(insert_of(dialect, table))


def insert_of(dialect: str, table: Table) -> Any:
    """Return the dialect's insert for a table, which has ON CONFLICT. The import is here, so that only the dialect in use
    is loaded. Any: as in `RowInsert.add_conflict_clause`."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


@cache
def _insert_many(insert: RowInsert, names: tuple[str, ...]) -> Insert:
    table = table_of(insert.kind)
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type, dimensions=1)) for name in names]
    cells = func.unnest(*arrays).table_valued(*names).render_derived("given")
    rows = insert_of("postgresql", table).from_select(names, select(*cells.c), include_defaults=False)
    return insert.add_conflict_clause(rows)


def _by_column(rows: Sequence[Values]) -> Values:
    return {name: [row[name] for row in rows] for name in rows[0]}


@cache
def referenced_tables(kind: type[Row]) -> frozenset[str]:
    """Return the names of the kind's table and of the tables that its foreign keys refer to."""
    table = table_of(kind)
    return frozenset({table.name, *(key.column.table.name for key in table.foreign_keys)})


def table_of(kind: type[Row]) -> Table:
    return kind.__table__


@cache
def _counted_key(kind: type[Row]) -> str | None:
    column = table_of(kind).autoincrement_column
    return None if column is None else column.name
