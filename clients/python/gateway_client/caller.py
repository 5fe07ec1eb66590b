"""Calls of a node's API, tried again where that is harmless. In: a method, a path, a body. Out: the JSON of the answer, or
the typed exception of the node's refusal. A call is repeated where the node promises that twice is as good as once (GET,
PUT, DELETE, an Idempotency-Key, and acts named so); any other only where the node cannot have begun it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from gateway_client.errors import BadAnswer, NoAnswer, Problem, TooManyCalls, of_answer
from gateway_client.line import Answer, InMemory, Line, Request, RequestBody
from gateway_client.patience import Patience, Turns

VERSION = "0.3.0"
BASE = "/api/v1"
JSON = "application/json"
_HARMLESS = frozenset({"GET", "HEAD", "PUT", "DELETE"})


def path_of(*steps: object) -> str:
    """Make a path of the API; an id cannot become anything but one step of it."""
    return "".join("/" + quote(str(step), safe="") for step in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call. `once` is its Idempotency-Key; `harmless` marks a repeat as such, where the method does not; `wait_s` is
    how long the node was asked to hold it."""

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    json: object = field(default=None, repr=False)
    body: RequestBody | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    once: str | None = None
    harmless: bool = False
    wait_s: float = 0.0

    @property
    def is_harmless(self) -> bool:
        may_repeat = self.once is not None or self.harmless or self.method in _HARMLESS
        # The second try of a conditional act would find its own version.
        return may_repeat and "If-Match" not in self.headers

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


class Caller:
    """Calls of one node, under one key; without a key the client certificate alone opens it."""

    def __init__(
        self,
        line: Line,
        key: str | None,
        agency: str | None,
        language: str,
        patience: Patience,
        trace: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        if key is not None and (not key or not key.isascii() or not key.isprintable() or " " in key):
            raise ValueError("expected an API key (gwk_…)")
        self._line = line
        self._trace = trace
        self.patience = patience
        self._headers = {
            **({} if key is None else {"Authorization": f"Bearer {key}"}),
            "Accept-Language": language,
            "User-Agent": f"gateway-client/{VERSION}",
        }
        if agency is not None:
            self._headers["X-Agency"] = agency

    def tell(
        self, ask: Ask, patience: Patience | None = None
    ) -> Any:  # Any: JSON, of the shape that the API promises
        """Make the call and return the JSON of a good answer."""
        turns = (patience or self.patience).begin(ask.name)
        ask = replace(ask, headers={"Accept-Encoding": "gzip", **ask.headers})
        while True:
            try:
                with self.open(ask, turns) as answer:
                    return _json(answer)
            except NoAnswer as why:
                if not ask.is_harmless or not turns.wait(why):
                    raise

    def open(self, ask: Ask, turns: Turns) -> Answer:
        """Make the call and return a good answer, its body not yet read."""
        while True:
            try:
                return self._once(ask)
            except NoAnswer as why:
                if (why.sent and not ask.is_harmless) or not turns.wait(why):
                    raise
            except Problem as why:
                may = why.retryable and (ask.is_harmless or isinstance(why, TooManyCalls))
                if not may or not turns.wait(why, why.retry_after_s):
                    raise

    def _once(self, ask: Ask) -> Answer:
        answer = self._line.ask(self._request(ask))
        if 200 <= answer.status < 300:
            return answer
        with answer:
            raise of_answer(
                answer.status,
                answer.header("Content-Type") or "",
                answer.text(),
                answer.header("Retry-After"),
            )

    def _request(self, ask: Ask) -> Request:
        headers = {**self._headers, **(self._trace() if self._trace is not None else {}), **ask.headers}
        body = ask.body
        if ask.json is not None:
            body = InMemory(json.dumps(ask.json, ensure_ascii=False).encode())
            headers["Content-Type"] = JSON
        elif body is None and ask.method == "POST":
            body = InMemory(b"")
        if ask.once is not None:
            headers["Idempotency-Key"] = ask.once
        query = {name: value for name, value in ask.query.items() if value is not None}
        target = BASE + ask.path + (f"?{urlencode(query)}" if query else "")
        return Request(
            method=ask.method,
            target=target,
            headers=headers,
            body=body,
            wait_s=ask.wait_s,
            fresh=not ask.is_harmless,
        )


def _json(answer: Answer) -> Any:  # Any: JSON
    raw = answer.text()
    kind = (answer.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise BadAnswer(f"expected JSON of a node, got {kind or 'nothing'}")
    try:
        return json.loads(raw)
    except ValueError as why:
        raise BadAnswer("expected JSON of a node, got something else") from why
