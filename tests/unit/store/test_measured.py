"""A transaction that was opened ends, also where what is made of it cannot be made."""

from __future__ import annotations

import pytest

from gateway.errors import StoreFailure
from gateway.office.store.store import SqlOfficeStore
from gateway.store.store import Measured
from gateway.store.transaction import Transaction
from tests.support.stores import NORTH


async def test_what_cannot_be_made_of_it_leaves_no_transaction_open(store: SqlOfficeStore) -> None:
    def fails(_: Transaction) -> None:
        raise StoreFailure("no")

    unit = Measured("writing", store.writing(), fails)
    with pytest.raises(StoreFailure):
        await unit.__aenter__()

    async with store.begin(NORTH) as work:  # the one writer is free
        await work.commit()
