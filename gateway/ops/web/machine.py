"""The node itself, for the pages of operations. In: an open node and what watches it. Out: what
`gateway.web.ports_operations.Machine` promises."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import __version__
from gateway.bootstrap import Node
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import GatewayError, StoreFailure
from gateway.ops import doctor, doctor_patient, status
from gateway.ops.metrics import days_left
from gateway.ops.web import line_test
from gateway.ports import Health, OutboxItem
from gateway.settings import describing
from gateway.store import looking, reporting
from gateway.store.reporting import Load
from gateway.web.ports_operations import Check, Pile, Queues, Standing, Step, Worker
from gateway.workers.pulse import beats

_REMEMBERED = timedelta(seconds=20)


@dataclass(slots=True)
class NodeMachine:
    """Keeps the promise of `gateway.web.ports_operations.Machine`."""

    node: Node
    health: Health
    _checks: tuple[datetime, Sequence[Check]] | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def checks(self) -> Sequence[Check]:
        async with self._one_at_a_time:
            now = self.node.clock.now()
            if self._checks is None or not timedelta() <= now - self._checks[0] < _REMEMBERED:
                patient = doctor_patient.of(self.node.settings, self.node.pool, self.node.clock)
                self._checks = now, [_check(each) for each in await doctor.examine(patient)]
            return self._checks[1]

    async def standing(self) -> Standing:
        node, now = self.node, self.node.clock.now()
        alive, ready = await self.health.alive(), await self.health.ready()
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
            disk_free=_free(node),
            database_bytes=await _size(node),
            backup_at=backup.at if backup else None,
            tested_at=backup.verified_at if backup else None,
        )

    async def queues(self) -> Queues:
        node = self.node
        load = await reporting.load(node.store, node.clock.now())
        axis = await status.of_axis(node.axis)
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
        standing, queues, checks = await self.standing(), await self.queues(), await self.checks()
        shown, origins = describing.shown(self.node.settings), describing.sources(self.node.settings)
        return {
            "at": standing.at.isoformat(),
            "node": standing.node,
            "version": standing.version,
            "python": platform.python_version(),
            "settings_not_default": [name for name in shown if origins[name] != "default"],
            "health": dict(standing.parts),
            "loops": {name: "ok" if turns else "stuck" for name, turns in standing.loops.items()},
            "workers": [{"name": each.name, "at": each.at.isoformat()} for each in standing.workers],
            "axis": {
                "connected_since": _iso(standing.axis.connected_since),
                "down_since": _iso(standing.axis.down_since),
                "blocked_since": _iso(standing.axis.blocked_since),
            },
            "certificates_days": {code: round(days, 1) for code, days in standing.certificates.items()},
            "disk_free_bytes": standing.disk_free,
            "database_bytes": standing.database_bytes,
            "backup_at": _iso(standing.backup_at),
            "backup_tested_at": _iso(standing.tested_at),
            "queues": [
                {"queue": each.queue, "part": each.part, "count": each.count, "oldest": _iso(each.oldest)}
                for each in queues.piles
            ],
            "checks": [
                {"check": each.name, "level": each.level, "cause": each.says.removeprefix("doctor.")}
                for each in checks
            ],
            "errors": _codes(await looking.tries(self.node.store, 50)),
        }


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
        ]
    return [*made, Pile(queue="event", part="", count=load.unnumbered)]


def _free(node: Node) -> int:
    try:
        return node.room.space().bytes
    except StoreFailure:
        return 0


async def _size(node: Node) -> int | None:
    try:
        return await looking.size(node.store)
    except GatewayError:
        return None


def _codes(tried: Sequence[OutboxItem]) -> list[str]:
    """The first word of each, which is its code; the sentence may name a document."""
    return [each.last_error.split()[0].rstrip(":")[:40] for each in tried if each.last_error]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None
