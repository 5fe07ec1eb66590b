"""Measures one fault of the table: how many seconds it takes to show in the doctor, in `/readyz`, in the metrics, by mail
and by webhook, and how many lines each process writes meanwhile. In: a pair at work, a row. Out: `Measured`;
AssertionError where one of them shows nothing, names the wrong cure, or a document is lost or arrives twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.domain.diagnosis import Diagnosis, Level
from gateway.ops import checks
from gateway.ops.subject import Subject
from gateway.policy import alarms as rules
from gateway.settings import load
from tests.labs.fault_table.pair import LARGE, Pair, PairKey
from tests.support.waiting import wait_until, within_limit

LOOK_S, DOCTOR_S = 0.25, 1.0
# A process writes at most so many lines about one fault in ten minutes.
MOST_LINES = 20
# A machine that does other things too is slow, and short of memory.
OF_THE_MACHINE = {"pace", "memory"}
NUMBERS = {Level.YELLOW: 1, Level.RED: 2}
Harm = Callable[[Pair], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class FaultRow:
    """One fault. `harm` harms the pair while it is open. `ready` is the status of `/readyz` and a word of a check, empty
    where it says nothing, or "none" where no process answers. `sample`: the metric, where it is not `gateway_check`."""

    name: str
    fault: str
    harm: Harm
    check: str
    level: Level
    cause: str
    cure: str
    ready: str = ""
    sample: str = ""
    node: str = "south"
    is_told: bool = True
    """It is an alarm; not where no process is left that could tell."""
    has_metrics: bool = True
    ends: bool = True
    """The alarm ends by itself when the fault does."""
    also: frozenset[str] = frozenset()
    """Other checks that may be alarms for the same fault."""
    pair: PairKey = field(default_factory=PairKey)
    in_long: bool = False
    stands_long: bool = False

    @property
    def expected_sample(self) -> tuple[str, dict[str, str], float]:
        name, _, label_text = self.sample.partition("{")
        if not name:
            return "gateway_check", {"check": self.check}, NUMBERS[self.level]
        labels, _, value = label_text.partition("} ")
        pairs = (pair.partition("=") for pair in labels.split(",") if pair)
        return name, {label: text.strip('"') for label, _, text in pairs}, float(value)


@dataclass(kw_only=True)
class Measured:
    """Outcome of one row: seconds until the fault was seen (None: not, rightly), lines by process, the cure as printed."""

    name: str
    fault: str
    doctor_s: float | None = None
    ready_s: float | None = None
    metrics_s: float | None = None
    mail_s: float | None = None
    stands_s: float = 0.0
    """How long the fault must stand before it is an alarm; the minutes of it passed in seconds here."""
    over_s: float = 0.0
    lines: dict[str, int] = field(default_factory=dict)
    cure: str = ""
    also: list[str] = field(default_factory=list)
    why: str = ""
    """The error, where the row does not hold."""
    holds: bool = False
    """All was as the row says, and nothing was lost."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure(pair: Pair, row: FaultRow, measured: Measured, stand_s: float) -> None:
    """Harm the fault, wait until all have seen it, take it away, and wait until all is well again."""
    measured.stands_s = _standing(row).total_seconds()
    await within_limit(
        asyncio.gather(pair.send("Z91", "Z92"), pair.send("Z92", "Z91")), "documents before the fault"
    )
    await pair.all_arrived()
    assert not await _findings(pair, row), "the fault is seen before it is there"
    pair.mails.mails.clear()
    pair.hook.bodies.clear()
    for process in pair.processes.values():
        process.begin_count()
    began, sending = time.monotonic(), None
    try:
        async with row.harm(pair):
            # What is refused meanwhile is accepted when the fault is over.
            sending = asyncio.create_task(_send_some(pair))
            await _see(pair, row, measured, began)
            await asyncio.sleep(max(0.0, stand_s - (time.monotonic() - began)))
            measured.lines = {name: process.count_lines() for name, process in pair.processes.items()}
        ended = time.monotonic()
        await within_limit(sending, "documents of the fault are accepted")
    finally:
        if sending is not None:
            sending.cancel()
    await _check_end(pair, row, measured, ended)


def _standing(row: FaultRow) -> timedelta:
    rule = rules.rule_of(row.check)
    return (rule.red if row.level is Level.RED else rule.yellow) or timedelta()


async def _send_some(pair: Pair) -> None:
    await asyncio.gather(pair.send("Z91", "Z92"), pair.send("Z91", "Z92", LARGE), pair.send("Z92", "Z91"))


