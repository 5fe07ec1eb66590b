"""Calls a service over HTTP. In: a question. Out: its answer, read in pieces within limits of time and size, or an
error: `NotSent` (nothing reached the service), `Lost` (its effect is unknown), `OddAnswerError` (an answer outside its
specification), `Refused` (a refusal, with its code). Questions without effect are retried, at a limited rate, and an
operation that keeps failing pauses for a while. A question with effect gets a new connection, because on a kept one that
the service has closed its outcome would be unknown. The first 64 KiB of odd answers are kept, without secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt
from yarl import URL

from gateway import meters, random_source, time_source
from gateway.errors import Unreachable
from gateway.http_calls import PIECE, HttpCaller, TooLong, parse_url
from gateway.log import action
from gateway.ports.services import Clock, Pool
from gateway_foreign.rest.answers import Answer, BadAnswer

_log = logging.getLogger(__name__)
ODD_BYTES_KEPT = 64 * 1024
_TRIES = 3
_NOT_NOW = (429, 503)  # statuses by which a service refuses before it processes anything


class CallFailed(Unreachable):
    """The service did not carry out a call."""


class NotSent(CallFailed):
    """The service received no byte of the call."""


class Lost(CallFailed):
    """The line broke, or the time was over: whether the question had its effect is unknown."""


class OddAnswerError(CallFailed):
    """The service answered something that its specification does not have."""


class Refused(CallFailed):
    """The service said no. `word` is its own code."""

    def __init__(self, detail: str = "", *, word: str = "") -> None:
        super().__init__(detail)
        self.word = word


class NoRights(Refused):
    """The service does not know these credentials. `of_login`: nor those of any system that signs in alike."""

    def __init__(self, detail: str = "", *, word: str = "", of_login: bool = False) -> None:
        super().__init__(detail, word=word)
        self.of_login = of_login


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call. `body` is made anew for each try. `has_effect`: it is tried once only. `secrets` are sent with it and
    masked in every text, also where the service repeats them; `brings_secret`: its answer may hold a new secret."""

    operation: str
    method: str = "POST"
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], AsyncIterable[bytes] | aiohttp.FormData | bytes] | None = None
    has_effect: bool = False
    seconds: float = 30.0
    secrets: tuple[str, ...] = field(default=(), repr=False)
    brings_secret: bool = False

    def clean(self, text: str, *, is_content: bool = False) -> str:
        """Mask the secrets in a text. `is_content`: the text is part of an answer, not a sentence about it."""
        for secret in self.secrets:
            for form in (secret, json.dumps(secret)[1:-1]):
                text = text.replace(form, _MASK) if form else text
        return _WORD.sub(_MASK, text) if self.brings_secret and is_content else text


@dataclass(frozen=True, slots=True, kw_only=True)
class OddAnswer:
    """A kept odd answer: its call, why it is odd, and its beginning."""

    operation: str
    why: str
    status: int
    head: bytes


@dataclass(slots=True)
class _Breaker:
    """Circuit breaker of one operation: after `_MOST` failures in a row it pauses, longer each time."""

    failed: int = 0
    paused_until: float = 0.0
    why: str = ""

    def check(self, operation: str, now: float) -> None:
        wait_s = self.paused_until - now
        if 0 < wait_s <= _LAST_PAUSE_S:  # a clock that was set back must not prolong the pause
            raise NotSent(
                f"{operation} has failed {self.failed} times in a row ({self.why}); it is asked again in {wait_s:.0f} s"
            )

    def well(self) -> None:
        self.failed, self.paused_until, self.why = 0, 0.0, ""

    def broke(self, why: str, now: float) -> None:
        self.failed, self.why = self.failed + 1, why
        if self.failed >= _MOST:
            self.paused_until = now + min(_FIRST_PAUSE_S * 2 ** (self.failed - _MOST), _LAST_PAUSE_S)


_MOST, _FIRST_PAUSE_S, _LAST_PAUSE_S = 5, 5.0, 600.0
# A file inside an answer is not kept, because it is for its receiver alone.
_CONTENT = re.compile(rb"[A-Za-z0-9+/\\=\r\n]{120,}")
_NAMES = rb"token|secret|password|bearer|authorization|sign-header|hash-header"
# A match ends at the next name, so that a long row of names is searched once.
_SECRET = re.compile(rb"(?i)(" + _NAMES + rb")((?:(?!" + _NAMES + rb")\w)*[\"'\s:=]+)([^\s\"',;}]{6,})")
_MASK = "********"
_WORD = re.compile(r"[A-Za-z0-9_.+/=~-]{20,}")


