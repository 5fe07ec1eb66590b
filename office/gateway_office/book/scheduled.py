"""Reports that are sent by the calendar: made, paused, removed by people and programs; and sent, once for each period,
while the agency's office is open and the figures have followed the period's last event. In: an agency's wish, or the
operator's in its name; a mail server. Out: a file by mail to each person, with the figures of that person's rights; an
event, with the figures where programs want it.

A process that sends holds a lease, and notes each person that has the report. If it dies, its lease runs out, and another
process goes on. A mail that went out in that moment goes out once more, with the same id."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway import log
from gateway.domain import feed
from gateway.domain.account import AgencyScope, ApiScope, HostedAgency
from gateway.domain.agency_profile import Letterhead
from gateway.domain.event import EventKind
from gateway.domain.handling import unit_key
from gateway.domain.person import Person
from gateway.domain.wall_clock import local, midnight
from gateway.errors import Clash, GatewayError, NotFound, StaleLease, StoreFailure
from gateway.policy import timers
from gateway.ports.mail import Mail, Mailer, MailFile
from gateway.store.api_keys import load_program_scopes
from gateway.store.figures import list_units
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.book import reports
from gateway_office.domain.roles import NODE, Manner, Right
from gateway_office.policy import report_schedules as rules
from gateway_office.policy.report_schedules import Problem, ReportSchedule, ScheduleWish
from gateway_office.policy.reports import By, ReportTable
from gateway_office.services import AccountServices, OfficeIncomingServices
from gateway_office.store import report_schedules
from gateway_office.store.report_schedules import SqlReportSchedules
from gateway_office.store.store import OfficeWork

_log = logging.getLogger(__name__)
_LANG = "vi"
_READING = frozenset({ApiScope.INBOX_READ, ApiScope.MESSAGES_READ})
MOST_LINES = 500
"""Lines that an event has of a report."""
_MEDIA = {
    "pdf": ("application", "pdf"),
    "csv": ("text", "csv"),
    "xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A person who may read reports of the agency: of all of it, or of the own units alone."""

    person: Person
    units: frozenset[str] | None = None


# --- schedules -------------------------------------------------------------------------------------------------------


async def readers(accounts: AccountServices, agency_id: str) -> Mapping[str, Reader]:
    """List the persons with a post in the agency who may read its reports now, by id; of the node, those of totals."""
    now, manner = accounts.clock.now(), Manner.TOTALS if agency_id == NODE else Manner.YES
    by_id = {}
    async with accounts.accounts.read() as view:
        ids = {post.person_id for post in await view.posts.in_agency(agency_id) if post.holds(now)}
        for person in await view.people.all():
            if person.id not in ids or not person.is_active:
                continue
            rights = await acting.rights_of(view, person.id, now)
            granted = rights.best_grant(Right.REPORTS, agency_id, now)
            if granted is not None and granted.manner is manner:
                by_id[person.id] = Reader(person=person)
            elif granted is not None and granted.manner is Manner.OWN:
                share = rights.share(Right.REPORTS, agency_id, now)
                by_id[person.id] = Reader(person=person, units=share.units | share.leading)
    return by_id


async def list_all(
    inn: OfficeIncomingServices, scope: AgencyScope, *, of_node: bool | None = False
) -> Sequence[ReportSchedule]:
    """List the agency's own schedules; the operator's in its name where `of_node`, both for None."""
    async with inn.store.read(scope) as work:
        return [schedule for schedule in await _rows(work).all() if of_node in (None, schedule.wish.of_node)]


async def list_of_node(inn: OfficeIncomingServices) -> Sequence[tuple[HostedAgency, ReportSchedule]]:
    """List the operator's schedules, each with the agency in whose name it is."""
    hosted = {agency.id: agency for agency in await inn.store.hosted()}
    async with inn.store.asking() as tx:
        rows = await report_schedules.load_all(tx)
    return [(hosted[agency_id], schedule) for agency_id, schedule in rows if schedule.wish.of_node]


async def complete(
    inn: OfficeIncomingServices, accounts: AccountServices, agency_id: str, wish: ScheduleWish
) -> tuple[ScheduleWish, list[tuple[str, str]]]:
    """Return a wish in its stored form, and its faults, each as field and word. Persons may be named by
    their sign-in names; without lines it has the report's first ones."""
    reader_by_id = await readers(accounts, NODE if wish.of_node else agency_id)
    endpoints = await inn.store.webhooks.list_endpoints(agency_id) if wish.webhook else ()
    webhooks = [e.id for e in endpoints if feed.is_wanted(wish.event_kind, e.scopes, e.types)]
    by_login = {(r.person.login or r.person.name).casefold(): id for id, r in reader_by_id.items()}
    people = tuple(dict.fromkeys(by_login.get(name.casefold(), name) for name in wish.people))
    programs = wish.to_programs or bool(wish.webhook)
    wish = replace(wish, people=people, by=wish.by or rules.usual_line(wish), to_programs=programs)
    faults = rules.faults(wish, [*reader_by_id], webhooks)
    if wish.under and not reports.agencies_below(await inn.store.hosted(), wish.under):
        faults.append(("under", "unknown"))
    return wish, faults


