"""Runs the steps against a subject. In: its address and key, and those of the sandbox whose robots are the partner, or
neither: then a sandbox is started for the occasion. Out: a `Score`. A step that raises is a failed step, with the error;
only an address that never answers ends the run."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from gateway import __version__
from gateway.bootstrap.node import Wrap
from gateway.domain.wall_clock import local
from gateway.errors import Denied, Unreachable
from gateway_labs.conformance.kit import PATIENCE_S, Kit
from gateway_labs.conformance.line import TIMEOUT_S, Answer, Library, Line
from gateway_labs.conformance.score import Check, Score, SkipCause, Skipped, StepFailed, StepScore
from gateway_labs.conformance.steps import STEPS, OptionalInput, Step
from gateway_labs.sandbox.opened import Running, Sandbox

Say = Callable[[StepScore], None]
SILENT = "GW-SANDBOX-SILENT"
# A healthy gateway takes a minute or two; one that answers nothing would take half an hour.
LIMIT_S = 900.0
# Numbers of documents are new in each run: it begins at one of so many places, drawn by chance.
_EACH_RUN, _RUNS = 200, 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The gateway to be judged, and the sandbox that plays its partner."""

    url: str
    key: str
    bench_url: str
    bench_key: str
    patience_s: float = PATIENCE_S
    system: str = ""
    secret: str = ""
    """Secret of a document system with the national axis's library."""
    folder: Path | None = None
    """Hot folder of its agency."""


async def run(
    subject: Subject,
    on_step: Say = lambda step: None,
    only: Collection[int] = (),
    limit_s: float = LIMIT_S,
) -> Score:
    """Judge the subject. `on_step` gets each step when it is over; `only` these numbers, or all; after `limit_s` no further
    step is tried, and a running one fails."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + limit_s
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        kit = await _kit(session, subject)
        scores: dict[str, StepScore] = {}
        for step in STEPS:
            if not only or step.n in only:
                skipped = _skipped(kit, step, scores, is_over=loop.time() >= ends)
                scores[step.key] = _not_tried(step, skipped) if skipped else await _took(kit, step, ends)
                on_step(scores[step.key])
        return Score(
            target=subject.url,
            agency=kit.own,
            version=__version__,
            at=datetime.now(UTC),
            steps=tuple(scores.values()),
        )


async def run_self(
    on_step: Say = lambda step: None,
    wrap: Wrap | None = None,
    only: Collection[int] = (),
    limit_s: float = LIMIT_S,
) -> Score:
    """Judge a sandbox of its own, which is removed afterwards. Arrivals go to the first caller, so the steps of the hot
    folder have another one."""
    ends = time.monotonic() + limit_s
    in_folder = {step.n for step in STEPS if step.needs_input is OptionalInput.FOLDER}
    chosen = set(only) or {step.n for step in STEPS}
    scores = []
    for numbers, has_folder in ((chosen - in_folder, False), (chosen & in_folder, True)):
        if numbers:
            async with own_sandbox(wrap, has_folder=has_folder) as sandbox:
                scores.append(await run(itself(sandbox), on_step, numbers, ends - time.monotonic()))
    return replace(scores[0], steps=tuple(step for score in scores for step in score.steps))


def itself(sandbox: Running) -> Subject:
    """Return a sandbox as both: its node is the subject, its robots are the partner."""
    return Subject(
        url=sandbox.url,
        key=sandbox.key,
        bench_url=sandbox.url,
        bench_key=sandbox.key,
        system=sandbox.system,
        secret=sandbox.secret,
        folder=sandbox.folder,
    )


@asynccontextmanager
async def own_sandbox(wrap: Wrap | None = None, *, has_folder: bool = False) -> AsyncIterator[Running]:
    """Run a sandbox while the body runs."""
    with tempfile.TemporaryDirectory(prefix="gateway-conformance-") as temporary:
        stop = asyncio.Event()
        ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        box = Sandbox(folder=Path(temporary) / "sandbox", wrap=wrap, has_folder=has_folder)

        def on_ready(sandbox: Running) -> None:
            if not ready.done():
                ready.set_result(sandbox)

        serving = asyncio.create_task(box.serve(stop, on_ready))
        try:
            waiting: list[asyncio.Future[Any]] = [serving, ready]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await serving
            yield ready.result()
        finally:
            stop.set()
            await serving


async def _kit(session: aiohttp.ClientSession, subject: Subject) -> Kit:
    line = Line(session, subject.url, subject.key)
    bench = Line(session, subject.bench_url, subject.bench_key)
    try:
        me, partner = await line.ask("GET", "/me"), await bench.ask("GET", "/sandbox")
        own, paper = await line.ask("GET", "/sandbox"), await bench.ask("GET", "/sandbox/paper")
    except StepFailed as why:
        raise Unreachable(str(why), code=SILENT) from why
    _need(me, subject.url)
    _need(partner, subject.bench_url)
    _need(paper, subject.bench_url)
    now = datetime.fromisoformat(partner.get("clock", "now"))
    return Kit(
        subject=line,
        bench=bench,
        own=str(me.get("agency")),
        pdf=paper.body,
        moves=own.status == 200,
        begins=1 + secrets.randbelow(_RUNS) * _EACH_RUN,
        today=local(now).date(),
        patience_s=subject.patience_s,
        system=Library(session, subject.url, subject.system, subject.secret) if subject.system else None,
        folder=subject.folder,
    )


def _need(answer: Answer, url: str) -> None:
    if answer.status in (401, 403):
        raise Denied(f"{url} refuses the key: {answer.get('detail')}")
    if answer.status != 200:
        raise Unreachable(f"{url} answered {answer.status}; is it a sandbox?", code=SILENT)


def _skipped(kit: Kit, step: Step, scores: Mapping[str, StepScore], *, is_over: bool) -> Skipped | None:
    """Return why the step is not tried, if so. Names the step that broke off first."""
    if (step.needs_input is OptionalInput.SYSTEM and kit.system is None) or (
        step.needs_input is OptionalInput.FOLDER and kit.folder is None
    ):
        return Skipped(cause=SkipCause.MISSING_INPUT)
    if is_over:
        return Skipped(cause=SkipCause.TIME)
    needed = scores.get(step.needs)
    if needed is None or not needed.broke_off:
        return None
    return needed.skipped or Skipped(cause=SkipCause.STEP, step=needed.n)


def _not_tried(step: Step, why: Skipped) -> StepScore:
    return StepScore(
        n=step.n, key=step.key, passed=False, expectations=(), seconds=0.0, broke_off=True, skipped=why
    )


async def _took(kit: Kit, step: Step, ends: float) -> StepScore:
    check, began, broke_off = Check(), time.monotonic(), True
    try:
        async with asyncio.timeout_at(ends):
            await step.does(kit, check)
        broke_off = False
    except TimeoutError:
        check.broke("the time of the run ended")
    except StepFailed as why:
        if check.passed or not check.expectations:
            check.broke(str(why))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as why:
        # An answer or a folder of another shape than promised.
        check.broke(f"{type(why).__name__}: {why}")
    return StepScore(
        n=step.n,
        key=step.key,
        passed=check.passed,
        expectations=tuple(check.expectations),
        seconds=round(time.monotonic() - began, 2),
        broke_off=broke_off,
    )
