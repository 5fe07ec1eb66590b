"""Texts for people. In: a key, a language and parameters. Out: the text. The catalogues beside this module are gettext
`.po` files, one for each subject and language; a subject is read when its first key is needed. An unknown key is an error.
Reading is strict: a line that breaks the form of docs/words.md is an error with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from gettext import c2py
from pkgutil import get_data
from types import MappingProxyType

# Parameters of a reason that are themselves keys of a table.
_TABLES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "field": ("field",),
        "why": ("why",),
        "kind": ("active",),
        "named": ("type",),
        "stated": ("type",),
        "unscanned": ("unscanned",),
        "state": ("state",),
        "value": ("category",),
        "finding": ("finding", "reason", "code"),
    }
)
LANGUAGES = ("vi", "en")
SUBJECT_OF: dict[str, str] = {}
_PACKAGE_OF: dict[str, str] = {}
_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr|msgstr\[(\d)\]) )?("(?:[^"\\]|\\["\\nt])*")')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_RULE = re.compile(r"^Plural-Forms: nplurals=(\d); plural=([^;]+);$", re.MULTILINE)
_COUNTS = re.compile(r"\{([a-z_]+)\}")


def say(key: str, /, lang: str = "vi", **params: object) -> str:
    """Return the text of a key in `vi` or `en`, its parameters filled in, in the plural form that fits the number. KeyError
    for an unknown key or language, or a missing parameter."""
    text = _find_text(key, lang)
    if isinstance(text, str):
        return text.format_map(params)
    return text.form(params).format_map(_CountingParameters(key, lang, params))


def has(key: str) -> bool:
    """Tell whether a key has a text; for keys built from foreign codes."""
    subject = _subject_of(key)
    return subject is not None and key in read_catalogue("vi", subject)


def say_or(key: str, other: str, /, lang: str = "vi") -> str:
    """Return the text of a key built from a foreign code; `other` where there is none."""
    return say(key, lang) if has(key) else other


def tails(prefix: str) -> list[str]:
    """List, in order, the parts of keys that follow this prefix and a dot."""
    subject, head = _subject_of(prefix), f"{prefix}."
    return (
        sorted(key.removeprefix(head) for key in read_catalogue("vi", subject) if key.startswith(head))
        if subject
        else []
    )


@cache
def _find_text(key: str, lang: str) -> Text:
    if (subject := _subject_of(key)) is None:
        raise KeyError(key)
    return read_catalogue(lang, subject)[key]


def _subject_of(key: str) -> str | None:
    return SUBJECT_OF.get(key) or SUBJECT_OF.get(key.partition(".")[0])


class _CountingParameters(dict[str, object]):
    """Parameters of a text that counts two things: `{#files}` is the entry `KEY#files` with its own forms."""

    def __init__(self, key: str, lang: str, params: Mapping[str, object]) -> None:
        super().__init__(params)
        self._key, self._lang = key, lang

    def __missing__(self, name: str) -> str:
        if not name.startswith("#"):
            raise KeyError(name)
        return say(f"{self._key}{name}", self._lang, **self)


def jobs(keys: object, lang: str = "vi") -> str:
    """Join the names of periodic jobs to one list."""
    names = keys if isinstance(keys, tuple | list) else ()
    return ", ".join(say(f"operating.loop.{name}", lang) for name in names)


def finding_text(key: str, params: Mapping[str, object], lang: str = "vi") -> str:
    """Describe the result of one doctor check."""
    return say(key, lang, **{name: _finding_parameter(name, value, lang) for name, value in params.items()})


def _finding_parameter(name: str, parameter: object, lang: str) -> object:
    if name.endswith("_bytes"):
        return megabytes(int(str(parameter)), lang)
    if name == "jobs":
        return jobs(parameter, lang)
    if name == "way":
        return say(f"pace.way.{parameter}", lang)
    return say(f"lane.{parameter}", lang) if name == "lane" else parameter


def reason_text(code: str, params: Mapping[str, str], lang: str = "vi", *, suggest: str | None = None) -> str:
    """Describe one reason of a verdict: what is wrong with which field, and how to mend it. Byte counts become MB, dates
    get the local form, names of fields and causes are translated. Where reading stopped at the limit the size is left
    out."""
    texts = {name: _reason_parameter(name, value, lang) for name, value in params.items()}
    cases = (params.get("field"), None if "size_bytes" in params else "stopped")
    own_keys = (f"rule.{code}.{case}" for case in cases if case)
    key = next((key for key in own_keys if has(key)), f"rule.{code}")
    text = say(key, lang, **texts).replace("  ", " ")
    if suggest:
        text = f"{text} {say('rule.suggest', lang, suggest=suggest)}"
    if "profile" in params:
        text = f"{text} {_by_profile(params, lang)}"
    return text[:1].upper() + text[1:]


def _by_profile(params: Mapping[str, str], lang: str) -> str:
    """Tell that the agency's own setting produced a reason: its value, since when, who set it, and the rulebook."""
    setting, _, value = params["profile"].partition(".")
    by, rulebook = params.get("set_by"), params.get("rulebook")
    return say(
        "rule.by_profile",
        lang,
        value=say_or(f"profile.{setting}.{value}", say(f"profile.{setting}", lang), lang),
        since_on=day(params["since_on"], lang),
        by=say("rule.by_profile.by", lang, name=by) if by else "",
        rulebook=say("rule.by_profile.rulebook", lang, number=rulebook) if rulebook else "",
    )


