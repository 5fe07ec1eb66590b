"""Makes plain data of values, for reports as JSON. In: an object and the names of its attributes. Out: a dictionary with
moments and days in ISO form, and words of enumerations as text. Pure."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any


def plain_fields(source: object, names: str, /, **more: object) -> dict[str, Any]:
    """Return the attributes with these names, in order, and the values in `more`; `name=attribute` takes another one."""
    pairs = (word.split("=") if "=" in word else (word, word) for word in names.split())
    return {name: _plain(getattr(source, attribute)) for name, attribute in pairs} | more


def _plain(value: object) -> object:
    if isinstance(value, date):  # a moment is a date too
        return value.isoformat()
    return str(value) if isinstance(value, StrEnum) else value
