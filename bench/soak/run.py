"""One soak from the first process to the last line. In: a plan and an empty folder. Out: a `Result`. The order: start, send
and harm, let everything come to rest, stop, read, compare."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from bench.soak import faults, ground, rest, rows, server_faults, stage
from bench.soak.callers import Clerk, Sender
from bench.soak.checker import Findings, check
from bench.soak.client import Client
from bench.soak.faults import Fault
from bench.soak.ground import Ground
from bench.soak.injector import Injector
from bench.soak.ledger import Ledger
from bench.soak.papers import papers
from bench.soak.plan import CAST, CODES, Plan
from bench.soak.processes import Worker
from bench.soak.stage import Site
from bench.soak.switches import DISK_FULL, TWICE
from bench.soak.watch import Watch

Say = Callable[[str], None]
_TELL_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of one soak, for the report."""

    plan: Plan
    findings: Findings
    ledger: Ledger
    injector: Injector
    watch: Watch
    workers: Sequence[Worker]
    retried_dead: int
    sending_s: float
    resting_s: float


async def soak(plan: Plan, folder: Path, say: Say) -> Result:
    """Run the soak. Services and processes are gone when it returns; the folder with its logs stays."""
    async with ground.prepared(plan, folder) as below:
        say("services are up")
        sites = await stage.prepare(below)
        ledger = Ledger()
        async with _working(below, sites) as workers, Watch(sites, ledger) as watch:
            say("nodes are at work")
            injector = Injector(_kinds(below, workers), plan.chance("faults"), say)
            async with _looked_after(plan, sites, ledger, watch, say) as client:
                begun = time.monotonic()
                sender = Sender(
                    client,
                    ledger,
                    plan.chance("sender"),
                    lambda: sender.unanswered + watch.open_deliveries < plan.window,
                    plan.senders,
                )
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(sender.run(papers(plan)))
                    await injector.run(plan.kills, lambda: sender.tried / plan.n)
                    await sender.all_tried()
                    say(f"{sender.tried} documents were sent, {plan.kills} faults are healed")
                    sent_at = time.monotonic()
                    # Waits of callers, such as for a key that a dead process holds, pass with time.
                    rest.move_on(workers)
                say("every document is answered; waiting for rest")
                retried, remains = await rest.reached(plan, sites, watch, say)
                rested_at = time.monotonic()
            remains += [
                f"process {worker.name} did not stop" for worker in workers if not await worker.stop()
            ]
            holdings = [await rows.read(site) for site in sites.values()]
    return Result(
        plan=plan,
        findings=check(ledger, holdings, remains),
        ledger=ledger,
        injector=injector,
        watch=watch,
        workers=workers,
        retried_dead=retried,
        sending_s=sent_at - begun,
        resting_s=rested_at - sent_at,
    )


@asynccontextmanager
async def _working(below: Ground, sites: dict[str, Site]) -> AsyncIterator[list[Worker]]:
    """Run every process of every node; killed at the end if it was not stopped."""
    logs = below.folder / "logs"
    logs.mkdir()
    workers = []
    for node, site in sites.items():
        for n in range(below.plan.processes):
            chance, log = below.plan.chance(f"clock {node} {n}"), logs / f"{node}-{n}.log"
            workers.append(Worker(site, below.switches(node), log, chance, api=n == 0))
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        yield workers
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))


@asynccontextmanager
async def _looked_after(
    plan: Plan, sites: dict[str, Site], ledger: Ledger, watch: Watch, say: Say
) -> AsyncIterator[Client]:
    """Run the clerks, the watch and the progress report meanwhile."""
    async with AsyncExitStack() as stack:
        client = Client(await stack.enter_async_context(ClientSession()), sites)
        coroutines = [Clerk(client, ledger, code).run() for code in CODES]
        coroutines += [watch.run(), _tell(plan, ledger, watch, say)]
        tasks = [asyncio.create_task(c) for c in coroutines]
        try:
            yield client
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [end for end in ends if isinstance(end, Exception)]
    if broken:
        raise ExceptionGroup("the soak itself broke", broken)


async def _tell(plan: Plan, ledger: Ledger, watch: Watch, say: Say) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        arrived, accepted = len(watch.seen_by_status["01"]), len(watch.seen_by_status["03"])
        say(
            f"{len(ledger.sent)} of {plan.n} documents answered; of {ledger.deliveries} deliveries "
            f"{arrived} have their 01, {accepted} their 03; "
            f"last trouble of a caller: {ledger.trouble}"
        )
        ledger.trouble = "none"


def _kinds(below: Ground, workers: Sequence[Worker]) -> list[list[Fault]]:
    """Return the faults that are possible on this ground. A kind that is listed twice comes twice as often."""
    killed: list[Fault] = [faults.Killed(worker) for worker in workers]
    kinds: list[list[Fault]] = [
        killed,
        killed,
        killed,
        [faults.Frozen(worker) for worker in workers],
        [faults.Moved(worker) for worker in workers],
        [faults.Full(below.disks[node], below.switches(node) / DISK_FULL) for node in CAST],
    ]
    if below.server is not None:
        kinds += _database_kinds(below)
    if below.cluster is None:
        kinds.append([faults.Twice([below.switches(node) / TWICE for node in CAST])])
    else:
        kinds += _broker_kinds(below)
    return kinds


def _database_kinds(below: Ground) -> list[list[Fault]]:
    assert below.server is not None
    chance = below.plan.chance("database lines")
    lines = [([line], f"database of {node}", chance) for node, line in below.database_lines.items()]
    return [
        [server_faults.DatabaseRestarted(below.server)],
        [faults.Cut(*line) for line in lines],
        [faults.Silent(*line) for line in lines],
    ]


def _broker_kinds(below: Ground) -> list[list[Fault]]:
    assert below.cluster is not None
    assert below.topology is not None
    cluster, axis, chance = below.cluster, below.topology, below.plan.chance("broker")
    lines = [(lines, f"broker of {node}", chance) for node, lines in below.axis_lines.items()]
    kinds: list[list[Fault]] = [
        [faults.Cut(*line) for line in lines],
        [faults.Cut(*line) for line in lines],
        [faults.Unreachable(*line) for line in lines],
        [faults.Silent(*line) for line in lines],
        [server_faults.BrokerRestarted(cluster)],
        [server_faults.BrokerKilled(cluster, axis, True, chance)],
        [server_faults.MemoryAlarm(cluster)],
        [server_faults.Repeated(cluster, chance)],
    ]
    if len(cluster.nodes) > 1:
        kinds.append([server_faults.BrokerKilled(cluster, axis, False, chance)])
    return kinds
