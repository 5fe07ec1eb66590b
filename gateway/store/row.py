"""What every table of the store has in common: a row is made from its values by name, and read; nobody changes one by
assigning to it."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.fields import FieldInfo
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

    def values(self, *but: str) -> dict[str, Any]:
        """Every column's value, without those."""
        given = self.__dict__
        return {name: given[name] for name in type(self).model_fields if name not in but}


@cache
def _optional(cls: type[Row]) -> list[tuple[str, FieldInfo]]:
    return [(name, field) for name, field in cls.model_fields.items() if not field.is_required()]
