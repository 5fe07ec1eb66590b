"""The one table of a document's fields, with the rules of every text in a document, a change of it or a status: length,
characters, whether required. A row stands in `domain.document`, where its field is declared. In: a draft, a change, a
status. Out: the rows; the same value without blank texts, and each of its texts with its rule. API, OpenAPI, pages and both
translations of envelopes read this table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import cache
from operator import attrgetter, is_
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from gateway.domain.document import Assignment, DocumentChange, Draft, Rule, Staff
from gateway.domain.text import nfc, usual

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a part of a document: its names in the domain and for programs, the type of one value, and its rule."""

    attribute: str
    name: str
    holds: type
    is_part: bool
    is_list: bool
    may_be_absent: bool
    default: Any
    rule: Rule

    @property
    def empty(self) -> str | None:
        """Value of an empty text."""
        return None if self.may_be_absent else ""


@cache
def fields_of(part: type[DataclassInstance]) -> Sequence[Field]:
    """List the fields that have a rule, in their order."""
    return tuple(_fields_of(part))


def _fields_of(part: type[DataclassInstance]) -> Iterator[Field]:
    hints = get_type_hints(part, include_extras=True)
    for each in fields(part):
        found = annotated(hints[each.name])
        if found is None:
            continue
        inner, holds, rule = found
        yield Field(
            attribute=each.name,
            name=rule.api or each.name,
            holds=holds,
            is_part=is_dataclass(holds),
            is_list=get_origin(inner) is tuple,
            may_be_absent=NoneType in get_args(inner),
            default=each.default,
            rule=rule,
        )


def annotated(hint: Any) -> tuple[Any, type[Any], Any] | None:
    """Return the annotated type, the type of one value, and the annotation; None without an annotation."""
    if get_origin(hint) is not Annotated:
        return None
    inner, said = get_args(hint)
    return inner, next(iter(get_args(inner)), inner), said


FIELDS = fields_of(Draft)
"""The fields of a document, in the order of the API."""


def _texts(part: type[DataclassInstance], above: str = "") -> Iterator[tuple[str, Rule]]:
    for each in fields_of(part):
        path = f"{above}{each.name}{'/*' if each.is_list else ''}"
        if each.is_part:
            yield from _texts(each.holds, f"{path}/")
        elif each.rule.longest:
            yield path, each.rule


def _lists(*parts: type[DataclassInstance]) -> Iterator[tuple[str, int]]:
    for part in parts:
        for each in fields_of(part):
            if each.is_list:
                yield each.name, each.rule.most


# Paths are those of the API; `*` stands for each entry of a list. Lengths: edxml.md 2.2, rules.md 12.3.
DRAFT: Mapping[str, Rule] = MappingProxyType(dict(_texts(Draft)))
CHANGE: Mapping[str, Rule] = MappingProxyType(dict(_texts(DocumentChange)))
# The note shares its place on the wire with the reason for a refusal and the id of the answered packet.
STATUS: Mapping[str, Rule] = MappingProxyType(
    {
        "note": Rule(longest=400, lines=True),
        "register_no": Rule(longest=50),
        **dict(_texts(Staff, "staff/")),
        **dict(_texts(Assignment, "assignment/")),
    }
)
# How many entries a list may have.
MOST: Mapping[str, int] = MappingProxyType(dict(_lists(Draft, DocumentChange)))
# Domain names of fields that have another name for programs.
_ATTRIBUTES = {each.name: each.attribute for each in FIELDS}
# No document of an office is older, and none is due later: such a day is a typing error.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)
# Returned to the client unchanged.
_UNTOUCHED = frozenset({"callback_data"})
# Types without texts.
_AS_IT_IS = frozenset({NoneType, bool, int, date, datetime})
_NOTHING = frozenset({None, "", ()})


def tidy(thing: T) -> T:
    """Normalise empty values: blank texts become absent, lists lose blank entries, a part without content is gone. Texts
    are in form NFC, without white space around them, their lines ended by a line feed."""
    changed = {}
    known, values_of = _tidied_fields(type(thing))
    for (name, default), value in zip(known, values_of(thing), strict=False):
        if value.__class__ in _AS_IT_IS or (value.__class__ is str and usual(value)):
            continue
        if (tidied := _tidied(value, default)) is not value:
            changed[name] = tidied
    return replace(thing, **changed) if changed else thing


