"""Runs the loop that reminds our own people by mail. In: the clock, the agencies hosted here, their tasks. Out:
nothing; the server has the mail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import log
from gateway.errors import GatewayError
from gateway.ports.mail import Mail, Mailer
from gateway.workers.heartbeat import Pulse
from gateway.workers.loop import Turn
from gateway_office import notices
from gateway_office.notices import Reminders

REMIND_EVERY = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class DigestMail:
    """Loop that reminds people by mail. It remembers when it last looked, so that it does not look at every turn."""

    def __init__(self, reminders: Reminders) -> None:
        self._reminders = reminders
        self._turn = Turn(REMIND_EVERY)

    def is_due(self, now: datetime) -> bool:
        return self._reminders.mailer.is_on and self._turn.has_come(now)

    async def step(self) -> bool:
        """Look once a minute; the first look is at start."""
        services = self._reminders.services
        if not self._reminders.mailer.is_on or not self._turn.take(services.clock.now()):
            return False
        sent, hosted = 0, await services.store.hosted()
        for agency in hosted:
            try:
                sent += await notices.send_request_answers(self._reminders, agency)
                sent += await notices.send_rule_mails(self._reminders, agency)
                sent += await notices.send_reminders(self._reminders, agency)
            except GatewayError as error:
                log.action(_log, "mail.failed", error.detail, agency=agency.code)
        try:
            sent += await notices.send_duties(self._reminders, hosted)
            sent += await notices.send_rights_alerts(self._reminders, hosted)
        except GatewayError as error:
            log.action(_log, "mail.failed", error.detail)
        if sent:
            log.action(_log, "mail.sent", letters=sent)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedMail:
    """Mailer that reports its failures to the pulse, because the loop goes on in spite of them."""

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
