"""Reminds by mail as time passes: each minute it looks whether an agency's people are to be told of something. In: the
agencies hosted here. Out: mail to their own people. A mail server that is down holds up nothing else."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import log
from gateway.errors import GatewayError
from gateway.office.ports.mail import Mail, Mailer
from gateway.office.todo import remind
from gateway.office.todo.remind import Reminders
from gateway.workers.pulse import Pulse
from gateway.workers.turn import Turn

EVERY = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class Digest:
    """Remembers when it last looked, so that an idle loop does not look at every turn."""

    def __init__(self, reminders: Reminders) -> None:
        self._reminders = reminders
        self._turn = Turn(EVERY)

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
                sent += await remind.run(self._reminders, agency)
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
