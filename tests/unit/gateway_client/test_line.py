"""The client against a node that is ill, and a server that is no node: when it asks again, when it gives up, and that the
key goes nowhere else."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from gateway_client import (
    BadAnswer,
    BadCall,
    ChangedContent,
    Client,
    File,
    NoAnswer,
    NodeTrouble,
    Patience,
    TooManyCalls,
    line,
)
from gateway_client.downloads import download
from gateway_client.errors import of_answer, seconds_of
from gateway_client.files import Multipart
from gateway_client.inbox import plain_name
from tests.support import tls_servers
from tests.support.tcp_proxy import TcpProxy
from tests.unit.gateway_client.conftest import Scripted, Waits, in_thread

Answering = Callable[[web.Request], web.StreamResponse]


def good(body: object = None) -> Answering:
    return lambda _: web.json_response({} if body is None else body)


def dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def away(status: int = 503, **headers: str) -> Answering:
    return lambda _: web.Response(status=status, headers=dashed(headers))


def problem(status: int, *, retryable: bool, **headers: str) -> Answering:
    body = {"status": status, "code": f"GW-{status}", "retryable": retryable, "errors": []}
    return lambda _: web.Response(
        status=status, text=json.dumps(body), content_type="application/problem+json", headers=dashed(headers)
    )


def file(content: bytes, **headers: str) -> Answering:
    return lambda _: web.Response(body=content, headers=dashed(headers))


def client(scripted: Scripted, waits: Waits, tries: int = 10) -> Client:
    return Client(scripted.url, "gwk_secret", patience=waits.patience(tries))


async def test_a_node_that_is_away_is_asked_again_when_it_says_so(scripted: Scripted, waits: Waits) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    scripted.script = [
        away(503, Retry_After="7"),
        problem(503, retryable=True, Retry_After="11"),
        away(502),
        away(503, Retry_After=soon),
        good({"name": "qlvb"}),
    ]
    with client(scripted, waits) as node:
        assert (await in_thread(node.me))["name"] == "qlvb"

    first, second, third, fourth = waits.pauses
    assert first >= 7
    assert second >= 11
    assert third < 1
    assert 30 < fourth <= 90


async def test_one_key_of_idempotency_goes_through_all_tries_of_one_call(
    scripted: Scripted, waits: Waits
) -> None:
    scripted.script = [
        away(),
        problem(409, retryable=True, Retry_After="1"),
        away(504),
        good({"id": "msg_1"}),
    ]
    with client(scripted, waits) as node:
        for _ in range(2):
            await in_thread(lambda: node.send({"number": "1"}, [File(content=b"%PDF", name="1.pdf")]))

    keys = [request.headers["Idempotency-Key"] for request in scripted.requests]
    assert len(set(keys[:4])) == 1
    assert len(set(keys)) == 2


async def test_a_call_that_may_have_taken_effect_is_not_repeated(scripted: Scripted, waits: Waits) -> None:
    for answer, kind, calls in (
        (problem(422, retryable=False), Exception, 1),
        (problem(500, retryable=False), NodeTrouble, 1),
        (away(503), NodeTrouble, 1),  # the node may have begun it
        (problem(429, retryable=True), TooManyCalls, 3),  # it has not
    ):
        scripted.script = [answer]
        scripted.requests.clear()
        with client(scripted, waits, tries=3) as node, pytest.raises(kind):
            await in_thread(partial(node.call, "POST", "/messages/msg_1/resend", {}))

        assert len(scripted.requests) == calls


async def test_patience_ends(scripted: Scripted, waits: Waits) -> None:
    scripted.script = [away(503, Retry_After="40")]
    with client(scripted, waits, tries=3) as node, pytest.raises(NodeTrouble):
        await in_thread(node.me)
    assert len(scripted.requests) == 3

    waits.pauses.clear()
    scripted.script = [away(503, Retry_After="4000")]
    short = Patience(total_s=100, sleep=waits.wait)
    with Client(scripted.url, "gwk_secret", patience=short) as node, pytest.raises(NodeTrouble) as why:
        await in_thread(node.me)
    assert waits.pauses == []
    assert why.value.retry_after_s == 4000


async def test_a_loop_outlives_a_node_that_is_away_and_ends_when_it_is_told_to(
    scripted: Scripted, waits: Waits
) -> None:
    stop = threading.Event()

    def last(_: web.Request) -> web.StreamResponse:
        stop.set()
        return web.Response(status=503)

    scripted.script = [*[away()] * 15, last]
    patience = Patience(tries=2, first_s=0.001, most_s=0.001)
    with Client(scripted.url, "gwk_secret", patience=patience) as node:
        report = await in_thread(lambda: node.receive(lambda _: None, stop=stop))
        assert (report.done, len(scripted.requests)) == (0, 16)
        stop.clear()
        scripted.requests.clear()
        assert await in_thread(lambda: list(node.events(stop=stop))) == []
        assert len(scripted.requests) == 16


async def test_a_redirect_is_not_followed_with_the_key(scripted: Scripted, waits: Waits) -> None:
    """And what is no node is said to be none."""
    scripted.script = [
        away(302, Location=f"{scripted.url}/elsewhere"),
        lambda _: web.Response(text="<h1>Sign in</h1>", content_type="text/html"),
        lambda _: web.Response(text="{", content_type="application/json"),
        lambda _: web.Response(status=403, text="<h1>WAF</h1>", content_type="text/html"),
    ]
    with client(scripted, waits) as node:
        for kind in (BadAnswer, BadAnswer, BadAnswer, Exception):
            with pytest.raises(kind):
                await in_thread(node.me)

    assert [request.path for request in scripted.requests] == ["/api/v1/me"] * 4


async def test_a_download_that_was_changed_is_refused_and_not_kept(
    scripted: Scripted, waits: Waits, tmp_path: Path
) -> None:
    scripted.script = [
        file(b"changed", X_Content_SHA256="0" * 64),
        file(b"changed", ETag='"a"'),
        file(b"", X_Content_SHA256="0" * 64),
    ]
    target = tmp_path / "came.pdf"
    with client(scripted, waits) as node:
        for sha256 in (None, "1" * 64, None):
            with pytest.raises(ChangedContent):
                await in_thread(partial(download, node._caller, "/inbox/i/files/1", target, sha256))

    assert [*tmp_path.iterdir()] == []


async def test_the_second_half_of_another_file_is_not_joined_to_the_first(
    scripted: Scripted, waits: Waits, tmp_path: Path
) -> None:
    digest = "2" * 64
    (tmp_path / f".{digest[:32]}.part").write_bytes(b"first half ")
    scripted.script = [
        lambda _: web.Response(status=206, body=b"half", headers={"Content-Range": "bytes 3-6/7"})
    ]
    with client(scripted, waits) as node, pytest.raises(ChangedContent):
        await in_thread(lambda: download(node._caller, "/inbox/i/files/1", tmp_path / "came.pdf", digest))

    (request,) = scripted.requests
    assert (request.headers["Range"], request.headers["If-Range"]) == ("bytes=11-", f'"{digest}"')
    assert [*tmp_path.iterdir()] == []


async def test_nobody_there_is_no_answer_and_was_not_sent(scripted: Scripted, waits: Waits) -> None:
    host, port = scripted.url.removeprefix("http://").split(":")
    async with TcpProxy(host, int(port)) as line:
        await line.close()
        node = Client(f"http://{line.host}:{line.port}", "gwk_secret", patience=waits.patience(3))
        with node, pytest.raises(NoAnswer) as why:
            await in_thread(lambda: node.call("POST", "/messages/msg_1/resend", {}))

    # Nothing can have happened, so that it was tried as often as anything else.
    assert (why.value.sent, len(waits.pauses)) == (False, 2)


async def test_a_certificate_that_nobody_vouches_for_is_not_retried(
    scripted: Scripted, waits: Waits, tmp_path: Path
) -> None:
    certificate, key = tls_servers.make_certificate(tmp_path, "localhost", tls_servers.in_days(30))
    with tls_servers.serving(certificate, key) as (port, received):
        node = Client(f"https://localhost:{port}", "gwk_secret", patience=waits.patience(9))
        with node, pytest.raises(BadAnswer, match="certificate"):
            await in_thread(node.me)

    assert waits.pauses == []
    assert b"gwk_secret" not in b"".join(received)


def test_an_address_or_a_key_that_is_none_is_refused_at_once() -> None:
    for url in (
        *("node.example", "ftp://node.example", "https://"),
        *("https://me@node.example", "https://n/?a=b"),
    ):
        with pytest.raises(ValueError, match="expected an address"):
            Client(url, "gwk_secret")
    for key in ("", "gwk a", "gwk\r\nX-Agency: Z91", "khoá"):
        with pytest.raises(ValueError, match="expected an API key") as why:
            Client("https://node.example", key)
        assert not key or key not in str(why.value)


def test_the_wait_of_retry_after_is_read_in_both_forms() -> None:
    assert seconds_of("5") == 5
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [seconds_of(text) for text in (None, "", "soon", "-1", "٣")] == [None] * 5
    # A problem that is none does no harm.
    for raw in (b"", b"[]", b"{", b'{"errors": 3, "confirm": 3}', b'{"errors": [1, {}], "code": 4}'):
        error = of_answer(400, "application/problem+json", raw, None)
        assert isinstance(error, BadCall)
        assert str(error).startswith("400 ")


def test_a_name_that_came_stays_in_its_folder() -> None:
    """And one that cannot be sent is refused."""
    for name, plain in {
        "518.pdf": "518.pdf",
        "../../etc/passwd": "_.._etc_passwd",
        "a\x00b\n.pdf": "a_b_.pdf",
        "..": "file",
        "Công văn số 5.pdf": "Công văn số 5.pdf",
        "x" * 300 + ".pdf": "x" * 120 + ".pdf",
        "đ" * 300: "đ" * 60,
    }.items():
        assert plain_name(name) == plain
    for name in ("", "a/b.pdf", "a\\b.pdf", 'a\r\nX: "b"'):
        with pytest.raises(ValueError, match="expected the name"):
            File(content=b"", name=name)


async def test_a_file_that_changes_while_it_is_sent_is_not_sent(
    scripted: Scripted, waits: Waits, tmp_path: Path
) -> None:
    path = tmp_path / "1.pdf"
    path.write_bytes(b"%PDF-1.7")
    body = Multipart({"number": "1"}, [(File(path=path), 8)])
    assert len(b"".join(body)) == body.size
    path.write_bytes(b"%PDF")
    with pytest.raises(ChangedContent):
        b"".join(body)


def packed(raw: bytes) -> Answering:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return lambda _: web.Response(body=raw, headers=headers)


async def test_a_packed_answer_is_unpacked_as_far_as_a_text_may_be_long(
    scripted: Scripted, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped = gzip.compress(json.dumps({"name": "qlvb" * 10_000}).encode())
    scripted.script = [packed(zipped)]
    with client(scripted, waits) as node:
        assert (await in_thread(node.me))["name"] == "qlvb" * 10_000
    assert scripted.requests[0].headers["Accept-Encoding"] == "gzip"

    monkeypatch.setattr(line, "_MOST_TEXT", 10_000)
    for raw in (zipped, zipped[:-9], b"no gzip"):
        scripted.script = [packed(raw)]
        with client(scripted, waits) as node, pytest.raises(BadAnswer):
            await in_thread(node.me)
