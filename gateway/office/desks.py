"""What the acts of the office are handed, one desk for each of its subjects: accounts, the two flows, register books,
the to-do list. Made once by the wiring; a desk holds the store and the numbers of rules, and no state of its own. The
desks of the two flows are those of the exchange where the office opened them: their units of work have what the
office keeps. And work that goes on when nobody waits for it, a list that is gathered, a page that is drawn, a check of
the log: it ends before what it works with is closed, and what goes wrong in it is told to whoever still waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.account import KEY_PREFIX
from gateway.domain.office_calendar import OfficeCalendar
from gateway.incoming.desk import InDesk
from gateway.office.policy.signing_in import IdleRules, PasswordRules, SessionRules, SlowRules
from gateway.outgoing.desk import OutDesk
from gateway.policy.upkeep import CertificateEnding
from gateway.ports.services import Clock, Pool

if TYPE_CHECKING:
    from gateway.office.store.accounts import AccountWork, SqlAccounts
    from gateway.office.store.store import SqlOfficeStore
    from gateway.store.calendar import SqlCalendarDays
    from gateway.trust.person_secrets import PersonSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """Every number of accounts. `link` is how long a one-time code is good; `key_prefix`: with which programs' keys
    begin."""

    passwords: PasswordRules = field(default_factory=PasswordRules)
    sessions: SessionRules = field(default_factory=SessionRules)
    slow: SlowRules = field(default_factory=SlowRules)
    idle: IdleRules = field(default_factory=IdleRules)
    link: timedelta = timedelta(hours=72)
    key_prefix: str = KEY_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """Made once by the wiring; holds no state of its own."""

    accounts: SqlAccounts
    secrets: PersonSecrets
    clock: Clock
    pool: Pool
    rules: AccountRules

    @asynccontextmanager
    async def changing(self, principal_id: str) -> AsyncIterator[tuple[AccountWork, datetime]]:
        """A unit of work with the moment at which it began; committed where its body ends."""
        now = self.clock.now()
        async with self.accounts.begin(principal_id) as work:
            yield work, now
            await work.commit()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeOut(OutDesk):
    store: SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeIn(InDesk):
    store: SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDesk:
    """Made once by the wiring; holds no state of its own."""

    store: SqlOfficeStore
    clock: Clock
    pool: Pool
    series_by_type: bool = True
    """Whether each type of outgoing document has a run of numbers of its own (R33)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoDesk:
    """`wake` rings for whoever waits for events."""

    store: SqlOfficeStore
    calendar: SqlCalendarDays
    office: Callable[[], Awaitable[OfficeCalendar]]
    """When the agencies of this node work, as it is now."""
    certificates: Callable[[datetime], Awaitable[Sequence[CertificateEnding]]]
    """Every certificate that signs for us or speaks for somebody here, the last of each code."""
    clock: Clock
    wake: Callable[[], None]


T = TypeVar("T")


class Beside:
    """Work that goes on beside the calls of one open node."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def begin(
        self, work: Coroutine[None, None, T], unseen: Callable[[BaseException], None] | None = None
    ) -> asyncio.Task[T]:
        """`unseen` hears what went wrong, whether somebody waits or not."""

        def ended(task: asyncio.Task[T]) -> None:
            self._running.discard(task)
            if not task.cancelled() and (why := task.exception()) is not None and unseen is not None:
                unseen(why)

        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(ended)
        return task

    async def stop(self) -> None:
        """Returns when nothing of it runs any more."""
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running)


@asynccontextmanager
async def beside() -> AsyncIterator[Beside]:
    made = Beside()
    try:
        yield made
    finally:
        await made.stop()
