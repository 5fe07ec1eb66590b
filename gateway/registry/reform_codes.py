"""What approved reforms that are still to come have said of codes. In: a connection, the day. Out: by code and field, the
reform. An import must not change that unseen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry_reform import Part, ReformState
from gateway.registry.reform_tables import reform_code_table, reform_table

_REFORM, _CODE = reform_table(), reform_code_table()
# What a reform writes of a code that it ends, begins or changes.
_SAID: Mapping[Part, tuple[str, ...]] = {
    Part.ENDED: ("valid_to", "successor"),
    Part.BEGUN: ("name", "parent", "valid_from"),
    Part.CHANGED: ("name", "parent"),
    Part.NAMED: (),
}


async def held_back(connection: AsyncConnection, today: date) -> dict[str, dict[str, str]]:
    """Where two say something of one field, the later one."""
    query = (
        select(_CODE.c.code, _CODE.c.part, _REFORM.c.id)
        .join(_REFORM, _CODE.c.reform_id == _REFORM.c.id)
        .where(_REFORM.c.state == ReformState.APPROVED.value, _REFORM.c.effective_on > today)
        .order_by(_REFORM.c.effective_on, _REFORM.c.id)
    )
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for code, part, id in await connection.execute(query):
        found[code] |= dict.fromkeys(_SAID[Part(part)], id)
    return dict(found)
