"""Measures units of work. In: a transaction about to be opened. Out: the same, its duration and its failures counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from gateway import meters
from gateway.errors import StoreFailure
from gateway.store.transaction import Transaction


@asynccontextmanager
async def timed(kind: str, unit: AbstractAsyncContextManager[Transaction]) -> AsyncIterator[Transaction]:
    """`kind` is `reading` or `writing`. A lease or a version that is stale is no failure of the database."""
    with meters.TRANSACTION.around(kind=kind):
        try:
            async with unit as tx:
                yield tx
        except StoreFailure as error:
            if not error.permanent:
                meters.STORE_FAILED.add(kind=kind)
            raise
