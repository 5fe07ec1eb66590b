"""The one table of a document's fields, with the rules of every text in a document, a change of it or a status: length,
characters, whether required. Each row is declared with its field in `domain.document`. In: a draft, a change, a status.
Out: the rows; the same value without blank texts; each of its texts with its rule. API, OpenAPI, pages and both
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

# Fields that are returned to the client unchanged.
_UNCHANGED_FIELDS = frozenset({"callback_data"})
# Types without texts.
_TYPES_WITHOUT_TEXT = frozenset({NoneType, bool, int, date, datetime})
_EMPTY_VALUES = frozenset({None, "", ()})
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
# Non-characters: the last two of every plane, and a block of the first.
_NON_CHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_TURNING = "\u202a-\u202e\u2066-\u2069"
_BAD_IN_LINES = re.compile(f"[\0-\x08\x0b-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff{_NON_CHARACTERS}]")
_BAD = re.compile(f"[\0-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff{_NON_CHARACTERS}]")
_TURNING_CHARACTERS = re.compile(f"[{_TURNING}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Field of a part of a document: its names in the domain and for programs, the type of one value, and its rule."""

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
    """Return the fields of a class that have a rule, in order."""
    return tuple(_fields_of(part))


def _fields_of(part: type[DataclassInstance]) -> Iterator[Field]:
    hints = get_type_hints(part, include_extras=True)
    for field in fields(part):
        parts = annotated(hints[field.name])
        if parts is None:
            continue
        annotated_type, holds, rule = parts
        yield Field(
            attribute=field.name,
            name=rule.api or field.name,
            holds=holds,
            is_part=is_dataclass(holds),
            is_list=get_origin(annotated_type) is tuple,
            may_be_absent=NoneType in get_args(annotated_type),
            default=field.default,
            rule=rule,
        )


def annotated(hint: Any) -> tuple[Any, type[Any], Any] | None:
    """Split an annotated type into the type, the type of one value, and the annotation; None without an annotation."""
    if get_origin(hint) is not Annotated:
        return None
    inner, annotation = get_args(hint)
    return inner, next(iter(get_args(inner)), inner), annotation


FIELDS = fields_of(Draft)
"""Fields of a document, in the order of the API."""


def _text_rules(part: type[DataclassInstance], above: str = "") -> Iterator[tuple[str, Rule]]:
    for field in fields_of(part):
        path = f"{above}{field.name}{'/*' if field.is_list else ''}"
        if field.is_part:
            yield from _text_rules(field.holds, f"{path}/")
        elif field.rule.longest:
            yield path, field.rule


def _list_limits(*parts: type[DataclassInstance]) -> Iterator[tuple[str, int]]:
    for part in parts:
        for field in fields_of(part):
            if field.is_list:
                yield field.name, field.rule.most


# Rules of texts by their paths in the API, where `*` is any entry of a list.
DRAFT: Mapping[str, Rule] = MappingProxyType(dict(_text_rules(Draft)))
CHANGE: Mapping[str, Rule] = MappingProxyType(dict(_text_rules(DocumentChange)))
# On the wire, the note shares one text with the reason for a refusal and the id of the answered packet.
STATUS: Mapping[str, Rule] = MappingProxyType(
    {
        "note": Rule(longest=400, lines=True),
        "register_no": Rule(longest=50),
        **dict(_text_rules(Staff, "staff/")),
        **dict(_text_rules(Assignment, "assignment/")),
    }
)
# The most entries of each list.
MOST: Mapping[str, int] = MappingProxyType(dict(_list_limits(Draft, DocumentChange)))
# Domain names of fields that have another name for programs.
_ATTRIBUTES = {field.name: field.attribute for field in FIELDS}


def tidy(part: T) -> T:
    """Return the value with its texts in form NFC, trimmed, and with line feeds as line ends. Blank texts become absent,
    lists lose blank entries, and a part without content is removed."""
    changed = {}
    field_defaults, values_of = _tidied_fields(type(part))
    for (name, default), value in zip(field_defaults, values_of(part), strict=False):
        if value.__class__ in _TYPES_WITHOUT_TEXT or (value.__class__ is str and usual(value)):
            continue
        if (tidied := _tidy_value(value, default)) is not value:
            changed[name] = tidied
    return replace(part, **changed) if changed else part


