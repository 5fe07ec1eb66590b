"""A PostgreSQL database of its own for each test, on the server that the environment names; made from a migrated
template, because that takes a tenth of the time of migrating each."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from gateway.store import migrate
from tests.support.services import POSTGRES, address


@asynccontextmanager
async def fresh_database(template: str = "template1") -> AsyncIterator[str]:
    """The address of a new database; it is dropped afterwards, with its connections."""
    name = f"t{secrets.token_hex(8)}"
    await _tell(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield _url_of(name)
    finally:
        await _tell(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def migrated_template() -> AsyncIterator[str]:
    """The name of a database with our schema, to make others from."""
    async with fresh_database() as url:
        await migrate.up(url)
        yield urlsplit(url).path.lstrip("/")


def _url_of(name: str) -> str:
    return urlsplit(address(POSTGRES))._replace(path=f"/{name}").geturl()


async def _tell(statement: str) -> None:
    connection = await asyncpg.connect(address(POSTGRES))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
