"""Rows in a form that belongs to no database: one JSON array a line, each value in one of six kinds. In: values as a
driver gives them, or lines. Out: the other. What SQLite wrote, PostgreSQL reads, value for value."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Boolean, Column, Date, DateTime, Integer, LargeBinary, String

from gateway import errors

# The first that fits names the kind. Floating numbers are left out on purpose: no table has one.
_KINDS: tuple[tuple[type, str], ...] = (
    (Boolean, "boolean"),
    (Integer, "integer"),
    (DateTime, "moment"),
    (Date, "date"),
    (LargeBinary, "bytes"),
    (String, "text"),
)


def kind_of(column: Column[Any]) -> str:
    """The kind of a column as the database describes it."""
    for sort, kind in _KINDS:
        if isinstance(column.type, sort):
            return kind
    raise errors.StoreFailure(
        f"the column {column.table.name}.{column.name} is {column.type!r}, which a copy cannot keep exactly"
    )


def line(values: Sequence[object]) -> bytes:
    """One row. Moments are written in UTC; those that a database kept without a zone are UTC by its rule."""
    told = json.dumps([_plain(value) for value in values], ensure_ascii=False, separators=(",", ":"))
    return told.encode() + b"\n"


def reader(kinds: Sequence[str], zoned: bool) -> Callable[[bytes], list[Any]]:
    """What turns a line into values for a driver; `zoned` says whether that database keeps a time's zone."""
    readers = [_readers(zoned).get(kind) for kind in kinds]

    def read(text: bytes) -> list[Any]:
        values = json.loads(text)
        return [
            value if value is None or made is None else made(value)
            for made, value in zip(readers, values, strict=True)
        ]

    return read


def _plain(value: object) -> object:
    match value:
        case datetime():
            aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return aware.isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
    return value


def _readers(zoned: bool) -> Mapping[str, Callable[[Any], Any]]:
    def moment(text: str) -> datetime:
        at = datetime.fromisoformat(text)
        return at if zoned else at.replace(tzinfo=None)

    return {"moment": moment, "date": date.fromisoformat, "bytes": base64.b64decode}