class Line:
    """HTTP client of one service, opened on first use; its creator calls `close`. `keep` stores odd answers."""

    def __init__(
        self,
        base: str,
        pool: Pool,
        clock: Clock,
        *,
        ca: Path | None,
        rate_per_s: float,
        max_bytes: int,
        keep: Callable[[OddAnswer], None],
    ) -> None:
        parse_url(base)
        self.base, self._pool, self._clock = base.rstrip("/"), pool, clock
        self._ca, self._gap, self._max = ca, 1.0 / rate_per_s, max_bytes
        self._keep, self._next = keep, 0.0
        self._breakers: dict[str, _Breaker] = {}
        self._callers: dict[bool, HttpCaller] = {}
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        while self._callers:
            await self._callers.popitem()[1].close()

    async def ask(
        self,
        question: Question,
        make: Callable[[], Answer],
        judge: Callable[[int, Answer], None] | None = None,
    ) -> Answer:
        """Ask, with retries, and return the answer. `make` gives a reader for each try; `judge` raises for a refusal."""
        breaker = self._breakers.setdefault(question.operation, _Breaker())
        tries = 1 if question.has_effect else _TRIES
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((Lost, NotSent)),
            stop=stop_after_attempt(tries),
            wait=lambda tried: random_source.backoff_s(tried.attempt_number, 0.2, 5.0),
            reraise=True,
        ):
            with attempt:
                breaker.check(question.operation, self._now())
                try:
                    answer = await self._clean(question, make(), judge)
                except (Lost, NotSent, OddAnswerError) as why:
                    breaker.broke(str(why), self._now())
                    meters.AXIS_CALLS.add(operation=question.operation, result="failed")
                    raise
                except Refused:
                    breaker.well()
                    meters.AXIS_CALLS.add(operation=question.operation, result="refused")
                    raise
                breaker.well()
                meters.AXIS_CALLS.add(operation=question.operation, result="ok")
                return answer
        raise AssertionError("a try ends with an answer or an error")

    async def _clean(
        self, question: Question, answer: Answer, judge: Callable[[int, Answer], None] | None
    ) -> Answer:
        """Ask once, and mask secrets in the error."""
        try:
            return await self._once(question, answer, judge)
        except CallFailed as why:
            why.args = tuple(question.clean(str(detail)) for detail in why.args)
            raise

    async def _once(
        self, question: Question, answer: Answer, judge: Callable[[int, Answer], None] | None
    ) -> Answer:
        """Ask once, and read the answer."""
        await self._turn()
        caller = self._caller(alone=question.has_effect)
        body = question.body() if question.body is not None else b""
        head = bytearray()
        status = 0
        try:
            async with caller.call(
                question.method,
                self._address(question),
                headers=question.headers,
                data=body,
                seconds=30 * question.seconds,
                silent_s=question.seconds,
            ) as response:
                status = response.status
                read = 0
                async for piece in caller.pieces(response):
                    read += len(piece)
                    if len(head) < ODD_BYTES_KEPT:
                        head += piece[: ODD_BYTES_KEPT - len(head)]
                    if read > PIECE:  # decoding and writing a file is too slow for the event loop
                        await self._pool.run(partial(answer.feed, piece))
                    else:
                        answer.feed(piece)
                answer.close()
            if judge is not None:
                judge(status, answer)
        except (BadAnswer, TooLong) as why:
            if status in (401, 403):
                raise NoRights(f"{question.operation}: HTTP {status}", word=str(status)) from why
            odd = await self._odd(question, status, bytes(head), str(why))
            if status in _NOT_NOW:
                raise NotSent(str(odd)) from why
            raise odd from why
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as why:
            raise NotSent(f"{urlsplit(self.base).hostname} cannot be reached: {why}") from why
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ssl.SSLError) as why:
            detail = f"{question.operation}: the line broke: {type(why).__name__} {why}"
            raise Lost(detail) from why
        return answer

    def _address(self, question: Question) -> URL:
        """Return the address with every special character of a value quoted, slashes too, because not every service
        accepts them bare."""
        query = urlencode(question.params, quote_via=quote, safe="")
        address = URL(f"{self.base}/{question.path}")
        return URL(f"{address}?{query}", encoded=True) if query else address

    async def _odd(self, question: Question, status: int, head: bytes, why: str) -> OddAnswerError:
        """Store an odd answer, masked and without files, and return the error to raise."""
        why = question.clean(why, is_content=True)
        masked = question.clean(head.decode("utf-8", "surrogateescape"), is_content=True)
        head = masked.encode("utf-8", "surrogateescape")
        clean = _CONTENT.sub(_omission, _SECRET.sub(rb"\1\2********", head))
        odd_answer = OddAnswer(operation=question.operation, why=why, status=status, head=clean)
        await self._pool.run(partial(self._keep, odd_answer))
        meters.AXIS_ODD.add(operation=question.operation)
        action(_log, "axis.odd_answer", why, operation=question.operation, status=status)
        return OddAnswerError(f"{question.operation}: HTTP {status}, and {why}")

    async def _turn(self) -> None:
        """Wait for this call's turn, which limits the calls per second."""
        now = time_source.monotonic()
        at = max(now, self._next)
        self._next = at + self._gap
        if at > now:
            await asyncio.sleep(at - now)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _caller(self, *, alone: bool) -> HttpCaller:
        """Return the HTTP client; with `alone` each call gets a new connection."""
        if self._closed:
            raise NotSent("the axis was closed; restart the node to open it again")
        if alone not in self._callers:
            self._callers[alone] = HttpCaller(self._max, ca=self._ca, keeps_lines=not alone, unpacks=True)
        return self._callers[alone]


def _omission(match: re.Match[bytes]) -> bytes:
    return b"(%d characters left out)" % len(match.group())
