"""Every pattern of a program, with the ways in which it is asked, and texts made to wear it out. In: packages that can be
imported. Out: patterns by where they stand; for each of their repeats what comes before it and what it eats."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # the library's own, typed nowhere
from types import ModuleType
from typing import Any

METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
_SAMPLES = "aA1 .-/_,;:=()[]<>\"'\\@+*%&#\nạ\u0301\u2000"
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
# A repeat that is bounded so low cannot make much work.
_LOW = 8
_CHOICES = 4


@dataclass(frozen=True, slots=True)
class Use:
    """Pattern, its place in the code, and the method called on it there."""

    place: str
    pattern: re.Pattern[Any]
    method: str


def uses_in(package: str) -> Iterator[Use]:
    """All of a package: those that stand at the top of a module, alone or in tables, and those of calls such as
    `re.sub("…", …)`."""
    top = importlib.import_module(package)
    for m in pkgutil.walk_packages(top.__path__, f"{package}."):
        if m.name.endswith("__main__"):
            continue
        module = importlib.import_module(m.name)
        source = Path(str(module.__file__)).read_text("utf-8") if module.__file__ else ""
        yield from _of_tables(module, source)
        yield from _of_calls(m.name, source)


def _of_tables(module: ModuleType, source: str) -> Iterator[Use]:
    for name, value in vars(module).items():
        if name.startswith("__"):
            continue
        is_plain = isinstance(value, re.Pattern)
        methods = set(re.findall(rf"\b{name}\.({'|'.join(METHODS)})\b", source)) if is_plain else set()
        for pattern in _patterns(value, 0):
            for method in sorted(methods or ({"search"} if is_plain else {"search", "fullmatch"})):
                yield Use(f"{module.__name__}.{name}", pattern, method)


def _patterns(value: object, depth: int) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping) and depth < 3:
        for inside in value.values():
            yield from _patterns(inside, depth + 1)
    elif isinstance(value, tuple | list) and depth < 3:
        for inside in value:
            yield from _patterns(inside, depth + 1)


def _of_calls(module: str, source: str) -> Iterator[Use]:
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in METHODS
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            pattern = re.compile(node.args[0].value)
            yield Use(f"{module}:{node.lineno}", pattern, node.func.attr)


def attacks_on(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """For each repeat what leads to it, and what it eats; and what a search would begin with again and again."""
    tree = _parser.parse(pattern.pattern, pattern.flags)
    yield from dict.fromkeys(pair for pair in _repeats(tree, "", pattern.flags) if pair[1])


def _repeats(nodes: Iterable[tuple[Any, Any]], lead: str, flags: int) -> Iterator[tuple[str, str]]:
    """Depth first; `lead` is a text that leads here."""
    for kind, argument in nodes:
        if kind in _REPEATS:
            least, most, inside = argument
            eaten = _sample(inside, flags)
            if most is _constants.MAXREPEAT or most > _LOW:
                for choice in (eaten, *_choices(inside, flags)):
                    yield lead, choice
                    yield "", lead + choice
            yield from _repeats(inside, lead, flags)
            lead += eaten * max(least, 1)
        elif kind is _constants.SUBPATTERN:
            yield from _repeats(argument[-1], lead, flags)
            lead += _sample(argument[-1], flags)
        elif kind is _constants.BRANCH:
            for branch in argument[1]:
                yield from _repeats(branch, lead, flags)
            lead += _sample([(kind, argument)], flags)
        elif kind is _constants.ATOMIC_GROUP:
            yield from _repeats(argument, lead, flags)
            lead += _sample(argument, flags)
        else:
            lead += _sample([(kind, argument)], flags)


def _choices(inside: Iterable[tuple[Any, Any]], flags: int) -> list[str]:
    """Several letters that a repeat of one letter may eat."""
    nodes = list(inside)
    if len(nodes) != 1 or nodes[0][0] not in (_constants.IN, _constants.ANY, _constants.NOT_LITERAL):
        return []
    return [letter for letter in _SAMPLES if _takes(nodes[0], letter, flags)][:_CHOICES]


def _sample(nodes: Iterable[tuple[Any, Any]], flags: int) -> str:
    """A text that these nodes take."""
    text = ""
    for kind, argument in nodes:
        if kind is _constants.LITERAL:
            text += chr(argument)
        elif kind in _REPEATS:
            text += _sample(argument[2], flags) * max(argument[0], 1)
        elif kind is _constants.SUBPATTERN:
            text += _sample(argument[-1], flags)
        elif kind is _constants.ATOMIC_GROUP:
            text += _sample(argument, flags)
        elif kind is _constants.BRANCH:
            text += max((_sample(branch, flags) for branch in argument[1]), key=len)
        elif kind in (_constants.IN, _constants.ANY, _constants.NOT_LITERAL):
            text += next((letter for letter in _letters() if _takes((kind, argument), letter, flags)), "")
    return text


def _letters() -> Iterator[str]:
    yield from _SAMPLES
    yield from map(chr, range(256))
    yield from map(chr, range(0x300, 0x3000, 7))


def _takes(node: tuple[Any, Any], letter: str, flags: int) -> bool:
    own = _parser.SubPattern(_parser.State(), [node])
    matcher: Any = _compiler.compile(own, flags)
    return matcher.match(letter) is not None