async def _findings(pair: Pair, row: FaultRow) -> list[Diagnosis]:
    """Let the doctor examine the node from outside, and return what it finds of the fault."""
    settings = load(None, pair.web(row.node).env)
    subject = Subject(settings=settings, clock=pair.clock(row.node), pool=pair.pool)
    findings = await checks.examine(subject)
    return [f for f in findings if (f.check, f.cause, f.level) == (row.check, row.cause, row.level)]


async def _see(pair: Pair, row: FaultRow, measured: Measured, began: float) -> None:
    """Wait until each reader of the checks has seen the fault, and note when."""

    async def wait_for(is_seen: Callable[[], Awaitable[bool]], reader: str, pause_s: float) -> float:
        async def look() -> bool:
            await asyncio.sleep(pause_s)
            return await is_seen()

        await wait_until(look, f"{row.name} in {reader}")
        return round(time.monotonic() - began, 1)

    async def doctor() -> None:
        async def finds() -> bool:
            cures = [finding.mends("en") or "" for finding in await _findings(pair, row)]
            measured.cure = next(iter(cures), "")
            return bool(cures)

        measured.doctor_s = await wait_for(finds, "the doctor", DOCTOR_S)

    async def ready() -> None:
        if row.ready:
            measured.ready_s = await wait_for(lambda: _is_said_ready(pair, row), "/readyz", LOOK_S)

    async def metrics() -> None:
        if row.has_metrics:
            measured.metrics_s = await wait_for(lambda: _has_sample(pair, row), "the metrics", LOOK_S)

    async def mail() -> None:
        async def has_come() -> bool:
            return bool(_messages(pair, row, "alarm.opened"))

        if row.is_told:
            measured.mail_s = await wait_for(has_come, "the mail", LOOK_S)

    async with asyncio.TaskGroup() as tasks:
        for look in (doctor, ready, metrics, mail):
            tasks.create_task(look())
    assert row.cure in measured.cure, f"the cure of {row.name} is {measured.cure!r}"


async def _is_said_ready(pair: Pair, row: FaultRow) -> bool:
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{pair.sites[row.node].url}/readyz", timeout=aiohttp.ClientTimeout(20)) as answer,
        ):
            words = await answer.json()
    except (aiohttp.ClientError, TimeoutError):
        return row.ready == "none"
    words_of_checks = {f"{answer.status} {check}={word}" for check, word in words["checks"].items()}
    return row.ready in words_of_checks


async def _has_sample(pair: Pair, row: FaultRow) -> bool:
    name, labels, value = row.expected_sample
    url = f"http://127.0.0.1:{pair.ground.metrics[row.node]}/metrics"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, timeout=aiohttp.ClientTimeout(30)) as answer,
        ):
            families = text_string_to_metric_families(await answer.text())
    except (aiohttp.ClientError, TimeoutError):
        return False
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return any(labels.items() <= sample.labels.items() and sample.value == value for sample in samples)


def _messages(pair: Pair, row: FaultRow, kind: str) -> list[dict[str, Any]]:
    """Return the messages about this fault that came both by webhook and, in its words, by mail."""
    bodies = [
        body
        for body in pair.posted(row.node)
        if (body["type"], body["data"]["check"], body["data"]["code"]) == (kind, row.check, row.cause)
    ]
    mails = pair.mailed(row.node)
    return [body for body in bodies if any(body["data"]["says"] in mail for mail in mails)]


async def _check_end(pair: Pair, row: FaultRow, measured: Measured, ended: float) -> None:
    """Wait until nothing is left of the fault: all documents are there once, and its end was told, once."""
    await pair.all_arrived()
    if row.ends:

        async def is_over() -> bool:
            await asyncio.sleep(DOCTOR_S)
            return not await _findings(pair, row)

        await wait_until(is_over, f"the doctor no longer finds {row.name}")
        if row.is_told:
            await wait_until(lambda: bool(_messages(pair, row, "alarm.ended")), f"the end of {row.name}")
    measured.over_s = round(time.monotonic() - ended, 1)
    opened = [body["data"]["check"] for body in pair.posted(row.node) if body["type"] == "alarm.opened"]
    measured.also = sorted(set(opened) - {row.check} - OF_THE_MACHINE)
    assert opened.count(row.check) == row.is_told, opened
    assert set(measured.also) <= row.also, f"{row.name} is told as {measured.also} too"
    too_many = {name: lines for name, lines in measured.lines.items() if lines > MOST_LINES}
    assert not too_many, "".join(pair.processes[name].text()[-6000:] for name in too_many)
