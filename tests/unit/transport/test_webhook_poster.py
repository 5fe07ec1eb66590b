"""The client that posts webhooks: limits, certificates, and no call to a forbidden address."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway import http_calls
from gateway.domain.account import read_network
from gateway.domain.webhook import Reach, TryCode
from gateway.transport.webhook import HttpPoster
from tests.support import mail_tls, tls_servers
from tests.support.hooks import answers, receiving

NEAR = Reach(networks=(read_network("127.0.0.0/8"),), plain=True)


@asynccontextmanager
async def poster(
    reach: Reach = NEAR, *, timeout_s: float = 30.0, ca: Path | None = None
) -> AsyncIterator[HttpPoster]:
    new_poster = HttpPoster(reach, timeout_s=timeout_s, at_once=4, agent="gateway/test", ca=ca)
    try:
        yield new_poster
    finally:
        await new_poster.close()


async def test_a_body_arrives_as_it_is_with_its_headers() -> None:
    async with receiving(answers(202, text="thanks")) as receiver, poster() as by:
        attempt = await by.post(receiver.url + "?key=%2F%20a", b'{"sequence":1}', {"webhook-id": "evt_1"})

    headers, body = receiver.raw[0]
    assert (attempt.code, attempt.status, attempt.answer) == (TryCode.OK, 202, b"thanks")
    assert body == b'{"sequence":1}'
    assert headers["webhook-id"] == "evt_1"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "gateway/test"
    assert "Cookie" not in headers


async def test_threat_089_a_name_that_leads_inside_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is public when it is entered and looked at, and leads inside when it is called: as with rebinding."""
    monkeypatch.setattr(
        http_calls,
        "_resolve",
        lambda host, port, family: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )
    async with receiving() as receiver, poster(Reach(plain=True)) as by:
        port = receiver.url.partition("127.0.0.1:")[2]
        attempt = await by.post(f"http://rebound.example.gov.vn:{port}", b"{}", {})

    assert attempt.code is TryCode.REFUSED_ADDRESS
    assert not receiver.bodies


async def test_threat_089_no_form_of_version_six_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (
        *(("::ffff:127.0.0.1", 0, 0, 0), ("fe80::1%lo", 0, 0, 1), ("::1", 0, 0, 0)),
        ("64:ff9b::7f00:1", 0, 0, 0),
    ):
        addresses = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", address)]
        with monkeypatch.context() as patched:
            patched.setattr(http_calls, "_resolve", lambda host, port, family, addresses=addresses: addresses)
            async with poster(Reach(plain=True)) as by:
                attempt = await by.post("http://rebound.example.gov.vn/", b"{}", {})
        assert attempt.code is TryCode.REFUSED_ADDRESS


async def test_threat_089_a_redirect_inside_is_not_followed() -> None:
    async with receiving() as inside, receiving() as receiver, poster() as by:
        receiver.behave = answers(307, headers={"Location": inside.url})
        attempt = await by.post(receiver.url, b"{}", {})

    assert (attempt.code, attempt.status) == (TryCode.REDIRECT, 307)
    assert not inside.bodies


async def test_threat_089_a_network_that_is_no_longer_allowed_is_not_called() -> None:
    async with receiving() as receiver, poster(Reach(plain=True)) as by:
        attempt = await by.post(receiver.url, b"{}", {})

    assert attempt.code is TryCode.REFUSED_ADDRESS
    assert not receiver.bodies


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver, poster() as by:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        attempt = await by.post(receiver.url, b"{}", {})

    assert attempt.code is TryCode.OK
    assert not proxy.bodies


@asynccontextmanager
async def speaking(answer: bytes, *, endless: bytes = b"") -> AsyncIterator[str]:
    """Serve these bytes to every client, then `endless` without end."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"{}")
            writer.write(answer)
            while endless:
                writer.write(endless)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_what_is_no_answer_is_a_failure_and_no_more() -> None:
    """No bytes, another protocol, one header or headers without end, no status."""
    for answer, endless in (
        (b"", b""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 abc OK\r\n\r\n", b""),
    ):
        async with speaking(answer, endless=endless) as url, poster(timeout_s=10.0) as by:
            attempt = await by.post(url, b"{}", {})
        assert attempt.code in (TryCode.BROKEN, TryCode.TIMEOUT)


async def test_a_packed_answer_is_not_unpacked() -> None:
    packed = answers(200, body=b"\x1f\x8b" + b"0" * 20, headers={"Content-Encoding": "gzip"})
    async with receiving(packed) as receiver, poster() as by:
        attempt = await by.post(receiver.url, b"{}", {})

    assert attempt.code is TryCode.OK
    assert attempt.answer.startswith(b"\x1f\x8b")


async def test_nobody_listens_and_nobody_knows_the_name() -> None:
    with socket.socket() as server_socket:
        server_socket.bind(("127.0.0.1", 0))
        async with poster() as by:
            closed = await by.post(f"http://127.0.0.1:{server_socket.getsockname()[1]}/", b"{}", {})
            unknown = await by.post("http://nobody.invalid/", b"{}", {})

    assert closed.code is TryCode.CONNECT
    assert unknown.code in (TryCode.NAME, TryCode.TIMEOUT)


async def test_a_line_that_was_closed_meanwhile_is_reopened() -> None:
    """A kept connection that the other side gave up is no failure of the endpoint."""

    async def once(request: web.Request) -> web.StreamResponse:
        answer = web.Response(status=200)
        await answer.prepare(request)
        await answer.write_eof()
        if request.transport is not None:
            request.transport.close()
        return answer

    async with receiving(once) as receiver, poster() as by:
        codes = [(await by.post(receiver.url, b"{}", {})).code for _ in range(3)]

    assert codes == [TryCode.OK] * 3


async def test_a_certificate_that_nobody_vouches_for_or_that_has_ended_is_refused(tmp_path: Path) -> None:
    context, ca = mail_tls.server_side(tmp_path)
    ended, key = tls_servers.make_certificate(tmp_path, "ended", tls_servers.in_days(-1))
    expired_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired_tls.load_cert_chain(ended, key)
    async with receiving(tls=context) as receiver, poster() as strict, poster(ca=ca) as trusting:
        refused = await strict.post(receiver.url, b"{}", {})
        accepted = await trusting.post(receiver.url, b"{}", {})
        # The certificate is one of 127.0.0.1 alone.
        misnamed = await trusting.post(receiver.url.replace("127.0.0.1", "localhost"), b"{}", {})
    async with receiving(tls=expired_tls) as receiver, poster(ca=ended) as by:
        late = await by.post(receiver.url, b"{}", {})

    assert [attempt.code for attempt in (refused, accepted, late)] == [TryCode.TLS, TryCode.OK, TryCode.TLS]
    assert misnamed.code is not TryCode.OK
