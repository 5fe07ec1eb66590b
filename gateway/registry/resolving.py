"""Resolves a code or name as written, on a day. In: the text, the day, optionally a parent. Out: one `Resolution`.
Searched in this order: code, alias, the exact level-1 form, name; then for an offer that decides nothing: the one
spelling within a small edit distance, or none when several are equally near. A name counts only with its kind word as it
is written with its marks: without them it may be another word. Only the table maps one form to another
(R77, old code form), and only imported or synced rows may refuse (R48). Rows for many texts are read ahead by a few
statements. Also finds which ended codes lead to one in force on a day, and which node takes their mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from string import ascii_uppercase, digits
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry import (
    LONGEST_CODE,
    AgencyCode,
    AgencyEntry,
    BadCode,
    CodeForm,
    CodeStanding,
    Hosting,
    Resolution,
    RowSource,
    propose_new,
)
from gateway.domain.registry_change import LONGEST_CHAIN
from gateway.domain.registry_reform import ReformEffect, ReformKind, ReformState
from gateway.domain.text import fold, old_spelling
from gateway.registry import lookup, reforms, takeovers
from gateway.registry.lookup import CANDIDATES, in_parts
from gateway.registry.tables import AGENCY, REFORM, REFORM_CODE, TAKEOVER, host_on, to_entry
from gateway.words.reading import AGENCIES

CODE_SLIPS = 2  # most edits between a written code and the one offered
NAME_SLIPS = 3
MOST_SUCCESSORS = 50  # successors followed at most; a real chain has one or two links
_SHORTEST_FOR_TWO = 4  # two edits of a shorter code reach half the table
_LONGEST_TEXT = 500  # names are shorter; a longer text is not searched
# Where more agencies have the names, they are looked up one by one.
_MOST_NAMED = 20_000
_KINDS = sorted((fold(kind).split() for kind in AGENCIES), key=len, reverse=True)
_LETTERS = ascii_uppercase + digits + "."  # signs of a code (R75, form of codes)


async def resolve(connection: AsyncConnection, text: str, on: date, parent: str | None) -> Resolution:
    """Resolve one text on that day."""
    return await _resolve(KnownCodes(connection), text, on, parent)


async def resolve_all(
    connection: AsyncConnection, questions: Sequence[tuple[str, str | None]], on: date, *, offer: bool = True
) -> list[Resolution]:
    """Resolve several texts, each with its parent, in order, with the answers that `resolve` gives one by one. Without
    `offer` no near match is searched."""
    rows = KnownCodes(connection)
    texts = [text for text, _ in questions if len(text) <= _LONGEST_TEXT]
    await rows.read({*texts, *(parent for _, parent in questions if parent)}, on)
    answers: dict[tuple[str, str | None], Resolution] = {}
    for question in questions:
        if question not in answers:
            answers[question] = await _resolve(rows, question[0], on, question[1], offer=offer)
    return [answers[question] for question in questions]


async def _resolve(
    rows: KnownCodes, text: str, on: date, parent: str | None, *, offer: bool = True
) -> Resolution:
    stripped = text.strip()
    if not stripped or len(stripped) > _LONGEST_TEXT:
        return Resolution(query=text, standing=CodeStanding.UNKNOWN, may_refuse=False)
    agency, mapped_by = await _by_code(rows, stripped)
    if agency is not None:
        return await judge(rows, text, agency, on, mapped_by)
    return await _by_name(rows, text, stripped, on, parent, offer=offer)


async def judge(
    rows: KnownCodes, text: str, agency: AgencyEntry, on: date, mapped_by: str | None
) -> Resolution:
    """Return the resolution for a row on that day: in force, closed with its successor, or not yet in force or without a
    code."""
    may_refuse = agency.source is not RowSource.STARTER
    agency = await rows.as_of(agency, on)
    resolution = Resolution(
        query=text,
        standing=CodeStanding.ACTIVE if mapped_by is None else CodeStanding.MAPPED,
        entry=agency,
        mapped_by=mapped_by,
        may_refuse=may_refuse,
    )
    if agency.valid_to is not None and agency.valid_to < on:
        return replace(
            resolution,
            standing=CodeStanding.CLOSED,
            successor=await successor_of(rows, agency, on),
            ending=await reforms.ending_of(rows.connection, agency.code),
        )
    if in_force(agency, on) and not agency.has_no_code:
        return resolution
    return replace(resolution, standing=CodeStanding.UNCERTAIN)


def in_force(agency: AgencyEntry, on: date) -> bool:
    """Tell whether an entry is in force on that day, both end days included."""
    return (agency.valid_from is None or agency.valid_from <= on) and (
        agency.valid_to is None or on <= agency.valid_to
    )


async def successor_of(rows: KnownCodes, agency: AgencyEntry, on: date) -> str | None:
    """Return the first code in force along the chain of successors, else its last one; None for a circle, which an
    import refuses but an edited table may have."""
    visited = {agency.code}
    while agency.successor is not None:
        if agency.successor in visited or len(visited) > MOST_SUCCESSORS:
            return None
        visited.add(agency.successor)
        following = await rows.by_code(agency.successor)
        if following is None or in_force(following, on) or following.successor is None:
            return agency.successor
        agency = following
    return None


async def _by_code(rows: KnownCodes, text: str) -> tuple[AgencyEntry | None, str | None]:
    """Return the agency with this code, alias, short form or level-1 form, and the kind of match, None for its code."""
    capitals = text.upper()
    if (agency := await rows.by_code(capitals)) is not None:
        return agency, None
    if (agency := await rows.by_alias(capitals)) is not None:
        return agency, "alias"
    code = _parse(capitals)
    if code is None or code.form is CodeForm.NEW:
        return None, None
    full = str(code)
    if full != capitals:
        if (agency := await rows.by_alias(full)) is not None:
            return agency, "alias"
        if (agency := await rows.by_code(full)) is not None:
            return agency, "short form"
    if code.level == 1 and (agency := await rows.by_code(code.root)) is not None:
        return agency, "level 1"
    return None, None


async def _by_name(
    rows: KnownCodes, text: str, name: str, on: date, parent: str | None, *, offer: bool
) -> Resolution:
    """Resolve a text as a name: the only match counts if it is under the parent given, or at the top."""
    above = None if parent is None else await _parent_code(rows, parent, on)
    matches = [] if parent is not None and above is None else await rows.by_name(name, above)
    exact = _choose_in_force([agency for agency in matches if await rows.has_kind_of(agency, name)], on)
    alive = exact or _choose_in_force(matches, on)
    if len(exact) == 1 and (above is not None or exact[0].parent is None):
        return await judge(rows, text, exact[0], on, "name")
    may_refuse = await rows.may_refuse(above or name.upper())
    if matches:
        # Every province has units of the same names, so a name without a parent decides nothing.
        only = alive[0].code if len(alive) == 1 else None
        return Resolution(query=text, standing=CodeStanding.UNCERTAIN, nearest=only, may_refuse=may_refuse)
    if not offer:
        return Resolution(query=text, standing=CodeStanding.UNKNOWN, may_refuse=may_refuse)
    return await _offer(rows, text, name, above, may_refuse)


def _choose_in_force(agencies: Sequence[AgencyEntry], on: date) -> list[AgencyEntry]:
    """Return those in force on that day; all where none is."""
    return [agency for agency in agencies if in_force(agency, on)] or list(agencies)


async def _parent_code(rows: KnownCodes, parent: str, on: date) -> str | None:
    """Return the code of the parent, given by code, alias or name; None when it is ambiguous."""
    agency, _ = await _by_code(rows, parent.strip())
    if agency is not None:
        return agency.code
    matches = await rows.by_name(parent, None)
    alive = _choose_in_force([match for match in matches if await rows.has_kind_of(match, parent)], on)
    return alive[0].code if len(alive) == 1 else None


async def _offer(
    rows: KnownCodes, text: str, stripped: str, above: str | None, may_refuse: bool
) -> Resolution:
    """Resolve an unknown text with the nearest match as an offer."""
    code = _parse(stripped.upper())
    proposed = propose_new(code) if code is not None else None
    if proposed is not None and await rows.by_code(str(proposed)) is not None:
        # The usual mapping leads to a known unit, but units were renumbered: a person decides (R77, old code form).
        return Resolution(
            query=text, standing=CodeStanding.UNCERTAIN, nearest=str(proposed), may_refuse=may_refuse
        )
    near = await _near(rows, stripped, above)
    return Resolution(query=text, standing=CodeStanding.UNKNOWN, nearest=near, may_refuse=may_refuse)


async def _near(rows: KnownCodes, text: str, above: str | None) -> str | None:
    """Return the nearest code or name within the allowed edits, if there is only one."""
    capitals = text.upper()
    if len(capitals) <= LONGEST_CODE and " " not in capitals:
        slipped = await lookup.codes_among(rows.connection, one_slip(capitals))
        if slipped:
            return nearest(capitals, slipped, 1)
        if len(capitals) > _SHORTEST_FOR_TWO:
            code = nearest(capitals, await lookup.codes_near(rows.connection, capitals), CODE_SLIPS)
            if code is not None:
                return code
    folded = fold(text)
    names = await lookup.names_near(rows.connection, folded, above)
    name = nearest(folded, names, min(NAME_SLIPS, len(folded) // 4))
    entries = [] if name is None else await rows.by_name(name, above)
    return entries[0].code if len(entries) == 1 else None


def _parse(text: str) -> AgencyCode | None:
    try:
        return AgencyCode.parse(text)
    except BadCode:
        return None


class KnownCodes:
    """Cache of rows read by one connection in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._codes: dict[str, AgencyEntry | None] = {}
        self._aliases: dict[str, AgencyEntry | None] = {}
        self._named: dict[str, list[AgencyEntry]] = {}
        self._may_refuse: dict[str, bool] = {}
        self._steady: set[str] = set()

    async def read(self, texts: Collection[str], on: date) -> None:
        """Read ahead the rows that these codes, aliases or names will need."""
        code_forms = sorted({form for text in texts for form in _forms(text)})
        for part in in_parts(code_forms):
            await self._read_codes(part)
        for part in in_parts(sorted({fold(text) for text in texts} - {""})):
            await self._read_names(part)
        codes = {e.code for e in (*self._codes.values(), *self._aliases.values()) if e is not None}
        codes |= {e.code for entries in self._named.values() for e in entries}
        self._steady = codes - await lookup.with_periods(self.connection, sorted(codes), on)

    async def by_code(self, code: str) -> AgencyEntry | None:
        if code not in self._codes:
            self._codes[code] = await lookup.by_code(self.connection, code)
        return self._codes[code]

    async def by_alias(self, alias: str) -> AgencyEntry | None:
        if alias not in self._aliases:
            self._aliases[alias] = await lookup.by_alias(self.connection, alias)
        return self._aliases[alias]

    async def by_name(self, name: str, parent: str | None) -> Sequence[AgencyEntry]:
        entries = self._named.get(fold(name))
        if entries is None:
            return await lookup.by_name(self.connection, name, parent)
        return [e for e in entries if parent is None or e.parent == parent][:CANDIDATES]

    async def has_kind_of(self, agency: AgencyEntry, name: str) -> bool:
        """Tell whether the agency, found by this name, bears or bore it with the same kind word, marks included."""
        kind = _kind_word(name)
        if fold(agency.name) == fold(name):
            return _kind_word(agency.name) == kind
        return kind in [
            _kind_word(former) for former in await lookup.former_names(self.connection, agency.code)
        ]

    async def may_refuse(self, text: str) -> bool:
        # All texts that are no code share one answer.
        key = text if _parse(text) is not None else ""
        if key not in self._may_refuse:
            self._may_refuse[key] = await lookup.may_refuse(self.connection, text)
        return self._may_refuse[key]

    async def as_of(self, agency: AgencyEntry, on: date) -> AgencyEntry:
        if agency.code in self._steady:
            return agency
        return (await lookup.as_of(self.connection, [agency], on))[0]

    async def _read_codes(self, forms: Sequence[str]) -> None:
        query = select(AGENCY).where(AGENCY.c.code.in_(forms))
        self._codes |= dict.fromkeys(forms)
        self._codes |= {row.code: to_entry(row) for row in await self.connection.execute(query)}
        aliased = select(AGENCY).where(AGENCY.c.alias.in_(forms)).order_by(AGENCY.c.code.desc())
        self._aliases |= dict.fromkeys(forms)
        # Sorted descending, so that the first code of an alias is written last and stays.
        self._aliases |= {row.alias: to_entry(row) for row in await self.connection.execute(aliased)}

    async def _read_names(self, names: Sequence[str]) -> None:
        query = select(AGENCY).where(AGENCY.c.folded.in_(names)).order_by(AGENCY.c.code)
        rows = (await self.connection.execute(query.limit(_MOST_NAMED + 1))).all()
        if len(rows) > _MOST_NAMED:
            return
        once = await lookup.once_named_so(self.connection, names)
        by_name: dict[str, list[AgencyEntry]] = {name: [] for name in names if name not in once}
        for row in rows:
            if row.folded in by_name:
                by_name[row.folded].append(to_entry(row))
        self._named |= by_name


