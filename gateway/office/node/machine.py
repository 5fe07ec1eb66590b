"""The node itself, for the pages of operations. In: an open node and what watches it. Out: what
`office.web.ports_operations.Machine` promises."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import __version__
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.node_history import DISK, KEPT, JobDay, QueueSample
from gateway.domain.pace import paces
from gateway.errors import GatewayError, StoreFailure
from gateway.office.bootstrap.office import Office
from gateway.office.domain.traffic import Flow, TrafficWanted
from gateway.office.node import line_test
from gateway.office.policy import disk_days
from gateway.office.store import traffic
from gateway.office.web.ports_operations import Check, Pile, Queues, Standing, Step, Worker
from gateway.ops import axis_now, doctor, doctor_patient, report, status
from gateway.ops.metrics import days_left
from gateway.ports import Health, OutboxItem
from gateway.store import looking, reporting
from gateway.store.reporting import Load
from gateway.workers.pulse import beats, slots

_REMEMBERED = timedelta(seconds=20)


@dataclass(slots=True)
class NodeMachine:
    """Keeps the promise of `office.web.ports_operations.Machine`."""

    node: Office
    health: Health
    _checks: tuple[datetime, Sequence[Check]] | None = None
    _found: Sequence[doctor.Finding] = ()
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def checks(self) -> Sequence[Check]:
        async with self._one_at_a_time:
            now = self.node.clock.now()
            if self._checks is None or not timedelta() <= now - self._checks[0] < _REMEMBERED:
                patient = doctor_patient.of(self.node.settings, self.node.pool, self.node.clock)
                self._found = await doctor.examine(patient)
                self._checks = now, [_check(each) for each in self._found]
            return self._checks[1]

    async def standing(self) -> Standing:
        node, now = self.node, self.node.clock.now()
        alive, ready = await self.health.alive(), await self.health.ready()
        free, sampled = _free(node), await node.store.history.samples(now - disk_days.LOOKED_AT, DISK)
        backup = status.last_backup(node.settings.node.data_dir)
        hosted = [each for each in await node.store.hosted() if each.left_at is None]
        return Standing(
            node=node.settings.node.name,
            version=__version__,
            at=now,
            axis=node.axis.state(),
            well=alive.well and ready.well,
            parts=ready.checks,
            certificates={
                each.code: await node.pool.run(lambda code=each.code: days_left(node, code, now))  # type: ignore[misc]  # mypy cannot type a lambda with a default
                for each in hosted
            },
            workers=[
                Worker(name=each.process, at=each.at, since=each.since, stuck=each.stuck)
                for each in beats(node.pulse.folder, now)
            ],
            loops=node.pulse.loops(),
            disk_free=free,
            disk_days=disk_days.left(sampled, free),
            paces=paces(slots(node.pulse.folder, now)),
            database_bytes=await _size(node),
            backup_at=backup.at if backup else None,
            tested_at=backup.verified_at if backup else None,
        )

    async def queues(self) -> Queues:
        node = self.node
        load = await reporting.load(node.store, node.clock.now())
        axis = await axis_now.look(node.axis, node.pulse.folder, node.clock.now())
        piles = [Pile(queue="axis", part=part, count=count) for part, count in axis.counts.items()]
        return Queues(
            piles=[*piles, *_piles(load)],
            failed=load.outbox_failed,
            late=load.late.count,
            leases=load.leases,
            axis_fault="" if axis.counts else axis.state.reason,
        )

    async def tries(self, limit: int) -> Sequence[OutboxItem]:
        return await looking.tries(self.node.store, limit)

    async def hurry(self, by: str, id: str) -> None:
        node, now = self.node, self.node.clock.now()
        item = await looking.hurry(node.store, id, now)
        scope = AgencyScope(agency_id=item.agency_id, principal_id=by)
        async with node.store.begin(scope) as work:
            told = {"packet": item.packet_id, "attempts": item.attempts}
            await work.events.append(EventKind.MESSAGE_HURRIED, item.id, now, told)
            await work.commit()
        node.store.wake.ring("dispatcher", "sequencer")

    async def test_line(self) -> Sequence[Step]:
        return await line_test.run(self.node)

    async def report(self) -> Mapping[str, object]:
        node, ready, alive = self.node, await self.health.ready(), await self.health.alive()
        await self.checks()
        found = self._found
        health = {"health": dict(ready.checks), "loops": dict(alive.checks)}
        return (
            report.of_settings(node.settings, found, node.clock.now()) | health | await report.of_node(node)
        )

    async def sampled(self, since: datetime) -> Sequence[QueueSample]:
        return await self.node.store.history.samples(since)

    async def job_days(self) -> Sequence[JobDay]:
        return await self.node.store.history.days((self.node.clock.now() - KEPT).date())

    async def traffic(self, wanted: TrafficWanted) -> Sequence[Flow]:
        return await traffic.flows(self.node.store, wanted)


def _check(found: doctor.Finding) -> Check:
    return Check(
        name=found.check,
        level=found.level,
        says=f"doctor.{found.cause}",
        params=found.params,
        cure=found.cure,
    )


def _piles(load: Load) -> Sequence[Pile]:
    made = []
    for queue, piles in (("outbox", load.outbox), ("inbox", load.inbox), ("job", load.jobs)):
        made += [
            Pile(queue=queue, part=part, count=each.count, oldest=each.oldest)
            for part, each in sorted(piles.items())
        ] or [Pile(queue=queue, part="", count=0)]
    return [*made, Pile(queue="event", part="", count=load.unnumbered)]


def _free(node: Office) -> int:
    try:
        return node.room.space().bytes
    except StoreFailure:
        return 0


async def _size(node: Office) -> int | None:
    try:
        return await looking.size(node.store)
    except GatewayError:
        return None
