"""Sends mail to our own people through the agency's mail server, and runs the loop that reminds by it. In: a `Mail`; the
clock, the agencies hosted here, their tasks. Out: nothing; the server has the mail. TLS is used unless it is turned off,
which no password survives; every exchange with the server is bounded in time, and none blocks the event loop."""

from __future__ import annotations

import logging
import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default as default_policy
from email.utils import format_datetime
from functools import partial

from gateway import log
from gateway.errors import BrokerRefused, GatewayError, Misconfigured, Unreachable
from gateway.ports.services import Clock, Pool
from gateway.settings.options import MailSettings
from gateway.workers.heartbeat import Pulse
from gateway.workers.loop import Turn
from gateway_office import notices
from gateway_office.domain.notice import Mail, Mailer
from gateway_office.notices import Reminders

STARTTLS, TLS, NONE = "starttls", "tls", "none"
# Python folds a long subject itself only with the loss of blanks between its words; it is folded here.
_POLICY = default_policy.clone(refold_source="none")
# Our own name in the greeting; looking it up could take as long as a server that is gone.
_NAME = "[127.0.0.1]"
REMIND_EVERY = timedelta(minutes=1)
_log = logging.getLogger(__name__)


class SmtpMailer:
    """Mailer over an SMTP server. Without a host no mail is sent."""

    def __init__(self, server: MailSettings, clock: Clock, pool: Pool) -> None:
        self._server, self._clock, self._pool = server, clock, pool
        if server.host:
            _check(server)

    @property
    def is_on(self) -> bool:
        return bool(self._server.host)

    async def send(self, mail: Mail) -> None:
        if not self.is_on:
            raise Misconfigured("no mail server is set (mail.host)")
        await self._pool.run(partial(self._send, self._message(mail)))

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=_POLICY)
        message["From"] = _address(self._server.sender)
        message["To"] = [_address(address) for address in mail.to]
        message.set_raw("Subject", Header(mail.subject, "utf-8", header_name="Subject").encode())
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{mail.id}@{self._server.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text, cte="base64")
        for file in mail.files:
            message.add_attachment(
                file.body, maintype=file.media[0], subtype=file.media[1], filename=file.name
            )
        return message

    def _send(self, message: EmailMessage) -> None:
        address = f"{self._server.host}:{self._server.port}"
        try:
            with self._connected() as line:
                refused = line.send_message(message)
        except smtplib.SMTPRecipientsRefused as why:
            raise _refusal(address, [code for code, _ in why.recipients.values()], "every address") from None
        except smtplib.SMTPAuthenticationError as why:
            raise _refusal(address, [why.smtp_code], "the password") from None
        except smtplib.SMTPResponseException as why:
            raise _refusal(address, [why.smtp_code], "the mail") from None
        except smtplib.SMTPNotSupportedError as why:
            raise BrokerRefused(f"the mail server {address} lacks what was asked of it: {why}") from None
        except ssl.SSLCertVerificationError as why:
            raise BrokerRefused(f"the mail server {address} is not believed: {why.verify_message}") from why
        except (smtplib.SMTPException, OSError) as why:
            raise Unreachable(
                f"the mail server {address} cannot be reached now ({type(why).__name__})"
            ) from why
        if refused:
            # The other addresses have it: sending again would send it to them twice.
            raise BrokerRefused(f"the mail server {address} refused {len(refused)} of the addresses")

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        address, wait = (server.host, server.port), server.timeout_s
        line: smtplib.SMTP
        if server.security == TLS:
            line = smtplib.SMTP_SSL(*address, local_hostname=_NAME, timeout=wait, context=_context(server))
        else:
            line = smtplib.SMTP(*address, local_hostname=_NAME, timeout=wait)
        try:
            if server.security == STARTTLS:
                line.starttls(context=_context(server))
            if server.user:
                line.login(server.user, server.password.reveal() if server.password is not None else "")
        except BaseException:
            line.close()
            raise
        return line


def _context(server: MailSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.ca) if server.ca is not None else None)


def _refusal(address: str, codes: list[int], subject: str) -> BrokerRefused | Unreachable:
    """Turn a refusal into an error: codes 4xx may heal, codes 5xx never."""
    detail = f"the mail server {address} refused {subject} ({', '.join(map(str, sorted(set(codes))))})"
    return Unreachable(detail) if codes and all(400 <= n < 500 for n in codes) else BrokerRefused(detail)


def _check(server: MailSettings) -> None:
    _address(server.sender)
    if server.security == NONE and server.user:
        raise Misconfigured(
            "mail.user is set and mail.security is none: the password would go over the network in the clear",
            hint="set mail.security to starttls or tls, or take mail.user away",
        )


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text.strip())
    except (ValueError, IndexError) as why:
        raise Misconfigured(f"{text!r} is no mail address; write one such as van.thu@coquan.example") from why


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