async def add(inn: OfficeIncomingServices, scope: AgencyScope, wish: ScheduleWish) -> ReportSchedule:
    """Keep a complete wish; the first period is the present one. Clash where the agency has too many."""
    now = inn.clock.now()
    schedule = ReportSchedule(
        id=inn.clock.new_id("rsc_"),
        wish=wish,
        made_by=scope.principal_id,
        made_at=now,
        due_on=rules.next_due(wish.period, local(now).date()),
    )
    async with inn.store.changing(scope) as work:
        if len(await _rows(work).all()) >= rules.MOST_SCHEDULES:
            raise Clash(f"an agency has {rules.MOST_SCHEDULES} report schedules at most", code="GW-SCHEDULES")
        _rows(work).add(schedule)
        await _record(work, schedule, "made", now)
    return schedule


async def set_pause(
    inn: OfficeIncomingServices,
    scope: AgencyScope,
    id: str,
    *,
    is_paused: bool,
    of_node: bool | None = False,
) -> ReportSchedule:
    """Pause a schedule, or let it go on with the present period. Harmless where it is so already."""
    now = inn.clock.now()
    async with inn.store.changing(scope) as work:
        schedule = await _get(work, id, of_node)
        due_on = schedule.due_on if is_paused else rules.next_due(schedule.wish.period, local(now).date())
        if await _rows(work).set_pause(id, now if is_paused else None, due_on):
            await _record(work, schedule, "paused" if is_paused else "resumed", now)
    async with inn.store.read(scope) as work:
        return await _rows(work).get(id)


async def remove(
    inn: OfficeIncomingServices, scope: AgencyScope, id: str, *, of_node: bool | None = False
) -> None:
    async with inn.store.changing(scope) as work:
        schedule = await _get(work, id, of_node)
        if await _rows(work).remove(id):
            await _record(work, schedule, "removed", inn.clock.now())


async def _get(work: OfficeWork, id: str, of_node: bool | None) -> ReportSchedule:
    """Load a schedule. NotFound for the operator's where the agency's own is meant, and the other way round."""
    schedule = await _rows(work).get(id)
    if of_node not in (None, schedule.wish.of_node):
        raise NotFound(f"there is no such report schedule {id[:80]}")
    return schedule


async def _record(work: OfficeWork, schedule: ReportSchedule, act: str, at: datetime) -> None:
    wish = schedule.wish
    facts = {
        "act": act,
        "report": wish.report,
        "by": wish.by,
        "period": wish.period.value,
        "format": wish.form,
        "people": [*wish.people],
        "programs": wish.to_programs,
        "of_node": wish.of_node,
    }
    await work.events.append(EventKind.REPORT_SCHEDULED, schedule.id, at, facts)


def _rows(work: OfficeWork) -> SqlReportSchedules:
    return SqlReportSchedules(work.office.tx, work.scope)


async def next_send(inn: OfficeIncomingServices, agency_id: str, schedule: ReportSchedule) -> datetime:
    """Return when the next period is sent at the earliest: in office hours, behind its end and the last failed try."""
    begins = max(midnight(schedule.due_on), schedule.not_before or schedule.made_at)
    return timers.next_open(await inn.office(agency_id), begins)


