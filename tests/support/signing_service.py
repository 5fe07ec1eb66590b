"""The other end of the remote signer's protocol: a service on the loopback that holds keys and signs digests. It can be
told to answer wrongly."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.pki import PrivateKey

SECRET = "the secret of the node"


@dataclass(kw_only=True)
class SigningService:
    """What it holds, and what it says instead of the truth."""

    keys: Mapping[x509.Certificate, PrivateKey]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    instead: bytes | None = None
    status: int = 200

    def answer(self, path: str, secret: str | None, body: dict[str, Any]) -> tuple[int, bytes]:
        self.asked.append({"path": path, **body})
        if secret != f"Bearer {SECRET}":
            return 401, b"{}"
        if self.instead is not None or self.status != 200:
            return self.status, self.instead or b"{}"
        if path == "/certificates":
            told = {"certificates": [_text(each.public_bytes(Encoding.DER)) for each in self.keys]}
            return 200, json.dumps(told).encode()
        wanted = {
            hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest(): key
            for each, key in self.keys.items()
        }
        value = _signed(wanted[body["certificate"]], base64.b64decode(body["digest"]))
        return 200, json.dumps({"signature": _text(value)}).encode()


def _signed(key: PrivateKey, digest: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))


@contextmanager
def serving(service: SigningService) -> Iterator[SigningService]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            status, raw = service.answer(self.path, self.headers["Authorization"], body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test says what it expects."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
