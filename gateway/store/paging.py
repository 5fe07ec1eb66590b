"""Keyset paging, newest first. In: a query and an opaque cursor. Out: one page and the cursor of the next. A cursor
names the last row seen, so rows added meanwhile neither repeat nor hide one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import Mapped

from gateway import errors
from gateway.ports.queues import Page
from gateway.store.row import Row
from gateway.store.transaction import Transaction

R = TypeVar("R", bound=Row)
T = TypeVar("T")


async def newest_first(
    tx: Transaction,
    table: type[R],
    query: Select[Any],
    *,
    at: Mapped[datetime],
    id: Mapped[str],
    place: Callable[[R], tuple[datetime, str]],
    limit: int,
    cursor: str | None,
    to_domain: Callable[[R], T],
) -> Page[T]:
    """`query` selects rows of `table`; `at` and `id` are the columns that order it, `place` their values in a row.
    NotFound for a cursor that is not ours."""
    if cursor is not None:
        last_at, last_id = _read(cursor)
        query = query.where(or_(at < last_at, and_(at == last_at, id < last_id)))
    # One more than asked for tells whether there is a next page without counting.
    rows = await tx.rows(table, query.order_by(at.desc(), id.desc()).limit(limit + 1))
    shown = rows[:limit]
    more = len(rows) > limit and shown
    next_cursor = _write(*place(shown[-1])) if more else None
    return Page(items=tuple(to_domain(row) for row in shown), next_cursor=next_cursor)


def _write(at: datetime, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), id]).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, id = json.loads(text)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(id, str):
            raise ValueError("no zone, or no id")
    except (ValueError, TypeError, RecursionError) as cause:
        raise errors.NotFound(
            "this page cursor was not given by this node; ask for the first page again, without a cursor"
        ) from cause
    return moment, id
