"""The node on one screen: axis, queues with their oldest, late documents, certificates, backup, workers, speed. In: an open
node. Out: one frozen `Status`; where a part does not answer its place says so, because the screen is for such days."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway import __version__
from gateway.bootstrap import keys as bootstrap_keys
from gateway.bootstrap.node import Node
from gateway.domain.pace import Pace, paces
from gateway.ops import axis_now, trust_state
from gateway.ops.axis_now import AxisNow
from gateway.ops.metrics import days_left
from gateway.ops.trust_state import IssuerState
from gateway.policy import expiry
from gateway.ports import ScannerState
from gateway.store import reporting
from gateway.store.backup_note import Backup as Backup
from gateway.store.backup_note import last_backup as last_backup
from gateway.store.reporting import Load
from gateway.workers.pulse import Beat, beats, slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that the screen shows. `certificates` are days left by agency, 0 where none is in force."""

    node: str
    version: str
    at: datetime
    axis: AxisNow
    load: Load
    certificates: Mapping[str, float]
    backup: Backup | None
    workers: Sequence[Beat]
    disk_free: int
    authorities: Sequence[IssuerState] = ()
    scanner: ScannerState = field(default_factory=lambda: ScannerState(word="off"))
    partners: Mapping[str, float] = field(default_factory=dict)
    """Days left of certificates that are bound here and end soon, by code."""
    paces: Sequence[Pace] = ()


async def look(node: Node) -> Status:
    """The status now."""
    now = node.clock.now()
    hosted = await node.store.hosted()
    return Status(
        node=node.settings.node.name,
        version=__version__,
        at=now,
        axis=await axis_now.look(node.axis, node.pulse.folder, now),
        load=await reporting.load(node.store, now),
        certificates={agency.code: days_left(node, agency.code, now) for agency in hosted},
        backup=last_backup(node.settings.node.data_dir),
        workers=beats(node.pulse.folder, now),
        disk_free=node.room.space().bytes,
        authorities=await trust_state.asked(node.settings.trust.folder, node.store, now),
        scanner=await node.scanner.state(),
        paces=paces(slots(node.pulse.folder, now)),
        partners=await ending_partners(node, {agency.code for agency in hosted}, now),
    )


async def ending_partners(node: Node, own: Collection[str], now: datetime) -> Mapping[str, float]:
    """Of each code that is not ours the certificate that ends last, where it has 60 days or fewer (K5)."""
    watch = bootstrap_keys.watch(node.store, node.directory, node.keys, node.trust, node.deciding)
    soon = expiry.due(await watch.endings(now), now)
    return {each.code: (each.until - now).total_seconds() / 86400 for each, _ in soon if each.code not in own}
