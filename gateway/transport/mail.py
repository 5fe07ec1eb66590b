"""Sends mail through the agency's mail server. In: a `Mail`. Out: nothing; the server has the mail. TLS is used unless it
is turned off, which no password survives; every exchange with the server is bounded in time, and none blocks the event
loop."""

from __future__ import annotations

import smtplib
import ssl
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default as default_policy
from email.utils import format_datetime
from functools import partial

from gateway.errors import BrokerRefused, Misconfigured, Unreachable
from gateway.ports.mail import Mail, SmtpServer
from gateway.ports.services import Clock, Pool

STARTTLS, TLS, NONE = "starttls", "tls", "none"
# Python folds a long subject itself only with the loss of blanks between its words; it is folded here.
_POLICY = default_policy.clone(refold_source="none")
# Our own name in the greeting; looking it up could take as long as a server that is gone.
_NAME = "[127.0.0.1]"


class SmtpMailer:
    """Mailer over an SMTP server. Without a host no mail is sent."""

    def __init__(self, server: SmtpServer, clock: Clock, pool: Pool) -> None:
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
        message["From"] = read_address(self._server.sender)
        message["To"] = [read_address(address) for address in mail.to]
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


def _context(server: SmtpServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.ca) if server.ca is not None else None)


def _refusal(address: str, codes: list[int], subject: str) -> BrokerRefused | Unreachable:
    """Turn a refusal into an error: codes 4xx may heal, codes 5xx never."""
    detail = f"the mail server {address} refused {subject} ({', '.join(map(str, sorted(set(codes))))})"
    return Unreachable(detail) if codes and all(400 <= n < 500 for n in codes) else BrokerRefused(detail)


def _check(server: SmtpServer) -> None:
    read_address(server.sender)
    if server.security == NONE and server.user:
        raise Misconfigured(
            "mail.user is set and mail.security is none: the password would go over the network in the clear",
            hint="set mail.security to starttls or tls, or take mail.user away",
        )


def read_address(text: str) -> Address:
    """Read a mail address; Misconfigured for another text."""
    try:
        return Address(addr_spec=text.strip())
    except (ValueError, IndexError) as why:
        raise Misconfigured(f"{text!r} is no mail address; write one such as van.thu@coquan.example") from why
