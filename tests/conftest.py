"""The fixtures that any test may use, and the watch over the logs of all tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.trust.keys import FileSigner
from tests.office.pages.summary import pytest_terminal_summary as pytest_terminal_summary
from tests.support import leaks, once
from tests.support.broker import Broker, fresh_vhost
from tests.support.databases import fresh_database, migrated_template
from tests.support.fixtures import blank_database as blank_database
from tests.support.fixtures import blank_node as blank_node
from tests.support.fixtures import clock as clock
from tests.support.fixtures import door as door
from tests.support.fixtures import pool as pool
from tests.support.fixtures import store as store
from tests.support.fixtures import town as town
from tests.support.fixtures import url as url
from tests.support.seed import pytest_report_header as pytest_report_header
from tests.support.seed import seed as seed
from tests.support.stored_content import lies_in as lies_in
from tests.unit.cli.conftest import terminal as terminal


def pytest_configure() -> None:
    once.begin()
    leaks.start()


@pytest.fixture(autouse=True)
def no_secret_in_the_log() -> Iterator[None]:
    """Fail the test during which a secret was logged."""
    leaks.listen()
    yield
    leaked = leaks.WATCH.leaks()
    assert not leaked, "a secret stands in the log: " + "; ".join(leaked)


@pytest.fixture
def keys_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys behave as if in a token: accepting and landing do not wait for them, and jobs sign."""
    monkeypatch.setattr(FileSigner, "at_hand", False)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Yield a vhost of its own on a real RabbitMQ."""
    with fresh_vhost() as vhost:
        yield vhost


@pytest.fixture
async def postgres_url() -> AsyncIterator[str]:
    """Yield the address of a new, empty PostgreSQL database."""
    async with fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """Make one database with our schema for the whole session; in its own loop, because sessions outlive the tests'
    loops."""
    with asyncio.Runner() as runner:
        making = migrated_template()
        yield runner.run(making.__aenter__())
        runner.run(making.__aexit__(None, None, None))


@pytest.fixture
async def migrated_postgres_url(postgres_template: str) -> AsyncIterator[str]:
    """Yield the address of a new PostgreSQL database with our schema and no rows."""
    async with fresh_database(postgres_template) as url:
        yield url
