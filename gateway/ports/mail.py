"""Port of the mail server. In: one message to our own people. Out: nothing; the server has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.domain.identity import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """The mail server: its address, how the connection is encrypted, our own address, and how to sign in."""

    host: str = ""
    port: int = 587
    security: str = "starttls"
    sender: str = ""
    user: str = ""
    password: Secret | None = None
    ca: Path | None = None
    timeout_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFile:
    """A file of a mail. `media` are the two parts of its media type."""

    name: str
    media: tuple[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to our own people. `id` makes its Message-ID, the same however often it is sent."""

    to: tuple[str, ...]
    subject: str
    text: str
    id: str
    files: tuple[MailFile, ...] = ()


class Mailer(Protocol):
    @property
    def is_on(self) -> bool:
        """True if there is a server to send by."""

    async def send(self, mail: Mail) -> None:
        """Send a mail; return when the server has taken it for every address. Unreachable: retry; BrokerRefused: do not."""
