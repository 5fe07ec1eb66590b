"""Times pages over HTTP: a part of `python -m bench.lists --pages URL …`. In: addresses, the cookie of a session, so many
users. Out: milliseconds by address: the server's own (`Server-Timing: app;dur=`), else from the question to the last byte.
Answers that are no page are listed apart, and never counted as a fast answer."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import ClientSession, ClientTimeout, CookieJar, TCPConnector

_DURATION = re.compile(r"(?:^|,)\s*app\s*;(?:[^,]*;)?\s*dur\s*=\s*([0-9.]+)")
_OK = 200


@dataclass(slots=True, kw_only=True)
class Answers:
    """Times of the answers. `refused`: how often each address gave another status than 200; `own`: the server's times."""

    took: dict[str, list[float]]
    refused: Counter[tuple[str, int]] = field(default_factory=Counter)
    own: int = 0


def duration(header: str) -> float | None:
    """Return the milliseconds of the handler, where the server reports them."""
    match = _DURATION.search(header)
    return float(match[1]) if match else None


async def ask(urls: Sequence[str], cookie: str, users: int, seconds: float, think_s: float) -> Answers:
    """Ask by users, at random in turn, with thinking in between; each keeps one connection, as a browser does."""
    answers = Answers(took={url: [] for url in urls})
    end = time.monotonic() + seconds

    async def user(session: ClientSession, rng: random.Random) -> None:
        await asyncio.sleep(rng.random() * think_s)
        while time.monotonic() < end:
            await _get(session, rng.choice(urls), answers)
            await asyncio.sleep(think_s)

    async with ClientSession(
        headers={"Cookie": cookie} if cookie else {},
        cookie_jar=CookieJar(unsafe=True),
        connector=TCPConnector(limit=users),
        timeout=ClientTimeout(total=60),
    ) as session:
        await asyncio.gather(*(user(session, random.Random(n)) for n in range(users)))
    return answers


async def _get(session: ClientSession, url: str, answers: Answers) -> None:
    begun = time.perf_counter()
    async with session.get(url, allow_redirects=False) as response:
        await response.read()
        wall = (time.perf_counter() - begun) * 1_000
        if response.status != _OK:
            answers.refused[url, response.status] += 1
            return
        own_ms = duration(response.headers.get("Server-Timing", ""))
    answers.own += own_ms is not None
    answers.took[url].append(wall if own_ms is None else own_ms)
