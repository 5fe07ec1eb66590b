"""The office's store for tests: an open one, with two hosted agencies, and the rows of its lists. `tests.support.stores`
builds the documents in it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from gateway.domain.handling import Share, unit_key
from gateway.ports.services import Clock
from gateway_office.domain.listing import Viewer, share_viewer
from gateway_office.store.store import SqlOfficeStore
from tests.support.stores import hosting, opening


def opened(url: str, clock: Clock) -> AbstractAsyncContextManager[SqlOfficeStore]:
    """Open a store on that database."""
    return opening(SqlOfficeStore(url, clock))


def with_agencies(url: str, clock: Clock) -> AbstractAsyncContextManager[SqlOfficeStore]:
    """Open a store on that migrated database that hosts NORTH and SOUTH."""
    return hosting(SqlOfficeStore(url, clock))


async def folded(store: SqlOfficeStore, at_once: int = 100) -> None:
    """Write the rows of lists of every document that changed."""
    while await store.fold_lists(at_once):
        pass


def unit_viewer(unit: str) -> Viewer:
    """Return the search words of an officer of that unit."""
    return share_viewer(Share(units=frozenset({unit_key(unit)})))
