"""The amount of work of a measurement: each has a frozen `Numbers` whose fields are the numbers of a full run, their
meaning, and those of a quick run. In: the words of the command line. Out: a `Numbers`; every field is an option."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, field, fields
from typing import Any, TypeVar

N = TypeVar("N")


def number(full: Any, help: str, *, quick: Any = None, read: Callable[[str], Any] | None = None) -> Any:
    """Declare a field of a `Numbers`: full, quick (the same where none is given), and the reader of its word."""
    metadata = {"help": help, "quick": full if quick is None else quick, "read": read or type(full)}
    return field(default=full, metadata=metadata)


def numbers_for(kind: type[N], *, quick: bool, words: Mapping[str, Any] | None = None) -> N:
    """Return the numbers of a run, where the caller asked for no others."""
    numbers = {f.name: f.metadata["quick"] if quick else f.default for f in _fields(kind)}
    chosen = {name: value for name, value in (words or {}).items() if name in numbers and value is not None}
    return kind(**(numbers | chosen))


def options(parser: argparse.ArgumentParser, kinds: Mapping[str, type[Any]]) -> None:
    """Add the options of these measurements; one that several share is one option for all of them."""
    names: set[str] = set()
    for name, kind in kinds.items():
        group = parser.add_argument_group(name)
        for f in _fields(kind):
            if f.name in names:
                continue
            names.add(f.name)
            several = isinstance(f.default, tuple)
            group.add_argument(
                f"--{f.name.replace('_', '-')}",
                type=f.metadata["read"],
                nargs="+" if several else None,
                metavar=f.name.upper(),
                help=f"{f.metadata['help']} ({_as_words(f.default)}; quick {_as_words(f.metadata['quick'])})",
            )


def numbers_json(numbers: Any) -> dict[str, Any]:
    """Return the numbers in the form kept beside the figures: two runs compare only where these are alike."""
    return asdict(numbers)


def _fields(kind: Any) -> Iterable[Any]:
    return fields(kind)


def _as_words(value: Any) -> str:
    several: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    return " ".join(map(str, several)) or "none"
