"""Common parts of the repositories of one agency. In: an open transaction, an agency, statements with a parameter
`agency`. Out: rows of that agency alone, one by one or a page at a time, newest first unless `oldest_first`; a page's
cursor names the last row seen, so rows added meanwhile neither repeat nor hide one.

A follower gets the documents that a unit of work changed, and writes its own rows in the same transaction. The office has
one, for its lists; without it the changes are ignored."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    Delete,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
)

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.ports.services import Clock
from gateway.store.row import Kind, Row, equal
from gateway.store.transaction import Open, Transaction

R = TypeVar("R", bound=Row)
V = TypeVar("V")
D = TypeVar("D", IncomingDocument, OutgoingDocument)


class Follower:
    """Receiver of the documents that one unit of work changed. This base class ignores them."""

    def out_changed(self, document: OutgoingDocument) -> None: ...

    def in_changed(self, document: IncomingDocument) -> None: ...

    def in_files_changed(self, document: IncomingDocument) -> None: ...

    def touch_out(self, id: str) -> None:
        """Note a change outside the document's body, such as of its recipients."""

    def touch_in(self, id: str) -> None:
        """Note a change outside the incoming document's body, such as of its hand-over."""

    def touch_delivery(self, id: str) -> None: ...

    async def write(self) -> None:
        """Write the rows that depend on the changes; called just before the unit of work commits."""


_AT_ONCE = 500
MakeFollower = Callable[[Transaction, str], Follower]
"""Returns the follower of a unit of work, from its transaction and its agency's id."""
NO_FOLLOWER = Follower()


def in_parts(ids: Sequence[str]) -> Iterator[list[str]]:
    """Split ids into lists that are short enough for one statement."""
    return (list(ids[start : start + _AT_ONCE]) for start in range(0, len(ids), _AT_ONCE))


def follow_nothing(tx: Transaction, agency_id: str) -> Follower:
    return NO_FOLLOWER


@cache
def select_by(
    table: type[Row], names: tuple[str, ...], order: tuple[str, ...] = (), *, limited: bool = False
) -> Select[Any]:
    """Return the query for rows whose columns `names` equal the parameters of these names, ordered by the columns `order`,
    with ` DESC` after a descending one. `limited`: up to `most` rows. It is made once, because making it takes longer than
    running it."""
    columns = table.__table__.c
    query = select(table).where(*(columns[name] == bindparam(name) for name in names))
    parts = [text.split() for text in order]
    query = query.order_by(*(columns[name].desc() if down else columns[name] for name, *down in parts))
    return query.limit(bindparam("most", type_=Integer)) if limited else query


class NodeRows:
    """Repository of rows of the node itself, or of every agency. The methods take the table's rows with some `key`, which
    are values of some columns."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def _full_key(self, key: dict[str, object]) -> dict[str, object]:
        return key

    def _where(
        self, table: type[Row], /, *conditions: ColumnElement[bool], **key: object
    ) -> ColumnElement[bool]:
        """Return the condition that a row has that key and meets the conditions."""
        return equal(table, *conditions, **self._full_key(key))

    async def _list(
        self, kind: Kind[V], table: type[Row], /, *order: str, most: int | None = None, **key: object
    ) -> list[V]:
        """Return rows as values, in the order of these columns (`select_by`), up to `most` where that is given."""
        parameters, limit = self._full_key(key), {} if most is None else {"most": most}
        query = select_by(table, tuple(parameters), order, limited=most is not None)
        return await self._tx.values(kind, query, **parameters, **limit)

    async def _find(
        self, kind: Kind[V], table: type[Row], /, *, lock: bool = True, **key: object
    ) -> V | None:
        """Return a row as a value, None when there is none. With `lock` a writing unit of work locks it until it ends."""
        parameters = self._full_key(key)
        query = select_by(table, tuple(parameters))
        return await self._tx.value(kind, self._tx.lock_rows(query) if lock else query, **parameters)

    async def _load(
        self,
        kind: Kind[V],
        table: type[Row],
        missing: str,
        hint: str = "",
        /,
        *,
        lock: bool = True,
        **key: object,
    ) -> V:
        """Return a row as `_find` does. NotFound with the text `missing` and the hint when there is none."""
        value = await self._find(kind, table, lock=lock, **key)
        if value is None:
            raise errors.NotFound(missing, hint=hint)
        return value

    async def _delete(self, table: type[Row], /, *conditions: ColumnElement[bool], **key: object) -> int:
        """Delete the rows that meet the conditions; return how many."""
        return await self._tx.change(delete(table).where(self._where(table, *conditions, **key)))


async def count_by(tx: Transaction, column: Any, *conditions: ColumnElement[bool]) -> dict[str, int]:
    """Count the rows that meet the conditions by the values of a column. Any: a column of the table's class."""
    query = select(column, func.count()).where(*conditions).group_by(column)
    return {name: int(count) for name, count in await tx.tuples(query)}


