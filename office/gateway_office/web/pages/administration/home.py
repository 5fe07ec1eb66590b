"""The home of an agency's administrator: what is late by unit and person, what is express now, which agencies do not
answer; accounts that need attention, units without persons, settings that differ from the node's. In: the to-do list of the
agency, its accounts, units and profile. Out: counts and names. No text, number or sender of a document is shown, because
this role reads none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from aiohttp import web

from gateway.deciding.agency_profile import SettingState
from gateway.domain.handling import unit_key
from gateway.domain.person import AccountStanding
from gateway.domain.wall_clock import day_text, local
from gateway_office.accounts import admin, pending_rights, units
from gateway_office.accounts.admin import AccountLine
from gateway_office.domain.roles import Manner, PostRole, Right
from gateway_office.domain.task import TaskKind
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import board
from gateway_office.web.pages.administration import settings
from gateway_office.web.pages.administration.accounts import administrator, waiting_rows
from gateway_office.web.pages.tasks import NOBODY

MOST_ROWS = 12
_ENDS_SOON = timedelta(days=14)
_IN_UNITS = frozenset({PostRole.UNIT_HEAD, PostRole.OFFICER})


class Attention(StrEnum):
    """Why an account needs its administrator, the gravest first."""

    LEFT = "left"
    """Its last post has ended, and it can still sign in."""
    LOCKED = "locked"
    SUSPENDED = "suspended"
    LINK_OVER = "link_over"
    NO_UNIT = "no_unit"
    ENDS_SOON = "ends_soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One account with its reason; `day` is that of its last post, where it has one."""

    id: str
    name: str
    attention: Attention
    day: str = ""


def has_own_home(request: PageRequest) -> bool:
    """Tell whether the person administers this agency and reads none of its documents."""
    return request.may(Right.ACCOUNTS, Manner.YES) and not request.may(Right.SEE_CONTENT)


async def show(request: PageRequest) -> web.StreamResponse:
    agency, now = request.own_agency, request.deps.clock.now()
    by, scope = administrator(request), request.scope()
    todo_list = await request.deps.bell.listed(scope)
    rings = await request.deps.rings.of_agency(scope)
    details, _ = await units.list_units(request.deps.accounts, by, agency.id)
    lines = await admin.review_lines(request.deps.accounts, by, agency.id)
    keys = {unit_key(detail.unit.name) for detail in details}
    rows = sorted(
        list_attention(lines, keys, now), key=lambda row: ([*Attention].index(row.attention), row.name)
    )
    return await request.page(
        "admin/home.html",
        title=request.say("admin.home"),
        units=board.late_by(todo_list, request.lang, "don_vi", lambda task: task.unit),
        persons=board.late_by(todo_list, request.lang, "phu_trach", lambda task: task.owner or NOBODY),
        express=_count_express(task.kind for task in todo_list.tasks if task.is_express),
        silent=board.silent_agencies(todo_list, rings),
        rights_waiting=await waiting_rows(
            request, await pending_rights.list_waiting(request.deps.accounts, by, agency.id)
        ),
        accounts=rows[:MOST_ROWS],
        more_accounts=max(0, len(rows) - MOST_ROWS),
        empty_units=[detail.unit for detail in details if not detail.members],
        chosen=[state for state in await settings.states_of(request, agency.id) if _differs(state)],
        value_words=lambda key, value: settings.value_words(request, key, value),
        here=agency,
    )


def list_attention(
    lines: Sequence[AccountLine], unit_keys: Collection[str], now: datetime
) -> Iterator[AccountRow]:
    """Yield each account that needs its administrator, by its gravest reason. Withdrawn ones need nothing."""
    for line in lines:
        ends = [post.until for post in line.posts if post.until is not None]
        last = max(ends, default=None) if len(ends) == len(line.posts) else None
        attention = _attention(line, unit_keys, last, now)
        if attention is not None:
            yield AccountRow(
                id=line.person.id,
                name=line.person.name,
                attention=attention,
                day=day_text(local(last).date()) if last is not None else "",
            )


def _attention(
    line: AccountLine, unit_keys: Collection[str], last: datetime | None, now: datetime
) -> Attention | None:
    standing = line.person.standing
    if standing is AccountStanding.WITHDRAWN:
        return None
    if last is not None and last <= now:
        return Attention.LEFT
    if standing is AccountStanding.LOCKED or line.person.blocked_at is not None:
        return Attention.LOCKED
    if standing is AccountStanding.SUSPENDED:
        return Attention.SUSPENDED
    if line.person.enrolled_at is None and line.link_until is not None and line.link_until <= now:
        return Attention.LINK_OVER
    posts = [post for post in line.posts if post.holds(now) and post.role in _IN_UNITS]
    if any(not post.unit or (unit_keys and unit_key(post.unit) not in unit_keys) for post in posts):
        return Attention.NO_UNIT
    return Attention.ENDS_SOON if last is not None and last <= now + _ENDS_SOON else None


def _count_express(kinds: Iterator[TaskKind]) -> Sequence[tuple[TaskKind, int]]:
    return Counter(kinds).most_common()


def _differs(state: SettingState) -> bool:
    return state.in_force is not None and state.in_force.value != state.default
