"""How much went each day between the agencies of this node and their partners. In: the store, which days. Out: counts by
partner and result. One look at each document of those days, found by the time it came or was accepted; never more days
than `office.domain.traffic` allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy import and_, func, select
from sqlmodel import col

from gateway.domain.wall_clock import VIETNAM
from gateway.office.domain.listing import Side
from gateway.office.domain.traffic import LONGEST_DAYS, Flow, TrafficWanted, result_of
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, IncomingRow, OutgoingRow
from gateway.store.transaction import Transaction

_D, _I, _O = DeliveryRow, IncomingRow, OutgoingRow


async def flows(store: SqlStore, wanted: TrafficWanted) -> Sequence[Flow]:
    agencies = [each.id for each in await store.hosted() if wanted.agency_id in ("", each.id)]
    days = min((wanted.last - wanted.first).days + 1, LONGEST_DAYS)
    sides = (wanted.side,) if wanted.side is not None else tuple(Side)
    found: list[Flow] = []
    async with store.reading() as tx:
        for agency_id in agencies:
            for n in range(days):
                for side in sides:
                    found += await _of_day(
                        tx, agency_id, wanted.first + timedelta(days=n), side, wanted.partner
                    )
    return found


async def _of_day(tx: Transaction, agency_id: str, day: date, side: Side, partner: str) -> list[Flow]:
    counted: Counter[tuple[str, str]] = Counter()
    for code, state, n in await (_sent if side is Side.OUT else _received)(tx, agency_id, day, partner):
        counted[code, result_of(side, state)] += n
    return [
        Flow(day=day, agency_id=agency_id, side=side, partner=code, result=result, n=n)
        for (code, result), n in sorted(counted.items())
    ]


async def _sent(tx: Transaction, agency_id: str, day: date, partner: str) -> Sequence[tuple[str, str, int]]:
    begin, end = _span(day)
    query = (
        select(col(_D.code), col(_D.state), func.count())
        .select_from(_O)
        .join(_D, and_(col(_D.agency_id) == col(_O.agency_id), col(_D.document_id) == col(_O.id)))
        .where(col(_O.agency_id) == agency_id, col(_O.created_at) >= begin, col(_O.created_at) < end)
        .group_by(col(_D.code), col(_D.state))
    )
    return await tx.tuples(query.where(func.lower(col(_D.code)) == partner.lower()) if partner else query)


async def _received(
    tx: Transaction, agency_id: str, day: date, partner: str
) -> Sequence[tuple[str, str, int]]:
    begin, end = _span(day)
    query = (
        select(col(_I.sender_code), col(_I.state), func.count())
        .where(col(_I.agency_id) == agency_id, col(_I.arrived_at) >= begin, col(_I.arrived_at) < end)
        .group_by(col(_I.sender_code), col(_I.state))
    )
    return await tx.tuples(
        query.where(func.lower(col(_I.sender_code)) == partner.lower()) if partner else query
    )


def _span(day: date) -> tuple[datetime, datetime]:
    begin = datetime.combine(day, time(), VIETNAM)
    return begin, begin + timedelta(days=1)
