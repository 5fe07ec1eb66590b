"""Provides a client of the national axis, written from its specification alone with the standard library: no line of it
is the gateway's. Parameters stick, as in that axis's own library, and the time stamp is made once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class SdkClient:
    def __init__(self, endpoint: str, system: str, secret: str) -> None:
        address = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._secret = secret.encode()
        self.damages_letters = False
        now = datetime.now(timezone(timedelta(hours=7)))
        self._sticky = {
            "systemid": system,
            "timestamp": now.strftime("%d%m%YT%H%M%S") + f"+{now.microsecond // 1000:04d}",
        }

    def _bytes(self, text: str) -> bytes:
        """Encode a text in UTF-8, or as the axis's own library does: it signs UTF-8 and sends each letter's low byte."""
        return bytes(ord(letter) & 0xFF for letter in text) if self.damages_letters else text.encode()

    def close(self) -> None:
        self._connection.close()

    def call(
        self,
        operation: str,
        parameters: dict[str, str],
        body: bytes = b"",
        kind: str = "application/json",
        verb: str = "POST",
    ) -> tuple[int, bytes]:
        self._sticky.update(parameters)
        names = [*self._sticky, "Content-Type"]
        random.shuffle(names)
        values = {name: self._sticky.get(name, kind) for name in names}
        pairs = ",".join(
            '"XroadVnpt-{}":"{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
            for name, value in values.items()
        )
        signed = "{" + pairs + "}"
        code = hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()
        self._connection.putrequest(verb, f"/{operation}", skip_accept_encoding=True)
        for name, value in values.items():
            self._connection.putheader(f"XroadVnpt-{name}", self._bytes(value))
        self._connection.putheader("XroadVnpt-sign-header-key", ";".join(names))
        self._connection.putheader("XroadVnpt-sign-header", self._bytes(signed))
        self._connection.putheader("XroadVnpt-hash-header", code)
        self._connection.putheader("XroadVnpt-version", "3.0.201608")
        self._connection.putheader("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP")
        self._connection.putheader("Content-Type", kind)
        self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def ask(self, operation: str, parameters: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        raw = self.call(operation, parameters or {}, **more)[1]
        # The library reads the answer of this call as US-ASCII; anything else would become question marks.
        answer = json.loads(raw.decode("ascii") if operation == "sendEdoc" else raw)
        # The library reads these three without asking whether they are there.
        assert isinstance(answer["status"], str)
        assert isinstance(answer["ErrorDesc"], str)
        int(answer["ErrorCode"])
        return dict(answer)

    def send(
        self, file: bytes, sender: str, kind: str = "edoc", to: list[str] | None = None
    ) -> dict[str, Any]:
        unpadded = "".join(f"{byte:x}" for byte in hashlib.sha256(file).digest())
        parameters = {"from": sender, "servicetype": "eDoc", "messagetype": kind, "hash-file": unpadded}
        if to is not None:
            parameters["to"] = json.dumps(to)
        answer = self.ask("sendEdoc", parameters, body=file + b"\r\n", kind="application/octet-stream")
        assert isinstance(answer["DocId"], str)
        return answer

    def listed(self, kind: str = "edoc") -> list[dict[str, Any]]:
        answer = self.ask("getReceivedEdocList", {"servicetype": "eDoc", "messagetype": kind})
        return list(answer["data"])

    def fetch(self, operation: str, parameters: dict[str, str], folder: Path, **more: Any) -> None:
        """Store a document as the library does: any body of a download but an empty one is the file."""
        self._sticky.update(parameters)
        if operation == "getEdoc":
            content = base64.b64decode(self.ask(operation, **more)["data"])
        elif operation == "downloadEdoc2":  # it signs nothing
            self._connection.request("POST", f"/{operation}", more.get("body"))
            content = self._connection.getresponse().read()
        else:
            content = self.call(operation, {}, **more)[1]
        if content:
            (folder / f"{self._sticky['docId'].encode().hex()}.edxml").write_bytes(content)
