"""The one door to what is said to people. In: a key, a language and parameters. Out: the text. The words stand in the
catalogues beside this module; a subject is read when its first key is asked for. A key that is not there is an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType

from gateway.words.catalogue import LANGUAGES as LANGUAGES
from gateway.words.catalogue import SUBJECT_OF, Text, read

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


def say(key: str, /, lang: str = "vi", **params: object) -> str:
    """The text of a key in `vi` or `en`, its parameters filled in; where it counts, the form that fits the number.
    KeyError for an unknown key or language, or a parameter that the text needs and was not given."""
    text = _text(key, lang)
    if isinstance(text, str):
        return text.format_map(params)
    return text.form(params).format_map(_WithParts(key, lang, params))


def has(key: str) -> bool:
    """Whether there is a text for it: for keys made of other people's codes."""
    subject = _subject(key)
    return subject is not None and key in read("vi", subject)


def tails(prefix: str) -> list[str]:
    """What stands behind this prefix and a dot in the keys that begin so, in order."""
    subject, head = _subject(prefix), f"{prefix}."
    return (
        sorted(key.removeprefix(head) for key in read("vi", subject) if key.startswith(head))
        if subject
        else []
    )


@cache
def _text(key: str, lang: str) -> Text:
    if (subject := _subject(key)) is None:
        raise KeyError(key)
    return read(lang, subject)[key]


def _subject(key: str) -> str | None:
    return SUBJECT_OF.get(key.partition(".")[0])


class _WithParts(dict[str, object]):
    """Parameters of a text that counts two things: `{#files}` is the entry `KEY#files`, which has forms of its own."""

    def __init__(self, key: str, lang: str, params: Mapping[str, object]) -> None:
        super().__init__(params)
        self._key, self._lang = key, lang

    def __missing__(self, name: str) -> str:
        if not name.startswith("#"):
            raise KeyError(name)
        return say(f"{self._key}{name}", self._lang, **self)


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
        if has(key) and "{" not in str(_text(key, "vi")):
            return say(key, lang)
    return value
