"""Breaks one call of one port, every time it is made, with an unforeseen error, while the loops of a node do their work for
simulated days; then the call works again, and unfinished work is looked for."""

from __future__ import annotations

import collections
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from gateway.workers import couriers
from gateway.workers.loop import StepResult
from tests.faults.killer import Call, Counter, Killer
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PDF, PROVINCE, Town, document, opened

TURNS = 40
BETWEEN = timedelta(hours=2)
BATCH = 50
AFTER_DAYS = timedelta(days=8)
AGENCIES = (DEPARTMENT, PROVINCE, COMMUNE)


class Breaker:
    """`broken`: the call and whether it breaks before or after it has done its work. `to_loop` counts the errors that came
    out to a loop, which tells of each in the log and in a meter."""

    def __init__(self, broken: tuple[str, str] | None) -> None:
        self.broken = broken
        self.armed = False
        self.raised = self.to_loop = 0
        self.names: collections.Counter[str] = collections.Counter()

    def stop(self, call: Call, when: str) -> None:
        if not self.armed:
            return
        name = call.name.rpartition(" ")[0]
        self.names[name] += 1
        if (name, when) == self.broken:
            self.raised += 1
            raise ValueError("a library broke")


async def observed(folder: Path) -> Sequence[str]:
    """The names of all calls that the loops make."""
    breaker = Breaker(None)
    await _run_town(folder, breaker)
    return sorted(breaker.names)


async def left_open(folder: Path, broken: tuple[str, str]) -> list[str]:
    """Return, in words, the work that neither came to an end nor was reported."""
    breaker = Breaker(broken)
    return await _run_town(folder, breaker)


async def _run_town(folder: Path, breaker: Breaker) -> list[str]:
    async with opened(folder, wrap=Killer(Counter(breaker.stop))) as town:
        await town._host()
        sent = [await town.send("15"), await town.send("16", PROVINCE, COMMUNE)]
        for number in ("200", "201"):
            await town.deliver(town.forge(document(number), (("a.pdf", PDF),)))
        breaker.armed = True
        for _ in range(TURNS if breaker.broken else 3):
            await _turn(town, breaker)
            town.clock.advance(BETWEEN)
        breaker.armed = False
        wrong = [] if breaker.to_loop or not breaker.raised else await _open_without_reason(town)
        for _ in range(6):
            await _turn(town, breaker)
            town.clock.advance(AFTER_DAYS / 6)
        return (
            wrong
            + await _unended(town)
            + [
                f"{document_.id}: {delivery.state}"
                for document_ in sent
                for delivery in (await town.deliveries(document_)).values()
                if delivery.state in ("queued", "sending")
            ]
        )


async def _turn(town: Town, breaker: Breaker) -> None:
    node = town.node
    steps: Sequence[Callable[[], Awaitable[StepResult]]] = (
        lambda: couriers.pack_batch(node.out, BATCH, LEASE_S),
        lambda: couriers.dispatch_batch(node.out, BATCH, LEASE_S),
        lambda: couriers.land_batch(node.inn, BATCH, LEASE_S),
        lambda: couriers.process_batch(node.inn, BATCH, LEASE_S),
    )
    for step in steps:
        try:
            while await step():
                pass
        except Exception:  # the loop tells of it and goes on
            breaker.to_loop += 1


async def _open_without_reason(town: Town) -> list[str]:
    """Rows that have been open for some turns, without a reason on them."""
    wrong, latest = [], town.clock.now() - 3 * BETWEEN
    for code in AGENCIES:
        wrong += [
            f"outbox {row.id}: no reason"
            for row in await town.outbox(code)
            if row.state == "waiting" and row.created_at < latest and not row.last_error
        ]
        wrong += [
            f"inbox {packet.id}: no reason"
            for packet in await town.inbox(code)
            if packet.state == "landed" and packet.received_at < latest and not packet.reason
        ]
    return wrong


async def _unended(town: Town) -> list[str]:
    """Rows that nothing will end, though everything works again."""
    wrong = []
    for code in AGENCIES:
        outbox, inbox = await town.outbox(code), await town.inbox(code)
        wrong += [f"outbox {row.id} {row.kind}: {row.last_error}" for row in outbox if row.state == "waiting"]
        wrong += [f"inbox {packet.id}: {packet.reason}" for packet in inbox if packet.state == "landed"]
    for kind in couriers.PACKED_KINDS:
        jobs = await town.node.store.claim_jobs(kind, BATCH, LEASE_S)
        wrong += [f"job {job.id} of {job.subject_id}" for job in jobs]
    return wrong
