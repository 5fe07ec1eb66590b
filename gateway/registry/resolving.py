"""Says what a code or name someone wrote stands for on a day. In: the text, the day, perhaps a parent. Out: one
`Resolution`. Asked in this order: code, alias, the exact level-1 form, name; then an offer that decides nothing: the
one spelling within a small edit distance, or none when several are equally near, for an offer must not be a guess.
Only the table maps one form to the other (R77), and only rows that were imported or synced may refuse (R48).
Many texts at once are read ahead by a few statements. Also which ended codes lead to one that is in force on a day,
and which node takes their mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from string import ascii_uppercase, digits

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
from gateway.domain.text import fold
from gateway.registry import lookup, reforms
from gateway.registry.lookup import CANDIDATES, in_parts
from gateway.registry.tables import AGENCY, REFORM, REFORM_CODE, to_entry

CODE_SLIPS = 2  # edits between a written code and the one offered
NAME_SLIPS = 3
MOST_SUCCESSORS = 50  # successors followed; a real chain has one or two links
_SHORTEST_FOR_TWO = 4  # two edits of a level-1 code reach half the table
_LONGEST_TEXT = 500  # a name is shorter; more is not looked for


async def resolve(connection: AsyncConnection, text: str, on: date, parent: str | None) -> Resolution:
    """The one answer for `text` on that day."""
    return await _resolve(KnownCodes(connection), text, on, parent)


async def resolve_all(
    connection: AsyncConnection, asked: Sequence[tuple[str, str | None]], on: date, *, offer: bool = True
) -> list[Resolution]:
    """The answers for several texts, each with its parent, in their order: as `resolve` gives them one by one. Without
    `offer` nothing near is looked for where nothing is found."""
    known = KnownCodes(connection)
    texts = [text for text, _ in asked if len(text) <= _LONGEST_TEXT]
    await known.read({*texts, *(parent for _, parent in asked if parent)}, on)
    found: dict[tuple[str, str | None], Resolution] = {}
    for each in asked:
        if each not in found:
            found[each] = await _resolve(known, each[0], on, each[1], offer=offer)
    return [found[each] for each in asked]


async def _resolve(
    known: KnownCodes, text: str, on: date, parent: str | None, *, offer: bool = True
) -> Resolution:
    wanted = text.strip()
    if not wanted or len(wanted) > _LONGEST_TEXT:
        return Resolution(given=text, standing=CodeStanding.UNKNOWN, may_refuse=False)
    entry, mapped_by = await _by_code(known, wanted)
    if entry is not None:
        return await judge(known, text, entry, on, mapped_by)
    return await _by_name(known, text, wanted, on, parent, offer=offer)


async def judge(
    known: KnownCodes, given: str, entry: AgencyEntry, on: date, mapped_by: str | None
) -> Resolution:
    """What a found row means on that day: in force, closed with its successor, or not yet in force."""
    may_refuse = entry.source is not RowSource.STARTER
    entry = await known.as_of(entry, on)
    found = Resolution(
        given=given,
        standing=CodeStanding.ACTIVE if mapped_by is None else CodeStanding.MAPPED,
        entry=entry,
        mapped_by=mapped_by,
        may_refuse=may_refuse,
    )
    if entry.valid_to is not None and entry.valid_to < on:
        return replace(
            found,
            standing=CodeStanding.CLOSED,
            successor=await successor_of(known, entry, on),
            ending=await reforms.ending_of(known.connection, entry.code),
        )
    if in_force(entry, on):
        return found
    return replace(found, standing=CodeStanding.UNCERTAIN)


def in_force(entry: AgencyEntry, on: date) -> bool:
    """Both end days included."""
    return (entry.valid_from is None or entry.valid_from <= on) and (
        entry.valid_to is None or on <= entry.valid_to
    )


async def successor_of(known: KnownCodes, entry: AgencyEntry, on: date) -> str | None:
    """The first code in force along the chain of successors, else its last one; None when the chain runs in a
    circle, which an import refuses but an edited table may hold."""
    seen = {entry.code}
    while entry.successor is not None:
        if entry.successor in seen or len(seen) > MOST_SUCCESSORS:
            return None
        seen.add(entry.successor)
        following = await known.by_code(entry.successor)
        if following is None or in_force(following, on) or following.successor is None:
            return entry.successor
        entry = following
    return None


async def _by_code(known: KnownCodes, wanted: str) -> tuple[AgencyEntry | None, str | None]:
    written = wanted.upper()
    if (entry := await known.by_code(written)) is not None:
        return entry, None
    if (entry := await known.by_alias(written)) is not None:
        return entry, "alias"
    code = _parsed(written)
    if code is None or code.form is CodeForm.NEW:
        return None, None
    full = str(code)
    if full != written:
        if (entry := await known.by_alias(full)) is not None:
            return entry, "alias"
        if (entry := await known.by_code(full)) is not None:
            return entry, "short form"
    if code.level == 1 and (entry := await known.by_code(code.root)) is not None:
        return entry, "level 1"
    return None, None


async def _by_name(
    known: KnownCodes, given: str, wanted: str, on: date, parent: str | None, *, offer: bool
) -> Resolution:
    above = None if parent is None else await _parent_code(known, parent, on)
    matches = [] if parent is not None and above is None else await known.by_name(wanted, above)
    alive = [entry for entry in matches if in_force(entry, on)] or list(matches)
    if len(alive) == 1 and (above is not None or alive[0].parent is None):
        return await judge(known, given, alive[0], on, "name")
    may_refuse = await known.may_refuse(above or wanted.upper())
    if matches:
        # Every province has units of the same names: without a parent a name decides nothing.
        only = alive[0].code if len(alive) == 1 else None
        return Resolution(given=given, standing=CodeStanding.UNCERTAIN, nearest=only, may_refuse=may_refuse)
    if not offer:
        return Resolution(given=given, standing=CodeStanding.UNKNOWN, may_refuse=may_refuse)
    return await _offer(known, given, wanted, above, may_refuse)


async def _parent_code(known: KnownCodes, parent: str, on: date) -> str | None:
    """The parent's code, itself given by code, alias or level-1 name; None when that is not certain."""
    entry, _ = await _by_code(known, parent.strip())
    if entry is not None:
        return entry.code
    matches = await known.by_name(parent, None)
    alive = [match for match in matches if in_force(match, on)] or list(matches)
    return alive[0].code if len(alive) == 1 else None


