"""Answers of the `agency` table for many texts at once. In: a connection, and the texts that will be looked up on one day.
Out: the same answers as `lookup` gives for each by itself, most of them from a few statements; what was not read ahead is
asked then. Lives as long as one look at the registry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.agency_code import AgencyCode, BadCode
from gateway.domain.registry import AgencyEntry
from gateway.domain.text import fold
from gateway.registry import lookup, periods
from gateway.registry.lookup import AGENCY, CANDIDATES
from gateway.registry.tables import to_entry

_AT_ONCE = 500
# Names that so many agencies have are looked up one by one.
_MOST_NAMED = 20_000


class Known:
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
        for part in _parts(written):
            await self._read_codes(part)
        for part in _parts(sorted({fold(text) for text in texts} - {""})):
            await self._read_names(part)
        seen = {each.code for each in (*self._codes.values(), *self._aliases.values()) if each is not None}
        seen |= {each.code for named in self._named.values() for each in named}
        self._steady = seen - await periods.with_periods(self.connection, sorted(seen), on)

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
        return (await periods.as_of(self.connection, [entry], on))[0]

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
        once = await periods.once_named_so(self.connection, names)
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


def _parsed(text: str) -> AgencyCode | None:
    try:
        return AgencyCode.parse(text)
    except BadCode:
        return None


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE))