def remark_text(key: str, params: Mapping[str, str], lang: str = "vi") -> str:
    """Describe one remark on a change of the organisation; dates get the local form."""
    texts = {
        name: say(f"reform.kind.{value}", lang) if name == "kind" else _format_day(value, lang)
        for name, value in params.items()
    }
    return say(f"reform.{key}", lang, **texts)


def _format_day(text: str, lang: str) -> str:
    is_day = len(text) == 10 and text[4] == text[7] == "-" and text.replace("-", "").isdigit()
    return day(text, lang) if is_day else text


def mark_text(mark: str, lang: str = "vi") -> str:
    """Describe a mark of a standing, such as `unknown:07` or `request_refused:recall`."""
    name, _, detail = mark.partition(":")
    request = say(f"request.{detail}", lang) if has(f"request.{detail}") else detail
    return say(f"mark.{name}", lang, code=detail, request=request, number=detail)


def megabytes(count: int, lang: str = "vi") -> str:
    """Format a byte count, never rounded down to a limit that it passes: 12,4 MB; GB from ten on."""
    unit, size = ("GB", 1024**3) if count >= 10 * 1024**3 else ("MB", 1024**2)
    tenths = -(-count * 10 // size)
    text = f"{tenths // 10}.{tenths % 10}".removesuffix(".0")
    return f"{text.replace('.', ',') if lang == 'vi' else text} {unit}"


def kilobytes(count: int, lang: str = "vi") -> str:
    """Format the size of a file in a list: 33 KB, and MB from one on."""
    return megabytes(count, lang) if count >= 1024 * 1024 else f"{-(-count // 1024)} KB"


def span(length: timedelta, lang: str = "vi", working_day: timedelta | None = None) -> str:
    """Format a duration in its two largest units: `2 giờ`, `1 ngày 31 phút làm việc`. `working_day` is the length of a day
    where the duration is office time."""
    days, remainder = divmod(abs(length), working_day or timedelta(days=1))
    hours, minutes = divmod(int(remainder // timedelta(minutes=1)), 60)
    units = ((days, "left.days"), (hours, "left.hours"), (minutes, "left.minutes"))
    parts = [say(key, lang, count=count) for count, key in units if count][:2] or [
        say("left.minutes", lang, count=0)
    ]
    text = " ".join(parts)
    return say("left.office", lang, span=text) if days and working_day is not None else text


def day(iso: str, lang: str = "vi") -> str:
    """Format an ISO date as 20/11/2026, in English unchanged."""
    year, month, dom = iso[:10].split("-")
    return f"{dom}/{month}/{year}" if lang == "vi" else iso[:10]


def _reason_parameter(name: str, parameter: str, lang: str) -> str:
    if name.endswith("_bytes"):
        return megabytes(int(parameter), lang)
    if name.endswith("_on"):
        return day(parameter, lang)
    for table in _TABLES_OF.get(name, ()):
        key = f"{table}.{parameter}"
        if has(key) and "{" not in str(_find_text(key, "vi")):
            return say(key, lang)
    return parameter


# The heads of keys, up to their first dot, that stand in each file of this package.
SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "admin": "account_form account_request admin limit profile rights",
        "alarms": "alarm",
        "api": "api fault folder problem sample",
        "audit": "audit",
        "axis": "axis broker host",
        "book": "book paper",
        "books": "books",
        "clashes": "clash",
        "cli": "cli",
        "deadlines": "day day_kind left mail timer",
        "delegated": "delegated",
        "doctor": "cure doctor",
        "documents": (
            "category change delivery field file_role kind lane numbering pdf reply role "
            "secrecy signed_at type urgency"
        ),
        "dossier": "dossier",
        "errors": "code error finding reason verdict",
        "evidence": "archive evidence proof",
        "explain": "explain",
        "incoming": "incoming signatures",
        "journal": "event journal",
        "keys": "keys scope start",
        "legal": "act",
        "notices": "notice",
        "office": "office",
        "operations": "operating queue traffic",
        "outgoing": "failure outgoing",
        "pace": "pace",
        "pages": "form key menu page",
        "ping": "ping",
        "reading": "doubt offer read sure",
        "reform": "reform",
        "rules": "active rule why",
        "safety": "hold scanner unscanned",
        "signing": "certificate legal seal sign signatory signature signer",
        "states": "check checked handover mark outbox packet part request state status step",
        "trust": "trust verify",
        "webhooks": "webhook",
    }
)


def add_catalogues(package: str, subjects: Mapping[str, str]) -> None:
    """Add the catalogues of one more package: its subjects with the heads of their keys, as in `SUBJECTS`, or with whole
    keys under the head of another subject."""
    for subject, heads in subjects.items():
        _PACKAGE_OF[subject] = package
        SUBJECT_OF.update(dict.fromkeys(heads.split(), subject))


add_catalogues("gateway.words", SUBJECTS)


class CatalogueError(ValueError):
    """An unreadable catalogue: file, line and error."""


@dataclass(frozen=True, slots=True)
class CountedText:
    """A text with plural forms: the language's own rule chooses the form for a number."""

    counts: str
    forms: tuple[str, ...]
    rule: Callable[[int], int]

    def form(self, params: Mapping[str, object]) -> str:
        return self.forms[self.rule(_parse_number(params[self.counts]))]


Text = str | CountedText


@cache
def read_catalogue(lang: str, subject: str) -> Mapping[str, Text]:
    """Read the texts of one file of the package by key, once. KeyError for an unknown language."""
    if lang not in LANGUAGES:
        raise KeyError(lang)
    content = get_data(_PACKAGE_OF[subject], f"{lang}/{subject}.po")
    if content is None:
        raise CatalogueError(f"{lang}/{subject}.po: cannot be read")
    return MappingProxyType(parsed_catalogue(content.decode("utf-8"), f"{lang}/{subject}.po"))


def parsed_catalogue(text: str, name: str) -> dict[str, Text]:
    """Parse the texts of a catalogue; `name` stands in errors."""
    entries = _read_entries(text, name)
    first, head = next(entries, (0, {}))
    rule = _RULE.search(head.get("msgstr", ""))
    if rule is None or head.get("msgid"):
        raise CatalogueError(f"{name}:{first}: the header with Plural-Forms is missing")
    many, choose = int(rule[1]), c2py(rule[2])
    texts: dict[str, Text] = {}
    for at, entry in entries:
        key, counts = entry["msgid"], entry.get("msgid_plural")
        if not key or key in texts:
            raise CatalogueError(f"{name}:{at}: the key {key} stands twice")
        names = ["msgstr"] if counts is None else [f"msgstr[{n}]" for n in range(many)]
        forms = tuple(entry.get(form_name, "") for form_name in names)
        if not all(forms) or len(entry) != len(forms) + (1 if counts is None else 2):
            raise CatalogueError(f"{name}:{at}: {key} has not exactly the forms {', '.join(names)}")
        texts[key] = forms[0] if counts is None else CountedText(_count_of(counts, name, at), forms, choose)
    return texts


def _count_of(counts: str, name: str, at: int) -> str:
    if (match := _COUNTS.fullmatch(counts)) is None:
        raise CatalogueError(f"{name}:{at}: msgid_plural names what is counted, as {{count}}")
    return match[1]


def _read_entries(text: str, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each entry with its first line number; blank lines separate them."""
    entry: dict[str, str] = {}
    field, began = "", 0
    for at, line in enumerate([*text.split("\n"), ""], start=1):
        if not line:
            if entry:
                yield began, entry
            entry, field = {}, ""
            continue
        if line.startswith("#") and not entry:
            if line.startswith("#,") and "fuzzy" in line:
                raise CatalogueError(f"{name}:{at}: marked as fuzzy, which nobody may read yet")
            continue
        if (part := _LINE.fullmatch(line)) is None or (part[1] is None and not field):
            raise CatalogueError(f"{name}:{at}: is no line of a catalogue")
        if part[1] is not None:
            field = part[1]
            if field in entry or (field == "msgid") == bool(entry):
                raise CatalogueError(f"{name}:{at}: {field} does not stand in its place")
            began = began if entry else at
            entry[field] = ""
        entry[field] += _unquote(part[3])


def _unquote(quoted: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], quoted[1:-1])


def _parse_number(number: object) -> int:
    """Parse a number that may have separators: 1,204. Any other text counts as many."""
    digits = str(number).replace(",", "").replace(".", "")
    return int(digits) if digits.isdecimal() else 0