# --- sending ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sender of due reports, one schedule after another."""

    inn: OfficeIncomingServices
    accounts: AccountServices
    mailer: Mailer

    async def send_due(self) -> int:
        """Send each report whose period is over; return how many schedules went on to their next period."""
        clock, store = self.inn.clock, self.inn.store
        now = clock.now()
        hosted = {agency.id: agency for agency in await store.hosted() if agency.left_at is None}
        async with store.asking() as tx:
            due = await report_schedules.find_due(tx, local(now).date(), now)
        sent = 0
        for agency_id, schedule in due:
            agency = hosted.get(agency_id)
            if agency is None or not timers.is_open(await self.inn.office(agency_id), now):
                continue
            async with store.asking() as tx:
                if not await report_schedules.are_counted(tx, midnight(schedule.due_on)):
                    continue
            try:
                sent += await self._send(agency, schedule)
            except StaleLease as stale:
                log.action(_log, "report.stale", stale.detail, agency=agency.code, schedule=schedule.id)
        return sent

    async def _send(self, agency: HostedAgency, due: ReportSchedule) -> bool:
        """Send one report under a lease; return whether it is done."""
        clock, scope = self.inn.clock, AgencyScope(agency_id=agency.id, principal_id="node")
        token = clock.new_id()
        async with self.inn.store.changing(scope) as work:
            schedule = await _rows(work).claim(due, token, clock.now())
        if schedule is None or not await self._may_go_on(scope, schedule, token):
            return False
        ids = {"agency": agency.code, "schedule": schedule.id}
        try:
            problems, figures = await self._send_parts(agency, scope, schedule, token)
        except (StaleLease, StoreFailure):
            raise
        except _Failed as failure:
            log.action(_log, "report.failed", failure.detail, **ids)
            return await self._put_off(scope, schedule, token, failure.problem)
        except (
            Exception
        ) as error:  # reason: an unforeseen error of one report stops no other, and is seen on the page
            log.log_unforeseen(_log, "report.broke", error, **ids)
            return await self._put_off(scope, schedule, token, Problem.FAILED)
        now = clock.now()
        reasons = [*dict.fromkeys(problems.values()), *await self._webhook_problems(agency, schedule)]
        async with self.inn.store.changing(scope) as work:
            await _rows(work).release(rules.advance(schedule, reasons, now), token)
            facts = _facts(schedule, problems, figures)
            await work.events.append(schedule.wish.event_kind, schedule.id, now, facts)
        log.action(_log, "report.sent", agency=agency.code, schedule=schedule.id)
        return True

    async def _may_go_on(self, scope: AgencyScope, schedule: ReportSchedule, token: str) -> bool:
        """Tell whether its maker may read reports now; a schedule of a program whose keys may not is paused."""
        now = self.inn.clock.now()
        async with self.inn.store.asking() as tx:
            scopes = await load_program_scopes(tx, schedule.made_by, scope.agency_id, now)
        if scopes is None or scopes >= _READING:
            return True
        async with self.inn.store.changing(scope) as work:
            await _rows(work).release(replace(schedule, problem=Problem.NO_KEY.value), token)
            await _rows(work).set_pause(schedule.id, now, schedule.due_on)
            await _record(work, schedule, "paused", now)
        return False

    async def _put_off(
        self, scope: AgencyScope, schedule: ReportSchedule, token: str, problem: Problem
    ) -> bool:
        """Store why a report was not sent, and when it is tried again; return False."""
        async with self.inn.store.changing(scope) as work:
            stored = await _rows(work).get(schedule.id)
            await _rows(work).release(rules.failed(stored, problem, self.inn.clock.now()), token)
        return False

    async def _webhook_problems(self, agency: HostedAgency, schedule: ReportSchedule) -> Sequence[Problem]:
        if not (chosen := schedule.wish.webhook):
            return ()
        endpoints = await self.inn.store.webhooks.list_endpoints(agency.id)
        return () if chosen in {endpoint.id for endpoint in endpoints} else (Problem.NO_WEBHOOK,)

    async def _send_parts(
        self, agency: HostedAgency, scope: AgencyScope, schedule: ReportSchedule, token: str
    ) -> tuple[Mapping[str, Problem], ReportTable | None]:
        """Send to each person who has it not yet; return who was left out and why, and the figures for programs."""
        figures = None
        try:
            if schedule.wish.to_programs:
                figures = await self._make(agency, schedule, _units(schedule.wish))
            problems: dict[str, Problem] = {}
            place = NODE if schedule.wish.of_node else agency.id
            reader_by_id = await readers(self.accounts, place) if schedule.wish.people else {}
            sent_to = [*schedule.sent_to]
            for person_id in schedule.wish.people:
                if person_id in sent_to:
                    continue
                reason = await self._send_to(agency, schedule, person_id, reader_by_id.get(person_id))
                if reason is not None:
                    problems[person_id] = reason
                    continue
                sent_to.append(person_id)
                async with self.inn.store.changing(scope) as work:
                    await _rows(work).mark_sent(schedule.id, token, tuple(sent_to), self.inn.clock.now())
        except GatewayError as error:
            if not error.permanent:
                raise
            raise _Failed(Problem.FAILED, error.detail) from error
        return problems, figures

    async def _send_to(
        self, agency: HostedAgency, schedule: ReportSchedule, person_id: str, reader: Reader | None
    ) -> Problem | None:
        """Send one mail; return why the person is left out. _Failed where it is to be tried again."""
        units = None if reader is None else await self._units_of(agency, schedule.wish, reader)
        if reader is None or units is None:
            return Problem.NO_RIGHT
        if not reader.person.email:
            return Problem.NO_ADDRESS
        if not self.mailer.is_on:
            raise _Failed(Problem.MAIL_OFF, "no mail server is set (mail.host)")
        table = await self._make(agency, schedule, units)
        mail = await self._write_mail(agency, schedule, table, reader.person)
        try:
            await self.mailer.send(mail)
        except GatewayError as error:
            if not error.permanent:
                raise _Failed(Problem.MAIL_DOWN, error.detail) from error
            log.action(_log, "mail.failed", error.detail, agency=agency.code, schedule=schedule.id)
            return Problem.REFUSED
        return None

    async def _units_of(
        self, agency: HostedAgency, wish: ScheduleWish, reader: Reader
    ) -> tuple[str, ...] | None:
        """Return the units that the person's report is about, none for the whole agency; None without the right to it."""
        if reader.units is None:
            return _units(wish)
        if {*wish.narrowed_by} - {By.UNIT} or (wish.unit and unit_key(wish.unit) not in reader.units):
            return None
        if wish.unit:
            return (wish.unit,)
        async with self.inn.store.reading() as tx:
            names = await list_units(tx, agency.id)
        return tuple(name for name in names if unit_key(name) in reader.units) or (reports.NO_UNIT_YET,)

    async def _make(
        self, agency: HostedAgency, schedule: ReportSchedule, units: Sequence[str]
    ) -> ReportTable:
        wish, (since, last_day) = schedule.wish, schedule.span
        own = replace(wish, unit=units[0]) if units else wish
        question = reports.ask(
            reports.report_named(wish.report),
            # A week of a person's own units has no lines that are kept by month.
            by=wish.by if wish.by in {*rules.known_lines(own)} else rules.usual_line(own),
            since=since,
            until=last_day,
            units=units,
            only={**wish.only, "unit": ""},
        )
        agencies = [agency.id]
        if wish.of_node:
            agencies = reports.agencies_below(await self.inn.store.hosted(), wish.under)
        return await reports.make(self.inn.store, agencies, question, self._today())

    async def _write_mail(
        self, agency: HostedAgency, schedule: ReportSchedule, table: ReportTable, person: Person
    ) -> Mail:
        # Its library of sheets is loaded at first use alone.
        from gateway_office.book import report_files

        question, today, form = table.question, self._today(), schedule.wish.form
        keys = [line.key for line in table.lines]
        names = await reports.names_of(self.inn, self.accounts, question, keys, today, _LANG)
        if schedule.wish.of_node:
            issuer = Letterhead(agency=schedule.wish.under or labels.say("report.node", _LANG))
        else:
            issuer = await self.inn.store.accounts.letterhead(agency.id)
        out = io.BytesIO()
        await report_files.write(self.inn.pool, out, form, table, names, issuer, today, _LANG)
        heading = reports.heading_of(question, issuer.agency, _LANG)
        name = reports.file_name(question, form)
        digest = hashlib.sha256(f"{schedule.id} {schedule.due_on} {person.id}".encode()).hexdigest()[:32]
        return Mail(
            to=(person.email or "",),
            subject=" ".join(heading.split()),
            text=labels.say("report.mail", _LANG, report=heading, file=name),
            id=digest,
            files=(MailFile(name=name, media=_MEDIA[form], body=out.getvalue()),),
        )

    def _today(self) -> date:
        return local(self.inn.clock.now()).date()


