"""Two installations of django-pyas2, a sender's and a receiver's, each served by gunicorn on an SQLite file of its own, and
the programs that call the sender's. They run in an environment and in processes of their own, because the library is under
the GPL, and are called over HTTP alone. In: the interpreter of that environment, a folder. Out: an `As2` to send through,
which tells the CPU spent by each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import secrets
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from aiohttp import (
    ClientConnectionError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    FormData,
    TCPConnector,
)

from bench import machine, peer
from bench.pair import Broken
from tests.services.process import free_ports

# Django 5.2 is the newest that runs on our Python.
LIBRARIES = ("django-pyas2==1.2.3", "django==5.2.19", "gunicorn==23.0.0")
# The name of each in AS2, and the code whose key it signs with.
SIDES = {"sender": peer.SENDER, "receiver": peer.RECEIVER}
START_S = 120.0
_LOOK_S = 0.25
_ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT = ClientTimeout(total=300, connect=30)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_FOUND_STATUS = 302


@dataclass(slots=True, kw_only=True)
class As2:
    """Both installations at work, and an operator signed in at the sender's."""

    session: ClientSession
    urls: Mapping[str, str]
    processes: list[Process]
    headers: Mapping[str, str]
    _sent: int = 0
    _digests: set[str] = field(default_factory=set)

    async def exchange(self, content: bytes) -> None:
        """Send by the library's own view: it builds, signs and stores the message, posts it to the receiver, and answers
        when it has verified and stored the signed receipt that came back."""
        self._sent += 1
        self._digests.add(hashlib.sha256(content).hexdigest())
        form = FormData({"organization": "sender", "partner": "receiver"})
        form.add_field("file", content, filename=f"van-ban-{self._sent}.pdf", content_type="application/pdf")
        url = f"{self.urls['sender']}/pyas2/as2send/"
        async with self.session.post(
            url, data=form, headers=self.headers, timeout=_TIMEOUT, allow_redirects=False
        ) as answer:
            if answer.status != _FOUND_STATUS:
                raise Broken(f"a message was answered with {answer.status}: {(await answer.text())[:500]}")

    def cpu(self) -> float:
        """Return the seconds so far of all processes."""
        return sum(machine.cpu(p.pid) for p in self.processes)

    async def check(self) -> None:
        """Raise Broken unless each message has its verified receipt and arrived whole: the view answers alike if it
        failed."""
        sender, receiver = await self.state("sender"), await self.state("receiver")
        counts = {"receipts": sender["receipts"], "received": receiver["received"]}
        if set(counts.values()) != {self._sent} or receiver["newest"] not in self._digests:
            raise Broken(f"of {self._sent} messages there are {counts}, the newest {receiver['newest']}")

    async def state(self, side: str) -> dict[str, Any]:
        async with self.session.get(f"{self.urls[side]}/state/") as answer:
            answer_body: dict[str, Any] = await answer.json()
            return answer_body


@asynccontextmanager
async def opened(
    python: Path, folder: Path, *, callers: int, processes: int, journal: str
) -> AsyncIterator[As2]:
    """Start both and wait until they answer; stopped at the end whatever happened. Each side has a thread per caller."""
    keys = {name: peer.pem(code) for name, code in SIDES.items()}
    ports = dict(zip(SIDES, free_ports(len(SIDES)), strict=True))
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    password = secrets.token_urlsafe(16)
    serve = ("gunicorn", "--workers", str(processes), "--threads", str(callers + 2), "--log-level", "warning")
    more = ("--keep-alive", "300", "--timeout", "300", "--graceful-timeout", "5")
    async with AsyncExitStack() as stack:
        started = []
        for name, partner in (("sender", "receiver"), ("receiver", "sender")):
            (folder / name).mkdir(parents=True)
            fixture = folder / name / "partners.json"
            fixture.write_text(json.dumps(partners(name, partner, keys, f"{urls[partner]}/pyas2/as2receive")))
            env = _environment(folder / name, journal) | {"DJANGO_SUPERUSER_PASSWORD": password}
            await _run(python, env, "django", "migrate", "--verbosity", "0")
            await _run(python, env, "django", "loaddata", "--verbosity", "0", str(fixture))
            account = ("--username", "bench", "--email", "bench@example.invalid")
            await _run(python, env, "django", "createsuperuser", "--noinput", "--verbosity", "0", *account)
            words = (
                *serve,
                *more,
                "--bind",
                f"127.0.0.1:{ports[name]}",
                "django.core.wsgi:get_wsgi_application()",
            )
            started.append(
                await stack.enter_async_context(_serve(python, env, words, folder / f"{name}.log"))
            )
        session = await stack.enter_async_context(
            ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar())
        )
        for (name, url), process in zip(urls.items(), started, strict=True):
            await _until_ready(session, f"{url}/pyas2/as2receive", process, folder / f"{name}.log")
        headers = await _signed_in(session, urls["sender"], password)
        yield As2(session=session, urls=urls, processes=started, headers=headers)


