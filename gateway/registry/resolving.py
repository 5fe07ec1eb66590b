"""Says what a code or name someone wrote stands for on a day. In: the text, the day, perhaps a parent. Out: one
`Resolution`. Asked in this order: code, alias, the exact level-1 form, name; then an offer that decides nothing.
Only the table maps one form to the other (R77), and only rows that were imported or synced may refuse (R48)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.agency_code import MAX_LENGTH, AgencyCode, BadCode, CodeForm, propose_new
from gateway.domain.registry import AgencyEntry, Resolution, RowSource, Standing
from gateway.domain.text import fold
from gateway.registry import lookup, reform_reading
from gateway.registry.known import Known
from gateway.registry.nearest import nearest, one_slip

CODE_SLIPS = 2  # edits between a written code and the one offered
NAME_SLIPS = 3
LONGEST_CHAIN = 50  # successors followed; a real chain has one or two links
_SHORTEST_FOR_TWO = 4  # two edits of a level-1 code reach half the table
_LONGEST_TEXT = 500  # a name is shorter; more is not looked for


async def resolve(connection: AsyncConnection, text: str, on: date, parent: str | None) -> Resolution:
    """The one answer for `text` on that day."""
    return await _resolve(Known(connection), text, on, parent)


async def resolve_all(
    connection: AsyncConnection, asked: Sequence[tuple[str, str | None]], on: date, *, offer: bool = True
) -> list[Resolution]:
    """The answers for several texts, each with its parent, in their order: as `resolve` gives them one by one. Without
    `offer` nothing near is looked for where nothing is found."""
    known = Known(connection)
    texts = [text for text, _ in asked if len(text) <= _LONGEST_TEXT]
    await known.read({*texts, *(parent for _, parent in asked if parent)}, on)
    found: dict[tuple[str, str | None], Resolution] = {}
    for each in asked:
        if each not in found:
            found[each] = await _resolve(known, each[0], on, each[1], offer=offer)
    return [found[each] for each in asked]


async def _resolve(
    known: Known, text: str, on: date, parent: str | None, *, offer: bool = True
) -> Resolution:
    wanted = text.strip()
    if not wanted or len(wanted) > _LONGEST_TEXT:
        return Resolution(given=text, standing=Standing.UNKNOWN, may_refuse=False)
    entry, mapped_by = await _by_code(known, wanted)
    if entry is not None:
        return await judge(known, text, entry, on, mapped_by)
    return await _by_name(known, text, wanted, on, parent, offer=offer)


async def judge(known: Known, given: str, entry: AgencyEntry, on: date, mapped_by: str | None) -> Resolution:
    """What a found row means on that day: in force, closed with its successor, or not yet in force."""
    may_refuse = entry.source is not RowSource.STARTER
    entry = await known.as_of(entry, on)
    found = Resolution(
        given=given,
        standing=Standing.ACTIVE if mapped_by is None else Standing.MAPPED,
        entry=entry,
        mapped_by=mapped_by,
        may_refuse=may_refuse,
    )
    if entry.valid_to is not None and entry.valid_to < on:
        return replace(
            found,
            standing=Standing.CLOSED,
            successor=await successor_of(known, entry, on),
            ending=await reform_reading.ending(known.connection, entry.code),
        )
    if in_force(entry, on):
        return found
    return replace(found, standing=Standing.UNCERTAIN)


def in_force(entry: AgencyEntry, on: date) -> bool:
    """Both end days included."""
    return (entry.valid_from is None or entry.valid_from <= on) and (
        entry.valid_to is None or on <= entry.valid_to
    )


async def successor_of(known: Known, entry: AgencyEntry, on: date) -> str | None:
    """The first code in force along the chain of successors, else its last one; None when the chain runs in a
    circle, which an import refuses but an edited table may hold."""
    seen = {entry.code}
    while entry.successor is not None:
        if entry.successor in seen or len(seen) > LONGEST_CHAIN:
            return None
        seen.add(entry.successor)
        following = await known.by_code(entry.successor)
        if following is None or in_force(following, on) or following.successor is None:
            return entry.successor
        entry = following
    return None


async def _by_code(known: Known, wanted: str) -> tuple[AgencyEntry | None, str | None]:
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
    known: Known, given: str, wanted: str, on: date, parent: str | None, *, offer: bool
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
        return Resolution(given=given, standing=Standing.UNCERTAIN, nearest=only, may_refuse=may_refuse)
    if not offer:
        return Resolution(given=given, standing=Standing.UNKNOWN, may_refuse=may_refuse)
    return await _offer(known, given, wanted, above, may_refuse)


async def _parent_code(known: Known, parent: str, on: date) -> str | None:
    """The parent's code, itself given by code, alias or level-1 name; None when that is not certain."""
    entry, _ = await _by_code(known, parent.strip())
    if entry is not None:
        return entry.code
    matches = await known.by_name(parent, None)
    alive = [match for match in matches if in_force(match, on)] or list(matches)
    return alive[0].code if len(alive) == 1 else None


async def _offer(known: Known, given: str, wanted: str, above: str | None, may_refuse: bool) -> Resolution:
    code = _parsed(wanted.upper())
    proposed = propose_new(code) if code is not None else None
    if proposed is not None and await known.by_code(str(proposed)) is not None:
        # The usual mapping names a known unit, but units were renumbered: a person decides (R77, rules 14.1).
        return Resolution(
            given=given, standing=Standing.UNCERTAIN, nearest=str(proposed), may_refuse=may_refuse
        )
    near = await _near(known, wanted, above)
    return Resolution(given=given, standing=Standing.UNKNOWN, nearest=near, may_refuse=may_refuse)


async def _near(known: Known, wanted: str, above: str | None) -> str | None:
    written = wanted.upper()
    if len(written) <= MAX_LENGTH and " " not in written:
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
