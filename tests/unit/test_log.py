"""A log line names what it is about, also from a thread, and nothing of it outlives the work. A cause has a line a minute,
a library's line has an action, and what was foreseen has no trace."""

from __future__ import annotations

import ast
import asyncio
import errno
import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import log
from gateway.errors import StoreFailure, Unreachable
from gateway.pool import ThreadPool
from tests.support.cases import Cases

ROOT = Path(__file__).parents[2]


class Lines:
    """Lines that a logger wrote, read back."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(log.JsonLines())

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    new_logger = logging.getLogger("tests.lines")
    new_logger.setLevel(logging.INFO)
    new_logger.propagate = False
    yield new_logger
    new_logger.handlers.clear()


@pytest.fixture
def lines(logger: logging.Logger) -> Lines:
    new_lines = Lines()
    logger.addHandler(new_lines.handler)
    return new_lines


def test_a_line_names_what_is_bound_and_its_own_ids_win(logger: logging.Logger, lines: Lines) -> None:
    with log.bound(request="req_1", packet="one"):
        log.action(logger, "packet.seen", packet="two")

    (line,) = lines.read()
    assert (line["action"], line["request"], line["packet"]) == ("packet.seen", "req_1", "two")


def test_inner_bindings_end_with_their_block(logger: logging.Logger, lines: Lines) -> None:
    with log.bound(request="req_1"):
        with log.bound(document="msg_1"):
            log.action(logger, "inner")
        log.action(logger, "outer")
    log.action(logger, "after")

    inner, outer, outer_end = lines.read()
    assert (inner["request"], inner["document"]) == ("req_1", "msg_1")
    assert "document" not in outer
    assert "request" not in outer_end


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


class Minutes:
    """The seconds that a limited log goes by."""

    now = 0.0


@pytest.fixture
def minutes(lines: Lines) -> Minutes:
    new_minutes = Minutes()
    lines.handler.addFilter(log.Throttle(lambda: new_minutes.now))
    return new_minutes


def raised(error: Exception) -> Exception:
    """Return the error with a trace that leads here."""
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_hour_of_refused_calls_and_postponed_rows_has_a_line_a_minute_with_what_was_left_out(
    logger: logging.Logger, lines: Lines, minutes: Minutes
) -> None:
    for second in range(3600):
        minutes.now = float(second)
        away = raised(StoreFailure("the database did not do it (OSError)"))
        logger.warning(
            "a call failed", exc_info=away, extra={"action": "api.failed", "request_id": f"r{second}"}
        )
        log.action(logger, "job.postponed", "the database does not answer", job=str(second), code="GW-S-000")
        logger.error("the database is away", extra={"action": "packer.broke", "code": "GW-S-000"})

    log_lines = lines.read()
    assert len(log_lines) == 60
    assert [line.get("suppressed") for line in log_lines] == [None, *[179] * 59]
    assert "suppressed_since" in log_lines[1]
    assert not any("trace" in line for line in log_lines)


def test_causes_that_differ_do_not_hide_each_other(
    logger: logging.Logger, lines: Lines, minutes: Minutes
) -> None:
    for _ in range(3):
        for say, ids in (
            ("the database does not answer", {"code": "GW-S-000"}),
            ("the content store does not take a file", {"code": "GW-S-000"}),
            ("the disk of /x is full: 7 MB", {"code": "GW-S-507"}),
            ("one does not answer", {"code": "GW-T-001", "axis": "one"}),
            ("one does not answer", {"code": "GW-T-001", "axis": "two"}),
            ("tsa.example did not answer", {"code": "GW-T-001"}),
        ):
            log.warn(logger, "fancied", say, **ids)

    assert len(lines.read()) == 6


def test_a_fault_writes_at_most_twenty_lines_in_ten_minutes_whatever_each_line_is_about(
    logger: logging.Logger, lines: Lines, minutes: Minutes, cases: Cases
) -> None:
    """Complaints about single packets, explanations without a code, and failures of a loop whose texts all differ."""

    def complain(second: int) -> None:
        log.action(logger, "inbox.quarantined", "no signature", inbox=str(second), code="SIG-NONE")
        log.action(logger, "axis.fetch_failed", f"{second} is not there", packet=str(second))
        logger.error(
            f"file{chr(97 + second % 26)} number{chr(97 + second // 26 % 26)} broke",
            extra={"action": "sealer.broke", "code": "GW-C-000", "failures": 1},
        )
        log.action(logger, "message.accepted", document=str(second))
        log.action(logger, "axis.dead_dropped", packet_id=str(second), reason="a person's")

    for second in range(1200):
        minutes.now = float(second)
        complain(second)

    log_lines = lines.read()
    for action in ("inbox.quarantined", "axis.fetch_failed", "sealer.broke"):
        with cases.case(action):
            of_action = [line for line in log_lines if line["action"] == action]
            assert len(of_action) == 2 * log.BURST
            assert sum(line.get("suppressed", 0) for line in of_action) == 600 - log.BURST
    for action in ("message.accepted", "axis.dead_dropped"):
        with cases.case(action):
            assert sum(line["action"] == action for line in log_lines) == 1200


def test_an_error_that_nobody_foresaw_has_its_trace_once_an_hour(
    logger: logging.Logger, lines: Lines, minutes: Minutes
) -> None:
    for minute in range(61):
        minutes.now = 60.0 * minute
        for job in ("1", "2"):
            log.log_unforeseen(logger, "job.broke", raised(ValueError("a library broke")), job=job)

    log_lines = lines.read()
    assert [n for n, line in enumerate(log_lines) if "trace" in line] == [0, 60]
    assert {line.get("why", "a library broke") for line in log_lines} == {"a library broke"}
    assert len(log_lines) == 61


def test_what_a_disk_a_line_or_a_server_does_has_no_trace(
    logger: logging.Logger, lines: Lines, cases: Cases
) -> None:
    def check(error: Exception) -> None:
        logger.error("it broke", exc_info=raised(error), extra={"action": "fancied"})
        line = lines.read()[-1]
        assert "trace" not in line
        assert line["why"] == str(error)

    cases.check_rows(
        (
            OSError(errno.ENOSPC, "No space left on device"),
            ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
            TimeoutError("too late"),
            sqlite3.OperationalError("unable to open database file"),
            Unreachable("nobody there"),
        ),
        check,
    )
    logger.error("it broke", exc_info=raised(KeyError("x")), extra={"action": "fancied"})
    assert "trace" in lines.read()[-1]


def test_a_line_of_a_library_has_an_action_and_what_comes_to_us_as_an_exception_is_not_told_twice(
    logger: logging.Logger, lines: Lines
) -> None:
    log.quieten()
    for library in (
        "aio_pika.connection",
        "aiormq.connection",
        "asyncpg",
        "sqlalchemy.pool.impl",
        "aiosqlite",
    ):
        assert not logging.getLogger(library).isEnabledFor(logging.ERROR)

    record = logging.makeLogRecord({"name": "aiohttp.server", "msg": "Error handling request"})
    assert json.loads(log.JsonLines().format(record))["action"] == "library.aiohttp"


def test_each_line_of_our_own_has_an_action() -> None:
    bare = [
        f"{path}:{call.lineno}"
        for folder in ("gateway", "office", "foreign")
        for path in (ROOT / folder).rglob("*.py")
        if "_log" in (source := path.read_text("utf-8")).lower()
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id.lower() == "_log"
        and call.func.attr in ("info", "warning", "error", "exception", "log")
        and "extra" not in {keyword.arg for keyword in call.keywords}
    ]
    assert bare == []
