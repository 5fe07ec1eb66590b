"""What pages keep for the pages that follow, on SQL. In: bytes of a page. Out: the `Keepings` promise. Part of the store;
get it as `office.store.keepings`. Each call is a transaction of its own."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import col

from gateway.office.ports.keepings import Keeping
from gateway.store.tables_office import KeepingRow
from gateway.store.transaction import Transaction

MOST = 20
"""Of one session."""
_R = KeepingRow

Open = Callable[[], AbstractAsyncContextManager[Transaction]]


class SqlKeepings:
    """Keeps the promise of `office.ports.keepings.Keepings`."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading

    async def keep(self, keeping: Keeping) -> None:
        row = KeepingRow(
            key=keeping.key,
            session_id=keeping.session_id,
            body=b64encode(keeping.body).decode(),
            at=keeping.at,
            until=keeping.until,
        )
        of_session = select(col(_R.key)).where(col(_R.session_id) == keeping.session_id)
        async with self._writing() as tx:
            await tx.change(delete(_R).where(col(_R.until) <= keeping.at))
            await tx.put(row)
            beyond = await tx.tuples(of_session.order_by(col(_R.at).desc(), col(_R.key)).offset(MOST))
            if beyond:
                await tx.change(delete(_R).where(col(_R.key).in_([found[0] for found in beyond])))
            await tx.commit()

    async def find(self, key: str, session_id: str, now: datetime) -> bytes | None:
        query = select(_R).where(col(_R.key) == key, col(_R.session_id) == session_id, col(_R.until) > now)
        async with self._reading() as tx:
            found = await tx.first(_R, query)
        return b64decode(found.body) if found is not None else None

    async def forget(self, key: str) -> None:
        async with self._writing() as tx:
            await tx.change(delete(_R).where(col(_R.key) == key))
            await tx.commit()
