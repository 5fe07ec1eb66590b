"""Notices of stops and incidents, on SQL. In: `Notice` values. Out: the same. Part of the store; get it as
`office.store.notices`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.office.domain.notice import Notice, Wish
from gateway.ports.services import Clock
from gateway.store.columns import from_json, to_json
from gateway.store.events import SqlEvents
from gateway.store.tables_office import NoticeRow
from gateway.store.transaction import Transaction

Open = Callable[[], AbstractAsyncContextManager[Transaction]]
_R = NoticeRow
_NEWEST = (col(_R.published_at).desc(), col(_R.id).desc())
_MOST_OPEN = 50


class SqlNotices:
    """Keeps the promise of `ports.NoticeRows`."""

    def __init__(self, writing: Open, reading: Open, clock: Clock) -> None:
        self._writing, self._reading, self._clock = writing, reading, clock

    async def open(self) -> Sequence[Notice]:
        return await self._found(select(_R).where(col(_R.closed_at).is_(None)), _MOST_OPEN)

    async def all(self, limit: int) -> Sequence[Notice]:
        return await self._found(select(_R), limit)

    async def get(self, id: str) -> Notice:
        found = await self._found(select(_R).where(col(_R.id) == id), 1)
        if not found:
            raise errors.NotFound(f"there is no notice {id[:80]}")
        return found[0]

    async def save(
        self,
        notice: Notice,
        kind: EventKind,
        agencies: Sequence[str],
        data: Mapping[str, object],
        by: str,
        at: datetime,
    ) -> None:
        row = _row(notice)
        async with self._writing() as tx:
            if not await tx.put_new(row):
                this = (col(_R.id) == notice.id, col(_R.closed_at).is_(None))
                values = {"wish": row.wish, "closed_at": row.closed_at, "closed_by": row.closed_by}
                if not await tx.change(update(_R).where(*this).values(values)):
                    raise errors.Clash(f"the notice {notice.id} ended before")
            for agency_id in agencies:
                scope = AgencyScope(agency_id=agency_id, principal_id=by)
                await SqlEvents(tx, scope, self._clock).append(kind, notice.id, at, data)
            await tx.commit()

    async def _found(self, query: Select[Any], limit: int) -> Sequence[Notice]:
        async with self._reading() as tx:
            rows = await tx.rows(_R, query.order_by(*_NEWEST).limit(limit))
        return [_to_domain(row) for row in rows]


def _row(notice: Notice) -> NoticeRow:
    return NoticeRow(
        id=notice.id,
        wish=to_json(Wish, notice.wish),
        published_at=notice.published_at,
        published_by=notice.published_by,
        closed_at=notice.closed_at,
        closed_by=notice.closed_by,
    )


def _to_domain(row: NoticeRow) -> Notice:
    return Notice(
        id=row.id,
        wish=from_json(Wish, row.wish),
        published_at=row.published_at,
        published_by=row.published_by,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
    )
