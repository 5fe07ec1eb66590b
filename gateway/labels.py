"""Every Vietnamese word that pages, API and command line say, with its English beside it. In: a key, a language and
parameters. Out: the text. The words stand in the `labels_*` tables by subject; a key that is not there is an error."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from gateway.labels_accounts import ACCOUNTS
from gateway.labels_api import API
from gateway.labels_audit import AUDIT
from gateway.labels_book import BOOK
from gateway.labels_broker import BROKER
from gateway.labels_commands import COMMANDS
from gateway.labels_deadlines import DEADLINES
from gateway.labels_deciding import DECIDING
from gateway.labels_errors import ERRORS
from gateway.labels_evidence import EVIDENCE
from gateway.labels_feed import FEED
from gateway.labels_lists import LISTS
from gateway.labels_messages import MESSAGES
from gateway.labels_operations import OPERATIONS
from gateway.labels_pace import PACE
from gateway.labels_pages import PAGES
from gateway.labels_pages_account import ACCOUNT
from gateway.labels_pages_admin import ADMIN
from gateway.labels_pages_agencies import AGENCIES
from gateway.labels_pages_aside import PUT_ASIDE
from gateway.labels_pages_books import BOOKS as BOOK_PAGES
from gateway.labels_pages_calls import CALLS
from gateway.labels_pages_compose import COMPOSE
from gateway.labels_pages_help import HELP
from gateway.labels_pages_imports import IMPORTS
from gateway.labels_pages_incoming import INCOMING
from gateway.labels_pages_journal import JOURNAL
from gateway.labels_pages_keys import KEYS_PAGES
from gateway.labels_pages_lists import LISTING
from gateway.labels_pages_node import NODE_PAGES
from gateway.labels_pages_office import OFFICE
from gateway.labels_pages_operations import OPERATING
from gateway.labels_pages_outgoing import OUTGOING
from gateway.labels_pages_recalls import RECALLS
from gateway.labels_pages_reforms import REFORMS
from gateway.labels_pages_tags import TAGS
from gateway.labels_pages_tasks import TASKS
from gateway.labels_reading import READING
from gateway.labels_reform import REFORM
from gateway.labels_rules import RULES
from gateway.labels_safety import SAFETY
from gateway.labels_signatures import SIGNATURES
from gateway.labels_signing import SIGNING
from gateway.labels_states import STATES
from gateway.labels_trust import TRUST
from gateway.labels_words import WORDS

LANGUAGES = ("vi", "en")
_COLUMN = {"vi": 0, "en": 1}

_TABLES = (
    LISTS,
    *(ACCOUNTS, API, AUDIT, BOOK, BROKER, COMMANDS, DEADLINES, DECIDING, EVIDENCE, FEED, STATES),
    PAGES,
    ACCOUNT,
    TAGS,
    ADMIN,
    KEYS_PAGES,
    CALLS,
    BOOK_PAGES,
    COMPOSE,
    OFFICE,
    AGENCIES,
    REFORMS,
    IMPORTS,
    HELP,
    LISTING,
    JOURNAL,
    OPERATING,
    NODE_PAGES,
    PUT_ASIDE,
    OUTGOING,
    RECALLS,
    INCOMING,
    TASKS,
    *(READING, REFORM, SIGNATURES, SIGNING, ERRORS, RULES, SAFETY, WORDS, MESSAGES, OPERATIONS, PACE, TRUST),
)
_TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {key: text for table in _TABLES for key, text in table.items()}
)
KEYS: frozenset[str] = frozenset(_TEXTS)

# Parameters of a reason that are themselves keys of a table.
_TABLES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "field": ("field",),
        "why": ("why",),
        "kind": ("active",),
        "unscanned": ("unscanned",),
        "state": ("state",),
        "value": ("category",),
        "finding": ("finding", "reason", "code"),
    }
)


class _Numbered(string.Formatter):
    """Chooses between the words for one and for many; every other form is as usual."""

    def format_field(self, value: Any, format_spec: str) -> str:  # Any: as the standard library has it
        one, parted, many = format_spec.partition("|")
        if not parted:
            return str(super().format_field(value, format_spec))
        return one if str(value) == "1" else many


_NUMBERED = _Numbered()


def say(key: str, /, lang: str = "vi", **params: object) -> str:
    """The text of a key in `vi` or `en`, its parameters filled in: `{count:day|days}` is the word that fits the count.
    KeyError for an unknown key or language, or a parameter that the text needs and was not given."""
    text = _TEXTS[key][_COLUMN[lang]]
    return _NUMBERED.vformat(text, (), params) if "|" in text else text.format_map(params)


def has(key: str) -> bool:
    """Whether there is a text for it: for keys made of other people's codes."""
    return key in _TEXTS


