"""Column types that both databases keep alike: moments in UTC, and frozen dataclasses as JSON text. In and out:
domain values; nothing here knows a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, DateTime, or_
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

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


def one_of(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """The same as IN with values that never change; a list would be written into the statement anew at each call. Any: a
    column, of the table's class or of the table."""
    return or_(*(column == value for value in values))


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
