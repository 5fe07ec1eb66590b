"""What programs called, on SQL. In: calls, many at a time. Out: the `ApiCalls` promise. Part of the store; get it as
`store.calls`. Each call is a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from sqlalchemy import case, delete, func, select
from sqlmodel import col

from gateway.domain.api_call import ApiCall, CallCount
from gateway.store.api_call_tables import ApiCallRow
from gateway.store.transaction import Transaction

_R = ApiCallRow
_FIRST_ERROR = 400
_MOST_ROUTES = 200

Open = Callable[[], AbstractAsyncContextManager[Transaction]]


class SqlApiCalls:
    """Keeps the promise of `ports.calls.ApiCalls`."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading

    async def keep(self, calls: Sequence[ApiCall]) -> None:
        async with self._writing() as tx:
            await tx.put_new_many(*(from_domain(each) for each in calls))
            await tx.commit()

    async def trim(self, key_ids: Collection[str], before: datetime, most: int) -> None:
        async with self._writing() as tx:
            await tx.change(delete(_R).where(col(_R.at) < before))
            for key_id in sorted(key_ids):
                of_key = col(_R.key_id) == key_id
                newest = select(col(_R.id)).where(of_key).order_by(col(_R.id).desc())
                beyond = await tx.tuples(newest.offset(most).limit(1))
                if beyond:
                    await tx.change(delete(_R).where(of_key, col(_R.id) <= beyond[0][0]))
            await tx.commit()

    async def listed(
        self, key_id: str, limit: int, *, errors: bool = False, route: str = "", before: str = ""
    ) -> Sequence[ApiCall]:
        query = select(_R).where(col(_R.key_id) == key_id)
        if errors:
            query = query.where(col(_R.status) >= _FIRST_ERROR)
        if route:
            query = query.where(col(_R.route) == route)
        if before:
            query = query.where(col(_R.id) < before)
        async with self._reading() as tx:
            rows = await tx.rows(_R, query.order_by(col(_R.id).desc()).limit(limit))
        return [to_domain(row) for row in rows]

    async def routes(self, key_id: str) -> Sequence[str]:
        route = col(_R.route)
        query = select(route).where(col(_R.key_id) == key_id).distinct().order_by(route).limit(_MOST_ROUTES)
        async with self._reading() as tx:
            return [row[0] for row in await tx.tuples(query)]

    async def counts(self, key_ids: Collection[str], since: datetime) -> Mapping[str, CallCount]:
        wrong = func.sum(case((col(_R.status) >= _FIRST_ERROR, 1), else_=0))
        these = (col(_R.key_id).in_(sorted(key_ids)), col(_R.at) >= since)
        query = select(col(_R.key_id), func.count(), wrong).where(*these).group_by(col(_R.key_id))
        async with self._reading() as tx:
            found = await tx.tuples(query)
        return {key: CallCount(calls=calls, errors=int(errors)) for key, calls, errors in found}


def to_domain(row: ApiCallRow) -> ApiCall:
    return ApiCall(
        id=row.id,
        key_id=row.key_id,
        at=row.at,
        method=row.method,
        route=row.route,
        status=row.status,
        took_ms=row.took_ms,
        problem=row.problem,
        address=row.address,
        request_id=row.request_id,
    )


def from_domain(call: ApiCall) -> ApiCallRow:
    return ApiCallRow(
        id=call.id,
        key_id=call.key_id,
        at=call.at,
        method=call.method,
        route=call.route,
        status=call.status,
        took_ms=call.took_ms,
        problem=call.problem,
        address=call.address,
        request_id=call.request_id,
    )
