"""How much a measurement does: each has a frozen `Numbers` whose fields are the numbers of a full run, what they mean,
and the smaller ones of a quick run. In: the words of the command line. Out: a `Numbers`; every field is an option of
the same name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, field, fields
from typing import Any, TypeVar

N = TypeVar("N")


def number(full: Any, help: str, *, quick: Any = None, read: Callable[[str], Any] | None = None) -> Any:
    """A field of a `Numbers`: of a full run, of a quick one (the same where none is given), and how a word becomes one."""
    given = {"help": help, "quick": full if quick is None else quick, "read": read or type(full)}
    return field(default=full, metadata=given)


def of(kind: type[N], *, quick: bool, words: Mapping[str, Any] | None = None) -> N:
    """The numbers of a run, where the caller asked for no others."""
    made = {each.name: each.metadata["quick"] if quick else each.default for each in _fields(kind)}
    chosen = {name: value for name, value in (words or {}).items() if name in made and value is not None}
    return kind(**(made | chosen))


def options(parser: argparse.ArgumentParser, kinds: Mapping[str, type[Any]]) -> None:
    """The options of these measurements; one that several share is one option for all of them."""
    told: set[str] = set()
    for name, kind in kinds.items():
        group = parser.add_argument_group(name)
        for each in _fields(kind):
            if each.name in told:
                continue
            told.add(each.name)
            several = isinstance(each.default, tuple)
            group.add_argument(
                f"--{each.name.replace('_', '-')}",
                type=each.metadata["read"],
                nargs="+" if several else None,
                metavar=each.name.upper(),
                help=f"{each.metadata['help']} ({_shown(each.default)}; quick {_shown(each.metadata['quick'])})",
            )


def told(numbers: Any) -> dict[str, Any]:
    """As they are kept beside the figures: two runs compare only where these are alike."""
    return asdict(numbers)


def _fields(kind: Any) -> Iterable[Any]:
    return fields(kind)


def _shown(value: Any) -> str:
    several: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    return " ".join(map(str, several)) or "none"
