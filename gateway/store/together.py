"""One statement for many sets of values, each of which would have been a statement of its own: a call costs more than a
row. In: a statement that asks for values by name, or changes rows by them. Out: the same, which reads all sets as one
table (`given`): an array for each name on a server, one JSON text on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ARRAY as AnyArray
from sqlalchemy import ColumnElement, Integer, Select, Table, Text, bindparam, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import iterate, replacement_traverse
from sqlalchemy.types import NullType
from sqlalchemy.util import immutabledict

from gateway.store.drivers import Prepared, prepared_once

Values = Mapping[str, Any]
KEPT = "gateway_kept"
"""An execution option of questions whose rows nobody else may change meanwhile."""

_GIVEN = "given"
# What a statement says of all its rows together, it would say of those of all sets.
_OF_ALL_ROWS = frozenset({"LIMIT", "OFFSET", "GROUP", "DISTINCT", "UNION", "count", "min", "max", "sum"})


def question(
    statement: Select[Any], alone: Prepared, sets: Sequence[Values], dialect: Dialect
) -> tuple[Prepared, dict[str, Any]] | None:
    """With its values; the last column that it finds is the number of the set. None where each set has to be asked for by
    itself. `alone`: the statement for one set."""
    names = tuple(sets[0])
    if not names or not alone.words.isdisjoint(_OF_ALL_ROWS):
        return None
    made = _question(statement, names, dialect)
    if made is None:
        return None
    prepared, writes = made
    if dialect.name == "postgresql":
        return prepared, {name: [each[name] for each in sets] for name in names}
    rows = [[write(each[name]) for name, write in zip(names, writes, strict=True)] for each in sets]
    return prepared, {_GIVEN: json.dumps(rows, ensure_ascii=False)}


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
def _question(
    statement: Select[Any], names: tuple[str, ...], dialect: Dialect
) -> tuple[Prepared, Sequence[Callable[[Any], Any]]] | None:
    binds = _binds(statement, names)
    if len(binds) != len(names) or any(isinstance(each.type, AnyArray) for each in binds.values()):
        return None
    if dialect.name == "postgresql":
        writes: Sequence[Callable[[Any], Any]] = ()
        cells, number = _arrays({name: bind.type for name, bind in binds.items()})
    else:
        processors = [binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        writes = [each or _as_it_is for each in processors]
        given = func.json_each(bindparam(_GIVEN, type_=Text())).table_valued("key", "value").alias("given")
        cells = {name: func.json_extract(given.c.value, f"$[{n}]") for n, name in enumerate(names)}
        number = given.c.key
    query = _with_cells(statement, cells).add_columns(number)
    if dialect.name == "postgresql" and statement.get_execution_options().get(KEPT):
        query = query.with_for_update(key_share=True, of=[*statement.get_final_froms()])
    given_names = names if dialect.name == "postgresql" else (_GIVEN,)
    prepared = prepared_once(query, given_names, dialect)
    return None if prepared is None else (prepared, writes)


def _as_it_is(value: Any) -> Any:
    return value


def _binds(statement: Any, names: Sequence[str]) -> dict[str, BindParameter[Any]]:
    """Any: a statement that can be walked through."""
    parts = (each for each in iterate(statement) if isinstance(each, BindParameter))
    return {each.key: each for each in parts if each.key in names}


def _arrays(types: Mapping[str, Any]) -> tuple[dict[str, ColumnElement[Any]], ColumnElement[Any]]:
    """The columns of sets that come as arrays, and the number of the set. Any: a type of the library."""
    arrays = [bindparam(name, type_=ARRAY(_text_or(type_), dimensions=1)) for name, type_ in types.items()]
    rows = func.unnest(*arrays).table_valued(*types, with_ordinality="number").render_derived(_GIVEN)
    return {name: rows.c[name] for name in types}, rows.c.number.cast(Integer) - 1


def _text_or(type_: Any) -> Any:
    """What is compared with the result of a function has no type of its own. Any: as above."""
    return Text() if isinstance(type_, NullType) else type_


def _with_cells(statement: Any, cells: Mapping[str, ColumnElement[Any]]) -> Any:
    """Any: whatever statement it is, it comes back."""

    def cell(part: Any, **_: Any) -> Any:
        return cells.get(part.key) if isinstance(part, BindParameter) else None

    walked: Any = replacement_traverse
    return walked(statement, {}, cell)
