"""Calls of the kit: plain HTTP with a key. In: method, path, body. Out: status, headers and the JSON of the answer,
whatever it is: the steps judge it. A silent address is a `StepFailed`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from gateway_foreign.vxp import signing
from gateway_labs.conformance.score import StepFailed

BASE = "/api/v1"
TIMEOUT_S = 60.0
Files = Sequence[tuple[str, str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer. Any: JSON of any shape; empty where it was none."""

    status: int
    headers: Mapping[str, str]
    json: Any
    body: bytes

    def get(self, *path: str | int) -> Any:
        """Return the value at this path; None where there is none."""
        node = self.json
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                return None
        return node


class Line:
    """A line to one address under one key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session, self._url, self._key = session, url.rstrip("/"), key

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        once: str | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:
        """Make a call. `once` is the key of idempotency; every POST has one."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        return await self._tell(method, path, data, self._headers(method, once) | headers, query)

    async def send(self, path: str, meta: Mapping[str, Any], files: Files, once: str | None = None) -> Answer:
        """Send parts: the metadata first, then each file as (role, name, bytes)."""
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("meta", json.dumps(meta, ensure_ascii=False), content_type="application/json")
        for role, name, raw in files:
            form.add_field(role, raw, filename=name, content_type="application/octet-stream")
        return await self._tell("POST", path, form, self._headers("POST", once), None)

    def _headers(self, method: str, once: str | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._key}", "Accept-Language": "en"}
        if method == "POST":
            headers["Idempotency-Key"] = once or str(uuid.uuid4())
        return headers

    async def _tell(
        self,
        method: str,
        path: str,
        data: object,
        headers: Mapping[str, str],
        query: Mapping[str, str | int] | None,
    ) -> Answer:
        params = {name: str(value) for name, value in (query or {}).items()}
        return await _request(self._session, method, f"{self._url}{BASE}{path}", path, data, headers, params)


class Library:
    """A line to one address as the national axis's library calls it, for one system."""

    def __init__(self, session: aiohttp.ClientSession, url: str, system: str, secret: str) -> None:
        self._session, self._url, self._system, self._secret = session, url.rstrip("/"), system, secret

    async def ask(
        self, operation: str, params: Mapping[str, str], body: bytes, at: datetime
    ) -> dict[str, Any]:
        kind = "application/json" if body == b"{}" else "application/octet-stream"
        headers = signing.headers(self._system, self._secret, at, kind, params)
        url = f"{self._url}/{operation}"
        answer = await _request(self._session, "POST", url, operation, body, headers, {})
        return answer.json if isinstance(answer.json, dict) else {"ErrorDesc": f"HTTP {answer.status}"}


async def _request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    label: str,
    data: object,
    headers: Mapping[str, str],
    params: Mapping[str, str],
) -> Answer:
    try:
        async with session.request(method, url, data=data, headers=headers, params=params) as answer:
            body = await answer.read()
    except (TimeoutError, aiohttp.ClientError, OSError) as why:
        raise StepFailed(f"{method} {label}: no answer ({type(why).__name__})") from why
    try:
        content = json.loads(body) if body else None
    except ValueError:
        content = None
    return Answer(status=answer.status, headers=answer.headers, json=content, body=body)