def partners(own: str, partner: str, keys: Mapping[str, bytes], target: str) -> list[dict[str, Any]]:
    """Return the rows of one organization with its key, and of the partner that it sends to, whose messages and receipts
    must be signed. Any: each table has its own columns."""
    certificate = keys[partner][keys[partner].index(_CERTIFICATE) :]
    return [
        _row("privatekey", 1, name=own, key=_encoded(keys[own]), key_pass=""),
        _row("publiccertificate", 1, name=partner, certificate=_encoded(certificate), verify_cert=False),
        _row("organization", own, name=own, signature_key=1),
        _row(
            "partner",
            partner,
            name=partner,
            target_url=target,
            content_type="application/octet-stream",
            signature="sha256",
            signature_cert=1,
            mdn=True,
            mdn_mode="SYNC",
            mdn_sign="sha256",
        ),
    ]


def _row(model: str, key: object, /, **fields: object) -> dict[str, Any]:
    return {"model": f"pyas2.{model}", "pk": key, "fields": fields}


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _environment(folder: Path, journal: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "DJANGO_SETTINGS_MODULE": "bench.as2_site.settings",
        "AS2_FOLDER": str(folder),
        "AS2_JOURNAL": journal,
        "AS2_SECRET": secrets.token_urlsafe(32),
    }


async def _run(python: Path, env: Mapping[str, str], *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(python), "-m", *words, env=env, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise Broken(f"{' '.join(words[:2])}: {output.decode(errors='replace')[-2000:]}")


@asynccontextmanager
async def _serve(
    python: Path, env: Mapping[str, str], words: tuple[str, ...], log: Path
) -> AsyncIterator[Process]:
    with log.open("ab") as log_file:
        process = await asyncio.create_subprocess_exec(
            str(python), "-m", *words, env=env, stdin=DEVNULL, stdout=log_file, stderr=log_file
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()  # a killed master leaves its workers behind
        await process.wait()


async def _until_ready(session: ClientSession, url: str, process: Process, log: Path) -> None:
    end = monotonic() + START_S
    while not await _is_ready(session, url):
        if process.returncode is not None or monotonic() > end:
            raise Broken(f"django-pyas2 does not answer; it said: {log.read_text(errors='replace')[-2000:]}")
        await asyncio.sleep(_LOOK_S)


async def _is_ready(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except ClientConnectionError:
        return False


async def _signed_in(session: ClientSession, url: str, password: str) -> Mapping[str, str]:
    """Return the headers of a signed-in program, with a token against forged forms, which the caller chooses."""
    token = secrets.token_hex(16)
    headers = {"Cookie": f"csrftoken={token}", "X-CSRFToken": token}
    form = {"username": "bench", "password": password, "next": "/state/"}
    async with session.post(
        f"{url}/admin/login/", data=form, headers=headers, allow_redirects=False
    ) as answer:
        if answer.status != _FOUND_STATUS:
            raise Broken(f"signing in was answered with {answer.status}: {(await answer.text())[:500]}")
        return headers | {"Cookie": f"csrftoken={token}; sessionid={answer.cookies['sessionid'].value}"}
