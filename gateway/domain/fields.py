"""The rules of every text that people and programs write into a document, a change of it or a status: how long, of which
characters, wanted or not. In: a draft, a change, a status. Out: the same with what is blank taken away, and each of its
texts with its rule. The doors, the description of the API, the pages and the writer of envelopes read this one table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import date
from enum import Enum
from functools import cache
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.domain.text import nfc

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One text. `wanted`: nothing is sent without it. `lines`: line feeds and tabs may stand in it. `without`: characters
    that it may not have. `attribute`: what the domain calls the last part of its path, where that differs."""

    longest: int
    wanted: bool = False
    lines: bool = False
    without: str = ""
    attribute: str = ""


# Paths are those of the API; `*` stands for each entry of a list. Lengths: edxml.md 2.2, rules.md 12.3.
_STAFF = {
    "staff/name": Rule(longest=200),
    "staff/department": Rule(longest=200),
    "staff/phone": Rule(longest=20),
    "staff/email": Rule(longest=100),
}
DRAFT: Mapping[str, Rule] = MappingProxyType(
    {
        "number": Rule(longest=11, wanted=True, without=","),
        "symbol": Rule(longest=30, wanted=True, without=","),
        "type": Rule(longest=100, wanted=True, attribute="type_name"),
        "subject": Rule(longest=500, wanted=True, lines=True),
        "signer/name": Rule(longest=50, wanted=True),
        "signer/title": Rule(longest=100),
        "signer/competence": Rule(longest=100),
        "content": Rule(longest=500, lines=True),
        "place": Rule(longest=50),
        "sphere": Rule(longest=100),
        "drafter": Rule(longest=10),
        "category": Rule(longest=200),
        "external_id": Rule(longest=200),
        "callback_data": Rule(longest=20_000, lines=True),
        "labels/*": Rule(longest=200),
        "file_code/organ": Rule(longest=75),
        "file_code/notation": Rule(longest=20),
        **_STAFF,
        "to_places/*": Rule(longest=150),
        "appendixes/*": Rule(longest=500),
        "recipients/*/code": Rule(longest=75),
        "recipients/*/name": Rule(longest=200),
        "recipients/*/parent": Rule(longest=75),
        "replies_to/*/agency": Rule(longest=75, wanted=True),
        "replies_to/*/number": Rule(longest=42, wanted=True),
        "replies_to/*/document_id": Rule(longest=255),
    }
)
# The reason shares its place on the wire with the number of the notice and the name of who approved it (`notice_words`).
CHANGE: Mapping[str, Rule] = MappingProxyType(
    {
        "reason": Rule(longest=300, wanted=True, lines=True),
        "approved_by": Rule(longest=100),
        "notice_no": Rule(longest=42),
        "receivers_added/*": Rule(longest=75),
        "receivers_removed/*": Rule(longest=75),
    }
)
# The note shares its place on the wire with the reason for a refusal and the id of the packet that is answered.
STATUS: Mapping[str, Rule] = MappingProxyType(
    {
        "note": Rule(longest=400, lines=True),
        "register_no": Rule(longest=50),
        **_STAFF,
        "assignment/lead_unit": Rule(longest=200),
        "assignment/coordinating_units/*": Rule(longest=200),
        "assignment/instruction": Rule(longest=2000, lines=True),
    }
)
# How many entries a list may have. One envelope takes no more recipients (verification.md F3): more are several documents.
MOST: Mapping[str, int] = MappingProxyType(
    {
        "recipients": 1000,
        "receivers_added": 1000,
        "receivers_removed": 1000,
        "to_places": 500,
        "appendixes": 200,
        "replies_to": 100,
        "labels": 100,
    }
)
# No document of an office is older, and none is due later: what is further away is a slip of the pen.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)
# What is given back exactly as it came.
_UNTOUCHED = frozenset({"callback_data"})


def tidy(thing: T) -> T:
    """The same with one way to say nothing: what is blank is absent, a list has no blank entries, a part of which nothing
    is left is gone. Texts are in form NFC, without white space around them, their lines ended by a line feed."""
    changed = {}
    for name, default in _tidied_fields(type(thing)):
        value = getattr(thing, name)
        if (tidied := _tidied(value, default)) is not value:
            changed[name] = tidied
    return replace(thing, **changed) if changed else thing


