"""Combining of a statement's runs for many sets of values into one statement, because a call costs more than a row. In: a
statement that selects or changes rows by named values. Out: a statement that reads all sets as one table (`given`): from
an array for each name on a server, from one JSON text on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    bindparam,
    func,
    select,
    true,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import functions
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.selectable import GenerativeSelect
from sqlalchemy.sql.visitors import cloned_traverse, iterate, replacement_traverse
from sqlalchemy.types import NullType
from sqlalchemy.util import immutabledict

from gateway.store.drivers import LOCKS_ROWS, Prepared, prepared_once

Values = Mapping[str, Any]
_SETS = "given"
# Name of the column with a set's number; no value may have it.
_NUMBER = "number_of_set"
_OF_ALL_ROWS = (CompoundSelect, functions.count, functions.max, functions.min, functions.sum)


@dataclass(frozen=True, slots=True)
class SetsQuery:
    """Query for any number of sets of values. `writes` converts values for SQLite's JSON text; None on a server."""

    prepared: Prepared
    names: tuple[str, ...]
    writes: Sequence[Callable[[Any], Any] | None] | None
    finds_lists: bool
    """True when each result row has all rows of a set as one JSON text."""

    def values(self, sets: Sequence[Values]) -> dict[str, Any]:
        columns = [[values[name] for values in sets] for name in self.names]
        if self.writes is None:
            return dict(zip(self.names, columns, strict=True))
        texts = [
            column if write is None else [*map(write, column)]
            for column, write in zip(columns, self.writes, strict=True)
        ]
        return {_SETS: json.dumps([*zip(*texts, strict=True)], ensure_ascii=False)}

    def split_by_set(self, rows: Sequence[Any], sets: int) -> list[list[Any]]:
        """Split the driver's rows into those of each set, as the statement would have returned them for that set alone."""
        rows_by_set: list[list[Any]] = [[] for _ in range(sets)]
        for row in rows:
            if self.finds_lists:
                rows_by_set[row[-1]] = json.loads(row[0])
            else:
                rows_by_set[row[-1]].append(row[:-1])
        return rows_by_set


@lru_cache(maxsize=256)
def change(statement: Update, names: tuple[str, ...]) -> Update:
    """Return an update for a server that runs `statement` for many sets of these values. As for one set, values without a
    parameter of their name are columns to set."""
    table = cast(Table, statement.table)
    binds = _binds(statement, names)
    types = {name: binds[name].type if name in binds else table.c[name].type for name in names}
    cells, _ = _unnest(types)
    column_values = {name: cells[name] for name in names if name not in binds}
    combined: Any = _replace_binds(statement, {name: cells[name] for name in binds})
    if combined._values is not None:
        # The traversal leaves a plain dict, and `values` below can only extend an immutable one.
        combined._values = immutabledict(combined._values)
    changed: Update = combined.values(column_values)
    return changed


