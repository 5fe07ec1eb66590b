"""Forms about accounts that a province's regulation on document systems prescribes, as data: requests for new accounts
(01), for changes (02) and for their end (03), the yearly report (04), and the half-yearly list of accounts without a
sign-in; and the rules of requests: which fields each needs, by how many days a leaver's is late, whom an end would hit
more than it says, the state after an answer. In: accounts with their dates, a year; a request, persons and posts. Out:
columns of tables, figures, rows; faults by line and field, warnings. Words are labels. Pure (R91, R92, R109, T22, T23)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from gateway.domain.person import AccountStanding, Person
from gateway.domain.timer_table import TIMERS, Timer
from gateway.domain.wall_clock import local
from gateway_office.domain.account_request import (
    AccountChange,
    AccountFigures,
    RequestForm,
    RequestLine,
    RequestState,
)
from gateway_office.domain.roles import Post, PostRole

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
UNUSED_COLUMNS = ("n", "account", "name", "title", "part", "last_login", "last_traffic", "note")
"""Columns of the list of accounts without a sign-in."""
# Widths beside each other; the others have the usual one.
SHARES: Mapping[str, float] = MappingProxyType(
    {"n": 0.6, "note": 1.2, "agency": 2, "office_email": 1.8, "name": 1.8}
)
REPORT, UNUSED = "04", "unused"
FORMS = (REPORT, UNUSED)
MOST_LINES = 50
LONGEST_CELL = 200
SHORTEST_ANSWER = 10
# Columns of a line that a person types, in the order of each form.
COLUMNS: Mapping[RequestForm, tuple[str, ...]] = {
    RequestForm.NEW: ("name", "title", "role", "unit", "email", "phone", "note"),
    RequestForm.CHANGE: ("login", "change", "value", "phone", "note"),
    RequestForm.END: ("login", "decided_on", "reason", "note"),
}
_NEEDED: Mapping[RequestForm, tuple[str, ...]] = {
    RequestForm.NEW: ("name", "role"),
    RequestForm.CHANGE: ("login", "change", "value"),
    RequestForm.END: ("login", "decided_on", "reason"),
}
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
ROLES = tuple(role for role in PostRole if not role.is_of_node and role is not PostRole.SYSTEM)
"""Posts that an agency may ask for."""


def is_unused(person: Person, since: date) -> bool:
    """Tell whether the account has had no sign-in since that day; one that was withdrawn is not counted."""
    last = person.last_login_at
    return person.standing is not AccountStanding.WITHDRAWN and (last is None or local(last).date() < since)


def count(people: Sequence[Person], year: int) -> AccountFigures:
    """Count the accounts of that year, each change at the last one of its account."""
    first, end = date(year, 1, 1), date(year + 1, 1, 1)

    def in_year(days: Iterable[date | None]) -> int:
        return sum(day is not None and first <= day < end for day in days)

    counted = [person for person in people if local(person.added_at).date() < end]
    withdrawn = [p for p in counted if p.standing is AccountStanding.WITHDRAWN]
    return AccountFigures(
        given=len(counted)
        - sum(p.standing_at is not None and local(p.standing_at).date() < first for p in withdrawn),
        unused=sum(is_unused(person, first) for person in counted),
        added=in_year(local(p.added_at).date() for p in counted),
        changed=in_year(local(p.roles_at).date() for p in counted if p.roles_at != p.added_at),
        ended=in_year(local(p.standing_at).date() if p.standing_at else None for p in withdrawn),
    )


def half_year_start(today: date) -> date:
    """Return the first day of the half year before today's, the subject of the list."""
    return date(today.year, 1, 1) if today.month > 6 else date(today.year - 1, 7, 1)


@dataclass(frozen=True, slots=True)
class LineFault:
    """Fault of one line, by the name of its field; labels have the words: `request.fault.missing`."""

    line: int
    field: str
    fault: str


def is_address(text: str) -> bool:
    """Tell whether a text is a mail address: a server decides whether it exists."""
    return _ADDRESS.fullmatch(text) is not None


def find_faults(
    form: RequestForm, lines: Sequence[RequestLine], members: Mapping[str, Person], today: date
) -> list[LineFault]:
    """List the faults of a request's lines. `members` are the persons of the agency, by their sign-in names."""
    faults, logins = [], set[tuple[str, str]]()
    for n, line in enumerate(lines):
        missing = [name for name in _NEEDED[form] if not getattr(line, name)]
        faults += [LineFault(n, name, "missing") for name in missing]
        faults += [
            LineFault(n, name, "long")
            for name in COLUMNS[form]
            if len(str(getattr(line, name) or "")) > LONGEST_CELL
        ]
        role = line.role if form is RequestForm.NEW else line.value if _is_post(line) else ""
        if role and role not in ROLES:
            faults.append(LineFault(n, "role" if form is RequestForm.NEW else "value", "role"))
        if form is not RequestForm.NEW and line.login:
            member = members.get(line.login)
            if member is None or member.standing is AccountStanding.WITHDRAWN:
                faults.append(LineFault(n, "login", "unknown"))
            key = line.login, f"{line.change} {line.value if _is_post(line) else ''}"
            if key in logins:
                faults.append(LineFault(n, "login", "twice"))
            logins.add(key)
        if line.decided_on is not None and line.decided_on > today:
            faults.append(LineFault(n, "decided_on", "later"))
    if not 1 <= len(lines) <= MOST_LINES:
        faults.append(LineFault(0, "", "count"))
    return faults


def _is_post(line: RequestLine) -> bool:
    return line.change in (AccountChange.POST, AccountChange.POST_END)


def days_late(line: RequestLine, made_at: datetime) -> int:
    """Return by how many days the request came after T17 (withdrawal within five days of the decision); 0 in time."""
    if line.decided_on is None:
        return 0
    return max(0, (local(made_at).date() - line.decided_on).days - TIMERS[Timer.LEAVERS_ACCOUNT].amount)


@dataclass(frozen=True, slots=True)
class EndWarning:
    """Effect of an end beyond its line. `last_clerk`: no clerk of the agency remains. `elsewhere`: agencies where the
    person has posts as well, an empty id for the node; the account stays, and loses the asking agency's posts alone."""

    last_clerk: bool = False
    elsewhere: tuple[str, ...] = ()


def end_warnings(
    agency_id: str, logins: Iterable[str], people: Iterable[Person], posts: Sequence[Post], now: datetime
) -> Mapping[str, EndWarning]:
    """Map those of the sign-in names whose end needs a second look, if all of them ended together."""
    active = {p.id: p for p in people if p.is_active}
    by_login = {p.login: p for p in active.values() if p.login}
    current = [post for post in posts if post.holds(now) and post.person_id in active]
    leaving = {by_login[login].id: login for login in logins if login in by_login}
    clerks = {p.person_id for p in current if (p.agency_id, p.role) == (agency_id, PostRole.CLERK)}
    is_last = bool(clerks) and clerks <= leaving.keys()
    warnings = {
        login: EndWarning(
            last_clerk=is_last and id in clerks,
            elsewhere=tuple(sorted({p.agency_id for p in current if p.person_id == id} - {agency_id})),
        )
        for id, login in leaving.items()
    }
    return {login: warning for login, warning in warnings.items() if warning != EndWarning()}


def state_after(lines: Collection[RequestLine]) -> RequestState:
    """Return the state of a request by the answers to its lines."""
    agreed = sum(bool(line.is_done) for line in lines)
    if not agreed:
        return RequestState.REFUSED
    return RequestState.DONE if agreed == len(lines) else RequestState.PARTLY
