"""The line to a node: plain HTTP/1.1 over TLS by the standard library. In: one request. Out: its answer as a stream, or
`NoAnswer`. Threads may share it: each takes a connection of its own, and idle ones are kept for a moment. Redirects are not
followed, because the key would go with them."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from gateway_client.errors import BadAnswer, NoAnswer

_PIECE = 256 * 1024
# A proxy closes an idle connection after some seconds; this is shorter than any of them waits.
_IDLE_S = 10.0
_MOST_IDLE = 16
_MOST_TEXT = 64 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class RequestBody(Protocol):
    """Bytes that can be sent more than once."""

    @property
    def size(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A body in memory."""

    raw: bytes

    @property
    def size(self) -> int:
        return len(self.raw)

    def __iter__(self) -> Iterator[bytes]:
        yield self.raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `fresh` takes a new connection: an idle one may have been closed by the other side, which does no harm
    where the request can be repeated."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # the key is among them
    body: RequestBody | None = field(default=None, repr=False)
    wait_s: float = 0.0
    fresh: bool = False


class Answer:
    """An answer. Close it; read to its end, its connection serves again."""

    def __init__(
        self,
        line: Line,
        connection: http.client.HTTPConnection,
        raw: http.client.HTTPResponse,
        *,
        is_sent: bool,
    ) -> None:
        self._line = line
        self._connection = connection
        self._raw = raw
        self._is_sent = is_sent
        self._whole = False
        self.status = raw.status
        length = raw.getheader("Content-Length", "")
        self.size = int(length) if length.isascii() and length.isdigit() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def has_end(self) -> bool:
        """Tell whether it says where its body ends. A head that broke off looks like a whole one that does not."""
        return self.size is not None or self._raw.chunked

    def header(self, name: str) -> str | None:
        return self._raw.getheader(name)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes. NoAnswer where it ends before it is whole."""
        received = 0
        try:
            # Bytes are passed on at once: on a line that breaks often, everything that came counts.
            while self.size is None or received < self.size:
                piece = self._raw.read1(_PIECE if self.size is None else min(_PIECE, self.size - received))
                if not piece:
                    break
                received += len(piece)
                yield piece
        except (OSError, http.client.HTTPException) as why:
            raise NoAnswer(f"the answer broke off after {received} bytes: {_reason(why)}") from why
        if self.size is not None and received < self.size:
            raise NoAnswer(f"the answer broke off after {received} of {self.size} bytes")
        self._whole = True

    def text(self) -> bytes:
        """Return the whole body, where that is a text; unpacked where it came packed."""
        is_packed = (self._raw.getheader("Content-Encoding") or "").strip().lower() == "gzip"
        unpacker = zlib.decompressobj(_GZIP) if is_packed else None
        body = bytearray()
        try:
            for piece in self.pieces():
                body += piece if unpacker is None else unpacker.decompress(piece, _MOST_TEXT + 1 - len(body))
                if len(body) > _MOST_TEXT:
                    raise BadAnswer(f"the answer is longer than {_MOST_TEXT} bytes")
        except zlib.error as why:
            raise BadAnswer(f"the answer cannot be unpacked: {why}") from why
        if unpacker is not None and not unpacker.eof:
            raise BadAnswer("the packed answer is not whole")
        return bytes(body)

    def close(self) -> None:
        self._raw.close()
        if self._whole and self._is_sent and not self._raw.will_close:
            self._line.keep(self._connection)
        else:
            self._connection.close()


class Line:
    """A line to one node. `ca` is a file with the certificates of your own authority; `client_certificate` are the files of
    a certificate, with those between it and its root, and of its key, for nodes that ask for one. `context` replaces both,
    for keys that only a context of your own can reach. `timeout_s` is how long nothing may come or go."""

    def __init__(
        self,
        url: str,
        *,
        ca: str | Path | None = None,
        timeout_s: float = 30.0,
        client_certificate: tuple[str | Path, str | Path] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.username:
            raise ValueError(f"expected an address like https://node.example.gov.vn, got {url!r}")
        self._host, self._port = parts.hostname, parts.port
        self.base = parts.path.rstrip("/")
        if parts.scheme == "http" and (client_certificate is not None or context is not None):
            raise ValueError("a client certificate is shown in TLS: expected an address with https://")
        if context is not None and (client_certificate is not None or ca is not None):
            raise ValueError("expected either a context, or ca and client_certificate")
        self._tls = None
        if parts.scheme == "https":
            self._tls = context or ssl.create_default_context(cafile=ca)
            if client_certificate is not None:
                # An empty password prevents a prompt: a program has no terminal.
                self._tls.load_cert_chain(*client_certificate, password="")
        self._timeout_s = timeout_s
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()

    def ask(self, request: Request) -> Answer:
        connection = self._connected(request)
        try:
            is_sent = self._send(connection, request)
            answer = Answer(self, connection, connection.getresponse(), is_sent=is_sent)
            if not answer.has_end:
                raise http.client.HTTPException("it broke off in its head")
        except (OSError, http.client.HTTPException) as why:
            connection.close()
            raise NoAnswer(f"no answer from {self._host}: {_reason(why)}") from why
        except BaseException:
            connection.close()
            raise
        return answer

    def _send(self, connection: http.client.HTTPConnection, request: Request) -> bool:
        """Send the request. False where the other side closed early, as when it refuses a long body with an answer."""
        headers = dict(request.headers)
        if request.body is not None:
            headers["Content-Length"] = str(request.body.size)
        try:
            connection.request(request.method, self.base + request.target, body=request.body, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _connected(self, request: Request) -> http.client.HTTPConnection:
        timeout_s = self._timeout_s + request.wait_s
        connection = None if request.fresh else self._idle_one()
        if connection is not None:
            connection.timeout = timeout_s
            if connection.sock is not None:
                connection.sock.settimeout(timeout_s)
            return connection
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._tls
            )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as why:
            connection.close()
            raise BadAnswer(f"the certificate of {self._host} does not hold: {why.verify_message}") from why
        except OSError as why:
            connection.close()
            raise NoAnswer(f"{self._host} cannot be reached: {_reason(why)}", sent=False) from why
        return connection

    def _idle_one(self) -> http.client.HTTPConnection | None:
        expired: Sequence[tuple[float, http.client.HTTPConnection]]
        with self._lock:
            since = time.monotonic() - _IDLE_S
            expired = [x for x in self._idle if x[0] < since]
            self._idle = [x for x in self._idle if x[0] >= since]
            chosen = self._idle.pop()[1] if self._idle else None
        for _, connection in expired:
            connection.close()
        return chosen

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """Keep the connection for the next request."""
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()


def _reason(why: Exception) -> str:
    return str(why) or type(why).__name__
