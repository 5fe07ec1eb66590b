"""Forms about accounts that a province's regulation on document systems prescribes, as data: requests for new accounts
(01), for changes (02) and for their end (03), the yearly report (04), and the half-yearly list of accounts without a
sign-in. In: accounts with their dates, a year. Out: columns of the tables, figures of the report, rows of the list. The
words are labels. Pure (R91, R109, T22, T23)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from gateway.domain.person import AccountStanding, Person
from gateway.domain.wall_clock import local

# Columns of the table about agencies, and of the one about persons; the first of each counts the rows.
REQUESTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "01": (
            ("n", "agency", "office_email", "kind", "note"),
            ("n", "name", "title", "unit", "office_email", "phone"),
        ),
        "02": (
            ("n", "agency_unit", "login", "to_change", "changed"),
            ("n", "name", "title", "login", "email", "to_change", "changed", "phone"),
        ),
        "03": (
            ("n", "login_name", "sort", "reason", "note"),
            ("n", "login_name", "email", "unit", "title", "reason", "note"),
        ),
    }
)
UNUSED_COLUMNS = ("n", "account", "name", "title", "part", "last_login", "note")
"""Columns of the list of accounts without a sign-in."""
# Widths beside each other; the others have the usual one.
SHARES: Mapping[str, float] = MappingProxyType(
    {"n": 0.6, "note": 1.2, "agency": 2, "office_email": 1.8, "name": 1.8}
)
EMPTY_ROWS = 5
REPORT, UNUSED = "04", "unused"
FORMS = (*REQUESTS, REPORT, UNUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """Figures of one year: accounts that were given, how many were not used in it, and what changed."""

    given: int
    unused: int
    added: int
    changed: int
    ended: int


def is_unused(person: Person, since: date) -> bool:
    """Tell whether the account has had no sign-in since that day; one that was withdrawn is not counted."""
    last = person.last_login_at
    return person.standing is not AccountStanding.WITHDRAWN and (last is None or local(last).date() < since)


def count(people: Sequence[Person], year: int) -> AccountFigures:
    """Count the accounts of that year, each change at the last one of its account."""
    first, after = date(year, 1, 1), date(year + 1, 1, 1)

    def in_year(days: Iterable[date | None]) -> int:
        return sum(day is not None and first <= day < after for day in days)

    known = [person for person in people if local(person.added_at).date() < after]
    withdrawn = [p for p in known if p.standing is AccountStanding.WITHDRAWN]
    return AccountFigures(
        given=len(known)
        - sum(p.standing_at is not None and local(p.standing_at).date() < first for p in withdrawn),
        unused=sum(is_unused(person, first) for person in known),
        added=in_year(local(p.added_at).date() for p in known),
        changed=in_year(local(p.roles_at).date() for p in known if p.roles_at != p.added_at),
        ended=in_year(local(p.standing_at).date() if p.standing_at else None for p in withdrawn),
    )


def half_year_start(today: date) -> date:
    """Return the first day of the half year before today's, the subject of the list."""
    return date(today.year, 1, 1) if today.month > 6 else date(today.year - 1, 7, 1)
