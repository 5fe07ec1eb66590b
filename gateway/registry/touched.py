"""When what the registry says of a code last changed: its row, or the certificates bound to it. In: a connection, codes or
a moment. Out: the moment of each code, or the condition that narrows a list to what changed since. A withdrawn certificate
changed when it ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.binding_history import WITHDRAWN
from gateway.registry.tables import agency_table, aware, binding_table, stored

AGENCY, BINDING = agency_table(), binding_table()


async def last(connection: AsyncConnection, codes: Collection[str], now: datetime) -> Mapping[str, datetime]:
    """As many codes as one statement takes."""
    rows = select(AGENCY.c.code, AGENCY.c.updated_at).where(AGENCY.c.code.in_(codes))
    found = {code: aware(at) for code, at in await connection.execute(rows)}
    bound = select(BINDING.c.code, BINDING.c.created_at, BINDING.c.valid_to, BINDING.c.state)
    for row in await connection.execute(bound.where(BINDING.c.code.in_(found))):
        times = [found[row.code], aware(row.created_at)]
        if row.state == WITHDRAWN and row.valid_to is not None and aware(row.valid_to) <= now:
            times.append(aware(row.valid_to))
        found[row.code] = max(times)
    return found


def since(at: datetime, now: datetime) -> ColumnElement[bool]:
    """The row of a code, or a certificate of it, changed at that moment or later."""
    first = stored(at)
    ended = and_(BINDING.c.state == WITHDRAWN, BINDING.c.valid_to >= first, BINDING.c.valid_to <= stored(now))
    bound = select(BINDING.c.code).where(or_(BINDING.c.created_at >= first, ended))
    return or_(AGENCY.c.updated_at >= first, AGENCY.c.code.in_(bound))