def _kind_word(name: str) -> list[str]:
    """Return the words that say of what kind an agency is, else the first word: small letters, with their marks."""
    bare = fold(name).split()
    length = next((len(kind) for kind in _KINDS if bare[: len(kind)] == kind), 1)
    return old_spelling(name).split()[:length]


def _forms(text: str) -> Iterator[str]:
    """Yield the forms under which a text is looked up as a code."""
    capitals = text.strip().upper()
    yield capitals
    code = _parse(capitals)
    if code is not None:
        yield str(code)
        yield code.root


def nearest(text: str, candidates: Iterable[str], limit: int) -> str | None:
    """Return the only candidate with the smallest edit distance to `text`, within `limit`; None for none or several."""
    best: str | None = None
    best_distance, tied = limit + 1, False
    for candidate in candidates:
        distance = edits(text, candidate, min(limit, best_distance))
        if distance < best_distance:
            best, best_distance, tied = candidate, distance, False
        elif distance == best_distance <= limit and candidate != best:
            tied = True
    return None if tied else best


def one_slip(code: str) -> set[str]:
    """Return every text of code letters one edit away from `code`: a few thousand at most, each an exact query."""
    cuts = [(code[:at], code[at:]) for at in range(len(code) + 1)]
    shorter = {head + tail[1:] for head, tail in cuts if tail}
    swaps = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    replacements = {head + letter + tail[1:] for head, tail in cuts if tail for letter in _LETTERS}
    longer = {head + letter + tail for head, tail in cuts for letter in _LETTERS}
    return (shorter | swaps | replacements | longer) - {code}