@cache
def _tidied_fields(kind: type[DataclassInstance]) -> tuple[tuple[str, Any], ...]:
    """With their defaults."""
    return tuple((each.name, each.default) for each in fields(kind) if each.name not in _UNTOUCHED)


def entries(rules: Mapping[str, Rule], thing: object) -> Iterator[tuple[str, Rule, str]]:
    """Each text of `thing` under a rule: its JSON pointer, the rule, and the text, empty where there is none."""
    for path, rule in rules.items():
        parts = _parts(path)
        if len(parts) == 1:
            yield f"/{path}", rule, getattr(thing, rule.attribute or path, None) or ""
        elif getattr(thing, parts[0], None):
            for pointer, value in _values(thing, parts, rule.attribute, ""):
                yield pointer, rule, value
        elif "*" not in parts:
            yield f"/{path}", rule, ""


def fitting(text: str | None, rule: Rule) -> str | None:
    """A name from our own lists, which nobody types here, as far as it can be written; None where nothing is left."""
    kept = _BAD.sub("", text or "")
    return _clean(_clean(kept)[: rule.longest]) or None


def whole(text: str | None, rule: Rule) -> str | None:
    """The same for what is of no use cut short, such as an address."""
    return text if text and fitting(text, rule) == text else None


def is_blank(text: str) -> bool:
    """Whether nobody sees anything of it: white space, and marks that have no form of their own."""
    if text[:1].isalnum():  # so begin most
        return False
    return all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in text)


def is_encodable(text: str) -> bool:
    """Whether it can be written in UTF-8 at all: lone surrogates cannot."""
    return _LONE.search(text) is None


def has_bad_characters(text: str, *, lines: bool = False) -> bool:
    """Control characters (header and log injection), those that turn the writing round (what is read is not what is
    written), lone surrogates and non-characters (not XML)."""
    return (_BAD_IN_LINES if lines else _BAD).search(text) is not None


def turning_shown(text: str) -> str:
    """Write out the characters that turn the writing round, as `[U+202E]`, in a text that somebody else wrote."""
    return text if text.isascii() else _TURNS.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


_LONE = re.compile("[\ud800-\udfff]")
# The last two of every plane, and a block of the first, are characters of nothing.
_NONE = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_TURNING = "\u202a-\u202e\u2066-\u2069"
_BAD_IN_LINES = re.compile(f"[\0-\x08\x0b-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff{_NONE}]")
_BAD = re.compile(f"[\0-\x1f\x7f-\x9f{_TURNING}\ud800-\udfff{_NONE}]")
_TURNS = re.compile(f"[{_TURNING}]")


def _clean(text: str) -> str:
    text = nfc(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return "" if is_blank(text) else text


def _tidied(value: Any, default: object) -> Any:
    if value is None:
        return None
    if isinstance(value, str) and not isinstance(value, Enum):
        text = _clean(value)
        if not text:
            return None if default is None else ""
        return value if text == value else type(value)(text)
    if type(value) is tuple:
        parts = [_tidied(each, MISSING) for each in value]
        kept = tuple([each for each in parts if each != ""])
        return value if len(kept) == len(value) and all(map(is_, kept, value)) else kept
    if is_dataclass(value) and not isinstance(value, type):
        part = tidy(value)
        is_empty = all(getattr(part, each.name) in (None, "", ()) for each in fields(part))
        return None if default is None and is_empty else part
    return value


@cache
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def _values(thing: object, path: tuple[str, ...], attribute: str, above: str) -> Iterator[tuple[str, str]]:
    first, rest = path[0], path[1:]
    if first == "*":
        for n, each in enumerate(thing if isinstance(thing, tuple) else ()):
            yield from _values(each, rest, attribute, f"{above}/{n}") if rest else ((f"{above}/{n}", each),)
        return
    value = getattr(thing, first if rest else attribute or first, None)
    if rest:
        yield from _values(value, rest, attribute, f"{above}/{first}")
    else:
        yield f"{above}/{first}", value or ""
