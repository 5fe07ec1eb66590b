"""Common parts of the repositories of one agency. In: an open transaction, an agency, statements with a parameter
`agency`. Out: rows of that agency alone, one by one or a page at a time, newest first unless `oldest_first`; a page's
cursor names the last row seen, so rows added meanwhile neither repeat nor hide one.

A follower gets the documents that a unit of work changed, and writes its own rows in the same transaction. The office has
one, for its lists; without it the changes are ignored."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_, select

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.ports.services import Clock
from gateway.store.row import Row
from gateway.store.transaction import Transaction


class Follower:
    """Receiver of the documents that one unit of work changed. This base class ignores them."""

    def out_changed(self, document: OutgoingDocument) -> None: ...

    def in_changed(self, document: IncomingDocument) -> None: ...

    def touch_out(self, id: str) -> None:
        """Note a change outside the document's body, such as of its recipients."""

    def touch_in(self, id: str) -> None:
        """Note a change outside the incoming document's body, such as of its hand-over."""

    def touch_delivery(self, id: str) -> None: ...

    async def write(self) -> None:
        """Write the rows that depend on the changes; called just before the unit of work commits."""


_AT_ONCE = 500


def in_parts(ids: Sequence[str]) -> Iterator[list[str]]:
    """Split ids into lists that are short enough for one statement."""
    return (list(ids[start : start + _AT_ONCE]) for start in range(0, len(ids), _AT_ONCE))


MakeFollower = Callable[[Transaction, str], Follower]
"""Returns the follower of a unit of work, from its transaction and its agency's id."""
NO_FOLLOWER = Follower()


def follow_nothing(tx: Transaction, agency_id: str) -> Follower:
    return NO_FOLLOWER


R = TypeVar("R", bound=Row)


class NodeRows:
    """Repository of rows of the node itself, or of every agency."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx


class AgencyRows(NodeRows):
    """Repository of rows of one agency, whose id is the parameter `agency` of every query."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    def _check_own(self, agency_id: str, subject: str) -> None:
        if agency_id != self._agency_id:
            raise errors.NotFound(f"{subject} belongs to another agency than this unit of work")

    async def _rows(self, kind: type[R], query: Select[Any], **parameters: object) -> Sequence[R]:
        return await self._tx.rows(kind, query, agency=self._agency_id, **parameters)

    async def _first(self, kind: type[R], query: Select[Any], **parameters: object) -> R | None:
        return await self._tx.first(kind, query, agency=self._agency_id, **parameters)

    async def _get(self, kind: type[R], query: Select[Any], missing: str, **parameters: object) -> R:
        return await self._tx.get(kind, query, missing, agency=self._agency_id, **parameters)

    async def _page(
        self,
        kind: type[R],
        at: str,
        to_domain: Callable[[R], T],
        *conditions: ColumnElement[bool],
        limit: int,
        cursor: str | None,
        states: Sequence[str] = (),
        oldest_first: bool = False,
    ) -> Page[T]:
        """Return one page of the agency's rows that meet the conditions, ordered by the column `at` and then the id.
        NotFound for a cursor that this node did not give."""
        columns = kind.__table__.columns
        time, id = columns[at], columns["id"]
        query = select(kind).where(columns["agency_id"] == self._agency_id, *conditions)
        if states:
            query = query.where(columns["state"].in_(states))
        if cursor is not None:
            last_at, last_id = _read_cursor(cursor)
            later_id = id > last_id if oldest_first else id < last_id
            beyond = time > last_at if oldest_first else time < last_at
            query = query.where(or_(beyond, and_(time == last_at, later_id)))
        order = (time, id) if oldest_first else (time.desc(), id.desc())
        # One row more than the limit shows whether there is a next page, without counting.
        rows = await self._tx.rows(kind, query.order_by(*order).limit(limit + 1))
        page_rows = rows[:limit]
        next_cursor = None
        if len(rows) > limit and page_rows:
            next_cursor = _write_cursor(getattr(page_rows[-1], at), getattr(page_rows[-1], id.name))
        return Page(items=tuple(to_domain(row) for row in page_rows), next_cursor=next_cursor)


class WatchedRows(AgencyRows):
    """Repository with a clock, and a follower of the agency's documents."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NO_FOLLOWER
    ) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id
        self._clock = clock
        self._follower = follower


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_cursor: str | None = None


def _write_cursor(at: datetime, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), id]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, id = json.loads(text)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(id, str) or not id.isprintable():
            raise ValueError("no zone, or no id")
        moment = moment.astimezone(
            UTC
        )  # OverflowError for moments at the very beginning or end of the calendar
    except (ValueError, TypeError, OverflowError, RecursionError) as cause:
        raise errors.NotFound(
            "this page cursor was not given by this node; ask for the first page again, without a cursor"
        ) from cause
    return moment, id