def edits(first: str, second: str, limit: int) -> int:
    """Return the number of letters to insert, delete, replace or swap with their neighbour; `limit` + 1 for anything
    more, so that distant texts cost little."""
    if abs(len(first) - len(second)) > limit:
        return limit + 1
    two_above: list[int] = []
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        current = [row]
        for column, other in enumerate(second, 1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == second[column - 2] and first[row - 2] == other:
                cost = min(cost, two_above[column - 2] + 1)
            current.append(cost)
        if min(current) > limit and min(above) > limit:
            return limit + 1
        two_above, above = above, current
    return min(above[-1], limit + 1)


async def leading_to(
    connection: AsyncConnection, codes: Collection[str], on: date, *, decided: bool = False
) -> dict[str, str]:
    """Map each ended code, and each old form of one, to that of the codes which its mail goes to on that day. With
    `decided` only by take-overs that rest on a decision, and to the text that names it."""
    targets: dict[str, str] = {}
    columns: list[Any] = [AGENCY.c.code, AGENCY.c.alias, AGENCY.c.successor]
    if decided:
        columns += [TAKEOVER.c.decision, TAKEOVER.c.by_id]
    frontier = {code: code for code in codes}
    for _ in range(LONGEST_CHAIN):
        if not frontier:
            break
        onward: dict[str, str] = {}
        for part in in_parts(sorted(frontier)):
            query = select(*columns).where(
                AGENCY.c.successor.in_(part),
                AGENCY.c.valid_to < on,
                AGENCY.c.source != RowSource.STARTER.value,
            )
            query = query.where(takeovers.is_decided()).order_by(TAKEOVER.c.at) if decided else query
            for code, alias, successor, *by in await connection.execute(query):
                if code not in targets and code not in codes:
                    onward[code] = frontier[successor]
                    targets[code] = basis_text(*by) if by else frontier[successor]
                    if alias:
                        targets[alias] = targets[code]
        frontier = onward
    return targets


def basis_text(decision: str, by: str) -> str:
    """Name the decision on which a take-over rests: the deciding document, and the record of the decision here."""
    return f"{decision} ({by})" if decision else by


async def still_hosted(connection: AsyncConnection, on: date) -> list[Hosting]:
    """Return the node that takes mail for each ended code: its successor's, or its own where a person distributes the
    mail."""
    triaged = exists().where(
        REFORM_CODE.c.code == AGENCY.c.code,
        REFORM_CODE.c.part == ReformEffect.ENDED.value,
        REFORM_CODE.c.reform_id == REFORM.c.id,
        REFORM.c.kind == ReformKind.SPLIT.value,
        REFORM.c.state == ReformState.APPROVED.value,
    )
    ended = select(AGENCY.c.code, AGENCY.c.alias, AGENCY.c.successor, host_on(on).label("host")).where(
        AGENCY.c.valid_to < on,
        AGENCY.c.source != RowSource.STARTER.value,
        or_(AGENCY.c.successor.is_not(None), and_(host_on(on).is_not(None), triaged)),
    )
    rows = {row.code: row for row in await connection.execute(ended.order_by(AGENCY.c.code))}
    finals = {code: _end_of_chain(code, {c: row.successor for c, row in rows.items()}) for code in rows}
    hosts = await _hosts_of(connection, set(finals.values()), on)
    hostings = []
    for code, row in rows.items():
        node = row.host if finals[code] == code else hosts.get(finals[code])
        if node is not None:
            hostings.append(Hosting(node=node, code=code, alias=row.alias))
    return hostings


def _end_of_chain(code: str, successors: dict[str, str | None]) -> str:
    """Return the last code of the chain of successors; the code itself where it has none."""
    visited = {code}
    while (following := successors.get(code)) is not None and following not in visited:
        visited.add(following)
        code = following
    return code


async def _hosts_of(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, str]:
    hosts: dict[str, str] = {}
    for part in in_parts(sorted(codes)):
        query = select(AGENCY.c.code, host_on(on).label("host")).where(
            AGENCY.c.code.in_(part),
            host_on(on).is_not(None),
            or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on),
        )
        hosts |= {row.code: row.host for row in await connection.execute(query)}
    return hosts
