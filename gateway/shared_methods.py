"""Makes frozen dataclasses share the methods that refuse changes and the one that shows an object. Python before 3.13
compiles a copy of each for every class: 5 MB and a tenth of a start for the 1,300 classes of a node. Imported by the
program before any of them is made."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import FrozenInstanceError
from reprlib import recursive_repr
from typing import Any, ClassVar


class _Frozen:
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __setattr__(self, name: str, value: object) -> None:
        if _is_frozen(type(self), name):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if _is_frozen(type(self), name):
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    @recursive_repr()
    def __repr__(self) -> str:
        fields = [
            f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr
        ]
        return f"{type(self).__qualname__}({', '.join(fields)})"


def _is_frozen(kind: type[_Frozen], name: str) -> bool:
    """Tell whether objects of this class may not change the attribute: any of a dataclass, the fields alone of a plain
    class below one."""
    return "__dataclass_fields__" in vars(kind) or name in kind.__dataclass_fields__


if sys.version_info < (3, 13):
    _library: Any = dataclasses
    _library._frozen_get_del_attr = lambda cls, fields, names: (_Frozen.__setattr__, _Frozen.__delattr__)
    _library._repr_fn = lambda fields, names: _Frozen.__repr__
