"""The loops that only persons need: reminders by mail, accounts that nobody uses, rows and figures of lists. In: the
clock, the agencies hosted here, the store. Out: mail to their own people, events, rows; one short piece of work at a
time, so that nothing else waits for it. Each remembers when it last looked, so that an idle loop does not look at
every turn."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import log
from gateway.errors import GatewayError
from gateway.office import telling
from gateway.office.accounts import sessions
from gateway.office.desks import AccountDesk
from gateway.office.domain.notice import Mail, Mailer
from gateway.office.store.store import SqlOfficeStore
from gateway.office.telling import Reminders
from gateway.ports.services import Clock
from gateway.workers.loop import Turn
from gateway.workers.pulse import Pulse

REMIND_EVERY = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class DigestMail:
    """Remembers when it last looked, so that an idle loop does not look at every turn."""

    def __init__(self, reminders: Reminders) -> None:
        self._reminders = reminders
        self._turn = Turn(REMIND_EVERY)

    def is_due(self, now: datetime) -> bool:
        return self._reminders.mailer.is_on and self._turn.has_come(now)

    async def step(self) -> bool:
        """Looks once a minute; the first look is at start."""
        desk = self._reminders.desk
        if not self._reminders.mailer.is_on or not self._turn.take(desk.clock.now()):
            return False
        sent = 0
        for agency in await desk.store.hosted():
            try:
                sent += await telling.send_reminders(self._reminders, agency)
            except GatewayError as error:
                log.action(_log, "mail.failed", error.detail, agency=agency.code)
        if sent:
            log.action(_log, "mail.sent", letters=sent)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedMail:
    """A mailer whose failures the pulse hears of: the loop goes on in spite of them."""

    mailer: Mailer
    pulse: Pulse

    @property
    def is_on(self) -> bool:
        return self.mailer.is_on

    async def send(self, mail: Mail) -> None:
        try:
            await self.mailer.send(mail)
        except Exception as error:
            self.pulse.failed("digest", error)
            raise


IDLE_EVERY = timedelta(hours=6)


async def sweep_idle(desk: AccountDesk, turn: Turn) -> bool:
    """Looks four times a day; the first look is at start."""
    if not turn.take(desk.clock.now()):
        return False
    return bool(await sessions.sweep_idle(desk))


LISTS_EVERY = timedelta(minutes=10)
# A batch holds the one writer of SQLite for well under a second.
ROWS_AT_ONCE = 100


class Lister:
    """Remembers what it has done, so that an idle loop does not look at every turn."""

    def __init__(self) -> None:
        self._begun = False
        self._filled = False
        self._turn = Turn(LISTS_EVERY)

    def is_due(self, now: datetime) -> bool:
        return not self._begun or not self._filled or self._turn.has_come(now)

    async def step(self, store: SqlOfficeStore, clock: Clock) -> bool:
        """True when there is more to do at once."""
        if not self._begun:
            await store.fill_lists_again()
            self._begun = True
        if not self._filled:
            self._filled = not await store.fill_lists(ROWS_AT_ONCE)
            return True
        now = clock.now()
        if not self._turn.has_come(now):
            return False
        if await store.write_due_again(ROWS_AT_ONCE) or await store.work_out_day():
            return True
        self._turn.done(now)
        return False
