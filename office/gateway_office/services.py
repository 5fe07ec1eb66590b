"""Holds the tools of the office's acts, one class for each subject: accounts, the two flows, register books, the to-do
list. The wiring makes them once; they hold the store and the numbers of rules, and no state of its own. Those of the two
flows are those of the exchange with the office's units of work. And runs background tasks, such as gathering a list,
drawing a page or checking the log: they end before their tools are closed, and their failures reach the caller that still
waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.account import KEY_PREFIX
from gateway.domain.office_calendar import OfficeCalendar
from gateway.incoming.services import IncomingServices
from gateway.outgoing.services import OutgoingServices
from gateway.policy.upkeep import CertificateEnding
from gateway.ports.services import Clock, Pool
from gateway_office.policy.signing_in import IdleRules, PasswordRules, SessionRules, SlowRules

if TYPE_CHECKING:
    from gateway.store.calendar import SqlCalendarDays
    from gateway.trust.person_secrets import PersonSecrets
    from gateway_office.store.accounts import AccountWork, SqlAccounts
    from gateway_office.store.store import SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """Rules of accounts. `link` is how long a one-time code is good; `key_prefix` begins programs' keys."""

    passwords: PasswordRules = field(default_factory=PasswordRules)
    sessions: SessionRules = field(default_factory=SessionRules)
    slow: SlowRules = field(default_factory=SlowRules)
    idle: IdleRules = field(default_factory=IdleRules)
    link: timedelta = timedelta(hours=72)
    key_prefix: str = KEY_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountServices:
    """Tools for accounts; made once by the wiring, without state of its own."""

    accounts: SqlAccounts
    secrets: PersonSecrets
    clock: Clock
    pool: Pool
    rules: AccountRules

    @asynccontextmanager
    async def changing(self, principal_id: str) -> AsyncIterator[tuple[AccountWork, datetime]]:
        """Open a unit of work with the moment at which it began; commit it where its body ends."""
        now = self.clock.now()
        async with self.accounts.begin(principal_id) as work:
            yield work, now
            await work.commit()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeOutgoingServices(OutgoingServices):
    store: SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeIncomingServices(IncomingServices):
    store: SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BookServices:
    """Tools for register books; made once by the wiring, without state of its own."""

    store: SqlOfficeStore
    clock: Clock
    pool: Pool
    series_by_type: bool = True
    """Whether each type of outgoing document has a run of numbers of its own (R33)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoServices:
    """Tools for the to-do list. `wake` wakes those that wait for events."""

    store: SqlOfficeStore
    calendar: SqlCalendarDays
    office: Callable[[str], Awaitable[OfficeCalendar]]
    """Loads the present calendar of an agency, by its id; of the node for the empty id."""
    certificates: Callable[[datetime], Awaitable[Sequence[CertificateEnding]]]
    """Every certificate that signs for us or identifies an agency here, the last of each code."""
    clock: Clock
    wake: Callable[[], None]


T = TypeVar("T")


class BackgroundTasks:
    """Background tasks of one open node."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[object], None] = {}

    def begin(
        self, work: Coroutine[None, None, T], unseen: Callable[[BaseException], None] | None = None
    ) -> asyncio.Task[T]:
        """Start a task; `unseen` gets its failure, whether or not a caller waits."""

        def ended(task: asyncio.Task[T]) -> None:
            self._running.pop(task, None)
            if not task.cancelled() and (why := task.exception()) is not None and unseen is not None:
                unseen(why)

        task = asyncio.create_task(work)
        self._running[task] = None
        task.add_done_callback(ended)
        return task

    async def stop(self) -> None:
        """Cancel the tasks and wait until none runs any more."""
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running)


@asynccontextmanager
async def background_tasks() -> AsyncIterator[BackgroundTasks]:
    tasks = BackgroundTasks()
    try:
        yield tasks
    finally:
        await tasks.stop()
