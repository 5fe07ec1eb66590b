"""Reads how codes ended: the reform or other decision that ended each, its heirs, and the table of old codes. In: a
connection, optionally a code. Out: domain values. What approves and undoes reforms is in `registry_authoring.reforms`."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, and_, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry_reform import Ending, LegacyCode, Reform, ReformEffect, ReformState
from gateway.registry.tables import AGENCY, REFORM, REFORM_CODE, TAKEOVER

MOST_LEGACY = 100_000
IS_APPROVED = REFORM.c.state == ReformState.APPROVED.value


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


async def ending_of(connection: AsyncConnection, code: str) -> Ending | None:
    """Return how a code ended, where an approved reform ended it; else None."""
    query = _ended().where(REFORM_CODE.c.code == code).limit(1)
    row = (await connection.execute(query)).first()
    return None if row is None else _ending(row)


async def legacy_codes(connection: AsyncConnection, code: str | None = None) -> list[LegacyCode]:
    """Return the table of old codes, by code, one line for each heir."""
    query = _ended() if code is None else _ended().where(REFORM_CODE.c.code == code)
    lines: list[LegacyCode] = []
    for row in await connection.execute(query.order_by(None).order_by(REFORM_CODE.c.code).limit(MOST_LEGACY)):
        ending = _ending(row)
        lines += [
            LegacyCode(
                code=row.code,
                heir=heir,
                since=ending.since,
                decision=ending.decision,
                kind=ending.kind,
                reform_id=row.id,
                is_successor=heir is not None and heir == ending.successor,
            )
            for heir in ending.heirs or (None,)
        ]
    return lines


def _ending(row: Row[Any]) -> Ending:
    if row.ending is None:
        return reform_of(row.content).endings[row.code]
    ending: Ending = adapter(Ending).validate_json(row.ending)
    return ending


def reform_of(content: str) -> Reform:
    reform: Reform = adapter(Reform).validate_json(content)
    return reform


def _ended() -> Select[Any]:
    """Select ended codes with their reform, newest first, so that the valid end of a code that ended twice comes first."""
    return (
        select(
            REFORM.c.id,
            REFORM_CODE.c.code,
            REFORM_CODE.c.ending,
            # A decision may have thousands of steps.
            case((REFORM_CODE.c.ending.is_(None), REFORM.c.content)).label("content"),
        )
        .join(REFORM_CODE, REFORM_CODE.c.reform_id == REFORM.c.id)
        .where(REFORM_CODE.c.part == ReformEffect.ENDED.value, IS_APPROVED)
        .order_by(REFORM.c.approved_at.desc(), REFORM.c.id.desc())
    )


def is_decided() -> ColumnElement[bool]:
    """Return the condition that a decision names the successor of a registry row."""
    return and_(TAKEOVER.c.code == AGENCY.c.code, TAKEOVER.c.successor == AGENCY.c.successor)
