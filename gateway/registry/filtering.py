"""The list of agencies narrowed down: by words, level, province or ministry, standing, certificate, older form, and the day
since which a row or a binding changed. In: a connection, what is wanted, a moment. Out: entries in the order of codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.binding_history import ACTIVE
from gateway.domain.registry import AgencyEntry, AgencyFilter
from gateway.domain.text import fold
from gateway.domain.wall_clock import VIETNAM, local
from gateway.registry import touched
from gateway.registry.tables import agency_table, binding_table, stored, to_entry

AGENCY, BINDING = agency_table(), binding_table()
_BEHIND = "\uffff"  # sorts behind every letter of a code
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def filtered(
    connection: AsyncConnection, wanted: AgencyFilter, now: datetime, after: str, limit: int
) -> Sequence[AgencyEntry]:
    query = (
        select(AGENCY)
        .where(AGENCY.c.code > after, *_conditions(wanted, now))
        .order_by(AGENCY.c.code)
        .limit(limit)
    )
    return [to_entry(row) for row in await connection.execute(query)]


def _conditions(wanted: AgencyFilter, now: datetime) -> Iterator[ColumnElement[bool]]:
    if wanted.text:
        yield _has(wanted.text)
    if wanted.level is not None:
        dots = func.length(AGENCY.c.code) - func.length(func.replace(AGENCY.c.code, ".", ""))
        yield dots == wanted.level - 1
    if wanted.root:
        below = f"{wanted.root}."
        yield or_(AGENCY.c.code == wanted.root, and_(AGENCY.c.code >= below, AGENCY.c.code < below + _BEHIND))
    if wanted.standing:
        yield _stands(wanted.standing, now)
    if wanted.certificate_days is not None:
        yield AGENCY.c.code.in_(_ending(now, now + timedelta(days=wanted.certificate_days)))
    if wanted.is_unbound:
        yield AGENCY.c.code.not_in(_ending(now, _NEVER))
    if wanted.has_no_alias:
        yield AGENCY.c.alias.is_(None)
    if wanted.changed_since is not None:
        yield touched.since(datetime.combine(wanted.changed_since, time(), VIETNAM), now)


def _has(text: str) -> ColumnElement[bool]:
    code, words = text.strip().upper(), fold(text).split()
    named = and_(*(AGENCY.c.folded.contains(word, autoescape=True) for word in words))
    beginning = [and_(each >= code, each < code + _BEHIND) for each in (AGENCY.c.code, AGENCY.c.alias)]
    return or_(*beginning, named) if words else or_(*beginning)


def _stands(standing: str, now: datetime) -> ColumnElement[bool]:
    on = local(now).date()
    begun = or_(AGENCY.c.valid_from.is_(None), AGENCY.c.valid_from <= on)
    goes_on = or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on)
    match standing:
        case "ended":
            return AGENCY.c.valid_to < on
        case "upcoming":
            return and_(AGENCY.c.valid_from > on, goes_on)
    return and_(begun, goes_on)


def _ending(now: datetime, until: datetime) -> ColumnElement[str]:
    """Codes whose last certificate ends between the two."""
    last = func.max(func.coalesce(BINDING.c.valid_to, stored(_NEVER)))
    query = select(BINDING.c.code).where(BINDING.c.state == ACTIVE).group_by(BINDING.c.code)
    return query.having(last > stored(now), last <= stored(until)).scalar_subquery()
