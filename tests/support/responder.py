"""A certificate authority's web server on loopback gives OCSP answers and revocation lists, as told, good or hostile. In:
what to answer next. Out: its address, and every request that it received."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OCSP_TYPE, LIST_TYPE = "application/ocsp-response", "application/pkix-crl"


@dataclass(kw_only=True)
class Reply:
    """Answer of the server. `drip_s`: one byte of the body at a time, with so long a pause; `location`: a redirect."""

    body: bytes = b""
    kind: str = OCSP_TYPE
    status: int = 200
    location: str | None = None
    drip_s: float = 0.0
    claims: int | None = None


Answer = Callable[[bytes], Reply]


@dataclass(kw_only=True)
class Responder:
    """`answer` makes the reply of a POST's body, or of nothing for a GET. It may be changed at any time. `dripped` counts
    the bytes that left one by one."""

    url: str
    answer: Answer
    requests: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    dripped: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def responding(answer: Answer) -> Iterator[Responder]:
    """Run a server; all its threads have ended at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = False
    responder = Responder(url=f"http://127.0.0.1:{server.server_address[1]}/", answer=answer)
    server.responder = responder  # type: ignore[attr-defined]  # the handler finds it there
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield responder
    finally:
        responder.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def do_GET(self) -> None:
        self._reply(b"")

    def _reply(self, body: bytes) -> None:
        responder: Responder = self.server.responder  # type: ignore[attr-defined]  # as above
        responder.requests.append((self.path, body, dict(self.headers)))
        reply = responder.answer(body)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(reply.claims if reply.claims is not None else len(reply.body)))
        self.send_header("Set-Cookie", "session=1")
        if reply.location is not None:
            self.send_header("Location", reply.location)
        self.end_headers()
        try:
            self._send(reply, responder)
        except OSError:  # the asker had enough, which is what is tested
            self.close_connection = True

    def _send(self, reply: Reply, responder: Responder) -> None:
        if not reply.drip_s:
            self.wfile.write(reply.body)
            return
        for at in range(len(reply.body)):
            self.wfile.write(reply.body[at : at + 1])
            self.wfile.flush()
            responder.dripped += 1
            if responder.stopping.wait(reply.drip_s):
                return

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: tests assert on `requests`."""