class _Failed(Exception):
    """A try that failed and is made again later."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem, self.detail = problem, detail


def _units(wish: ScheduleWish) -> tuple[str, ...]:
    return (wish.unit,) if wish.unit else ()


def _facts(
    schedule: ReportSchedule, problems: Mapping[str, Problem], figures: ReportTable | None
) -> dict[str, object]:
    wish, (since, last_day) = schedule.wish, schedule.span
    facts: dict[str, object] = {
        "report": wish.report,
        "by": wish.by,
        "since": since.isoformat(),
        "until": last_day.isoformat(),
        **wish.only,
        "sent": len(wish.people) - len(problems),
        "left_out": [{"person": id, "why": why.value} for id, why in problems.items()],
    }
    if wish.of_node:
        facts["under"] = wish.under
    if wish.webhook:
        facts["webhook"] = wish.webhook
    return facts if figures is None else {**facts, **figures_json(figures)}


def figures_json(table: ReportTable) -> dict[str, object]:
    """Return the figures as an event has them."""
    lines = table.lines[:MOST_LINES]
    return {
        "lines": [{"key": line.key, "figures": table.by_column(line.figures)} for line in lines],
        "left_off": max(len(table.lines) - MOST_LINES, 0),
        "total": table.by_column(table.total),
        "before": table.by_column(table.before),
    }
