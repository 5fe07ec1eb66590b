"""The stores that every contract test of the store runs on, each on a database of its own."""

from __future__ import annotations

import pytest

from tests.support.fixtures import BOTH_KINDS, database_of


@pytest.fixture(params=BOTH_KINDS)
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a migrated database, for tests that open it more than once."""
    return database_of(request, request.param)


@pytest.fixture
def url(store_url: str) -> str:
    return store_url
