"""Events of the sealed log looked up, and texts of one deleted. In: what to look for; an event, the names of its
texts, why. Out: events with their place in the log, oldest first, in batches that go on behind a position; texts
and their salts gone for ever, and an event that says so.

Texts that people wrote go as the law may demand, so that the log stays whole (threat 121)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import Logged
from gateway.errors import Clash, NotFound
from gateway.ports.services import Clock
from gateway.store.events import NODE, SqlEvents
from gateway.store.log import logged, plain_data
from gateway.store.store import SqlStore
from gateway.store.tables import EventRow
from gateway.store.tables_node import LogLeafRow
from gateway.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEvents:
    """Everything that is None does not matter. `kind` may end in `*`; the period begins with `since` and ends before
    `until`."""

    kind: str | None = None
    subject_id: str | None = None
    principal_id: str | None = None
    agency_id: str | None = None
    event_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One event; `leaf` is None while it is not in the log."""

    position: int
    event: Logged
    leaf: int | None


async def search_log(
    store: SqlStore,
    wanted: WantedEvents,
    *,
    limit: int,
    after: int = 0,
    newest: bool = False,
    sealed: int = 0,
    before: int | None = None,
    within: Sequence[str] = (),
    also_about: Sequence[str] = (),
) -> Sequence[Hit]:
    """Behind that position, or the newest ones, or the newest before a position. With `sealed`, only leaves below that
    size, in the log's order. `within`: only of these kinds, each of which may end in `*`. `also_about`: beside the wanted
    agency's own events those of the node about these."""
    index = col(LogLeafRow.leaf_index)
    query = select(EventRow, index).outerjoin(LogLeafRow, col(LogLeafRow.position) == col(EventRow.position))
    place: Any = index if sealed else col(EventRow.position)
    query = query.where(index < sealed, index >= after) if sealed else query.where(place > after)
    if before is not None:
        query = query.where(place < before)
    if within:
        query = query.where(or_(*(_of_kind(each) for each in within)))
    async with store.reading() as tx:
        found = await tx.tuples(
            query.where(*_among(wanted, also_about)).order_by(place.desc() if newest else place).limit(limit)
        )
    hits = [Hit(position=row.position, event=logged(row), leaf=row.leaf_index) for row in found]
    return hits[::-1] if newest else hits


def _among(wanted: WantedEvents, also_about: Sequence[str]) -> list[ColumnElement[bool]]:
    at = col(EventRow.at)
    parts: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        parts.append(_of_kind(wanted.kind))
    for column, value in (
        (col(EventRow.subject_id), wanted.subject_id),
        (col(EventRow.principal_id), wanted.principal_id),
        (col(EventRow.id), wanted.event_id),
    ):
        if value is not None:
            parts.append(column == value)
    if wanted.agency_id is not None:
        of_agency = col(EventRow.agency_id) == wanted.agency_id
        about = and_(col(EventRow.agency_id) == NODE, col(EventRow.subject_id).in_(also_about))
        parts.append(or_(of_agency, about) if also_about else of_agency)
    if wanted.since is not None:
        parts.append(at >= wanted.since)
    if wanted.until is not None:
        parts.append(at < wanted.until)
    return parts


def _of_kind(text: str) -> ColumnElement[bool]:
    start, star, _ = text.partition("*")
    kind = col(EventRow.kind)
    return kind.startswith(start, autoescape=True) if star else kind == text


async def erase_texts(
    store: SqlStore, clock: Clock, event_id: str, names: Sequence[str], principal_id: str, why: str
) -> Sequence[str]:
    """The names of what was deleted; all texts of the event when none is named. Clash for what stands inside its leaf, and
    while the event is no leaf yet."""
    async with store.writing() as tx:
        event = await tx.first(EventRow, tx.kept(select(EventRow).where(col(EventRow.id) == event_id)))
        if event is None:
            raise NotFound(f"there is no event {event_id}", hint="find it with: gateway audit search")
        leaf = await _leaf_of(tx, event)
        salts = json.loads(leaf.salts) if leaf.salts else {}
        chosen = sorted(names or salts)
        _check_erasable(event_id, chosen, salts)
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


async def _leaf_of(tx: Transaction, event: EventRow) -> LogLeafRow:
    query = select(LogLeafRow).where(col(LogLeafRow.position) == event.position)
    leaf = await tx.first(LogLeafRow, tx.kept(query))
    if leaf is None:
        raise Clash(f"{event.id} is not in the log yet; it is within a minute while the node's workers run")
    return leaf


def _check_erasable(event_id: str, chosen: Sequence[str], salts: dict[str, str]) -> None:
    inside = sorted(set(chosen) - salts.keys())
    if inside or not chosen:
        has = ", ".join(sorted(salts)) or "none"
        raise Clash(
            f"{event_id} has no text {', '.join(inside)} that can be deleted; it has: {has}"
            if inside
            else f"{event_id} has no text that can be deleted"
        )
