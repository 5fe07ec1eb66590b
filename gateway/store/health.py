"""What a doctor asks of the database: whether the file is whole, work whose lease ran out long ago, and times that only a
clock that was ahead can have written. In: a URL and times. Out: plain numbers. Changes nothing and needs no agency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, false, func, inspect, or_, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway import errors
from gateway.domain.turns import Horizon
from gateway.store import inbox, jobs, leases, outbox
from gateway.store.engine import Role, open_engine
from gateway.store.tables import EventRow, InboxRow, JobRow, OutboxRow
from gateway.store.tables_office import SEARCH_INDEX
from gateway.store.transaction import said

_NEWEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`damage` is empty for a whole file, and for a server, which looks after itself. `stale` counts rows by table, and
    `ahead` those whose lease or retry lies beyond the horizon; `written` is the latest time among the newest events.
    `searches`: there is an index of words, so that searching many documents is fast."""

    damage: str
    stale: Mapping[str, int]
    ahead: Mapping[str, int]
    written: datetime | None
    searches: bool = True


async def examine(url: str, before: datetime, horizon: Horizon) -> Health:
    """The database's health; a lease that ran out before `before` and was not claimed again is stale."""
    engine = open_engine(url, Role.READER)
    tables: tuple[tuple[leases.AnyClaimable, ColumnElement[bool], ColumnElement[bool]], ...] = (
        (JobRow, jobs.is_open(), jobs.ASKED_FOR),
        (OutboxRow, outbox.is_open(), false()),
        (InboxRow, inbox.is_open(), false()),
    )
    far = {"far_lease": horizon.lease, "far_retry": horizon.retry}
    try:
        async with engine.connect() as connection:
            damage = ""
            if connection.dialect.name == "sqlite":
                found = (await connection.execute(text("PRAGMA quick_check(5)"))).scalars().all()
                damage = "" if found == ["ok"] else "; ".join(map(str, found))
            searches = await connection.run_sync(_searches)
            stale, ahead = {}, {}
            for table, is_open, asked_for in tables:
                held = and_(col(table.lease_token).is_not(None), col(table.lease_until) < before)
                query = select(func.count()).select_from(table).where(is_open, held)
                stale[str(table.__tablename__)] = (await connection.execute(query)).scalar_one()
                beyond = leases.is_ahead(table, asked_for)
                query = select(func.count()).select_from(table)
                query = query.where(is_open, or_(beyond.lease, beyond.retry))
                ahead[str(table.__tablename__)] = (await connection.execute(query, far)).scalar_one()
            written = await _written(connection)
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the database could not be examined ({said(cause)})") from cause
    finally:
        await engine.dispose()
    return Health(damage=damage, stale=stale, ahead=ahead, written=written, searches=searches)


async def _written(connection: AsyncConnection) -> datetime | None:
    """Of the newest events alone: nothing finds events by their time."""
    newest = select(func.max(col(EventRow.position))).scalar_subquery()
    latest = select(func.max(col(EventRow.at))).where(col(EventRow.position) > newest - _NEWEST)
    return (await connection.execute(latest)).scalar_one()


def _searches(connection: Connection) -> bool:
    """The one of SQLite comes with the schema; that of a server needs an extension, which its owner may have to allow."""
    if connection.dialect.name == "sqlite":
        return True
    return any(each["name"] == SEARCH_INDEX for each in inspect(connection).get_indexes("list_row"))
