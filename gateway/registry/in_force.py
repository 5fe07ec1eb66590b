"""Which certificates speak for which codes at one moment, of the whole registry. In: a moment. Out: one row each, for a
person who compares them with a list of his own after a restore."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.tables import aware, binding_table, stored


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One certificate that packets are judged by."""

    code: str
    fingerprint: str
    bound_at: datetime
    proposed_by: str
    approved_by: str


async def in_force(reader: AsyncEngine, at: datetime) -> list[InForce]:
    """By code. A province binds a few hundred."""
    rows, now = binding_table().c, stored(at)
    query = (
        select(rows.code, rows.fingerprint, rows.created_at, rows.proposed_by, rows.approved_by)
        .where(or_(rows.valid_to.is_(None), rows.valid_to > now))
        .order_by(rows.code, rows.created_at)
    )
    async with reader.connect() as connection:
        return [
            InForce(
                code=row.code,
                fingerprint=row.fingerprint,
                bound_at=aware(row.created_at),
                proposed_by=row.proposed_by,
                approved_by=row.approved_by,
            )
            for row in await connection.execute(query)
        ]
