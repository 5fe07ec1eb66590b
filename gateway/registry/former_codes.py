"""Old codes that lead somewhere: which ended codes come to one that is in force on a day, and which node takes their mail.
In: a connection, codes, a day. Out: codes along the chain of successors. Starter rows lead nowhere: they only warn."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry import Hosting, RowSource
from gateway.domain.registry_life import LONGEST_CHAIN
from gateway.domain.registry_reform import Part, ReformKind, ReformState
from gateway.registry.importing import AGENCY
from gateway.registry.reform_tables import reform_code_table, reform_table

AT_ONCE = 500


async def leading_to(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, str]:
    """Each ended code, and each old form of one, to the code of these that its mail goes to on that day."""
    found: dict[str, str] = {}
    frontier = {code: code for code in codes}
    for _ in range(LONGEST_CHAIN):
        listed = sorted(frontier)
        if not listed:
            break
        onward: dict[str, str] = {}
        for start in range(0, len(listed), AT_ONCE):
            query = select(AGENCY.c.code, AGENCY.c.alias, AGENCY.c.successor).where(
                AGENCY.c.successor.in_(listed[start : start + AT_ONCE]),
                AGENCY.c.valid_to < on,
                AGENCY.c.source != RowSource.STARTER.value,
            )
            for code, alias, successor in await connection.execute(query):
                if code not in found and code not in codes:
                    onward[code] = found[code] = frontier[successor]
                    if alias:
                        found[alias] = frontier[successor]
        frontier = onward
    return found


async def still_hosted(connection: AsyncConnection, on: date) -> list[Hosting]:
    """Which node takes mail under each ended code: its successor's; where a person distributes the mail, its own."""
    reform, touched = reform_table(), reform_code_table()
    triaged = exists().where(
        touched.c.code == AGENCY.c.code,
        touched.c.part == Part.ENDED.value,
        touched.c.reform_id == reform.c.id,
        reform.c.kind == ReformKind.SPLIT.value,
        reform.c.state == ReformState.APPROVED.value,
    )
    gone = select(AGENCY.c.code, AGENCY.c.alias, AGENCY.c.successor, AGENCY.c.host).where(
        AGENCY.c.valid_to < on,
        AGENCY.c.source != RowSource.STARTER.value,
        or_(AGENCY.c.successor.is_not(None), and_(AGENCY.c.host.is_not(None), triaged)),
    )
    rows = {row.code: row for row in await connection.execute(gone.order_by(AGENCY.c.code))}
    finals = {code: _last(code, {each: row.successor for each, row in rows.items()}) for code in rows}
    hosts = await _hosts(connection, set(finals.values()), on)
    found = []
    for code, row in rows.items():
        node = row.host if finals[code] == code else hosts.get(finals[code])
        if node is not None:
            found.append(Hosting(node=node, code=code, alias=row.alias))
    return found


def _last(code: str, successors: dict[str, str | None]) -> str:
    """The end of the chain; the code itself where nobody came after."""
    seen = {code}
    while (following := successors.get(code)) is not None and following not in seen:
        seen.add(following)
        code = following
    return code


async def _hosts(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, str]:
    found: dict[str, str] = {}
    listed = sorted(codes)
    for start in range(0, len(listed), AT_ONCE):
        query = select(AGENCY.c.code, AGENCY.c.host).where(
            AGENCY.c.code.in_(listed[start : start + AT_ONCE]),
            AGENCY.c.host.is_not(None),
            or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on),
        )
        found |= {row.code: row.host for row in await connection.execute(query)}
    return found
