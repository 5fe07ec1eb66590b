"""Implements the directory of agency codes on SQL: the queries of flows, screens and API. In: an engine that reads, the
cache (`memory`), the clock. Out: domain values only. It writes nothing: changes are in `registry_authoring`. Each call is
one transaction, or a cached answer that is still valid; statements are in `lookup`, `resolving`, `binding`, `seals` and
`endings`, filters of a list here. Database errors are raised as StoreFailure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.delegated import BindingOrigin
from gateway.domain.event import ACTIVE, WITHDRAWN, BindingDifference
from gateway.domain.proof import Binding
from gateway.domain.registry import (
    DEFAULT_SCHEME,
    PENDING_SCHEME,
    AgencyEntry,
    AgencyFilter,
    Hosting,
    Resolution,
    Revision,
)
from gateway.domain.registry_reform import LegacyCode
from gateway.domain.seals import SealRegister
from gateway.domain.text import fold
from gateway.domain.wall_clock import VIETNAM, local
from gateway.ports.services import Clock
from gateway.registry import binding, binding_events, endings, lookup, resolving, seals
from gateway.registry.binding import Speaker
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.tables import AGENCY, BINDING, PERIOD, as_utc, failures_named, to_entry
from gateway.store.memory import Memory
from gateway.store.repository import Page

MAX_MATCHES = 200  # rows that one search returns at most; beyond, a person must narrow it


T = TypeVar("T")
Key = tuple[str | date | None, ...]


class SqlDirectory:
    """Directory of agency codes at a date; an answer is unknown rather than a guess."""

    def __init__(self, reader: AsyncEngine, memory: Memory, clock: Clock) -> None:
        self._reader, self._memory, self._clock, self._log = reader, memory, clock, SqlBindingLog(clock)

    async def find(self, code: str, on: date) -> AgencyEntry | None:
        """Return the entry of this code in force on that day; letter case does not matter. For aliases and names use
        `resolve`."""
        entry = await self._as_of(code, on)
        return entry if entry is not None and resolving.in_force(entry, on) else None

    async def resolve(self, text: str, on: date, parent: str | None = None) -> Resolution:
        """Resolve a text on that day: a new code, an old code, an alias, or a name under `parent`, which may itself be a
        code, an alias or a name. Letter case and accents do not matter; an unknown text gets the nearest match as an
        offer."""
        return await self._ask_memory(
            ("resolve", text, on, parent), lambda connection: resolving.resolve(connection, text, on, parent)
        )

    async def resolve_all(
        self, texts: Sequence[tuple[str, str | None]], on: date, *, offer: bool = True
    ) -> Sequence[Resolution]:
        """Resolve several texts on that day, each with its parent or None, in order and from one view of the registry.
        Without `offer` no near match is searched."""
        async with self._reading() as connection:
            return await resolving.resolve_all(connection, texts, on, offer=offer)

    async def bound(self, codes: Collection[str], at: datetime) -> Collection[str]:
        """Return those of these codes that have a confirmed certificate valid at that moment."""
        by_key = await self._memory.ask_all([("told", code) for code in sorted({*codes})], self._told_of)
        return {str(code) for (_, code), of_code in by_key.items() if any(b.is_in_force(at) for b in of_code)}

    async def bindings(self, code: str) -> Sequence[Binding]:
        """Return every confirmed binding of exactly this code (F10); the verifier picks those active at its time."""
        return list(
            await self._ask_memory(
                ("bindings", code), lambda connection: binding.bindings(connection, self._log, code)
            )
        )

    async def seal_register(self, code: str, fingerprints: Collection[str]) -> SealRegister:
        """Return the confirmed certificates that sign PDFs for this code, whose else these certificates are, and who may
        seal for the code."""
        capitals, prints = code.strip().upper(), sorted(set(fingerprints))
        return await self._ask_memory(
            ("seals", capitals, *prints),
            lambda connection: seals.load_register(connection, self._log, capitals, prints),
        )

    async def entry(self, code: str) -> AgencyEntry | None:
        """Return the entry of this code as of today, in force or not."""
        return await self._as_of(code, self._today())

    async def belief(self, code: str, on: date, at: datetime) -> AgencyEntry | None:
        """Return what the registry said at the moment `at` about a code on the day `on`; None where it did not know the
        code then."""
        async with self._reading() as connection:
            return await lookup.find_belief(connection, code.strip().upper(), on, at)

    async def former(self, codes: Collection[str], on: date) -> Mapping[str, str]:
        """Map each ended code, and each old form of one, whose mail goes to one of these codes on that day, to that
        code."""
        return dict(
            await self._ask_memory(
                ("former", on, *sorted(codes)),
                lambda connection: resolving.leading_to(connection, codes, on),
            )
        )

    async def taken_over(self, code: str, on: date) -> Mapping[str, str]:
        """Map each ended code that this one took over by a decision, and each old form of it, to the decision's name."""
        return await self._ask_memory(
            ("taken over", on, code),
            lambda connection: resolving.leading_to(connection, [code], on, decided=True),
        )

    async def legacy(self, code: str | None = None) -> Sequence[LegacyCode]:
        """Return the table of old codes, or the lines of one code: its heirs, since when, and the decision."""
        async with self._reading() as connection:
            return await endings.legacy_codes(connection, code and code.strip().upper())

    async def search(self, text: str, limit: int = 20, near: str = "") -> Sequence[AgencyEntry]:
        """Find entries by the beginning of a code, or by words of the name; codes that begin with `near` come first."""
        return (await self.search_all([text], limit, near))[text]

    async def search_all(
        self, texts: Collection[str], limit: int = 20, near: str = ""
    ) -> Mapping[str, Sequence[AgencyEntry]]:
        """Search for several texts in one view of the registry."""
        most, today = max(1, min(limit, MAX_MATCHES)), self._today()
        async with self._reading() as connection:
            matches = {text: await lookup.search(connection, text, most, near) for text in sorted(texts)}
            by_code = {e.code: e for entries in matches.values() for e in entries}
            now = {e.code: e for e in await lookup.as_of(connection, list(by_code.values()), today)}
        return {text: [now[e.code] for e in entries] for text, entries in matches.items()}

    async def children(self, code: str) -> Sequence[AgencyEntry]:
        """Return the entries directly under this one, in code order."""
        async with self._reading() as connection:
            above, today = code.strip().upper(), self._today()
            entries = await lookup.children(connection, above)
            return [e for e in await lookup.as_of(connection, entries, today) if e.parent == above]

    async def entries(self, limit: int = 100, cursor: str | None = None) -> Page[AgencyEntry]:
        """List all entries in code order, a page at a time."""
        return await self.filtered(AgencyFilter(), limit, cursor)

    async def filtered(
        self, criteria: AgencyFilter, limit: int = 100, cursor: str | None = None
    ) -> Page[AgencyEntry]:
        """List the matching entries in code order, a page at a time."""
        async with self._reading() as connection:
            conditions = (AGENCY.c.code > (cursor or ""), *_conditions(criteria, self._clock.now()))
            query = select(AGENCY).where(*conditions).order_by(AGENCY.c.code).limit(limit + 1)
            entries = [to_entry(row) for row in await connection.execute(query)]
            rows = await lookup.as_of(connection, entries, self._today())
        more = rows[limit - 1].code if len(rows) > limit else None
        return Page(items=tuple(rows[:limit]), next_cursor=more)

    async def last_changed(self, codes: Collection[str]) -> Mapping[str, datetime]:
        """Return when each code's entry, or a certificate bound to it, last changed; for one page of a list."""
        now = self._clock.now()
        async with self._reading() as connection:
            rows = select(AGENCY.c.code, AGENCY.c.updated_at).where(AGENCY.c.code.in_(codes))
            times_by_code = {row.code: row.updated_at for row in await connection.execute(rows)}
            bound = select(BINDING.c.code, BINDING.c.created_at, BINDING.c.valid_to, BINDING.c.state)
            for row in await connection.execute(bound.where(BINDING.c.code.in_(times_by_code))):
                times = [times_by_code[row.code], row.created_at]
                if row.state == WITHDRAWN and row.valid_to is not None and row.valid_to <= now:
                    times.append(row.valid_to)
                times_by_code[row.code] = max(times)
            return times_by_code

    async def revisions(self, codes: Collection[str]) -> Mapping[str, Revision]:
        """Return how often and when each code's entry changed; for one page of a list."""
        async with self._reading() as connection:
            rows = select(AGENCY.c.code, AGENCY.c.updated_at).where(AGENCY.c.code.in_(codes))
            query = (
                select(PERIOD.c.code, func.count().label("times"))
                .where(PERIOD.c.code.in_(codes))
                .group_by(PERIOD.c.code)
            )
            earlier = {row.code: row.times for row in await connection.execute(query)}
            return {
                row.code: Revision(number=1 + earlier.get(row.code, 0), at=row.updated_at)
                for row in await connection.execute(rows)
            }

    async def hosting(self, on: date) -> AsyncIterator[Hosting]:
        """Yield which node hosts which code on that day, by node and code; then the nodes that take mail of ended codes."""
        async with self._reading() as connection:
            async for hosting_now in lookup.hosting(connection, on):
                yield hosting_now
            for ended in await resolving.still_hosted(connection, on):
                yield ended

    async def in_force(self, at: datetime) -> Sequence[Binding]:
        """Return every binding that packets are judged by at that moment, by code."""
        async with self._reading() as connection:
            return await binding.in_force(connection, self._log, at)

    async def speakers(self, at: datetime) -> Sequence[Speaker]:
        """List the certificates that packets are judged by at that moment or later, by code."""
        async with self._reading() as connection:
            return await binding.speakers(connection, self._log, at)

    async def origins(self, codes: Collection[str] | None = None) -> Sequence[BindingOrigin]:
        """List the bindings that have not ended, each with what it rests on, by code: of a page of codes, or of all."""
        async with self._reading() as connection:
            return await binding.origins(connection, self._log, self._clock.now(), codes)

    async def differences(self) -> Sequence[BindingDifference]:
        """Return the rows of bindings that differ from the events, which are not used (threat 114)."""
        async with self._reading() as connection:
            return await binding_events.differences(connection, self._log)

    async def unconfirmed_seals(self) -> Sequence[tuple[str, str]]:
        """Return code and id of the rows about seals that differ from the events, which are not used."""
        async with self._reading() as connection:
            return await seals.unconfirmed(connection, self._log)

    async def _as_of(self, code: str, on: date) -> AgencyEntry | None:
        capitals = code.strip().upper()

        async def read(connection: AsyncConnection) -> AgencyEntry | None:
            entry = await lookup.by_code(connection, capitals)
            return None if entry is None else (await lookup.as_of(connection, [entry], on))[0]

        return await self._ask_memory(("entry", capitals, on), read)

    async def _told_of(
        self, connection: AsyncConnection, keys: Sequence[Key]
    ) -> Mapping[Key, Sequence[Binding]]:
        """Return the confirmed bindings of the codes in these cache keys."""
        with failures_named():
            confirmed = await binding.list_confirmed(connection, self._log, [str(code) for _, code in keys])
        return {("told", code): b for code, b in confirmed.items()}

    async def _ask_memory(self, key: Key, read: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Return the cached answer for a key, or read it."""

        async def load_named(connection: AsyncConnection) -> T:
            with failures_named():
                return await read(connection)

        return await self._memory.ask(key, load_named)

    def _today(self) -> date:
        return local(self._clock.now()).date()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with failures_named():
            async with self._reader.connect() as connection:
                yield connection


_BEHIND = "\uffff"  # sorts behind every letter of a code
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def _conditions(criteria: AgencyFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
    if criteria.text:
        yield _has(criteria.text)
    if criteria.level is not None:
        yield AGENCY.c.scheme == DEFAULT_SCHEME
        dots = func.length(AGENCY.c.code) - func.length(func.replace(AGENCY.c.code, ".", ""))
        yield dots == criteria.level - 1
    if criteria.scheme:
        yield AGENCY.c.scheme == criteria.scheme
    if criteria.root:
        below = f"{criteria.root}."
        yield or_(
            AGENCY.c.code == criteria.root, and_(AGENCY.c.code >= below, AGENCY.c.code < below + _BEHIND)
        )
    if criteria.standing:
        yield _stands(criteria.standing, now)
    if criteria.certificate_days is not None:
        yield AGENCY.c.code.in_(_ending(now, now + timedelta(days=criteria.certificate_days)))
    if criteria.is_unbound:
        yield AGENCY.c.code.not_in(_ending(now, _NEVER))
    if criteria.has_no_alias:
        yield AGENCY.c.alias.is_(None)
    if criteria.changed_since is not None:
        yield touched_since(datetime.combine(criteria.changed_since, time(), VIETNAM), now)


def _has(text: str) -> ColumnElement[bool]:
    """Return the condition that a code or alias begins with the text, or the name has all its words."""
    code, words = text.strip().upper(), fold(text).split()
    all_words = and_(*(AGENCY.c.folded.contains(word, autoescape=True) for word in words))
    beginning = [and_(column >= code, column < code + _BEHIND) for column in (AGENCY.c.code, AGENCY.c.alias)]
    return or_(*beginning, all_words) if words else or_(*beginning)


def _stands(standing: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition of a standing today: ended, without a code, upcoming, or in force."""
    on = local(now).date()
    begun = or_(AGENCY.c.valid_from.is_(None), AGENCY.c.valid_from <= on)
    goes_on = or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on)
    has_code = AGENCY.c.scheme != PENDING_SCHEME
    match standing:
        case "ended":
            return AGENCY.c.valid_to < on
        case "pending":
            return and_(AGENCY.c.scheme == PENDING_SCHEME, goes_on)
        case "upcoming":
            return and_(AGENCY.c.valid_from > on, goes_on, has_code)
    return and_(begun, goes_on, has_code)


def _ending(now: datetime, last_moment: datetime) -> ColumnElement[str]:
    """Select codes whose last certificate ends between the two moments."""
    last = func.max(func.coalesce(BINDING.c.valid_to, as_utc(_NEVER)))
    query = select(BINDING.c.code).where(BINDING.c.state == ACTIVE).group_by(BINDING.c.code)
    return query.having(last > now, last <= last_moment).scalar_subquery()


def touched_since(at: datetime, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a code, or a certificate of it, changed at that moment or later."""
    first = at
    ended = and_(BINDING.c.state == WITHDRAWN, BINDING.c.valid_to >= first, BINDING.c.valid_to <= now)
    bound = select(BINDING.c.code).where(or_(BINDING.c.created_at >= first, ended))
    return or_(AGENCY.c.updated_at >= first, AGENCY.c.code.in_(bound))
