"""Provides a client of a provincial service, written from its specification alone with the standard library: no line of
it is the gateway's. It signs in once, and again when its token is refused."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit


class GuideClient:
    def __init__(self, endpoint: str, system: str, key: str, login: tuple[str, str, str]) -> None:
        address = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._own = {"X-SystemId": system, "X-SecretKey": key, "Accept": "application/json"}
        self._login, self.token = login, ""

    def close(self) -> None:
        self._connection.close()

    def sign_in(self) -> tuple[int, dict[str, Any]]:
        username, password, application = self._login
        fields = {"username": username, "password": password, "applicationCode": application}
        fields |= {"otp": None, "twoFactorProvider": None, "typeObjs": [0, 1]}  # type: ignore[dict-item]  # as the guide has it
        status, answer = self.call(
            "POST", "auth/login?allow_anonymous=true", json.dumps(fields).encode(), "application/json"
        )
        if status == 200:
            self.token = answer["data"]["token"]
        return status, answer

    def call(
        self, verb: str, path: str, body: bytes = b"", kind: str = "", *, bare: bool = False
    ) -> tuple[int, Any]:
        headers = {} if bare else dict(self._own)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if kind:
            headers["Content-Type"] = kind
        self._connection.request(verb, f"/v1/{path}", body=body or None, headers=headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def send(self, file: bytes, kind: str = "edoc", *, chunked: bool = False) -> dict[str, Any]:
        line = b"------WebKitFormBoundary7MA4YWxk"
        body = b"\r\n".join(
            [
                b"--" + line,
                b'Content-Disposition: form-data; name="edocFile"; filename="Z91.edxml"',
                b"Content-Type: application/xml",
                b"",
                file,
                b"--" + line,
                b'Content-Disposition: form-data; name="messageType"',
                b"",
                kind.encode(),
                b"--" + line + b"--",
                b"",
            ]
        )
        kind_of_body = f"multipart/form-data; boundary={line.decode()}"
        if not chunked:
            return dict(self.call("POST", "sendEdoc", body, kind_of_body)[1])
        headers = {**self._own, "Authorization": f"Bearer {self.token}", "Content-Type": kind_of_body}
        self._connection.request(
            "POST", "/v1/sendEdoc", body=iter([body]), headers=headers, encode_chunked=True
        )
        return dict(json.loads(self._connection.getresponse().read()))

    def listed(self, since: str, last: str, kind: str = "edoc") -> dict[str, Any]:
        days = f"fromDate={quote(since, safe='')}&toDate={quote(last, safe='')}"
        return dict(self.call("GET", f"syncReceivedEdocList?messageType={kind}&{days}")[1])

    def get(self, doc_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"getEdoc?docId={quote(doc_id, safe='')}")[1])

    def update(self, doc_id: str, status: str) -> dict[str, Any]:
        fields = json.dumps({"docId": doc_id, "status": status}).encode()
        return dict(self.call("POST", "updateStatus", fields, "application/json")[1])
