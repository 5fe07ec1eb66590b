"""Why a row of a file cannot be taken, in the reader's language. In: the registry's own sentence. Out: the sentence of the
label tables, with its codes and numbers; what is not known there is said as a value that cannot be read."""

from __future__ import annotations

import re

from gateway.words import labels

_CODE = r"(?P<code>\S+?)"
_KNOWN = (
    ("utf8", r"these bytes are not UTF-8.*"),
    ("quotes", r"close the quotes.*"),
    ("first_line", r"the first line must name the columns.*"),
    ("unknown_column", r"unknown column.*"),
    ("column_twice", r"this column stands twice.*"),
    ("column_missing", r"column '(?P<name>\w+)' is missing.*"),
    ("cells", r"expected (?P<count>\d+) cells.*"),
    ("twice", r"this code stands on line (?P<line>\d+) already.*"),
    ("last_day", r"the last day is before the first.*"),
    ("unknown_code", r"no agency has this code.*"),
    ("circle", r"following each \w+ from \S+ leads back to it.*"),
    ("alias_taken", rf"this alias leads to {_CODE} already.*"),
    ("alias_hidden", rf"{_CODE} has this code as its older form; .*"),
    ("reform", rf"the approved reform {_CODE} sets this.*"),
    ("same_name", rf"{_CODE} under the same parent has the same name; .*"),
    ("alike", rf"{_CODE} under the same parent has a name that differs by accents or case alone; .*"),
    ("orphan", rf"there is no agency {_CODE} above it; .*"),
    ("undecided", r"(?P<count>\d+) agencies begin or end without a decision; .*"),
    ("empty", r"the (?P<name>\w+) is missing; fill it in"),
    ("date", r"a date is written .*"),
    ("no_day", r"there is no such day.*"),
    ("long", r"\d+ characters; at most (?P<count>\d+)"),
    ("short_form", rf"short form; write it in full as {_CODE}"),
)
_PATTERNS = tuple((key, re.compile(pattern)) for key, pattern in _KNOWN)


def advice(text: str, lang: str) -> str:
    if lang == "en":
        return text[:1].upper() + text[1:]
    for key, pattern in _PATTERNS:
        if (found := pattern.fullmatch(text)) is not None:
            told = {
                name: labels.say(f"reforms.column.{value}", lang) if name == "name" else value
                for name, value in found.groupdict().items()
            }
            return labels.say(f"reforms.advice.{key}", lang, **told)
    return labels.say("reforms.advice.other", lang)