async def _offer(
    known: KnownCodes, given: str, wanted: str, above: str | None, may_refuse: bool
) -> Resolution:
    code = _parsed(wanted.upper())
    proposed = propose_new(code) if code is not None else None
    if proposed is not None and await known.by_code(str(proposed)) is not None:
        # The usual mapping names a known unit, but units were renumbered: a person decides (R77, rules 14.1).
        return Resolution(
            given=given, standing=CodeStanding.UNCERTAIN, nearest=str(proposed), may_refuse=may_refuse
        )
    near = await _near(known, wanted, above)
    return Resolution(given=given, standing=CodeStanding.UNKNOWN, nearest=near, may_refuse=may_refuse)


async def _near(known: KnownCodes, wanted: str, above: str | None) -> str | None:
    written = wanted.upper()
    if len(written) <= LONGEST_CODE and " " not in written:
        slipped = await lookup.codes_among(known.connection, one_slip(written))
        if slipped:
            return nearest(written, slipped, 1)
        if len(written) > _SHORTEST_FOR_TWO:
            found = nearest(written, await lookup.codes_near(known.connection, written), CODE_SLIPS)
            if found is not None:
                return found
    folded = fold(wanted)
    names = await lookup.names_near(known.connection, folded, above)
    name = nearest(folded, names, min(NAME_SLIPS, len(folded) // 4))
    entries = [] if name is None else await known.by_name(name, above)
    return entries[0].code if len(entries) == 1 else None


def _parsed(text: str) -> AgencyCode | None:
    try:
        return AgencyCode.parse(text)
    except BadCode:
        return None


# Names that so many agencies have are looked up one by one.
_MOST_NAMED = 20_000


class KnownCodes:
    """Of one connection and one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._codes: dict[str, AgencyEntry | None] = {}
        self._aliases: dict[str, AgencyEntry | None] = {}
        self._named: dict[str, list[AgencyEntry]] = {}
        self._may_refuse: dict[str, bool] = {}
        self._steady: set[str] = set()

    async def read(self, texts: Collection[str], on: date) -> None:
        """Reads ahead what these codes, aliases or names will be looked up by."""
        written = sorted({form for text in texts for form in _forms(text)})
        for part in in_parts(written):
            await self._read_codes(part)
        for part in in_parts(sorted({fold(text) for text in texts} - {""})):
            await self._read_names(part)
        seen = {each.code for each in (*self._codes.values(), *self._aliases.values()) if each is not None}
        seen |= {each.code for named in self._named.values() for each in named}
        self._steady = seen - await lookup.with_periods(self.connection, sorted(seen), on)

    async def by_code(self, code: str) -> AgencyEntry | None:
        if code not in self._codes:
            self._codes[code] = await lookup.by_code(self.connection, code)
        return self._codes[code]

    async def by_alias(self, alias: str) -> AgencyEntry | None:
        if alias not in self._aliases:
            self._aliases[alias] = await lookup.by_alias(self.connection, alias)
        return self._aliases[alias]

    async def by_name(self, name: str, parent: str | None) -> Sequence[AgencyEntry]:
        found = self._named.get(fold(name))
        if found is None:
            return await lookup.by_name(self.connection, name, parent)
        return [each for each in found if parent is None or each.parent == parent][:CANDIDATES]

    async def may_refuse(self, text: str) -> bool:
        # Of everything that is no code the answer is the same.
        key = text if _parsed(text) is not None else ""
        if key not in self._may_refuse:
            self._may_refuse[key] = await lookup.may_refuse(self.connection, text)
        return self._may_refuse[key]

    async def as_of(self, entry: AgencyEntry, on: date) -> AgencyEntry:
        if entry.code in self._steady:
            return entry
        return (await lookup.as_of(self.connection, [entry], on))[0]

    async def _read_codes(self, written: Sequence[str]) -> None:
        query = select(AGENCY).where(AGENCY.c.code.in_(written))
        self._codes |= dict.fromkeys(written)
        self._codes |= {row.code: to_entry(row) for row in await self.connection.execute(query)}
        aliased = select(AGENCY).where(AGENCY.c.alias.in_(written)).order_by(AGENCY.c.code.desc())
        self._aliases |= dict.fromkeys(written)
        # The last one that is written for an alias is the first by code.
        self._aliases |= {row.alias: to_entry(row) for row in await self.connection.execute(aliased)}

    async def _read_names(self, names: Sequence[str]) -> None:
        query = select(AGENCY).where(AGENCY.c.folded.in_(names)).order_by(AGENCY.c.code)
        rows = (await self.connection.execute(query.limit(_MOST_NAMED + 1))).all()
        if len(rows) > _MOST_NAMED:
            return
        once = await lookup.once_named_so(self.connection, names)
        found: dict[str, list[AgencyEntry]] = {name: [] for name in names if name not in once}
        for row in rows:
            if row.folded in found:
                found[row.folded].append(to_entry(row))
        self._named |= found


def _forms(text: str) -> Iterator[str]:
    """How a text is looked up as a code."""
    written = text.strip().upper()
    yield written
    code = _parsed(written)
    if code is not None:
        yield str(code)
        yield code.root


_LETTERS = ascii_uppercase + digits + "."  # what a code may hold (R75)


def nearest(text: str, candidates: Iterable[str], limit: int) -> str | None:
    """The only candidate with the smallest distance to `text`, at most `limit` edits away."""
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
    """Every text of code letters one edit away from `code`; a few thousand at most, each an exact question."""
    cuts = [(code[:at], code[at:]) for at in range(len(code) + 1)]
    dropped = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    replaced = {left + letter + right[1:] for left, right in cuts if right for letter in _LETTERS}
    inserted = {left + letter + right for left, right in cuts for letter in _LETTERS}
    return (dropped | swapped | replaced | inserted) - {code}


def edits(left: str, right: str, limit: int) -> int:
    """How many letters must be inserted, deleted, replaced or swapped with their neighbour; more than `limit` is
    answered as `limit` + 1, so far texts cost little."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > limit and min(above) > limit:
            return limit + 1
        before, above = above, current
    return min(above[-1], limit + 1)


async def leading_to(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, str]:
    """Each ended code, and each old form of one, to the code of these that its mail goes to on that day."""
    found: dict[str, str] = {}
    frontier = {code: code for code in codes}
    for _ in range(LONGEST_CHAIN):
        if not frontier:
            break
        onward: dict[str, str] = {}
        for part in in_parts(sorted(frontier)):
            query = select(AGENCY.c.code, AGENCY.c.alias, AGENCY.c.successor).where(
                AGENCY.c.successor.in_(part),
                AGENCY.c.valid_to < on,
                AGENCY.c.source != RowSource.STARTER.value,
            )
            for code, alias, successor in await connection.execute(query):
                if code not in found and code not in codes:
                    onward[code] = found[code] = frontier[successor]
                    if alias:
                        found[alias] = frontier[successor]
        frontier = onward
    return found


async def still_hosted(connection: AsyncConnection, on: date) -> list[Hosting]:
    """Which node takes mail under each ended code: its successor's; where a person distributes the mail, its own."""
    triaged = exists().where(
        REFORM_CODE.c.code == AGENCY.c.code,
        REFORM_CODE.c.part == ReformEffect.ENDED.value,
        REFORM_CODE.c.reform_id == REFORM.c.id,
        REFORM.c.kind == ReformKind.SPLIT.value,
        REFORM.c.state == ReformState.APPROVED.value,
    )
    gone = select(AGENCY.c.code, AGENCY.c.alias, AGENCY.c.successor, AGENCY.c.host).where(
        AGENCY.c.valid_to < on,
        AGENCY.c.source != RowSource.STARTER.value,
        or_(AGENCY.c.successor.is_not(None), and_(AGENCY.c.host.is_not(None), triaged)),
    )
    rows = {row.code: row for row in await connection.execute(gone.order_by(AGENCY.c.code))}
    finals = {code: _end_of_chain(code, {each: row.successor for each, row in rows.items()}) for code in rows}
    hosts = await _hosts_of(connection, set(finals.values()), on)
    found = []
    for code, row in rows.items():
        node = row.host if finals[code] == code else hosts.get(finals[code])
        if node is not None:
            found.append(Hosting(node=node, code=code, alias=row.alias))
    return found


def _end_of_chain(code: str, successors: dict[str, str | None]) -> str:
    """The end of the chain; the code itself where nobody came after."""
    seen = {code}
    while (following := successors.get(code)) is not None and following not in seen:
        seen.add(following)
        code = following
    return code


async def _hosts_of(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in in_parts(sorted(codes)):
        query = select(AGENCY.c.code, AGENCY.c.host).where(
            AGENCY.c.code.in_(part),
            AGENCY.c.host.is_not(None),
            or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on),
        )
        found |= {row.code: row.host for row in await connection.execute(query)}
    return found
