"""A log line names what it is about, also from a thread, and nothing of it outlives the work."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import log
from gateway.pool import ThreadPool


class Lines:
    """What a logger wrote, read back."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("tests.lines")
    made.setLevel(logging.INFO)
    made.propagate = False
    yield made
    made.handlers.clear()


@pytest.fixture
def lines(logger: logging.Logger) -> Lines:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonLines())
    logger.addHandler(handler)
    return Lines(stream)


def test_a_line_names_what_is_bound_and_its_own_ids_win(logger: logging.Logger, lines: Lines) -> None:
    with log.bound(request="req_1", packet="one"):
        log.action(logger, "packet.seen", packet="two")

    (line,) = lines.read()
    assert (line["action"], line["request"], line["packet"]) == ("packet.seen", "req_1", "two")


def test_what_is_bound_inside_ends_there(logger: logging.Logger, lines: Lines) -> None:
    with log.bound(request="req_1"):
        with log.bound(document="msg_1"):
            log.action(logger, "inner")
        log.action(logger, "outer")
    log.action(logger, "after")

    inner, outer, after = lines.read()
    assert (inner["request"], inner["document"]) == ("req_1", "msg_1")
    assert "document" not in outer
    assert "request" not in after


async def test_tasks_side_by_side_keep_their_own(logger: logging.Logger, lines: Lines) -> None:
    both = asyncio.Barrier(2)

    async def work(packet: str) -> None:
        with log.bound(packet=packet):
            await both.wait()
            log.action(logger, packet)

    await asyncio.wait_for(asyncio.gather(work("one"), work("two")), 60)

    assert {(line["action"], line["packet"]) for line in lines.read()} == {("one", "one"), ("two", "two")}


async def test_a_thread_of_the_pool_knows_for_whom_it_works(logger: logging.Logger, lines: Lines) -> None:
    pool = ThreadPool(1)
    try:
        with log.bound(document="msg_1"):
            await pool.run(lambda: log.action(logger, "in the thread"))
        await pool.run(lambda: log.action(logger, "later"))
    finally:
        pool.close()

    first, second = lines.read()
    assert first["document"] == "msg_1"
    assert "document" not in second


def test_what_others_wrote_is_cut_and_stays_on_one_line(logger: logging.Logger, lines: Lines) -> None:
    with log.bound(packet="x\n" * 100_000):
        log.action(logger, "packet.seen")

    (line,) = lines.read()
    assert len(line["packet"]) == 200
