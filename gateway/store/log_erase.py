"""Deletes texts that people wrote from one event, as the law may demand, so that the log stays whole (threat 121). In: an
event, the names of its texts, why. Out: texts and their salts gone for ever, and an event that says so."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway.ports.services import Clock
from gateway.store.events import SqlEvents
from gateway.store.log import plain_data
from gateway.store.log_tables import LogLeafRow
from gateway.store.store import SqlStore
from gateway.store.tables import EventRow
from gateway.store.transaction import Transaction


async def erase(
    store: SqlStore, clock: Clock, event_id: str, names: Sequence[str], principal_id: str, why: str
) -> Sequence[str]:
    """The names of what was deleted; all texts of the event when none is named. Clash for what stands inside its leaf, and
    while the event is no leaf yet."""
    async with store.writing() as tx:
        event = await tx.first(EventRow, tx.kept(select(EventRow).where(col(EventRow.id) == event_id)))
        if event is None:
            raise NotFound(f"there is no event {event_id}", hint="find it with: gateway audit search")
        leaf = await _leaf(tx, event)
        salts = json.loads(leaf.salts) if leaf.salts else {}
        chosen = sorted(names or salts)
        _check(event_id, chosen, salts)
        kept = {name: value for name, value in plain_data(event.data).items() if name not in chosen}
        left = {name: salt for name, salt in salts.items() if name not in chosen}
        this = col(EventRow.position) == event.position
        await tx.change(update(EventRow).where(this).values(data=json.dumps(kept, ensure_ascii=False)))
        salt = update(LogLeafRow).where(col(LogLeafRow.leaf_index) == leaf.leaf_index)
        await tx.change(salt.values(salts=json.dumps(left) if left else None))
        scope = AgencyScope(agency_id=event.agency_id, principal_id=principal_id)
        told = {"names": chosen, "reason": why}
        await SqlEvents(tx, scope, clock).append(EventKind.LOG_ERASED, event_id, clock.now(), told)
        await tx.commit()
    return chosen


async def _leaf(tx: Transaction, event: EventRow) -> LogLeafRow:
    query = select(LogLeafRow).where(col(LogLeafRow.position) == event.position)
    leaf = await tx.first(LogLeafRow, tx.kept(query))
    if leaf is None:
        raise Clash(f"{event.id} is not in the log yet; it is within a minute while the node's workers run")
    return leaf


def _check(event_id: str, chosen: Sequence[str], salts: dict[str, str]) -> None:
    inside = sorted(set(chosen) - salts.keys())
    if inside or not chosen:
        has = ", ".join(sorted(salts)) or "none"
        raise Clash(
            f"{event_id} has no text {', '.join(inside)} that can be deleted; it has: {has}"
            if inside
            else f"{event_id} has no text that can be deleted"
        )
