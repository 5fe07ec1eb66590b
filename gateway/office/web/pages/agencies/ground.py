"""What the pages of agencies share. What they show of a change: each code before and after, cell by cell, and remarks as
sentences; of a file of codes, row by row, each line with a word, a code and its cells, how many there are of each word, and
why a row cannot be taken, in the reader's language; what is not known there is said as a value that cannot be read. And the
proof of a decision: a person who decides shows password and second factor anew, in the very form that decides. In: lives of
codes, remarks; a plan, or what an import changed; the fields of the form. Out: rows of text; the person signed in for one
decision, or the words that stand beside the field. And agencies as people name them in forms, by a code, old or new, by a
name, or as the list of suggestions writes them: the code of today, or the sentence that stands beside the field; nobody is
guessed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web

from gateway.deciding import people
from gateway.domain.person import SignedIn
from gateway.domain.registry import AgencyEntry
from gateway.domain.registry_change import AgencyRecord, Life, Plan, RowChange
from gateway.domain.registry_reform import Remark
from gateway.errors import Clash, Denied, GatewayError
from gateway.office.web.dates import cell_text
from gateway.office.web.forms import Problems
from gateway.office.web.routes import Who, get
from gateway.office.web.visits import Visit
from gateway.policy.two_people import Objection
from gateway.words import labels

Shown = Mapping[str, Any]
"""What a template is given of one thing."""
T = TypeVar("T")
_CELLS_SHOWN = ("name", "parent", "valid_from", "valid_to", "successor")


def code_lines(before: Mapping[str, Life | None], after: Mapping[str, Life | None]) -> list[Shown]:
    """Each code that changes, begins or ends; of each field what stood there, and what will. Nothing is empty text; fields
    that stay are left out."""
    return [_code_line(code, before.get(code), life) for code, life in after.items() if life is not None]


def _code_line(code: str, was: Life | None, life: Life) -> Shown:
    def cell(of: Life | None, name: str) -> str:
        return cell_text(getattr(of.record, name)) if of is not None else ""

    cells = [(name, cell(was, name), cell(life, name)) for name in _CELLS_SHOWN]
    changed = [each for each in cells if each[1] != each[2]]
    return {"code": code, "name": life.record.name, "is_new": was is None, "cells": changed}


def remarks_said(visit: Visit, remarks: Iterable[Remark]) -> list[str]:
    """Each as a sentence that begins like one."""
    found = (labels.remark_text(each.key, each.params, visit.lang) for each in remarks)
    return [text[:1].upper() + text[1:] for text in found]


def unknown(visit: Visit, text: str, nearest: str | None) -> str:
    """That nobody is called so; nobody is guessed, but the nearest is named."""
    if nearest:
        return visit.say("agencies.unknown", code=text, offer=nearest)
    return visit.say("agencies.unknown_alone", code=text)


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
    ("name_short", r"the name has the short form (?P<short>\S+); write it in full, (?P<full>.*)"),
    ("name_capitals", r"the name is in capitals; .*"),
    ("name_bare", r"the name has no accents; .*"),
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


def row_advice(text: str, lang: str) -> str:
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


_FIELDS_ADDED = ("alias", "parent", "valid_from", "valid_to", "successor", "decision", "host")


class ImportWord(StrEnum):
    """What a file does with one row."""

    ERROR = "error"
    CLOSE = "close"
    CHANGE = "change"
    ADD = "add"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """One row of the preview: cells as field, old and new text. A problem has the line of the file."""

    word: ImportWord
    code: str
    name: str = ""
    cells: tuple[tuple[str, str, str], ...] = ()
    line: int = 0
    advice: str = ""


def plan_lines(visit: Visit, plan: Plan) -> list[ImportLine]:
    """Problems; then what ends, what changes, what is new: the order in which a person looks."""
    made = [
        ImportLine(
            word=ImportWord.ERROR,
            code=each.found,
            name=visit.say(f"reforms.column.{each.column}"),
            line=each.line,
            advice=row_advice(each.advice, visit.lang),
        )
        for each in plan.problems
    ]
    made += [_changed_line(ImportWord.CLOSE, each) for each in plan.closed]
    made += [_changed_line(ImportWord.CHANGE, each) for each in plan.changed]
    return made + [_added_line(each) for each in plan.added]


def plan_doubts(visit: Visit, plan: Plan) -> list[str]:
    """What a person should look at before, as sentences."""
    return [
        visit.say(
            "reforms.import.doubt",
            line=each.line,
            found=each.found,
            advice=row_advice(each.advice, visit.lang),
        )
        for each in plan.doubts
    ]


def count_words(lines: list[ImportLine], plan: Plan) -> dict[ImportWord, int]:
    counts = {word: sum(each.word is word for each in lines) for word in ImportWord}
    return counts | {ImportWord.SAME: plan.unchanged}


def import_lines(
    lines: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]], fields: tuple[str, ...]
) -> list[ImportLine]:
    """What an applied import changed, and what stands there now."""
    return [
        ImportLine(
            word=ImportWord.CHANGE,
            code=code,
            name=now.get("name", before.get("name", "")),
            cells=tuple(
                (name, before.get(name, ""), now.get(name, ""))
                for name in fields
                if before.get(name, "") != now.get(name, "")
            ),
        )
        for code, (before, now) in lines.items()
    ]


def _changed_line(word: ImportWord, row: RowChange) -> ImportLine:
    cells = tuple((name, old or "", new or "") for name, (old, new) in row.fields.items())
    return ImportLine(word=word, code=row.code, name=row.name, cells=cells)


def _added_line(record: AgencyRecord) -> ImportLine:
    cells = tuple(
        (name, "", str(value)) for name in _FIELDS_ADDED if (value := getattr(record, name)) is not None
    )
    return ImportLine(word=ImportWord.ADD, code=record.code, name=record.name, cells=cells)


PASSWORD, CODE = "password", "code"  # the names of fields
_UNPROVED = "GW-401"


async def signed_in_here(visit: Visit) -> SignedIn:
    """Whoever is at the page, and nobody else. Denied as everywhere where persons decide."""
    person = visit.person.person
    return await people.sign_in(
        visit.deps.deciding, person.login or person.name, visit.form.text(PASSWORD), visit.form.text(CODE)
    )


async def names_of_people(visit: Visit, ids: Collection[str]) -> Mapping[str, str]:
    async with visit.deps.deciding.decisions.read() as view:
        return await view.people.names(ids)


async def signed(
    visit: Visit, problems: Problems, act: Callable[[SignedIn], Awaitable[T]]
) -> tuple[T | None, Problems]:
    """What came of an act that the person proves in the same form; or what stands against it, `problems` first."""
    if problems := [*problems, *proof_missing(visit)]:
        return None, problems
    try:
        return await act(await signed_in_here(visit)), []
    except (Denied, Clash) as why:
        return None, proof_refused(visit, why)


def proof_missing(visit: Visit) -> Problems:
    """What is not even filled in."""
    words = {PASSWORD: "entry.password", CODE: "entry.code"}
    return [visit.missing(name, key) for name, key in words.items() if not visit.form.text(name)]


def proof_refused(visit: Visit, error: GatewayError) -> Problems:
    """Why the decision was not taken; raises anew what is no matter of the form."""
    if error.code == _UNPROVED:
        return [(PASSWORD, visit.say("reforms.sign.wrong"))]
    if not labels.has(f"clash.{error.code}"):
        raise error
    field = "typed_1" if error.code == Objection.DIGITS else ""
    return [(field, visit.say(f"clash.{error.code}"))]


_IN_BRACKETS = re.compile(r".*\(([^()\s]{1,75})\)\s*", re.S)
_PLAIN_CODE = re.compile(r"[\w.\-]+")
MOST_OFFERS = 8
# Among those found are some that have ended; those in force shall not lose their place to them.
_LOOKED_AT = 40
_FEWEST_LETTERS = 2


def written(entry: AgencyEntry) -> str:
    """As the suggestions write it; `known_code` reads it back."""
    return f"{entry.name} ({entry.code})"


def split_names(text: str) -> tuple[str, ...]:
    """One on a line, or apart by semicolons; by commas too where nothing but codes stands there, as names have commas."""
    names = [name for line in re.split(r"[\n;]", text) for name in _split_codes(line)]
    return tuple(" ".join(name.split()) for name in names if name.strip())


def _split_codes(line: str) -> list[str]:
    """Split a line at its commas where every part is a code; the last part may be empty."""
    parts = [part.strip() for part in line.split(",")]
    codes = parts[:-1] if len(parts) > 2 and not parts[-1] else parts
    is_list = len(codes) > 1 and all(map(_PLAIN_CODE.fullmatch, codes))
    return codes if is_list else [line]


async def known_code(visit: Visit, text: str) -> tuple[str, str]:
    """Its code of today, and what is wrong where nobody, or more than one, is called so."""
    registry, today = visit.deps.registry, visit.deps.out.today()
    bare = await in_brackets(visit, text)
    if (entry := await registry.entry(bare)) is not None:
        return entry.code, ""
    found = await registry.resolve(bare, today)
    if found.entry is not None:
        return found.entry.code, ""
    if near := await offers(visit, text):
        return text, visit.say("agencies.which", text=text, list="; ".join(map(written, near)))
    return text, unknown(visit, text, found.nearest)


async def in_brackets(visit: Visit, text: str) -> str:
    """The code behind a name, where the registry has it; else the text as it is."""
    code = _IN_BRACKETS.fullmatch(text)
    known = code is not None and await visit.deps.registry.entry(code[1]) is not None
    return code[1] if code is not None and known else text


async def offers(visit: Visit, text: str) -> Sequence[AgencyEntry]:
    """Those in force whose code begins so, or whose name has these words, with accents or without."""
    if len(text.strip()) < _FEWEST_LETTERS:
        return ()
    today = visit.deps.out.today()
    found = await visit.deps.registry.search(text, _LOOKED_AT)
    return [each for each in found if each.valid_to is None or today <= each.valid_to][:MOST_OFFERS]


async def suggested(visit: Visit) -> web.StreamResponse:
    found = await offers(visit, visit.ask("q")[:200])
    made = [(written(each), each) for each in found]
    return visit.piece("agencies/_suggest.html", found=made)


ROUTES = (get("/co-quan/goi-y", "agencies_named", suggested, who=Who.READY, key="agencies", quiet=True),)
