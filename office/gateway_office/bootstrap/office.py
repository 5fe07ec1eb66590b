"""Opens the office over an exchange node: accounts of persons, to-do list and reminders, books, lists, and the loops that
only they need. In: settings, and in tests a clock or a wrapper around each port. Out: an open `Office`, which is a node
with all this besides."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gateway.bootstrap import core, guards
from gateway.bootstrap.core import NodeCore
from gateway.bootstrap.node import OpenNode, Wrap, open_node
from gateway.bootstrap.stored import server_limits
from gateway.clock import SystemClock
from gateway.deciding import registry_changes
from gateway.domain.account import key_prefix
from gateway.domain.person import AccountStanding
from gateway.errors import NotFound
from gateway.policy import timers, upkeep
from gateway.policy.reform_words import ReportDuty
from gateway.policy.upkeep import CertificateEnding
from gateway.ports.axis import ManagedAxis
from gateway.ports.services import Clock, Pool
from gateway.settings import Settings
from gateway.settings.reading import read_hours, read_people
from gateway.store.blobs import SCRATCH
from gateway.store.data_folder import Room
from gateway.transport.mail import SmtpMailer
from gateway.trust.page_drawing.drawer import DrawingLimits, PageBox, PageDrawer, ScanReader
from gateway.trust.person_secrets import PersonSecrets
from gateway.workers.heartbeat import Pulse
from gateway.workers.key_watch import KeyWatch
from gateway.workers.loop import Loop, Turn
from gateway_office.accounts import acting, sessions
from gateway_office.domain.roles import PostRole
from gateway_office.duties import DutySources
from gateway_office.letters import pending
from gateway_office.letters.indexing import ContentIndexer, IndexLimits
from gateway_office.letters.previews import PreviewDrawer
from gateway_office.lister import Lister
from gateway_office.mail import DigestMail, WatchedMail
from gateway_office.notices import Reminders
from gateway_office.policy import todo
from gateway_office.policy.reminders import UnitPeople
from gateway_office.policy.signing_in import IdleRules, PasswordRules, SessionRules, SlowRules
from gateway_office.services import (
    AccountRules,
    AccountServices,
    BackgroundTasks,
    BookServices,
    OfficeIncomingServices,
    OfficeOutgoingServices,
    TodoServices,
    background_tasks,
)
from gateway_office.store.accounts import SqlAccounts
from gateway_office.store.lists_due import Reckon
from gateway_office.store.pictures import FilePictures
from gateway_office.store.store import SqlOfficeStore

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
MB = 1024 * 1024
_MOST_DRAWERS = 2
_IDLE_EVERY = timedelta(hours=6)
_REPORTS_EVERY = timedelta(minutes=1)
_ADMINS = frozenset({PostRole.AGENCY_ADMIN, PostRole.OPERATOR, PostRole.CODES})
_SECOND_FACTOR = {
    "nobody": frozenset[PostRole](),
    "admins": _ADMINS,
    "clerks": _ADMINS | {PostRole.CLERK, PostRole.HEAD, PostRole.AUDITOR, PostRole.INSPECTOR},
}
# Certificates change by the hour at most, and every clerk's list reads them.
_FRESH = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Office(OpenNode):
    """Open node with the tools of the pages for persons."""

    store: SqlOfficeStore
    out: OfficeOutgoingServices
    inn: OfficeIncomingServices
    accounts: AccountServices
    todo: TodoServices
    book: BookServices
    reminders: Reminders
    looking: PreviewDrawer
    indexer: ContentIndexer
    background: BackgroundTasks

    def more_loops(self) -> Mapping[str, Loop]:
        lister, idle, reports = Lister(), Turn(_IDLE_EVERY), Turn(_REPORTS_EVERY)
        mail = WatchedMail(mailer=self.reminders.mailer, pulse=self.pulse)
        digest = DigestMail(replace(self.reminders, mailer=mail))
        return {
            "lister": Loop(step=lambda: lister.step(self.store, self.clock), is_due=lister.is_due),
            "accounts": Loop(
                step=lambda: self._sweep_idle(idle),
                then=("sequencer",),
                is_due=idle.has_come,
            ),
            "drawer": Loop(step=self.looking.step, is_due=self.looking.is_due),
            "acts": Loop(step=lambda: pending.run_due(self.inn, self.accounts)),
            "indexer": Loop(step=self.indexer.step, is_due=self.indexer.is_due),
            "reports": Loop(
                step=partial(self._send_reports, reports, mail),
                then=("sequencer",),
                is_due=reports.has_come,
            ),
            "digest": Loop(step=digest.step, is_due=digest.is_due, is_used=self.reminders.mailer.is_on),
        }

    async def _send_reports(self, turn: Turn, mailer: WatchedMail) -> bool:
        """Send the reports that are due, and look again at once where one was sent: periods may have been missed."""
        if not turn.take(self.clock.now()):
            return False
        from gateway_office.book.scheduled import Sender

        while await Sender(inn=self.inn, accounts=self.accounts, mailer=mailer).send_due():
            pass
        return False

    async def _sweep_idle(self, turn: Turn) -> bool:
        """Look at unused accounts four times a day; the first look is at start."""
        services = replace(self.accounts, clock=self.settled)
        return turn.take(services.clock.now()) and bool(await sessions.sweep_idle(services))


@asynccontextmanager
async def open_office(
    settings: Settings, clock: Clock | None = None, wrap: Wrap | None = None
) -> AsyncIterator[Office]:
    """Open a node with its office, on a migrated database."""
    wrapped, time = wrap or Wrap(), clock or SystemClock()
    address, limits = settings.database.address, server_limits(settings)
    store = SqlOfficeStore(address, time, limits, waiting(settings))
    async with open_node(settings, time, wrapped, store) as node, background_tasks() as tasks:
        watch = core.key_watch(store, node.directory, node.keys, node.trust, node.deciding)
        accounts = account_services(node)
        todo = TodoServices(
            store=store,
            calendar=store.calendar,
            office=node.inn.office,
            certificates=EndingCertificates(watch).current,
            clock=time,
            wake=partial(store.wake.ring, "sequencer"),
        )
        inn, out = widen(OfficeIncomingServices, node.inn), widen(OfficeOutgoingServices, node.out)
        with drawing(settings, node.pool) as pages, indexing(settings, node.pool) as indexer:
            looking = PreviewDrawer(
                services=inn, out=out, pages=pages, pictures=pictures(settings), background=tasks
            )
            yield widen(
                Office,
                node,
                store=store,
                out=out,
                inn=inn,
                looking=looking,
                indexer=indexer(store, looking),
                background=tasks,
                accounts=accounts,
                todo=todo,
                book=BookServices(
                    store=wrapped("store", store),
                    clock=time,
                    pool=node.pool,
                    series_by_type=settings.rules.outgoing_series == "type",
                ),
                reminders=reminders(
                    settings,
                    todo,
                    accounts,
                    partial(registry_changes.duties, node.deciding),
                    partial(outages_of, node.axis, node.pulse),
                    time,
                    node.pool,
                ),
            )


@contextmanager
def drawing(settings: Settings, pool: Pool) -> Iterator[PageDrawer]:
    """Open the drawer of pages, whose processes read one folder and nothing else; none of them running yet."""
    folder = settings.node.data_dir / "content" / SCRATCH
    boxes = [PageBox(folder) for _ in range(min(_MOST_DRAWERS, os.cpu_count() or 1))]
    try:
        yield PageDrawer(boxes, pool)
    finally:
        for box in boxes:
            box.close()


@contextmanager
def indexing(
    settings: Settings, pool: Pool
) -> Iterator[Callable[[SqlOfficeStore, PreviewDrawer], ContentIndexer]]:
    """Open the maker of the reader of words, whose process is not that of the pages which people wait for."""
    set_ = settings.pages
    limits = IndexLimits(
        is_on=set_.words == "on", pages=set_.words_pages, size=set_.words_mb * MB, seconds=set_.words_s
    )
    folder = settings.node.data_dir / "content" / SCRATCH
    box = PageBox(folder, DrawingLimits(seconds=limits.seconds, max_bytes=limits.size))
    scans = guards.scan_reader(settings, pool) if limits.is_on else None
    try:
        yield partial(_indexer, PageDrawer([box], pool), limits, box.close, scans)
    finally:
        box.close()
        if scans is not None:
            scans.close()


def _indexer(
    pages: PageDrawer,
    limits: IndexLimits,
    rest: Callable[[], None],
    scans: ScanReader | None,
    store: SqlOfficeStore,
    looking: PreviewDrawer,
) -> ContentIndexer:
    return ContentIndexer(store=store, looking=looking, pages=pages, limits=limits, rest=rest, scans=scans)


def pictures(settings: Settings) -> FilePictures:
    """Return the store of drawn pages, of this machine alone."""
    root = settings.node.data_dir / "pictures"
    return FilePictures(
        root, settings.pages.pictures_mb * MB, Room(folder=root, reserve=settings.limits.disk_free_mb * MB)
    )


def widen(cls: type[T], below: DataclassInstance, **more: object) -> T:
    """Copy the fields of services into a wider class, with further fields or replacements."""
    return cls(**{f.name: getattr(below, f.name) for f in fields(below)} | more)


def account_services(core: NodeCore) -> AccountServices:
    """Make the services for accounts for pages, commands and the daily look at idle accounts."""
    return AccountServices(
        accounts=SqlAccounts(core.store, core.clock),
        secrets=PersonSecrets(),
        clock=core.clock,
        pool=core.pool,
        rules=account_rules(core.settings),
    )


def account_rules(settings: Settings) -> AccountRules:
    """Make the rules of accounts from the settings."""
    set_ = settings.accounts
    return AccountRules(
        passwords=PasswordRules(
            least=set_.password_length, remembered=set_.password_history, age=_days(set_.password_days)
        ),
        sessions=SessionRules(
            idle=timedelta(minutes=set_.idle_min),
            total=timedelta(hours=set_.session_h),
            second_factor=_SECOND_FACTOR[set_.second_factor],
        ),
        slow=SlowRules(
            by_name=set_.lock_after,
            lock=timedelta(minutes=set_.lock_min),
            by_address=set_.address_tries,
            forget=max(timedelta(hours=1), timedelta(minutes=set_.lock_min)),
        ),
        idle=IdleRules(
            warn=_days(set_.warn_days),
            suspend=_days(set_.suspend_days),
            withdraw_after=_days(set_.withdraw_days),
            lock_new=_days(set_.unused_days),
        ),
        link=timedelta(hours=set_.link_h),
        key_prefix=key_prefix(settings.node.trial),
    )


def _days(count: int) -> timedelta | None:
    return timedelta(days=count) if count else None


class EndingCertificates:
    """Cache over the watch of keys, which opens every key to answer."""

    def __init__(self, watch: KeyWatch) -> None:
        self._watch = watch
        self._cache: tuple[datetime, Sequence[CertificateEnding]] | None = None

    async def current(self, now: datetime) -> Sequence[CertificateEnding]:
        if self._cache is None or not self._cache[0] <= now < self._cache[0] + _FRESH:
            self._cache = now, upkeep.last_of_each_code(await self._watch.endings(now))
        return self._cache[1]


def waiting(settings: Settings) -> Reckon:
    """Return the reckoning of until when lists wait for a document to be taken in."""
    return todo.waits_until(
        timers.read_weekdays(settings.office.weekdays), timers.read_spans(settings.office.hours)
    )


async def outages_of(axis: ManagedAxis, pulse: Pulse) -> Mapping[str, datetime]:
    """Return since when each axis carries nothing, as this process and the living workers know it."""
    from gateway.ops import axis_view

    states = await pulse.pool.run(partial(axis_view.worst_states, axis, pulse.folder, pulse.clock.now()))
    troubles = {name: state.blocked_since or state.down_since for name, state in states.items()}
    return {name: since for name, since in troubles.items() if since is not None}


def reminders(
    settings: Settings,
    todo: TodoServices,
    accounts: AccountServices,
    reports: Callable[[], Awaitable[Sequence[ReportDuty]]],
    outages: Callable[[], Awaitable[Mapping[str, datetime]]],
    clock: Clock,
    pool: Pool,
) -> Reminders:
    """Make the tools for reminding by mail; silent where no mail server is set."""
    mail = settings.mail

    async def of_heads(agency_id: str) -> Sequence[str]:
        return [person.email for person in await acting.heads_of(accounts, agency_id) if person.email]

    async def of_units(agency_id: str) -> Mapping[str, UnitPeople]:
        return await acting.units_of(accounts, agency_id)

    async def of_admins(agency_id: str) -> Sequence[str]:
        role = PostRole.AGENCY_ADMIN if agency_id else PostRole.OPERATOR
        people = await acting.holders_of(accounts, agency_id, role)
        return [person.email for person in people if person.email]

    async def of_person(id: str) -> Sequence[str]:
        """Return the address of a person, who need not have signed in yet."""
        try:
            async with accounts.accounts.read() as view:
                person = await view.people.get(id)
        except NotFound:  # a program's
            return []
        is_open = person.standing is AccountStanding.ACTIVE and person.blocked_at is None
        return [person.email] if is_open and person.email else []

    return Reminders(
        services=todo,
        admins=of_admins,
        person=of_person,
        duties=DutySources(
            accounts=accounts, reports=reports, notices=todo.store.notices.open, outages=outages
        ),
        mailer=SmtpMailer(mail, clock, pool),
        digest_at=read_hours(mail.digest_at),
        people=read_people(mail.people),
        heads=of_heads,
        units=of_units,
    )
