"""Reminds by mail as time passes: each minute it looks whether an agency's people are to be told of something. In: the
agencies hosted here. Out: mail to their own people. A mail server that is down holds up nothing else."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from gateway import log
from gateway.errors import GatewayError
from gateway.todo import remind
from gateway.todo.remind import Reminders

EVERY = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class Digest:
    """Remembers when it last looked, so that an idle loop does not look at every turn."""

    def __init__(self, reminders: Reminders) -> None:
        self._reminders = reminders
        self._next: datetime | None = None

    async def step(self) -> bool:
        """Looks once a minute; the first look is at start."""
        desk = self._reminders.desk
        now = desk.clock.now()
        if not self._reminders.mailer.is_on or (self._next is not None and now < self._next):
            return False
        self._next = now + EVERY
        sent = 0
        for agency in await desk.store.hosted():
            try:
                sent += await remind.run(self._reminders, agency)
            except GatewayError as error:
                log.action(_log, "mail.failed", error.detail, agency=agency.code)
        if sent:
            log.action(_log, "mail.sent", letters=sent)
        return False
