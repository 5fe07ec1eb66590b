"""A node works for hours with a broken part, on a clock that only moves while its loops rest; tests read the log that it
writes, as it would lie on the disk."""

from __future__ import annotations

import heapq
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.log import JsonLines, Throttle
from gateway.workers.clocks import FiguresClock
from gateway.workers.loop import Loop, Trouble, longest_sleep_s
from tests.support.node import LEASE_S, PDF, Town, document

HOUR = timedelta(hours=1)
SEND_EVERY = timedelta(minutes=5)
# A loop that finds nothing looks again this late at the earliest: what it does meanwhile writes no line.
IDLE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class HourLog:
    """Text of the log of one hour."""

    text: str

    @property
    def size(self) -> int:
        return len(self.text.encode())

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def of_code(self, code: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("code") == code]


@contextmanager
def capture_log(now_s: Callable[[], float]) -> Iterator[io.StringIO]:
    """Collect what the process writes, limited as by the program's own handler, by these seconds."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(JsonLines())
    handler.setLevel(logging.INFO)
    handler.addFilter(Throttle(now_s))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def log_of(town: Town, span: timedelta = HOUR) -> HourLog:
    """Let the loops turn for an hour, or so long, while a document is sent and one arrives every five minutes."""
    node, clock = town.node, town.clock
    loops = {**node._loops(LEASE_S), **node.more_loops()}
    troubles = {name: Trouble(name=name) for name in loops}
    end, number = clock.now() + span, 0
    turns = [(clock.now(), name) for name in ("", *loops)]
    began = clock.now()
    with _without_pauses(), capture_log(lambda: (clock.now() - began).total_seconds()) as stream:
        while turns[0][0] < end:
            at, name = heapq.heappop(turns)
            clock.advance(max(at - clock.now(), timedelta()))
            if name:
                pause = timedelta(seconds=await turn(name, loops[name], troubles[name], town))
            else:
                number, pause = number + 1, SEND_EVERY
                await _mail(town, number)
            heapq.heappush(turns, (clock.now() + pause, name))
    return HourLog(text=stream.getvalue())


@contextmanager
def _without_pauses() -> Iterator[None]:
    """Let no loop wait for work of others: they turn one after another here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FiguresClock, "PAUSE_S", 0.0)
        yield


async def turn(name: str, loop: Loop, trouble: Trouble, town: Town) -> float:
    """Do the steps of one turn; return how long the loop rests."""
    is_due = loop.is_due is None or loop.is_due(town.clock.now())
    try:
        while is_due and await loop.step():
            pass
    except Exception as error:  # reason: as the loop's own guard
        return trouble.broke(error)
    trouble.clear()
    return max(longest_sleep_s(name, town.node.settings.workers.poll_s), IDLE_S)


async def _mail(town: Town, number: int) -> None:
    with suppress(GatewayError, ValueError):  # refused while the fault lasts, with an error to its caller
        await town.send(str(number))
    with suppress(GatewayError, ValueError):
        await town.deliver(town.forge(document(str(1000 + number)), (("a.pdf", PDF),)))
