"""One question to one configured server, within limits. In: an address, a body, how many bytes and seconds the answer may
take. Out: the answer's body. No redirect is followed, no proxy of the environment used, no cookie kept; a server that
drips, floods or says something else is Unreachable. It blocks: use it inside the pool."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gateway.errors import Misconfigured, Unreachable

_HEAD_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the whole exchange may take, from connecting to the last byte."""

    answer_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpQuestion:
    """What is asked: a POST where there is a body. `expects` is the media type that the answer must have, or one of those
    that servers `also` send for it."""

    url: str
    expects: str
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    also: tuple[str, ...] = ()


def ask(question: HttpQuestion, bounds: Bounds, tls_ca: Path | None = None) -> bytes:
    """The body of an answer with status 200 and the expected type; Unreachable for everything else."""
    where, until = parsed(question.url), time.monotonic() + bounds.seconds
    connection = _connection(where, bounds.seconds, tls_ca)
    connection.response_class = _answers_until(until, bounds.answer_bytes + _HEAD_BYTES)
    try:
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        method = "GET" if question.body is None else "POST"
        connection.request(method, path, body=question.body, headers=dict(question.headers or {}))
        with connection.getresponse() as answer:
            return _body(answer, question, bounds)
    except (OSError, http.client.HTTPException, ValueError) as why:
        raise Unreachable(f"{where.hostname} did not answer: {why or type(why).__name__}") from why
    finally:
        connection.close()


def parsed(url: str) -> SplitResult:
    """The parts of an address; Misconfigured unless it is http(s) with a host, and without a password in it."""
    try:
        where = urlsplit(url)
        named, port = where.hostname, where.port
    except ValueError as why:
        raise Misconfigured(f"{url!r} is no address of a server") from why
    if where.scheme not in ("http", "https") or not named or where.username or where.fragment or port == 0:
        raise Misconfigured(f"{url!r} is no address of a server; write it like https://host.example/path")
    return where


def _connection(where: SplitResult, seconds: float, tls_ca: Path | None) -> http.client.HTTPConnection:
    host = str(where.hostname)
    if where.scheme == "http":
        return http.client.HTTPConnection(host, where.port, timeout=seconds)
    try:
        context = ssl.create_default_context(cafile=tls_ca)
    except OSError as why:
        raise Misconfigured(f"{tls_ca} holds no certificates that can be read") from why
    return http.client.HTTPSConnection(host, where.port, timeout=seconds, context=context)


def _body(answer: http.client.HTTPResponse, question: HttpQuestion, bounds: Bounds) -> bytes:
    if answer.status != http.client.OK:
        raise Unreachable(f"the server answered {answer.status} instead of 200")
    kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    if kind not in (question.expects, *question.also):
        raise Unreachable(f"the server sent {kind[:60]!r} instead of {question.expects}")
    body = answer.read(bounds.answer_bytes + 1)
    if len(body) > bounds.answer_bytes:
        raise Unreachable(f"the server sent more than {bounds.answer_bytes} bytes")
    # What it promised and did not send; the library says so only to whoever asks for everything.
    if answer.length:
        raise Unreachable("the server broke off in the middle of its answer")
    return body


def _answers_until(until: float, most: int) -> Any:
    """Any: the library calls it as it would its own class, which has no protocol."""

    def made(sock: socket.socket, *given: Any, **named: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_Limited(sock, until, most), *given, **named)  # type: ignore[arg-type]  # only makefile is called

    return made


class _Limited(io.RawIOBase):
    """In the place of a socket; what it gives is read against one end for the whole answer."""

    def __init__(self, sock: socket.socket, until: float, most: int) -> None:
        # A file of its own: the library closes the socket, and what is still to be read, once it has seen the headers of
        # an answer that ends with its connection.
        self._file = sock.makefile("rb", buffering=0)
        self._sock, self._until, self._left = sock, until, most

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("its answer took too long")
        if self._left <= 0:
            raise ValueError("it sent more than was asked for")
        self._sock.settimeout(seconds)
        count = self._file.readinto(buffer) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
