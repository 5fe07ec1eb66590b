"""What a unit of work has asked to be written and nobody in it has asked for since: written when somebody does, and at the
latest when the unit ends. In: new rows of a table, and changes of which it is enough to hear in the end that they were
made. Out: the same in the order in which it was asked for; for a server in few statements, each of which writes to
several tables: a call to a server costs more than a row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, TypeVar, cast

from sqlalchemy import Table, bindparam, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
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
class Into:
    """How rows come into a table; got by `into`, so that the same way is the same object. `over` names the columns that are
    written into a row that is there; with none of them such a row stays as it is (`missing`), or it is a clash."""

    kind: type[Row]
    missing: bool
    over: tuple[str, ...]
    table: str

    def one(self, dialect: str) -> Insert:
        """For a call with one row, or one for each of many."""
        return _one(self, dialect)

    def many(self, names: tuple[str, ...]) -> Insert:
        """For a server: all rows as one value for each column."""
        return _gathered(self, names)

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

    def last_of_each(self, rows: Sequence[Values]) -> Sequence[Values]:
        """One statement cannot write over a row twice."""
        key = [column.name for column in table_of(self.kind).primary_key]
        return list({tuple(row[name] for name in key): row for row in rows}.values()) if self.over else rows


@cache
def into(kind: type[Row], *over: str, missing: bool = False) -> Into:
    return Into(kind=kind, missing=missing, over=over, table=table_of(kind).name)


@dataclass(slots=True)
class Waiting:
    """One statement with its values; or rows, of one table."""

    what: Into | UpdateBase
    values: list[Values]
    check: Check | None = None
    finish: Finish | None = None

    def one_by_one(self, dialect: str) -> UpdateBase:
        """For a call with all of its values."""
        return self.what.one(dialect) if isinstance(self.what, Into) else self.what

    def on_server(self) -> tuple[UpdateBase, Values]:
        if not isinstance(self.what, Into):
            return self._change_on_server()
        rows = self.what.last_of_each(self.values)
        names = tuple(rows[0])
        return self.what.many(names), {name: [row[name] for row in rows] for name in names}

    def _change_on_server(self) -> tuple[UpdateBase, Values]:
        what, values = cast("Update", self.what), self.values
        if len(values) == 1:
            return what, values[0]
        names = tuple(values[0])
        return change(what, names), {name: [each[name] for each in values] for name in names}

    @property
    def table(self) -> str:
        return self.what.table if isinstance(self.what, Into) else cast("Table", self.what.table).name


@dataclass(slots=True)
class Later:
    """In the order of asking; rows that come into one table in one way are together, where the first of them stands, unless
    they may name a row that is asked for after that one."""

    _open: list[Waiting] = field(default_factory=list)
    _waiting: list[Waiting] = field(default_factory=list)
    _rows: dict[Into, int] = field(default_factory=dict)
    _tables: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self._waiting or self._open)

    def __iter__(self) -> Iterator[Waiting]:
        return chain(self._open, self._waiting)

    def add(self, way: Into, *values: Values, finish: Finish | None = None) -> None:
        first = self._rows.get(way)
        if first is not None and not named_by(way.kind) & {each.table for each in self._waiting[first + 1 :]}:
            self._waiting[first].values.extend(values)
            return
        self._rows[way] = len(self._waiting)
        self._put(Waiting(way, list(values), finish=finish))

    def add_apart(
        self,
        what: Into | UpdateBase,
        values: Mapping[str, Any],
        check: Check | None = None,
    ) -> None:
        """A change, or a row of which more is to be done."""
        self._put(Waiting(what, [dict(values)], check))

    def add_open(self, way: Into, values: Values) -> Waiting:
        """Before all others: a row of which more is said until it is written."""
        self._open.append(Waiting(way, [values]))
        return self._open[-1]

    def amend(self, row: Waiting, values: Values) -> bool:
        """False where it is written already."""
        if not any(each is row for each in self._open):
            return False
        row.values[0].update(values)
        return True

    def touches(self, words: frozenset[str], *, open_too: bool = True) -> bool:
        """Whether one of the tables that will be written to is among the words of a statement; `open_too`: also those of
        open rows."""
        return not self._tables.isdisjoint(words) or (
            open_too and any(each.table in words for each in self._open)
        )

    def _put(self, waiting: Waiting) -> None:
        self._waiting.append(waiting)
        self._tables.add(waiting.table)


def exactly_one(error: Callable[[], Exception]) -> Check:
    def check(changed: int) -> None:
        if changed != 1:
            raise error()

    return check


# Making a statement takes longer than running it: what is made once is also compiled once.
@cache
def _one(way: Into, dialect: str) -> Insert:
    table = table_of(way.kind)
    if not (way.missing or way.over):
        return table.insert().inline()
    return way.settled(insert_of(dialect, table))


def insert_of(dialect: str, table: Table) -> Any:
    """With the words that the common language lacks. Any: as in `Into.settled`."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


@cache
def _gathered(way: Into, names: tuple[str, ...]) -> Insert:
    table = table_of(way.kind)
    given = [bindparam(name, type_=ARRAY(table.c[name].type, dimensions=1)) for name in names]
    cells = func.unnest(*given).table_valued(*names).render_derived("given")
    rows = insert_of("postgresql", table).from_select(names, select(*cells.c), include_defaults=False)
    return way.settled(rows)


@cache
def named_by(kind: type[Row]) -> frozenset[str]:
    """The table itself, and those whose rows its rows name."""
    table = table_of(kind)
    return frozenset({table.name, *(key.column.table.name for key in table.foreign_keys)})


@cache
def table_of(kind: type[Row]) -> Table:
    return cast("Table", inspect(kind).local_table)


def values_of(row: Row) -> Values:
    """Every column's value; a key that the database counts itself is left out."""
    counted = _counted(type(row))
    return row.values() if counted is None or row.__dict__[counted] is not None else row.values(counted)


@cache
def _counted(kind: type[Row]) -> str | None:
    column = table_of(kind).autoincrement_column
    return None if column is None else column.name
