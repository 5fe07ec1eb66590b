"""Take-overs: the decisions on which it rests that a successor speaks for an ended code. In: the rows that a reform, an
import or an approved list wrote, with its id. Out: rows that name code and successor together, so that a row of the
registry that was changed since rests on nothing. A list of an issuer or of an axis alone writes none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry_change import AgencyRecord
from gateway.registry.tables import TAKEOVER, as_utc


async def note(connection: AsyncConnection, records: Iterable[AgencyRecord], by: str, now: datetime) -> None:
    """Store that the take-overs of these codes rest on this decision."""
    values = [
        {
            "code": r.code,
            "successor": r.successor,
            "by_id": by,
            "decision": r.decision or "",
            "at": as_utc(now),
        }
        for r in records
        if r.successor is not None
    ]
    if values:
        await connection.execute(insert(TAKEOVER), values)


async def forget(connection: AsyncConnection, by: str) -> None:
    """Remove the take-overs that rest on a decision, because it is undone."""
    await connection.execute(delete(TAKEOVER).where(TAKEOVER.c.by_id == by))
