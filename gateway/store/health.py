"""What a doctor asks of the database: whether the file is whole, and work whose lease ran out long ago. In: a URL and a
time. Out: plain numbers. Changes nothing and needs no agency; it is about the node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from gateway import errors
from gateway.store import inbox, jobs, outbox
from gateway.store.engine import Role, open_engine
from gateway.store.lists_tables import SEARCH_INDEX
from gateway.store.tables import InboxRow, JobRow, OutboxRow
from gateway.store.transaction import said


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`damage` is empty for a whole file, and for a server, which looks after itself. `stale` counts rows by table.
    `searches`: there is an index of words, so that searching many documents is fast."""

    damage: str
    stale: Mapping[str, int]
    searches: bool = True


async def examine(url: str, before: datetime) -> Health:
    """The database's health; a lease that ran out before `before` and was not claimed again is stale."""
    engine = open_engine(url, Role.READER)
    tables = ((JobRow, jobs.is_open()), (OutboxRow, outbox.is_open()), (InboxRow, inbox.is_open()))
    try:
        async with engine.connect() as connection:
            damage = ""
            if connection.dialect.name == "sqlite":
                found = (await connection.execute(text("PRAGMA quick_check(5)"))).scalars().all()
                damage = "" if found == ["ok"] else "; ".join(map(str, found))
            searches = await connection.run_sync(_searches)
            stale = {}
            for table, is_open in tables:
                held = and_(col(table.lease_token).is_not(None), col(table.lease_until) < before)
                query = select(func.count()).select_from(table).where(is_open, held)
                stale[str(table.__tablename__)] = (await connection.execute(query)).scalar_one()
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the database could not be examined ({said(cause)})") from cause
    finally:
        await engine.dispose()
    return Health(damage=damage, stale=stale, searches=searches)


def _searches(connection: Connection) -> bool:
    """The one of SQLite comes with the schema; that of a server needs an extension, which its owner may have to allow."""
    if connection.dialect.name == "sqlite":
        return True
    return any(each["name"] == SEARCH_INDEX for each in inspect(connection).get_indexes("list_row"))