@cache
def _tidied_fields(
    kind: type[DataclassInstance],
) -> tuple[Sequence[tuple[str, Any]], Callable[[object], Sequence[Any]]]:
    """Return the fields with their defaults, and a getter of all their values at once. Two extra attributes keep its answer
    a tuple in any case."""
    known = [(each.name, each.default) for each in fields(kind) if each.name not in _UNTOUCHED]
    return known, attrgetter(*(name for name, _ in known), "__class__", "__class__")


def entries(rules: Mapping[str, Rule], thing: object) -> Sequence[tuple[str, Rule, str]]:
    """List each text of `thing` under a rule: its JSON pointer, the rule, and the text, empty where there is none."""
    told: list[tuple[str, Rule, str]] = []
    for path, rule in rules.items():
        attribute, below = _ROUTES[path]
        value = getattr(thing, attribute, None)
        if not value:
            if "*" not in below:
                told.append((f"/{path}", rule, ""))
        elif not below:
            told.append((f"/{path}", rule, value))
        elif below[0] != "*" and len(below) == 1:
            told.append((f"/{path}", rule, getattr(value, below[0], None) or ""))
        else:
            told += [(at, rule, text) for at, text in _values(value, below, f"/{path.partition('/')[0]}")]
    return told


def fitting(text: str | None, rule: Rule) -> str | None:
    """Cut a name from our own lists to the rule, without bad characters; None where nothing is left."""
    if text and len(text) <= rule.longest and usual(text):
        return text
    kept = _BAD.sub("", text or "")
    return _clean(_clean(kept)[: rule.longest]) or None


def whole(text: str | None, rule: Rule) -> str | None:
    """Return a text that fits the rule uncut, else None: half an address is useless."""
    return text if text and fitting(text, rule) == text else None


def is_blank(text: str) -> bool:
    """Tell whether a text is invisible: white space, and marks that have no form of their own."""
    if text[:1].isalnum():  # the usual case
        return False
    return all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in text)


def is_encodable(text: str) -> bool:
    """Tell whether it can be written in UTF-8 at all: lone surrogates cannot."""
    return _LONE.search(text) is None


def has_bad_characters(text: str, *, lines: bool = False) -> bool:
    """Find control characters (header and log injection), those that turn the writing round (the shown text is not the
    stored one), lone surrogates and non-characters (not XML)."""
    return (_BAD_IN_LINES if lines else _BAD).search(text) is not None


def turning_shown(text: str) -> str:
    """Write out, as `[U+202E]`, the characters that turn the writing round in a foreign text."""
    return text if text.isascii() else _TURNS.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


_LONE = re.compile("[\ud800-\udfff]")
# Non-characters: the last two of every plane, and a block of the first.
_NONE = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_TURNING = "\u202a-\u202e\u2066-\u2069"
_BAD_IN_LINES = re.compile(f"[\0-\x08\x0b-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff{_NONE}]")
_BAD = re.compile(f"[\0-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff{_NONE}]")
_TURNS = re.compile(f"[{_TURNING}]")


def _clean(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = nfc(text).strip()
    return text if text[:1].isalnum() or not is_blank(text) else ""


def _tidied(value: Any, default: object) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        if isinstance(value, Enum):
            return value
        text = _clean(value)
        if not text:
            return None if default is None else ""
        return value if text == value else type(value)(text)
    if type(value) is tuple:
        parts = [_tidied(each, MISSING) for each in value]
        kept = tuple([each for each in parts if each != ""])
        return value if len(kept) == len(value) and all(map(is_, kept, value)) else kept
    if hasattr(value.__class__, "__dataclass_fields__"):
        part = tidy(value)
        return part if default is not None or _says_something(part) else None
    return value


def _says_something(part: DataclassInstance) -> bool:
    known, values_of = _tidied_fields(type(part))
    return not _NOTHING.issuperset(values_of(part)[: len(known)])


def _route(path: str) -> tuple[str, tuple[str, ...]]:
    """Split a path into the attribute where it begins, and its further parts."""
    first, *below = path.split("/")
    return _ATTRIBUTES.get(first, first), tuple(below)


_ROUTES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    path: _route(path) for rules in (DRAFT, CHANGE, STATUS) for path in rules
}


def _values(thing: object, path: tuple[str, ...], above: str) -> list[tuple[str, str]]:
    first, rest = path[0], path[1:]
    if first != "*":
        value = getattr(thing, first, None)
        return _values(value, rest, f"{above}/{first}") if rest else [(f"{above}/{first}", value or "")]
    parts = thing if isinstance(thing, tuple) else ()
    if not rest:
        return [(f"{above}/{n}", text) for n, text in enumerate(parts)]
    return [told for n, part in enumerate(parts) for told in _values(part, rest, f"{above}/{n}")]