class Part(Generic[V]):
    """Attribute of a unit of work or of a store that is a repository, created at its first use, because a unit uses few of
    them. It `takes` the first so many of the unit's `arguments`: transaction, scope, clock and follower. `make` may be the
    place of a class, `module:Class`, whose module few processes need: it is loaded then."""

    def __init__(self, make: Callable[..., V] | str, takes: int = 2) -> None:
        self._make, self._takes = make, takes

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, work: Any, owner: type | None = None) -> V:
        """Create the repository of a unit of work. Any: a unit of the exchange, or the office's part of one."""
        if isinstance(self._make, str):
            module, _, name = self._make.partition(":")
            self._make = cast("Callable[..., V]", getattr(import_module(module), name))
        part = self._make(*work.arguments[: self._takes])
        work.__dict__[self._name] = part
        return part


class OwnTransactions:
    """Repository of the node each of whose calls is a transaction of its own, which is committed on return."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Transaction]:
        """Open a transaction that is committed when its context ends without an error."""
        async with self._writing() as tx:
            yield tx
            await tx.commit()

    async def _values(self, kind: Kind[V], query: Select[Any]) -> list[V]:
        async with self._reading() as tx:
            return await tx.values(kind, query)

    async def _change(self, statement: Update | Delete) -> int:
        async with self._changing() as tx:
            return await tx.change(statement)


class AgencyRows(NodeRows):
    """Repository of rows of one agency, whose id is the parameter `agency` of every query."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    def _full_key(self, key: dict[str, object]) -> dict[str, object]:
        return {"agency_id": self._agency_id, **key}

    def _check_own(self, agency_id: str, subject: str) -> None:
        if agency_id != self._agency_id:
            raise errors.NotFound(f"{subject} belongs to another agency than this unit of work")

    async def _values(self, kind: Kind[V], query: Select[Any], **parameters: object) -> list[V]:
        return await self._tx.values(kind, query, agency=self._agency_id, **parameters)

    async def _value(self, kind: Kind[V], query: Select[Any], **parameters: object) -> V | None:
        return await self._tx.value(kind, query, agency=self._agency_id, **parameters)

    async def _get(self, kind: Kind[V], query: Select[Any], missing: str, **parameters: object) -> V:
        """Return the first row of a query as a value. NotFound with the text `missing` when there is none."""
        value = await self._tx.value(kind, query, agency=self._agency_id, **parameters)
        if value is None:
            raise errors.NotFound(missing)
        return value

    async def _page(
        self,
        kind: type[R],
        at: str,
        to_domain: Callable[[R], V],
        *conditions: ColumnElement[bool],
        limit: int,
        cursor: str | None,
        states: Sequence[str] = (),
        oldest_first: bool = False,
    ) -> Page[V]:
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
            last_at = getattr(page_rows[-1], at)
            next_cursor = encode_cursor([last_at.isoformat(), getattr(page_rows[-1], id.name)])
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

    async def _save(
        self,
        document: D,
        expect_version: int | None,
        load: Callable[[str], Awaitable[D]],
        write: Callable[[D, int | None], Awaitable[bool]],
    ) -> D:
        """Save a document with the stored version + 1 and return it. `write` gets the version that must be the stored one,
        or None. StaleVersion when `expect_version` is given and is not the stored version."""
        self._check_own(document.agency_id, f"the document {document.id}")
        if expect_version in (None, document.version):
            saved = replace(document, version=document.version + 1)
            if await write(saved, document.version):
                return saved
        stored = await load(document.id)
        if expect_version is not None and stored.version != expect_version:
            raise errors.StaleVersion(
                f"the document {document.id} is at version {stored.version}, not {expect_version}; read it again"
            )
        saved = replace(document, version=stored.version + 1)
        await write(saved, None)
        return saved

    async def _update_row(
        self, updates: tuple[Update, Update], id: str, read: int | None, columns: Mapping[str, Any]
    ) -> bool:
        """Update the row of a document, by the second statement if `read` must be its stored version; tell whether it was
        there."""
        update, condition = (updates[0], {}) if read is None else (updates[1], {"read": read})
        return await self._tx.change(update, agency=self._agency_id, at_id=id, **condition, **columns) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[V]):
    items: tuple[V, ...]
    next_cursor: str | None = None


def encode_cursor(parts: Sequence[object]) -> str:
    """Write the place of a row as a cursor, for the address of a page."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Any:  # Any: whatever a person wrote in place of it
    """Read the parts of a cursor. ValueError or RecursionError for a text that `encode_cursor` has not written."""
    return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, id = decode_cursor(cursor)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(id, str) or not id.isprintable():
            raise ValueError("no zone, or no id")
        # OverflowError for moments at the very beginning or end of the calendar.
        moment = moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, RecursionError) as cause:
        raise errors.NotFound(
            "this page cursor was not given by this node; ask for the first page again, without a cursor"
        ) from cause
    return moment, id
