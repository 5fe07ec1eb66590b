"""Keyset paging by time, newest first unless the other way round is asked for. In: a query and an opaque cursor. Out: one
page and the cursor of the next. A cursor names the last row seen, so rows added meanwhile neither repeat nor hide one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, inspect, or_

from gateway import errors
from gateway.ports.queues import Page
from gateway.store.row import Row
from gateway.store.transaction import Transaction

R = TypeVar("R", bound=Row)
T = TypeVar("T")


async def by_time(
    tx: Transaction,
    table: type[R],
    query: Select[Any],
    at: str,
    to_domain: Callable[[R], T],
    *,
    limit: int,
    cursor: str | None,
    oldest_first: bool = False,
) -> Page[T]:
    """`query` selects rows of `table`; `at` names the column of the time that orders it, before the id. NotFound for a
    cursor that is not ours."""
    columns = inspect(table).columns
    time, id = columns[at], columns["id"]
    if cursor is not None:
        last_at, last_id = _read(cursor)
        after = id > last_id if oldest_first else id < last_id
        beyond = time > last_at if oldest_first else time < last_at
        query = query.where(or_(beyond, and_(time == last_at, after)))
    order = (time, id) if oldest_first else (time.desc(), id.desc())
    # One more than asked for tells whether there is a next page without counting.
    rows = await tx.rows(table, query.order_by(*order).limit(limit + 1))
    shown = rows[:limit]
    next_cursor = None
    if len(rows) > limit and shown:
        next_cursor = _write(getattr(shown[-1], at), getattr(shown[-1], id.name))
    return Page(items=tuple(to_domain(row) for row in shown), next_cursor=next_cursor)


def _write(at: datetime, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), id]).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, id = json.loads(text)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(id, str) or not id.isprintable():
            raise ValueError("no zone, or no id")
        moment = moment.astimezone(UTC)  # of the first and the last day there is, some have none
    except (ValueError, TypeError, OverflowError, RecursionError) as cause:
        raise errors.NotFound(
            "this page cursor was not given by this node; ask for the first page again, without a cursor"
        ) from cause
    return moment, id
