"""A transaction that was opened ends, also where what is made of it cannot be made, and before the store does."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway.errors import StoreFailure
from gateway.store import engine
from gateway.store.store import Measured, SqlStore
from gateway.store.tables_node import HostedAgencyRow
from gateway.store.transaction import Transaction
from tests.support.stores import NORTH


async def test_what_cannot_be_made_of_it_leaves_no_transaction_open(store: SqlStore) -> None:
    def fails(_: Transaction) -> Transaction:
        raise StoreFailure("no")

    unit = Measured("writing", store.writing(), fails)
    with pytest.raises(StoreFailure):
        await unit.__aenter__()

    async with store.begin(NORTH) as work:  # the one writer is free
        await work.commit()


@pytest.mark.parametrize("how", ["reading", "viewing_few", "writing"])
async def test_what_is_open_when_the_store_closes_ends_before(store: SqlStore, how: str) -> None:
    begun, go_on, steps = asyncio.Event(), asyncio.Event(), list[str]()

    async def look() -> None:
        async with getattr(store, how)() as tx:
            begun.set()
            await go_on.wait()
            await tx.tuples(select(col(HostedAgencyRow.id)))
        steps.append("read")

    looking = asyncio.create_task(look())
    await begun.wait()
    closing = asyncio.create_task(store.close())
    finished, _ = await asyncio.wait({closing}, timeout=0.1)
    assert not finished
    go_on.set()
    await closing

    await looking
    assert steps == ["read"]


async def test_a_store_closes_also_where_somebody_never_ends(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_CLOSE_WAIT_S", 0.01)
    async with store.viewing_few():
        await store.close()
