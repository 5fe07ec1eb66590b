"""Client certificates proved in real TLS: a front that ends it as a proxy does, the Python client through it, and what a
client that writes the header himself gains by it (threats.md 144)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict

from gateway.api.deps import ApiOptions
from gateway.domain.account import KeyAuth
from gateway.policy.client_certificate import HEADER
from gateway_client import Client, NoAnswer, NotAllowed, Patience
from tests.support import api, tls_servers
from tests.support import client_certificates as made
from tests.support.api import DEPARTMENT, Door
from tools.pki.parts import Party

T = TypeVar("T")

# The front has an address of its own, so that it alone is a proxy of ours.
FRONT = "127.0.0.2"
# The front goes by the machine's clock.
_LONG = 20 * 365
MINE, OTHER, GUEST = (made.program(name, _LONG, since=-10 * 365) for name in ("qlvb", "other", "guest"))
_HOP = ("Host", "Connection", "Transfer-Encoding", "Content-Length")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A node, its TLS front, and files of programs."""

    door: Door
    url: str
    ca: Path
    folder: Path

    def client(self, key: str | None, party: Party | None) -> Client:
        files = (
            None
            if party is None
            else made.write_files(party, self.folder, str(party.certificate.serial_number))
        )
        patience = Patience(tries=1)
        return Client(
            self.url,
            key,
            ca=self.ca,
            client_certificate=files,
            patience=patience,
            language="en",
            timeout_s=60,
        )


async def in_a_thread(act: Callable[[], T]) -> T:
    """Run a blocking program in a thread, beside the event loop."""
    return await asyncio.to_thread(act)


@asynccontextmanager
async def fronted(door: Door, folder: Path, *, in_nginx_s_form: bool = False) -> AsyncIterator[Stage]:
    """Ends TLS before the node: asks for a certificate of our authority, takes none too, and writes what it proved in place
    of whatever the caller wrote."""
    node = f"http://{door.client.server.host}:{door.client.server.port}"
    ca, key = tls_servers.make_certificate(folder, "front", tls_servers.in_days(300))
    (folder / "programs.pem").write_bytes(made.pem(made.authority()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)
    context.load_verify_locations(folder / "programs.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    line = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(FRONT, 0)))

    async def pass_on(request: web.Request) -> web.Response:
        assert request.transport is not None
        proved = request.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        headers = CIMultiDict((name, text) for name, text in request.headers.items() if name not in _HOP)
        headers.popall(HEADER, None)
        headers["X-Forwarded-For"] = request.remote or ""
        if proved:
            party = next(x for x in (MINE, OTHER, GUEST) if made.der(x) == proved)
            headers[HEADER] = made.nginx(party) if in_nginx_s_form else made.header(party)
        async with line.request(
            request.method, node + request.raw_path, headers=headers, data=await request.read()
        ) as answer:
            answer_headers = CIMultiDict(
                (name, text) for name, text in answer.headers.items() if name not in _HOP
            )
            return web.Response(status=answer.status, headers=answer_headers, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield Stage(door=door, url=f"https://127.0.0.1:{port}", ca=ca, folder=folder)
    finally:
        await runner.cleanup()
        await line.close()


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[Door]:
    options = ApiOptions(client_certificates=True, proxies=frozenset({FRONT}))
    async with api.opened(blank_node, tmp_path / "node", options) as opened:
        yield opened


@pytest.mark.parametrize("in_nginx_s_form", [False, True])
async def test_the_right_certificate_opens_and_another_or_none_does_not(
    door: Door, tmp_path: Path, *, in_nginx_s_form: bool
) -> None:
    await door.key(DEPARTMENT, auth=KeyAuth.CERTIFICATE, certificate=made.bound(MINE))
    secret = await door.key(DEPARTMENT, auth=KeyAuth.BOTH, certificate=made.bound(OTHER))

    def certificate_name(stage: Stage, key: str | None, party: Party | None) -> str:
        with stage.client(key, party) as node:
            try:
                me = node.me()
            except NotAllowed as no:
                return no.code
        assert me["certificate"] is not None
        return f"{me['way']} {me['certificate']['name']}"

    async with fronted(door, tmp_path, in_nginx_s_form=in_nginx_s_form) as stage:
        outcomes = [
            await in_a_thread(partial(certificate_name, stage, key, party))
            for key, party in (
                (None, MINE),
                (None, OTHER),
                (None, GUEST),
                (secret, OTHER),
                (secret, MINE),
                (secret, None),
                (f"{secret}x", OTHER),
            )
        ]

    assert outcomes == [
        "certificate qlvb",
        "GW-401",
        "GW-401",
        "both other",
        *["GW-401-CERTIFICATE"] * 2,
        "GW-401",
    ]


async def test_the_client_sends_and_receives_by_its_certificate_alone(door: Door, tmp_path: Path) -> None:
    await door.key(DEPARTMENT, auth=KeyAuth.CERTIFICATE, certificate=made.bound(MINE))

    def work(stage: Stage) -> tuple[str, int]:
        context = ssl.create_default_context(cafile=stage.ca)
        context.load_cert_chain(*made.write_files(MINE, tmp_path, "mine"))
        with Client(stage.url, context=context, patience=Patience(tries=1), timeout_s=60) as node:
            listed = node.call("GET", "/messages")
            return node.me()["name"], len(listed["data"])

    async with fronted(door, tmp_path) as stage:
        name, count = await in_a_thread(lambda: work(stage))

    assert (name, count) == ("program 1", 0)


async def test_threat_144_who_writes_the_header_himself_gains_nothing_by_the_proxy_or_past_it(
    door: Door, tmp_path: Path
) -> None:
    await door.key(DEPARTMENT, auth=KeyAuth.CERTIFICATE, certificate=made.bound(MINE))
    lies = [(HEADER, made.header(MINE)), (HEADER.lower(), made.nginx(MINE)), ("X-Forwarded-For", FRONT)]
    guest_files = made.write_files(GUEST, tmp_path, "guest")

    async with fronted(door, tmp_path) as stage, aiohttp.ClientSession() as session:
        statuses = []
        for files in (None, guest_files):
            context = ssl.create_default_context(cafile=stage.ca)
            if files is not None:
                context.load_cert_chain(*files)
            async with session.get(f"{stage.url}/api/v1/me", headers=lies, ssl=context) as answer:
                statuses.append(answer.status)
        for headers_sent in (lies[:1], lies[1:], lies):
            async with door.client.get("/api/v1/me", headers=headers_sent) as answer:
                statuses.append(answer.status)

    assert statuses == [401] * 5


async def test_a_certificate_of_nobody_s_authority_never_comes_as_far_as_the_node(
    door: Door, tmp_path: Path
) -> None:
    file, key = tls_servers.make_certificate(tmp_path, "self", tls_servers.in_days(30))

    def call(stage: Stage) -> None:
        with Client(
            stage.url, ca=stage.ca, client_certificate=(file, key), patience=Patience(tries=1), timeout_s=60
        ) as node:
            node.me()

    async with fronted(door, tmp_path) as stage:
        with pytest.raises(NoAnswer):
            await in_a_thread(lambda: call(stage))


def test_the_client_says_at_once_what_cannot_be() -> None:
    files = ("a.pem", "a.key")
    with pytest.raises(ValueError, match="expected an API key"):
        Client("https://node.example.invalid")
    with pytest.raises(ValueError, match="https"):
        Client("http://node.example.invalid", client_certificate=files)
    with pytest.raises(ValueError, match="either a context"):
        Client("https://node.example.invalid", client_certificate=files, context=ssl.create_default_context())
