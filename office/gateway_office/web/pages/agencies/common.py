"""Shared parts of the pages of agencies. A change is shown with each code before and after, cell by cell, and remarks as
sentences; a file of codes row by row, with a count of each kind of line, and the faults of its rows in the reader's
language. A person proves a decision with password and second factor in the very form that decides. Agencies typed in forms
by code, old or new, by name, or as the suggestions write them are resolved to the code of today, or to the sentence that
stands beside the field; no agency is guessed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web

from gateway.deciding import people
from gateway.domain.delegated import BindingOrigin
from gateway.domain.person import Proposal, SignedIn
from gateway.domain.registry import DEFAULT_SCHEME, AgencyEntry
from gateway.domain.registry_change import RECORD_FIELDS, AgencyRecord, Life, Plan, RowChange
from gateway.domain.registry_reform import Remark
from gateway.errors import Clash, Denied, GatewayError
from gateway.policy.two_people import Objection
from gateway.words import labels
from gateway_office.web.dates import cell_text
from gateway_office.web.duty_table import PROPOSALS
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, sharing

TemplateValues = Mapping[str, Any]
"""Values of a template for one thing."""
get, post, both = sharing(access=Access.READY, key="agencies")
T = TypeVar("T")
_CELL_FIELDS = ("name", "parent", "valid_from", "valid_to", "successor")
_CODE = r"(?P<code>\S+?)"
_ADVICE_FORMS = (
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
    ("name_small", r"the name begins with a small letter; .*"),
    ("name_joint", r"the name has the word (?P<word>\S+) with a capital; .*"),
    ("name_blanks", r"the name has blanks too many; .*"),
    ("name_apart", r"the name has letters apart from their marks; .*"),
    ("ambiguous", rf"(?P<count>\d+) agencies have the name of one under another parent, as {_CODE}; .*"),
    ("name_bare", r"the name has no accents; .*"),
    ("same_name", rf"{_CODE} under the same parent has the same name; .*"),
    ("alike", rf"{_CODE} under the same parent has a name that differs by accents or case alone; .*"),
    ("orphan", rf"there is no agency {_CODE} above it; .*"),
    ("undecided", r"(?P<count>\d+) agencies begin or end without a decision; .*"),
    ("empty", r"the (?P<name>\w+) is missing; fill it in"),
    ("date", r"a date is written .*"),
    ("no_day", r"there is no such day.*"),
    ("long", r"\d+ characters; at most (?P<count>\d+)"),
    ("other_form", r"a code of another scheme has .*, at most (?P<count>\d+) characters"),
    ("state_form", r"this would be taken for a code of Decision 20/2020; .*"),
    ("scheme_form", r"a scheme is named by .*, at most (?P<count>\d+) characters"),
    ("scheme_fixed", r"this code belongs to the scheme (?P<scheme>\S+); .*"),
    ("without_code", r"a body without a code receives nothing; .*"),
    ("short_form", rf"short form; write it in full as {_CODE}"),
)
_PATTERNS = tuple((key, re.compile(pattern)) for key, pattern in _ADVICE_FORMS)
# A line of a new agency has its own code and name; how to reach it is not shown.
_HIDDEN_FIELDS = frozenset({"code", "name", "email", "address", "phone", "contact", "scheme"})
_FIELDS_ADDED = tuple(name for name in RECORD_FIELDS if name not in _HIDDEN_FIELDS)
PASSWORD, CODE = "password", "code"  # the names of fields
_UNPROVED = "GW-401"
_IN_BRACKETS = re.compile(r".*\(([^()\s]{1,75})\)\s*", re.S)
_PLAIN_CODE = re.compile(r"[\w.\-]+")
MOST_OFFERS = 8
# Some results have ended; those in force shall not lose their place to them.
_LOOKED_AT = 40
_FEWEST_LETTERS = 2


def code_lines(
    lives_before: Mapping[str, Life | None], lives_after: Mapping[str, Life | None]
) -> list[TemplateValues]:
    """List each code that changes, begins or ends, with each changed field before and after; no value is empty text."""
    return [
        _code_line(code, lives_before.get(code), life)
        for code, life in lives_after.items()
        if life is not None
    ]


def _code_line(code: str, earlier: Life | None, life: Life) -> TemplateValues:
    def cell(owner: Life | None, name: str) -> str:
        return cell_text(getattr(owner.record, name)) if owner is not None else ""

    cells = [(name, cell(earlier, name), cell(life, name)) for name in _CELL_FIELDS]
    changed = [change for change in cells if change[1] != change[2]]
    return {"code": code, "name": life.record.name, "is_new": earlier is None, "cells": changed}


def render_remarks(request: PageRequest, remarks: Iterable[Remark]) -> list[str]:
    """Render each remark as a sentence."""
    texts = (labels.remark_text(remark.key, remark.params, request.lang) for remark in remarks)
    return [text[:1].upper() + text[1:] for text in texts]


def unknown(request: PageRequest, text: str, nearest: str | None) -> str:
    """Say that no agency is called so; the nearest is named, not guessed."""
    if nearest:
        return request.say("agencies.unknown", code=text, offer=nearest)
    return request.say("agencies.unknown_alone", code=text)


def row_advice(text: str, lang: str) -> str:
    if lang == "en":
        return text[:1].upper() + text[1:]
    for key, pattern in _PATTERNS:
        if (match := pattern.fullmatch(text)) is not None:
            params = {
                name: labels.say(f"reforms.column.{value}", lang) if name == "name" else value
                for name, value in match.groupdict().items()
            }
            return labels.say(f"reforms.advice.{key}", lang, **params)
    return labels.say("reforms.advice.other", lang)


class ImportWord(StrEnum):
    """Effect of a file on one row."""

    ERROR = "error"
    CLOSE = "close"
    CHANGE = "change"
    ADD = "add"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """Row of the preview: cells as field, old and new text. A problem has the line of the file."""

    word: ImportWord
    code: str
    name: str = ""
    cells: tuple[tuple[str, str, str], ...] = ()
    line: int = 0
    advice: str = ""


def plan_lines(request: PageRequest, plan: Plan) -> list[ImportLine]:
    """List problems; then closed, changed and new agencies: the order in which a person looks."""
    lines = [
        ImportLine(
            word=ImportWord.ERROR,
            code=problem.found,
            name=request.say(f"reforms.column.{problem.column}"),
            line=problem.line,
            advice=row_advice(problem.advice, request.lang),
        )
        for problem in plan.problems
    ]
    lines += [_changed_line(ImportWord.CLOSE, row) for row in plan.closed]
    lines += [_changed_line(ImportWord.CHANGE, row) for row in plan.changed]
    return lines + [_added_line(record) for record in plan.added]


def plan_doubts(request: PageRequest, plan: Plan) -> list[str]:
    """List the doubts that a person should look at before, as sentences."""
    return [
        request.say(
            "reforms.import.doubt",
            line=doubt.line,
            found=doubt.found,
            advice=row_advice(doubt.advice, request.lang),
        )
        for doubt in plan.doubts
    ]


def count_words(lines: list[ImportLine], plan: Plan) -> dict[ImportWord, int]:
    counts = {word: sum(line.word is word for line in lines) for word in ImportWord}
    return counts | {ImportWord.SAME: plan.unchanged}


def import_lines(
    lines: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]], fields: tuple[str, ...]
) -> list[ImportLine]:
    """List the changes of an applied import, with the values of now."""
    return [
        ImportLine(
            word=ImportWord.CHANGE,
            code=code,
            name=now.get("name", earlier.get("name", "")),
            cells=tuple(
                (name, earlier.get(name, ""), now.get(name, ""))
                for name in fields
                if earlier.get(name, "") != now.get(name, "")
            ),
        )
        for code, (earlier, now) in lines.items()
    ]


def _changed_line(word: ImportWord, row: RowChange) -> ImportLine:
    cells = tuple((name, old or "", new or "") for name, (old, new) in row.fields.items())
    return ImportLine(word=word, code=row.code, name=row.name, cells=cells)


def _added_line(record: AgencyRecord) -> ImportLine:
    cells = tuple(
        (name, "", str(value)) for name in _FIELDS_ADDED if (value := getattr(record, name)) is not None
    )
    if record.scheme != DEFAULT_SCHEME:
        cells = (("scheme", "", record.scheme), *cells)
    return ImportLine(word=ImportWord.ADD, code=record.code, name=record.name, cells=cells)


async def require_sign_in(request: PageRequest) -> SignedIn:
    """Sign in the person at the page. Raises Denied, as everywhere where persons decide."""
    person = request.person.person
    return await people.sign_in(
        request.deps.deciding,
        person.login or person.name,
        request.form.text(PASSWORD),
        request.form.text(CODE),
    )


async def names_of_people(request: PageRequest, ids: Collection[str]) -> Mapping[str, str]:
    async with request.deps.deciding.decisions.read() as view:
        return await view.people.names(ids)


def origin_text(request: PageRequest, origin: BindingOrigin, names: Mapping[str, str]) -> str:
    """Say what a binding rests on."""
    return request.say(
        f"delegated.source.{origin.kind}",
        issuer=origin.issuer,
        number=origin.sequence or 0,
        version=origin.policy or 0,
        proposed_by=names.get(origin.proposed_by, origin.proposed_by),
        approved_by=names.get(origin.approved_by, origin.approved_by),
    )


async def perform_signed(
    request: PageRequest, problems: Problems, act: Callable[[SignedIn], Awaitable[T]]
) -> tuple[T | None, Problems]:
    """Perform an act that the person proves in the same form; or return its problems, `problems` first."""
    if problems := [*problems, *proof_missing(request)]:
        return None, problems
    try:
        return await act(await require_sign_in(request)), []
    except (Denied, Clash) as error:
        return None, proof_refused(request, error)


async def decide_signed(request: PageRequest, act: Callable[[SignedIn, str], Awaitable[object]]) -> Problems:
    """Perform an act whose proof and reason are in the form; return its problems."""
    reason = request.form.text("reason")
    _, problems = await perform_signed(request, request.short_reason(), lambda person: act(person, reason))
    return problems


async def propose_signed(
    request: PageRequest, problems: Problems, propose: Callable[[SignedIn, str], Awaitable[Proposal]]
) -> tuple[web.Response | None, Problems]:
    """Propose what the person proves in the form, with its reason; return the confirmation, or the problems."""
    reason = request.form.text("reason")
    proposal, problems = await perform_signed(request, problems, lambda person: propose(person, reason))
    if proposal is None:
        return None, problems
    return request.confirm(f"{PROPOSALS}/{proposal.id}", "reforms.proposed"), []


def proof_missing(request: PageRequest) -> Problems:
    """List the fields of the proof that are not filled in."""
    words = {PASSWORD: "entry.password", CODE: "entry.code"}
    return [request.missing(name, key) for name, key in words.items() if not request.form.text(name)]


def proof_refused(request: PageRequest, error: GatewayError) -> Problems:
    """Explain why the decision was refused; raise again an error that is no matter of the form."""
    if error.code == _UNPROVED:
        return [(PASSWORD, request.say("reforms.sign.wrong"))]
    if not labels.has(f"clash.{error.code}"):
        raise error
    field = "typed_1" if error.code == Objection.DIGITS else ""
    return [(field, request.say(f"clash.{error.code}"))]


def agency_text(entry: AgencyEntry) -> str:
    """Write an agency as the suggestions do; `known_code` reads it back."""
    return f"{entry.name} ({entry.code})"


def split_names(text: str) -> tuple[str, ...]:
    """Split at lines or semicolons; at commas too where a line holds codes alone, as names have commas."""
    names = [name for line in re.split(r"[\n;]", text) for name in _split_codes(line)]
    return tuple(" ".join(name.split()) for name in names if name.strip())


def _split_codes(line: str) -> list[str]:
    """Split a line at its commas where every part is a code; the last part may be empty."""
    parts = [part.strip() for part in line.split(",")]
    codes = parts[:-1] if len(parts) > 2 and not parts[-1] else parts
    is_list = len(codes) > 1 and all(map(_PLAIN_CODE.fullmatch, codes))
    return codes if is_list else [line]


async def known_code(request: PageRequest, text: str) -> tuple[str, str]:
    """Return the code of today, and the fault where no agency, or more than one, is called so."""
    registry, today = request.deps.registry, request.deps.out.today()
    code = await in_brackets(request, text)
    if (entry := await registry.entry(code)) is not None:
        return entry.code, ""
    resolution = await registry.resolve(code, today)
    if resolution.entry is not None:
        return resolution.entry.code, ""
    if nearby := await offers(request, text):
        return text, request.say("agencies.which", text=text, list="; ".join(map(agency_text, nearby)))
    return text, unknown(request, text, resolution.nearest)


async def in_brackets(request: PageRequest, text: str) -> str:
    """Return the code behind a name, where the registry has it; else the text unchanged."""
    match = _IN_BRACKETS.fullmatch(text)
    is_listed = match is not None and await request.deps.registry.entry(match[1]) is not None
    return match[1] if match is not None and is_listed else text


async def offers(request: PageRequest, text: str) -> Sequence[AgencyEntry]:
    """List agencies in force whose code begins so, or whose name has these words, with accents or without."""
    if len(text.strip()) < _FEWEST_LETTERS:
        return ()
    today = request.deps.out.today()
    entries = await request.deps.registry.search(text, _LOOKED_AT)
    return [entry for entry in entries if entry.valid_to is None or today <= entry.valid_to][:MOST_OFFERS]


async def suggest(request: PageRequest) -> web.StreamResponse:
    entries = await offers(request, request.ask("q")[:200])
    suggestions = [(agency_text(entry), entry) for entry in entries]
    return request.piece("agencies/_suggest.html", found=suggestions)


ROUTES = (get("/co-quan/goi-y", "agencies_named", suggest, quiet=True),)
