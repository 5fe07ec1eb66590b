"""Callers that do not give up: part of `python -m bench.pauses`. In: a node that answers, or does not for a while. Out: the
documents that were accepted, the moments at which a caller and a reader were answered, and the refusals."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from itertools import count, pairwise
from time import monotonic

from aiohttp import ClientError

from bench import papers
from bench.pair import Broken
from bench.served import Served

SIZE, PACE_S = 10_000, 0.1


class Mail:
    """Callers that send one document after another, and a reader; the moments at which each was answered."""

    def __init__(self, node: Served) -> None:
        self._node, self._numbers, self._ends = node, count(1), asyncio.Event()
        self.accepted, self.answered = list[float](), list[float]()
        self.ids, self.refused = set[str](), Counter[str]()

    async def send(self) -> None:
        """Send until the end; a document that was not accepted is sent again under its key."""
        while not self._ends.is_set():
            number = next(self._numbers)
            content, is_accepted = papers.content(SIZE, number), False
            while not is_accepted:
                is_accepted = await self._try(content, number)
                await asyncio.sleep(PACE_S)

    async def _try(self, content: bytes, number: int) -> bool:
        try:
            self.ids.add(await self._node.send(content, number=number))
        except (Broken, ClientError, TimeoutError) as error:
            words = str(error) if isinstance(error, Broken) else type(error).__name__
            self.refused[words.partition(":")[0]] += 1
            return False
        self.accepted.append(monotonic())
        return True

    async def read(self) -> None:
        """Read one of the accepted documents, again and again, until the end."""
        headers = {"Authorization": f"Bearer {self._node.key}"}
        while not self._ends.is_set():
            with suppress(ClientError, TimeoutError):
                url = f"{self._node.urls[0]}/api/v1/messages/{next(iter(self.ids), '')}"
                async with self._node.session.get(url, headers=headers) as answer:
                    if answer.status == 200:
                        self.answered.append(monotonic())
                    else:
                        self.refused[f"a reader was answered with {answer.status}"] += 1
            await asyncio.sleep(PACE_S)

    def end(self) -> None:
        self._ends.set()

    def longest(self, begun: float, ended: float) -> dict[str, float]:
        """Return the longest times without an accepted document and without an answer that touch this span."""
        return {
            name: round(max((b - a for a, b in pairwise(moments) if b > begun and a < ended), default=0), 2)
            for name, moments in (("no_accept_s", sorted(self.accepted)), ("no_answer_s", self.answered))
        }
