"""A mail server for tests: it speaks SMTP on a free port, keeps the mails that it takes, and refuses some on demand."""

from __future__ import annotations

import asyncio
import base64
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from gateway.pool import ThreadPool
from gateway.ports.services import Clock
from gateway.settings.options import MailSettings
from gateway.transport import mail
from gateway.transport.mail import SmtpMailer


@dataclass(slots=True)
class ReceivedMail:
    """One mail as it came over the line."""

    sender: str
    to: list[str]
    raw: bytes
    was_secret: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        message = email.message_from_bytes(self.raw, policy=SMTP)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def text(self) -> str:
        return str(self.message.get_content())


@dataclass(slots=True)
class MailServer:
    """`refuses`: the answer to a command, such as `{"MAIL": "451 later"}`; `silent`: it takes the line and says nothing."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refuses: dict[str, str] = field(default_factory=dict)
    refused_addresses: set[str] = field(default_factory=set)
    silent: bool = False
    mails: list[ReceivedMail] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await _Talk(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Talk:
    def __init__(
        self, server: MailServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._is_secret = writer.get_extra_info("sslcontext") is not None
        self._user: str | None = None
        self._sender, self._to = "", list[str]()

    async def run(self) -> None:
        if self._server.silent:
            await self._reader.read()
            return
        await self._say("220 mail.example.invalid")
        while line := (await self._reader.readline()).decode().strip():
            word = line.split()[0].upper()
            refusal = self._server.refuses.get(word)
            if refusal is not None:
                await self._say(refusal)
            elif word == "QUIT":
                await self._say("221 bye")
                return
            else:
                await self._do(word, line)

    async def _do(self, word: str, line: str) -> None:
        match word:
            case "EHLO" | "HELO":
                await self._hello()
            case "STARTTLS":
                await self._say("220 go on")
                assert self._server.tls is not None
                await self._writer.start_tls(self._server.tls)
                self._is_secret = True
            case "AUTH":
                await self._auth(line)
            case "MAIL":
                self._sender, self._to = _within(line), []
                await self._say("250 fine")
            case "RCPT":
                await self._recipient(_within(line))
            case "DATA":
                await self._data()
            case _:
                await self._say("250 fine")

    async def _hello(self) -> None:
        able = ["mail.example.invalid", "8BITMIME"]
        if self._server.tls is not None and not self._is_secret:
            able.append("STARTTLS")
        if self._server.login is not None:
            able.append("AUTH PLAIN")
        for feature in able[:-1]:
            await self._say(f"250-{feature}")
        await self._say(f"250 {able[-1]}")

    async def _auth(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
        if (user, password) == self._server.login:
            self._user = user
            await self._say("235 welcome")
        else:
            await self._say("535 no")

    async def _recipient(self, address: str) -> None:
        if address in self._server.refused_addresses:
            await self._say("550 nobody")
        else:
            self._to.append(address)
            await self._say("250 fine")

    async def _data(self) -> None:
        await self._say("354 go on")
        raw = await self._reader.readuntil(b"\r\n.\r\n")
        self._server.mails.append(
            ReceivedMail(
                self._sender, self._to, raw[:-3].replace(b"\r\n..", b"\r\n."), self._is_secret, self._user
            )
        )
        await self._say("250 taken")

    async def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode())
        await self._writer.drain()


def _within(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


@asynccontextmanager
async def running(server: MailServer, *, tls_at_once: bool = False) -> AsyncIterator[MailServer]:
    """Let the server listen; close it at the end, with all its connections."""
    listening = await asyncio.start_server(
        server.serve, "127.0.0.1", 0, ssl=server.tls if tls_at_once else None
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.close()
        await listening.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with running(MailServer()) as opened:
        yield opened


def mailer_to(server: MailServer, clock: Clock, pool: ThreadPool) -> SmtpMailer:
    """Return the node's mailer, which sends to this server over a plain line."""
    settings = MailSettings(
        host="127.0.0.1", port=server.port, security=mail.NONE, sender="node@north.example", timeout_s=10
    )
    return SmtpMailer(settings, clock, pool)
