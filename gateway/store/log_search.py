"""Looks events up for whoever examines what was done. In: what to look for. Out: events with their place in the log, oldest
first, in batches that go on behind a position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel import col

from gateway.domain.leaf import Logged
from gateway.store.events import NODE
from gateway.store.log import logged
from gateway.store.log_tables import LogLeafRow
from gateway.store.store import SqlStore
from gateway.store.tables import EventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
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


async def search(
    store: SqlStore,
    wanted: Wanted,
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


def _among(wanted: Wanted, also_about: Sequence[str]) -> list[ColumnElement[bool]]:
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
