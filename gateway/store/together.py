"""One statement for many sets of values, each of which would have been a statement of its own: a call costs more than a
row. In: a statement that asks for values by name, or changes rows by them. Out: the same, which reads all sets as one
table (`given`): an array for each name on a server, one JSON text on SQLite."""

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

from gateway.store.drivers import KEPT, Prepared, prepared_once

Values = Mapping[str, Any]
_GIVEN = "given"
# As no value is called.
_NUMBER = "number_of_set"
_OF_ALL_ROWS = (CompoundSelect, functions.count, functions.max, functions.min, functions.sum)


@dataclass(frozen=True, slots=True)
class Question:
    """A statement for any number of sets of values. `writes`: how the values of a set are written into one text, where they
    are."""

    prepared: Prepared
    names: tuple[str, ...]
    writes: Sequence[Callable[[Any], Any] | None] | None
    finds_lists: bool
    """All rows of a set come as one text."""

    def values(self, sets: Sequence[Values]) -> dict[str, Any]:
        columns = [[values[name] for values in sets] for name in self.names]
        if self.writes is None:
            return dict(zip(self.names, columns, strict=True))
        written = [
            column if write is None else [*map(write, column)]
            for column, write in zip(columns, self.writes, strict=True)
        ]
        return {_GIVEN: json.dumps([*zip(*written, strict=True)], ensure_ascii=False)}

    def rows_of_each(self, found: Sequence[Any], sets: int) -> list[list[Any]]:
        """What was found for each of so many sets, as the driver would have told it."""
        of_each: list[list[Any]] = [[] for _ in range(sets)]
        for row in found:
            if self.finds_lists:
                of_each[row[-1]] = json.loads(row[0])
            else:
                of_each[row[-1]].append(row[:-1])
        return of_each


@lru_cache(maxsize=256)
def change(statement: Update, names: tuple[str, ...]) -> Update:
    """For a server. Values that the statement does not ask for are columns to set, as they are with one set."""
    table = cast(Table, statement.table)
    asked = _binds(statement, names)
    types = {name: asked[name].type if name in asked else table.c[name].type for name in names}
    cells, _ = _arrays(types)
    put = {name: cells[name] for name in names if name not in asked}
    made: Any = _with_cells(statement, {name: cells[name] for name in asked})
    if (
        made._values is not None
    ):  # who walks through a statement leaves a dict behind, to which nothing can be added
        made._values = immutabledict(made._values)
    changed: Update = made.values(put)
    return changed


@lru_cache(maxsize=256)
def question(
    statement: Select[Any] | CompoundSelect[Any], names: tuple[str, ...], dialect: Dialect
) -> Question | None:
    """For values of these names. None where each set has to be asked for by itself."""
    binds = _binds(statement, names)
    if not names or len(binds) != len(names) or any(isinstance(each.type, ARRAY) for each in binds.values()):
        return None
    is_server = dialect.name == "postgresql"
    if is_server:
        cells, number = _arrays({name: bind.type for name, bind in binds.items()})
        writes = None
    else:
        writes = [binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        given = func.json_each(bindparam(_GIVEN, type_=Text())).table_valued("key", "value").alias(_GIVEN)
        cells = {name: func.json_extract(given.c.value, f"$[{n}]") for n, name in enumerate(names)}
        number = given.c.key
    is_apart = any(map(_is_of_all_rows, iterate(statement)))
    if is_apart:
        query = _asked_apart(statement, cells, number, is_server=is_server)
    else:
        query = _with_cells(statement, cells).add_columns(number)
        if is_server and isinstance(statement, Select) and statement.get_execution_options().get(KEPT):
            query = query.with_for_update(key_share=True, of=[*statement.get_final_froms()])
    prepared = None if query is None else prepared_once(query, names if is_server else (_GIVEN,), dialect)
    finds_lists = is_apart and not is_server
    return None if prepared is None else Question(prepared, names, writes, finds_lists)


def _asked_apart(
    statement: Select[Any] | CompoundSelect[Any],
    cells: Mapping[str, ColumnElement[Any]],
    number: ColumnElement[Any],
    *,
    is_server: bool,
) -> Select[Any] | None:
    """Ask the statement within the question, once for each set, where it says something of all its rows together. SQLite
    gives one value for them, which holds no bytes. None where a bound itself is among the values, or rows are kept."""
    is_bound = any(_is_bound_by(cells, part) for part in iterate(statement))
    if is_bound or statement.get_execution_options().get(KEPT):
        return None
    given = next(iter(cells.values())).table if is_server else number.table
    asked = cloned_traverse(_with_cells(statement, cells), {}, {"select": partial(_of_outside, given)})
    if is_server:
        found = asked.lateral("asked")
        return select(*found.c, number).select_from(given.join(found, true()))
    found = asked.subquery("asked")
    if any(isinstance(column.type, LargeBinary) for column in found.c):
        return None
    rows = select(func.json_group_array(func.json_array(*found.c))).scalar_subquery()
    return select(rows, number).select_from(given)


def _of_outside(given: Any, part: Any) -> None:
    """The values are those of the question around it. Any: as below."""
    Select.correlate.non_generative(part, given)  # type: ignore[attr-defined]  # of the decorator


def _is_bound_by(names: Collection[str], part: Any) -> bool:
    """Any: a part of whatever kind."""
    bounds = (part._limit_clause, part._offset_clause) if isinstance(part, GenerativeSelect) else ()
    return any(isinstance(each, BindParameter) and each.key in names for each in bounds)


def _is_of_all_rows(part: Any) -> bool:
    """What a statement says of all its rows together, it would say of those of all sets. Any: a part of whatever kind."""
    if isinstance(part, Select):
        bounds = (part._limit_clause, part._offset_clause)
        return bool(part._distinct or part._group_by_clauses) or any(each is not None for each in bounds)
    return isinstance(part, _OF_ALL_ROWS)


def _binds(statement: Any, names: Sequence[str]) -> dict[str, BindParameter[Any]]:
    """Any: a statement that can be walked through."""
    parts = (each for each in iterate(statement) if isinstance(each, BindParameter))
    return {each.key: each for each in parts if each.key in names}


def _arrays(types: Mapping[str, Any]) -> tuple[dict[str, ColumnElement[Any]], ColumnElement[Any]]:
    """The columns of sets that come as arrays, and the number of the set. Any: a type of the library."""
    arrays = [bindparam(name, type_=ARRAY(_text_or(type_), dimensions=1)) for name, type_ in types.items()]
    rows = func.unnest(*arrays).table_valued(*types, with_ordinality=_NUMBER).render_derived(_GIVEN)
    return {name: rows.c[name] for name in types}, rows.c[_NUMBER].cast(Integer) - 1


def _text_or(type_: Any) -> Any:
    """What is compared with the result of a function has no type of its own. Any: as above."""
    return Text() if isinstance(type_, NullType) else type_


def _with_cells(statement: Any, cells: Mapping[str, ColumnElement[Any]]) -> Any:
    """Any: whatever statement it is, it comes back."""

    def cell(part: Any, **_: Any) -> Any:
        return cells.get(part.key) if isinstance(part, BindParameter) else None

    walked: Any = replacement_traverse
    return walked(statement, {}, cell)
