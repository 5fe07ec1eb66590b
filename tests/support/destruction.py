"""A whole act of destruction for tests, by three invented persons, and the work that the node does for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway import destroying, destruction, retention
from gateway.domain.account import AgencyScope
from gateway.domain.destruction import Destruction, DestructionRule
from gateway.domain.wall_clock import local
from gateway.ports.services import Clock, Pool
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore

HEAD = "class,type,file_kind,months,start,valid_from,valid_until,basis\n"
WHY = "Hết thời hạn bảo quản"


async def confirmed(
    store: SqlStore, clock: Clock, scope: AgencyScope, type_name: str = "Công văn"
) -> Destruction:
    """Bring an act over everything that has ended a year after its year to its confirmation."""
    rows = retention.read_table(f"{HEAD}1 năm,{type_name},,12,year-end,2000-01-01,,QĐ 1\n")
    await retention.put_table(store, clock, scope, rows, await retention.preview(store, scope, rows))
    today = local(clock.now()).date()
    act = await destruction.propose(store, clock, scope, DestructionRule(until=today), WHY)
    await destruction.assess(store, clock, scope, act.id, "3/BB-HĐ", today, "Ba thành viên")
    head, second = (replace(scope, principal_id=f"prn_{name}") for name in ("head", "second"))
    await destruction.approve(store, clock, head, act.id, "12/QĐ-UBND", today)
    return await destruction.confirm(store, clock, second, act.id)


async def worked_off(store: SqlStore, clock: Clock, pool: Pool, blobs: FileBlobs, folder: Path) -> None:
    while await destroying.destroy_some(store, clock, pool, blobs, folder):
        pass