@cache
def _tidied_fields(
    kind: type[DataclassInstance],
) -> tuple[Sequence[tuple[str, Any]], Callable[[object], Sequence[Any]]]:
    """Return the fields to tidy with their defaults, and a getter of all their values. The getter ends with two extra
    attributes, so that it always returns a tuple."""
    field_defaults = [(f.name, f.default) for f in fields(kind) if f.name not in _UNCHANGED_FIELDS]
    return field_defaults, attrgetter(*(name for name, _ in field_defaults), "__class__", "__class__")


def entries(rules: Mapping[str, Rule], part: object) -> Sequence[tuple[str, Rule, str]]:
    """Return each text of `part` that has a rule: its JSON pointer, the rule, and the text, empty where there is none."""
    texts: list[tuple[str, Rule, str]] = []
    for path, rule in rules.items():
        attribute, tail = _ROUTES[path]
        value = getattr(part, attribute, None)
        if not value:
            if "*" not in tail:
                texts.append((f"/{path}", rule, ""))
        elif not tail:
            texts.append((f"/{path}", rule, value))
        elif tail[0] != "*" and len(tail) == 1:
            texts.append((f"/{path}", rule, getattr(value, tail[0], None) or ""))
        else:
            texts += [(at, rule, text) for at, text in _texts_at(value, tail, f"/{path.partition('/')[0]}")]
    return texts


def fitting(text: str | None, rule: Rule) -> str | None:
    """Return a name from our own lists cut to the length of the rule without bad characters; None where nothing is
    left."""
    if text and len(text) <= rule.longest and usual(text):
        return text
    cleaned = _BAD.sub("", text or "")
    return _clean(_clean(cleaned)[: rule.longest]) or None


def keep_if_fits(text: str | None, rule: Rule) -> str | None:
    """Return a text that fits the rule uncut, else None, since half an address is useless."""
    return text if text and fitting(text, rule) == text else None


def is_blank(text: str) -> bool:
    """Tell whether a text is invisible: only white space, and marks without a form of their own."""
    if text[:1].isalnum():  # the usual case
        return False
    return all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in text)


def is_encodable(text: str) -> bool:
    """Tell whether a text can be encoded in UTF-8: lone surrogates cannot."""
    return _LONE_SURROGATES.search(text) is None


def has_bad_characters(text: str, *, lines: bool = False) -> bool:
    """Tell whether a text has control characters (header and log injection), characters that change the direction of
    writing (the shown text is not the stored one), lone surrogates or non-characters (not XML)."""
    return (_BAD_IN_LINES if lines else _BAD).search(text) is not None


def has_foreign_digits(text: str) -> bool:
    """Tell whether a text has digits of another script, which look like a number and are none to a program."""
    return not text.isascii() and any(sign.isdigit() and not sign.isascii() for sign in text)


def escape_turning(text: str) -> str:
    """Replace the characters of a foreign text that change the direction of writing by their names, such as
    `[U+202E]`."""
    return text if text.isascii() else _TURNING_CHARACTERS.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def _clean(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = nfc(text).strip()
    return text if text[:1].isalnum() or not is_blank(text) else ""


def _tidy_value(value: Any, default: object) -> Any:
    """Return the tidied value; the same object where nothing changes."""
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
        parts = [_tidy_value(p, MISSING) for p in value]
        nonblank = tuple([p for p in parts if p != ""])
        return value if len(nonblank) == len(value) and all(map(is_, nonblank, value)) else nonblank
    if hasattr(value.__class__, "__dataclass_fields__"):
        part = tidy(value)
        return part if default is not None or _has_content(part) else None
    return value


def _has_content(part: DataclassInstance) -> bool:
    field_defaults, values_of = _tidied_fields(type(part))
    return not _EMPTY_VALUES.issuperset(values_of(part)[: len(field_defaults)])


def _split_path(path: str) -> tuple[str, tuple[str, ...]]:
    """Split a path into its first attribute and its further parts."""
    first, *subpath = path.split("/")
    return _ATTRIBUTES.get(first, first), tuple(subpath)


_ROUTES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    path: _split_path(path) for rules in (DRAFT, CHANGE, STATUS) for path in rules
}


def _texts_at(owner: object, path: tuple[str, ...], above: str) -> list[tuple[str, str]]:
    first, tail = path[0], path[1:]
    if first != "*":
        value = getattr(owner, first, None)
        return _texts_at(value, tail, f"{above}/{first}") if tail else [(f"{above}/{first}", value or "")]
    parts = owner if isinstance(owner, tuple) else ()
    if not tail:
        return [(f"{above}/{n}", text) for n, text in enumerate(parts)]
    return [pair for n, part in enumerate(parts) for pair in _texts_at(part, tail, f"{above}/{n}")]
