"""What every table of the store has in common: how a row is made, and column types that both databases keep alike. In
and out: domain values; nothing here knows a table.

A row is made from its values by name, and read; nobody changes one by assigning to it. Moments are kept in UTC,
frozen dataclasses as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self, TypeVar, cast

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from sqlalchemy import ColumnElement, DateTime, Index, Text, bindparam, or_
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel


class Row(SQLModel):
    """A row to be written. Made without the bookkeeping of each attribute, which costs more than writing it; a value that
    has no default must be given."""

    # Nothing is ever validated here, and a validator for each of a hundred tables would be made at every start.
    model_config = {"defer_build": True}

    def __init__(self, **values: Any) -> None:
        cls = type(self)
        for name, field in _optional(cls):
            if name not in values:
                values[name] = field.get_default(call_default_factory=True)
        if values.keys() != cls.model_fields.keys():
            wrong = ", ".join(sorted(values.keys() ^ cls.model_fields.keys()))
            raise TypeError(f"{cls.__name__} is made of all its columns and of nothing else; look at {wrong}")
        self.__dict__.update(values)

    @classmethod
    def of(cls, value: object, **other: Any) -> Self:
        """Made of a value whose fields are called as the columns are, but for the `other` ones."""
        return cls(**{name: getattr(value, name) for name in cls.model_fields if name not in other}, **other)

    def values(self, *but: str) -> dict[str, Any]:
        """Every column's value, without those."""
        given = self.__dict__
        return {name: given[name] for name in type(self).model_fields if name not in but}


@cache
def _optional(cls: type[Row]) -> list[tuple[str, FieldInfo]]:
    return [(name, field) for name, field in cls.model_fields.items() if not field.is_required()]


T = TypeVar("T")


class Moment(TypeDecorator[datetime]):
    """An aware time: kept in UTC, aware on return. SQLite keeps no zone, so what it returns is UTC by this rule."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"a stored time must be aware, and {value.isoformat()} has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def partial_index(name: str, where: Any, *columns: str) -> Index:
    """Of those rows alone. Any: what `text` gives is accepted wherever a condition is."""
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


def one_of(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """The same as IN with values that never change; a list would be written into the statement anew at each call. Any: a
    column, of the table's class or of the table."""
    return or_(*(column == value for value in values))


class _Texts(TypeDecorator[Sequence[str]]):
    """Any number of texts as one value."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


class _Each(FunctionElement[str]):
    inherit_cache = True


# Any, below: a compiler of the library, which has no narrower public type.
@compiles(_Each, "sqlite")
def _each_here(element: Any, compiler: Any, **words: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **words)}))"  # noqa: S608 - our words


@compiles(_Each, "postgresql")
def _each_on_server(element: Any, compiler: Any, **words: Any) -> str:
    return f"(SELECT json_array_elements_text(CAST({compiler.process(element.clauses, **words)} AS JSON)))"


def among(column: Any, name: str) -> ColumnElement[bool]:
    """Whether it is one of the texts that are given under that name; the statement is the same for any number of them.
    Any: as above."""
    return cast("ColumnElement[bool]", column.op("IN")(_Each(bindparam(name, type_=_Texts()))))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: object) -> str:
    """`value` as JSON text. `kind` is its type, also where that is a union or `tuple[X, ...]`, hence the `Any`."""
    return _adapter(kind).dump_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """The value that `to_json` wrote; fields added since then have their defaults."""
    value: T = _adapter(cast("Any", kind)).validate_json(text)
    return value
