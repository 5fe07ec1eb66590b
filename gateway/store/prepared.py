"""Statements that are asked again and again: compiled once, and run by the database's driver itself. In: a statement and
its values by name. Out: text and values for the driver; and of what it found, rows with their columns as attributes.

What SQLAlchemy does for each call (a key for its cache, a context, a cursor's wrappers) takes several times as long as
the database does. Here it says once what the SQL is and how values are written and read; the rest is the driver's:
`sqlite_here` and `postgres_direct` ask it."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Dialect
from sqlalchemy.exc import StatementError
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

# Of a value, on its way in or out. Any: whatever the column's type has.
_Turn = Callable[[Any], Any]
Values = dict[str, Any]
# The columns of a row are known when it is found. Any: a class that is made then.
_named: Callable[..., Any] = collections.namedtuple
_Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a statement brought: as much of SQLAlchemy's result as is used."""

    rows: Sequence[Any]
    rowcount: int

    def all(self) -> Sequence[Any]:
        return self.rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)


class Prepared:
    """One statement with one set of names, for one kind of database."""

    def __init__(self, compiled: SQLCompiler, statement: SelectBase | UpdateBase, dialect: Dialect) -> None:
        self.text = compiled.string
        given = compiled.params
        self._order = [
            (name, compiled.binds[name].required, given[name], _bind(compiled, name, dialect))
            for name in compiled.positiontup or ()
        ]
        self._dialect = dialect
        self._columns = list(statement.exported_columns)
        self._reads: list[tuple[int, _Turn]] = []
        self._make: _Turn | None = None  # when the driver has told the columns
        self.finds = bool(self._columns)

    def bound(self, values: Values) -> list[Any]:
        """As the driver takes them, in the order of the text."""
        try:
            return [
                turn(values[name] if required else values.get(name, default))
                if turn is not None
                else values[name]
                if required
                else values.get(name, default)
                for name, required, default, turn in self._order
            ]
        except (KeyError, TypeError, ValueError) as cause:
            raise StatementError(f"a value cannot be written: {cause!r}", self.text, None, cause) from cause

    @property
    def is_told(self) -> bool:
        return self._make is not None

    def tell(self, columns: Iterable[tuple[str, Any]]) -> None:
        """Name and type of each column, as the driver has them. Any: a type is a number here, and nothing there."""
        told = list(columns)
        reads = [
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, type_)
            for column, (_, type_) in zip(self._columns, told, strict=True)
        ]
        self._reads = [(at, read) for at, read in enumerate(reads) if read]
        self._make = _maker(name for name, _ in told)

    def rows(self, found: Sequence[Any]) -> Sequence[Any]:
        """`found` as it should be read; the columns are told by now."""
        make, reads = self._make, self._reads
        if make is None or not found:
            return found
        if not reads:
            return [make(row) for row in found]
        rows = []
        for row in found:
            read = list(row)
            for at, turn in reads:
                read[at] = turn(read[at])
            rows.append(make(read))
        return rows


class Statements:
    """The prepared ones of a process. A statement that is asked a second time is one that is kept by its module; one
    that was made for a single question goes with it."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Executable, dict[tuple[str, _Names], Prepared | None]] = (
            WeakKeyDictionary()
        )

    def __len__(self) -> int:
        return len(self._known)

    def of(
        self, statement: Executable, values: Values | list[Values] | None, dialect: Dialect
    ) -> Prepared | None:
        """None: for SQLAlchemy itself, which also answers for each of many rows."""
        known = self._known.get(statement)
        if known is None:
            self._known[statement] = {}
            return None
        first = values[0] if isinstance(values, list) else values
        names = tuple(first or ())
        key = (dialect.name, names)
        if key not in known:
            known[key] = _prepared(statement, names, dialect)
        prepared = known[key]
        return None if prepared is None or (isinstance(values, list) and prepared.finds) else prepared


def _prepared(statement: Executable, names: _Names, dialect: Dialect) -> Prepared | None:
    if not isinstance(statement, SelectBase | UpdateBase):
        return None
    compiled = statement.compile(dialect=dialect, column_keys=list(names) or None)
    if not isinstance(compiled, SQLCompiler):
        return None
    if compiled.insert_prefetch or compiled.update_prefetch:  # values that SQLAlchemy makes for each call
        return None
    if compiled.implicit_returning:  # a key that the database counts, for whoever wrote one row
        return None
    if compiled.post_compile_params or compiled.literal_execute_params:  # a list of values, as long as it is
        return None
    return Prepared(compiled, statement, dialect)


def _bind(compiled: SQLCompiler, name: str, dialect: Dialect) -> _Turn | None:
    turn: _Turn | None = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
    return turn


def _maker(names: Iterable[str]) -> _Turn:
    """Makes a row of its values."""
    made = _named("Row", list(names), rename=True)
    make: _Turn = made._make
    return make