def jobs(keys: object, lang: str = "vi") -> str:
    """Periodic jobs by their names, as one list."""
    named = keys if isinstance(keys, tuple | list) else ()
    return ", ".join(say(f"operating.loop.{each}", lang) for each in named)


def finding_text(key: str, params: Mapping[str, object], lang: str = "vi") -> str:
    """What one check of the doctor found."""
    return say(key, lang, **{name: _found(name, value, lang) for name, value in params.items()})


def _found(name: str, value: object, lang: str) -> object:
    if name.endswith("_bytes"):
        return megabytes(int(str(value)), lang)
    if name == "jobs":
        return jobs(value, lang)
    if name == "way":
        return say(f"pace.way.{value}", lang)
    return say(f"lane.{value}", lang) if name == "lane" else value


def reason_text(code: str, params: Mapping[str, str], lang: str = "vi", *, suggest: str | None = None) -> str:
    """The sentence for one reason of a verdict: what is wrong with which thing, and what to do. Byte counts become
    MB, dates are written as people do, names of fields and causes are translated. Where reading stopped at the limit no
    size is known, and none is told."""
    told = {name: _shown(name, value, lang) for name, value in params.items()}
    stopped = f"rule.{code}.stopped"
    key = stopped if "size_bytes" not in params and has(stopped) else f"rule.{code}"
    text = say(key, lang, **told).replace("  ", " ")
    if suggest:
        text = f"{text} {say('rule.suggest', lang, suggest=suggest)}"
    return text[:1].upper() + text[1:]


def remark_text(key: str, params: Mapping[str, str], lang: str = "vi") -> str:
    """The sentence for one remark on a change of the organisation; dates are written as people do."""
    told = {
        name: say(f"reform.kind.{value}", lang) if name == "kind" else _as_day(value, lang)
        for name, value in params.items()
    }
    return say(f"reform.{key}", lang, **told)


def _as_day(value: str, lang: str) -> str:
    is_day = len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdigit()
    return day(value, lang) if is_day else value


def mark_text(mark: str, lang: str = "vi") -> str:
    """The words for a mark of a standing, such as `unknown:07` or `request_refused:recall`."""
    name, _, detail = mark.partition(":")
    request = say(f"request.{detail}", lang) if has(f"request.{detail}") else detail
    return say(f"mark.{name}", lang, code=detail, request=request, number=detail)


def megabytes(count: int, lang: str = "vi") -> str:
    """A byte count as people read it, never rounded down to a limit that it passes: 12,4 MB; GB from ten on."""
    unit, size = ("GB", 1024**3) if count >= 10 * 1024**3 else ("MB", 1024**2)
    tenths = -(-count * 10 // size)
    text = f"{tenths // 10}.{tenths % 10}".removesuffix(".0")
    return f"{text.replace('.', ',') if lang == 'vi' else text} {unit}"


def kilobytes(count: int, lang: str = "vi") -> str:
    """The size of a file in a list: 33 KB, and MB from one on."""
    return megabytes(count, lang) if count >= 1024 * 1024 else f"{-(-count // 1024)} KB"


def time_left(left: timedelta, lang: str = "vi") -> str:
    """A countdown as clerks read it: hours and minutes, or how late it is."""
    hours, minutes = divmod(int(abs(left) // timedelta(minutes=1)), 60)
    key = "left.hours" if hours else "left.minutes"
    text = say(key, lang, hours=hours, minutes=f"{minutes:02}" if hours else minutes)
    return say("left.late", lang, left=text) if left < timedelta() else text


def day(iso: str, lang: str = "vi") -> str:
    """An ISO date as people read it: 20/11/2026."""
    year, month, dom = iso[:10].split("-")
    return f"{dom}/{month}/{year}" if lang == "vi" else iso[:10]


def _shown(name: str, value: str, lang: str) -> str:
    if name.endswith("_bytes"):
        return megabytes(int(value), lang)
    if name.endswith("_on"):
        return day(value, lang)
    for table in _TABLES_OF.get(name, ()):
        key = f"{table}.{value}"
        if has(key) and "{" not in _TEXTS[key][0]:
            return say(key, lang)
    return value
