"""Duties of administrators and operators: which there are, until when, and the act that ends each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import pytest

from gateway.domain.office_calendar import OfficeCalendar, OfficeHours
from gateway.domain.timer_table import Receivers, Timer
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import Clash
from gateway.policy.reform_words import ReportDuty
from gateway.pool import ThreadPool
from gateway_office import duties
from gateway_office.domain.notice import Notice, NoticeKind, NoticeWish
from gateway_office.domain.roles import PostRole
from gateway_office.domain.task import Task
from gateway_office.duties import DutySources
from gateway_office.policy.reminders import duty_letters
from gateway_office.policy.signing_in import IdleRules
from gateway_office.services import AccountRules
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.rows import account_services, hire, person_row, post_row
from tests.support.clock import ManualClock
from tests.support.stores import NORTH

OFFICE = OfficeCalendar()
SHORT_DAY = OfficeCalendar(spans=(OfficeHours(start=time(7), end=time(15)),))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=VIETNAM)


@dataclass
class Happenings:
    """Outages and notices that the node knows beside its accounts."""

    outages: dict[str, datetime] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


@pytest.fixture
def happenings() -> Happenings:
    return Happenings()


@pytest.fixture
def sources(
    store: SqlOfficeStore, clock: ManualClock, happenings: Happenings, pool: ThreadPool
) -> DutySources:
    async def reports() -> Sequence[ReportDuty]:
        return ()

    async def notices() -> Sequence[Notice]:
        return happenings.notices

    async def outages() -> Mapping[str, datetime]:
        return happenings.outages

    accounts = account_services(store, clock, pool, AccountRules(idle=IdleRules(lock_new=timedelta(days=30))))
    return DutySources(accounts=accounts, reports=reports, notices=notices, outages=outages)


async def of_node(sources: DutySources, timer: Timer, now: datetime) -> list[Task]:
    return [task for task in await sources.of_node(OFFICE, now) if task.timer == timer]


async def of_north(sources: DutySources, timer: Timer, now: datetime, office: OfficeCalendar) -> list[Task]:
    tasks = await sources.of_agencies({NORTH.agency_id: office}, now)
    return [task for task in tasks[NORTH.agency_id] if task.timer == timer]


async def add(sources: DutySources, id: str, role: PostRole, end: datetime | None = None) -> None:
    now = at("11-01 08:00")
    await hire(sources.accounts, person_row(id, now), post_row(id, role, now, until=end))


async def test_the_quarters_figures_are_owed_until_an_operator_notes_once_that_they_were_sent(
    sources: DutySources,
) -> None:
    """T27 (quarter's figures)."""
    now = at("11-20 08:00")
    (owed,) = await of_node(sources, Timer.QUARTERLY_FIGURES, now)
    assert owed.due_at == at("10-07 17:00")

    quarter = duties.first_of_quarter(date(2026, 11, 20))
    await duties.note_figures_sent(sources.accounts, "prn_operator", quarter)
    with pytest.raises(Clash):
        await duties.note_figures_sent(sources.accounts, "prn_operator", quarter)

    assert await of_node(sources, Timer.QUARTERLY_FIGURES, now) == []
    assert await of_node(sources, Timer.QUARTERLY_FIGURES, at("12-31 23:00")) == []
    assert len(await of_node(sources, Timer.QUARTERLY_FIGURES, at("12-31 23:00") + timedelta(hours=2))) == 1


async def test_an_incident_is_announced_after_fifteen_minutes_by_night_until_a_notice_is_published(
    sources: DutySources, happenings: Happenings
) -> None:
    begun = happenings.outages["hub"] = at("11-21 23:00")
    (duty,) = await of_node(sources, Timer.INCIDENT_NOTICE, begun)
    assert duty.due_at == at("11-21 23:15")

    def letters(now: datetime) -> list[str]:
        return [letter.to for letter in duty_letters(OFFICE, [duty], now)]

    assert letters(at("11-21 23:14")) == []
    assert letters(at("11-21 23:15")) == [Receivers.OPERATORS]

    wish = NoticeWish(kind=NoticeKind.STOP, starts_at=begun, ends_at=at("11-22 08:00"), text_vi="Bảo trì")
    stop = Notice(id="ntc_1", wish=wish, published_at=begun, published_by="prn_operator")
    happenings.notices = [stop]
    assert len(await of_node(sources, Timer.INCIDENT_NOTICE, at("11-21 23:10"))) == 1
    incident = NoticeWish(kind=NoticeKind.INCIDENT, starts_at=begun, ends_at=None, text_vi="Mất kết nối")
    happenings.notices = [stop, Notice(id="ntc_2", wish=incident, published_at=begun, published_by="prn_1")]
    assert await of_node(sources, Timer.INCIDENT_NOTICE, at("11-21 23:10")) == []


async def test_an_account_that_its_agency_needs_is_not_told_that_it_will_be_locked(
    sources: DutySources,
) -> None:
    """T20 (new account unused)."""
    await add(sources, "prn_clerk", PostRole.CLERK)
    await add(sources, "prn_officer", PostRole.OFFICER)

    (duty,) = await of_north(sources, Timer.UNUSED_ACCOUNT, at("11-21 08:00"), OFFICE)
    assert (duty.person_id, duty.due_at) == ("prn_officer", at("12-01 08:00"))


async def test_a_duty_ends_when_the_agencys_own_office_closes(sources: DutySources) -> None:
    await add(sources, "prn_leaver", PostRole.OFFICER, end=at("11-16 17:00"))

    (usual,) = await of_north(sources, Timer.LEAVERS_ACCOUNT, at("11-20 08:00"), OFFICE)
    (short,) = await of_north(sources, Timer.LEAVERS_ACCOUNT, at("11-20 08:00"), SHORT_DAY)
    assert usual.due_at == at("11-21 17:00")
    assert short.due_at == at("11-21 15:00")
