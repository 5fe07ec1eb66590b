"""What the registry knows of reforms and around them. In: a connection. Out: the lives around a change that is planned,
kept reforms, how a code ended, and the table of old codes. Reads alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.binding_history import ACTIVE
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import AgencyRecord
from gateway.domain.registry_life import LONGEST_CHAIN, Former, Life
from gateway.domain.registry_reform import (
    Ending,
    LegacyCode,
    Part,
    Reform,
    ReformRecord,
    ReformState,
)
from gateway.domain.text import fold
from gateway.errors import NotFound
from gateway.registry.importing import AGENCY
from gateway.registry.periods import PERIOD
from gateway.registry.reform_tables import reform_code_table, reform_table
from gateway.registry.tables import aware, binding_table

REFORM, REFORM_CODE, BINDING = reform_table(), reform_code_table(), binding_table()
AT_ONCE = 500
MOST_LEGACY = 100_000
_FIELDS = tuple(field.name for field in fields(AgencyRecord))


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


async def lives(connection: AsyncConnection, codes: Collection[str]) -> dict[str, Life]:
    """Those of these codes that are there, each with what it was before."""
    rows: list[Row[Any]] = []
    former: dict[str, list[Former]] = defaultdict(list)
    listed = sorted(codes)
    for start in range(0, len(listed), AT_ONCE):
        part = listed[start : start + AT_ONCE]
        rows += (await connection.execute(select(AGENCY).where(AGENCY.c.code.in_(part)))).all()
        query = select(PERIOD.c.code, PERIOD.c.until, PERIOD.c.name, PERIOD.c.parent).where(
            PERIOD.c.code.in_(part), PERIOD.c.until.is_not(None), PERIOD.c.believed_to.is_(None)
        )
        for row in await connection.execute(query.order_by(PERIOD.c.code, PERIOD.c.until)):
            former[row.code].append(Former(until=row.until, name=row.name, parent=row.parent))
    return {
        row.code: Life(
            record=AgencyRecord(**{name: getattr(row, name) for name in _FIELDS}),
            source=RowSource(row.source),
            former=tuple(former[row.code]),
        )
        for row in rows
    }


async def around(connection: AsyncConnection, codes: Iterable[str]) -> dict[str, Life]:
    """The lives of these codes, of all that stand above them, and of all that came after them."""
    known: dict[str, Life] = {}
    asked: set[str] = set()
    wanted = set(codes)
    for _ in range(LONGEST_CHAIN):
        wanted -= asked
        if not wanted:
            break
        asked |= wanted
        found = await lives(connection, wanted)
        known |= found
        wanted = {code for life in found.values() for code in _next(life)}
    return known


def _next(life: Life) -> list[str]:
    linked = (life.record.parent, life.record.successor, *(each.parent for each in life.former))
    return [code for code in linked if code is not None]


async def aliases(connection: AsyncConnection, codes: Collection[str]) -> dict[str, str]:
    """Which of these are old forms of a code."""
    query = select(AGENCY.c.alias, AGENCY.c.code).where(AGENCY.c.alias.in_(sorted(codes)))
    return {row.alias: row.code for row in await connection.execute(query)}


async def below(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, list[str]]:
    """The agencies that go on directly under each of them."""
    query = (
        select(AGENCY.c.parent, AGENCY.c.code)
        .where(AGENCY.c.parent.in_(sorted(codes)), AGENCY.c.code.not_in(sorted(codes)))
        .where(or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on))
        .order_by(AGENCY.c.code)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for parent, code in await connection.execute(query):
        found[parent].append(code)
    return dict(found)


async def same_names(
    connection: AsyncConnection, named: Mapping[str, tuple[str, str | None]]
) -> dict[str, str]:
    """Code of ours to another code of the same parent whose name reads the same, accents and case apart."""
    found: dict[str, str] = {}
    for code, (name, parent) in named.items():
        query = select(AGENCY.c.code).where(
            AGENCY.c.folded == fold(name), AGENCY.c.parent == parent, AGENCY.c.code != code
        )
        other = (await connection.execute(query.where(AGENCY.c.valid_to.is_(None)).limit(1))).scalar()
        if other is not None:
            found[code] = other
    return found


async def certificates(connection: AsyncConnection, codes: Collection[str]) -> dict[str, int]:
    query = select(BINDING.c.code, func.count()).where(
        BINDING.c.code.in_(sorted(codes)), BINDING.c.state == ACTIVE
    )
    return {row[0]: row[1] for row in await connection.execute(query.group_by(BINDING.c.code))}


async def get(connection: AsyncConnection, id: str) -> Row[Any]:
    """NotFound when no such reform was approved."""
    row = (await connection.execute(select(REFORM).where(REFORM.c.id == id))).first()
    if row is None:
        raise NotFound(
            f"no change of the registry {id} was approved",
            hint="list them with: gateway registry change list",
        )
    return row


async def listed(
    connection: AsyncConnection, limit: int, code: str | None = None, *, owed_on: date | None = None
) -> list[ReformRecord]:
    """Latest to take effect first; of one code; or those in effect that nobody has reported yet."""
    query = select(REFORM).order_by(REFORM.c.effective_on.desc(), REFORM.c.id.desc()).limit(limit)
    if code is not None:
        mine = select(REFORM_CODE.c.reform_id).where(REFORM_CODE.c.code == code)
        query = query.where(REFORM.c.id.in_(mine))
    if owed_on is not None:
        query = query.where(REFORM.c.effective_on <= owed_on, REFORM.c.reported_at.is_(None), _APPROVED)
    return [to_record(row) for row in await connection.execute(query)]


async def ending(connection: AsyncConnection, code: str) -> Ending | None:
    """How a code ended, where a reform that holds ended it."""
    query = _ended().where(REFORM_CODE.c.code == code).limit(1)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    reform = reform_of(row.content).ending(code)
    return Ending(
        kind=reform.kind,
        decision=reform.decision,
        since=reform.effective_on,
        heirs=reform.heirs,
        successor=reform.successor,
        queued=reform.queued,
        triage=reform.triage,
    )


async def legacy(connection: AsyncConnection, code: str | None = None) -> list[LegacyCode]:
    """The table of old codes, by code; one line for each heir."""
    query = _ended() if code is None else _ended().where(REFORM_CODE.c.code == code)
    found: list[LegacyCode] = []
    for row in await connection.execute(query.order_by(None).order_by(REFORM_CODE.c.code).limit(MOST_LEGACY)):
        reform = reform_of(row.content).ending(row.code)
        found += [
            LegacyCode(
                code=row.code,
                heir=heir,
                since=reform.effective_on,
                decision=reform.decision,
                kind=reform.kind,
                reform_id=row.id,
                is_successor=heir is not None and heir == reform.successor,
            )
            for heir in reform.heirs or (None,)
        ]
    return found


def to_record(row: Row[Any]) -> ReformRecord:
    return ReformRecord(
        id=row.id,
        reform=reform_of(row.content),
        state=ReformState(row.state),
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        approved_at=aware(row.approved_at),
        undone_by=row.undone_by,
        undone_at=row.undone_at and aware(row.undone_at),
        undone_why=row.undone_why,
        reported_by=row.reported_by,
        reported_at=row.reported_at and aware(row.reported_at),
        reported_how=row.reported_how,
    )


def reform_of(content: str) -> Reform:
    reform: Reform = adapter(Reform).validate_json(content)
    return reform


def lives_of(text: str) -> dict[str, Life | None]:
    found: dict[str, Life | None] = adapter(dict[str, Life | None]).validate_json(text)
    return found


async def later(connection: AsyncConnection, row: Row[Any]) -> Sequence[str]:
    """Reforms that hold, were approved after this one, and name a code of it."""
    mine = select(REFORM_CODE.c.code).where(REFORM_CODE.c.reform_id == row.id)
    query = (
        select(REFORM.c.id)
        .distinct()
        .join(REFORM_CODE, REFORM_CODE.c.reform_id == REFORM.c.id)
        .where(REFORM_CODE.c.code.in_(mine), REFORM.c.id != row.id, _APPROVED)
        .where(REFORM.c.approved_at >= row.approved_at)
        .order_by(REFORM.c.id)
    )
    return list((await connection.execute(query)).scalars())


async def leaning(connection: AsyncConnection, begun: Collection[str], own: Collection[str]) -> Sequence[str]:
    """Other codes that stand under one of these, or lead to one."""
    mine, codes = sorted(begun), sorted(own)
    rows = select(AGENCY.c.code).where(
        or_(AGENCY.c.parent.in_(mine), AGENCY.c.successor.in_(mine)), AGENCY.c.code.not_in(codes)
    )
    before = select(PERIOD.c.code).where(
        PERIOD.c.parent.in_(mine), PERIOD.c.believed_to.is_(None), PERIOD.c.code.not_in(codes)
    )
    found = [*(await connection.execute(rows.limit(20))).scalars()]
    return sorted({*found, *(await connection.execute(before.limit(20))).scalars()})


_APPROVED = REFORM.c.state == ReformState.APPROVED.value


def _ended() -> Select[Any]:
    """Newest first, so that of a code that ended twice the end that holds comes first."""
    return (
        select(REFORM.c.id, REFORM.c.content, REFORM_CODE.c.code)
        .join(REFORM_CODE, REFORM_CODE.c.reform_id == REFORM.c.id)
        .where(REFORM_CODE.c.part == Part.ENDED.value, _APPROVED)
        .order_by(REFORM.c.approved_at.desc(), REFORM.c.id.desc())
    )