@lru_cache(maxsize=256)
def question(
    statement: Select[Any] | CompoundSelect[Any], names: tuple[str, ...], dialect: Dialect
) -> SetsQuery | None:
    """Return a query that runs `statement` for many sets of these values. None when each set must run by itself."""
    binds = _binds(statement, names)
    if not names or len(binds) != len(names) or any(isinstance(b.type, ARRAY) for b in binds.values()):
        return None
    is_server = dialect.name == "postgresql"
    if is_server:
        cells, number = _unnest({name: bind.type for name, bind in binds.items()})
        writes = None
    else:
        writes = [binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        sets = func.json_each(bindparam(_SETS, type_=Text())).table_valued("key", "value").alias(_SETS)
        cells = {name: func.json_extract(sets.c.value, f"$[{n}]") for n, name in enumerate(names)}
        number = sets.c.key
    is_per_set = any(map(_is_aggregate, iterate(statement)))
    if is_per_set:
        query = _ask_per_set(statement, cells, number, is_server=is_server)
    else:
        query = _replace_binds(statement, cells).add_columns(number)
        if is_server and isinstance(statement, Select) and statement.get_execution_options().get(LOCKS_ROWS):
            query = query.with_for_update(key_share=True, of=[*statement.get_final_froms()])
    prepared = None if query is None else prepared_once(query, names if is_server else (_SETS,), dialect)
    finds_lists = is_per_set and not is_server
    return None if prepared is None else SetsQuery(prepared, names, writes, finds_lists)


def _ask_per_set(
    statement: Select[Any] | CompoundSelect[Any],
    cells: Mapping[str, ColumnElement[Any]],
    number: ColumnElement[Any],
    *,
    is_server: bool,
) -> Select[Any] | None:
    """Return a query that runs the statement as a subquery for each set, because it aggregates over the rows of one set. On
    SQLite the rows of a set are one JSON text, which cannot contain bytes. None when that is impossible: a limit is among
    the values, the statement locks rows, or bytes are selected on SQLite."""
    is_bound = any(_is_bound_by(cells, part) for part in iterate(statement))
    if is_bound or statement.get_execution_options().get(LOCKS_ROWS):
        return None
    sets = next(iter(cells.values())).table if is_server else number.table
    inner = cloned_traverse(_replace_binds(statement, cells), {}, {"select": partial(_correlate, sets)})
    if is_server:
        rows_of_set = inner.lateral("asked")
        return select(*rows_of_set.c, number).select_from(sets.join(rows_of_set, true()))
    rows_of_set = inner.subquery("asked")
    if any(isinstance(column.type, LargeBinary) for column in rows_of_set.c):
        return None
    rows = select(func.json_group_array(func.json_array(*rows_of_set.c))).scalar_subquery()
    return select(rows, number).select_from(sets)


def _correlate(sets: Any, part: Any) -> None:
    """Let a subquery refer to the table of sets in the outer query. Any: as below."""
    Select.correlate.non_generative(part, sets)  # type: ignore[attr-defined]  # of the decorator


def _is_bound_by(names: Collection[str], part: Any) -> bool:
    """Tell whether a limit or an offset is one of the values. Any: a part of any kind."""
    bounds = (part._limit_clause, part._offset_clause) if isinstance(part, GenerativeSelect) else ()
    return any(isinstance(bound, BindParameter) and bound.key in names for bound in bounds)


def _is_aggregate(part: Any) -> bool:
    """Tell whether a part depends on all rows of a statement: an aggregate, DISTINCT, a limit. Any: a part of any kind."""
    if isinstance(part, Select):
        bounds = (part._limit_clause, part._offset_clause)
        return bool(part._distinct or part._group_by_clauses) or any(bound is not None for bound in bounds)
    return isinstance(part, _OF_ALL_ROWS)


def _binds(statement: Any, names: Sequence[str]) -> dict[str, BindParameter[Any]]:
    """Return the statement's parameters with these names, by name. Any: a statement that can be traversed."""
    binds = (part for part in iterate(statement) if isinstance(part, BindParameter))
    return {bind.key: bind for bind in binds if bind.key in names}


def _unnest(types: Mapping[str, Any]) -> tuple[dict[str, ColumnElement[Any]], ColumnElement[Any]]:
    """Return the columns of the table of sets, which is made of one array for each name, and the column with the set's
    number. Any: a type of the library."""
    arrays = [bindparam(name, type_=ARRAY(_or_text(type_), dimensions=1)) for name, type_ in types.items()]
    rows = func.unnest(*arrays).table_valued(*types, with_ordinality=_NUMBER).render_derived(_SETS)
    return {name: rows.c[name] for name in types}, rows.c[_NUMBER].cast(Integer) - 1


def _or_text(type_: Any) -> Any:
    """Return the type, or text for a parameter without one, such as one compared with a function. Any: as above."""
    return Text() if isinstance(type_, NullType) else type_


def _replace_binds(statement: Any, cells: Mapping[str, ColumnElement[Any]]) -> Any:
    """Return the statement with its parameters replaced by these columns. Any: a statement of any kind."""

    def cell(part: Any, **_: Any) -> Any:
        return cells.get(part.key) if isinstance(part, BindParameter) else None

    walked: Any = replacement_traverse
    return walked(statement, {}, cell)
