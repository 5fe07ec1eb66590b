"""Opens the database: one writer and one pool of readers, as design 6 has them. In: a URL. Out: async engines whose
connections already keep our promises. The only module that speaks to SQLite as SQLite."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from gateway import errors

BUSY_TIMEOUT_S = 10  # design 6: longer than any transaction of ours; whoever holds on longer is reported
READERS = 4
CONNECTIONS_TO_SERVER = 10  # measured: ten give three times the commits of one, and more give little
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Role(StrEnum):
    """What an engine is for. A migrator is a writer that may rebuild tables, so its foreign keys rest meanwhile."""

    WRITER = "writer"
    READER = "reader"
    MIGRATOR = "migrator"


def open_engine(url: str, role: Role) -> AsyncEngine:
    """An engine for that role; nothing is connected yet. Misconfigured when the URL names no database of ours."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, role)
    return _server(parsed, role)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as cause:
        raise errors.Misconfigured(
            "database.url is not a database URL; write sqlite:///path/to/node.db or postgresql://user@host/name"
        ) from cause
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise errors.Misconfigured(f"database.url names the database {backend!r}; use sqlite or postgresql")
    if backend == "sqlite":
        _check_file(parsed.database or "")
    return parsed.set(drivername=_DRIVERS[backend])


def _server(url: URL, role: Role) -> AsyncEngine:
    reading: dict[str, Any] = {  # one view for the whole unit of work, as SQLite gives by itself
        "isolation_level": "REPEATABLE READ",
        "execution_options": {"postgresql_readonly": True},
    }
    try:
        return create_async_engine(
            url, pool_size=CONNECTIONS_TO_SERVER, **(reading if role is Role.READER else {})
        )
    except ImportError as cause:
        raise errors.Misconfigured(
            "database.url names a PostgreSQL database and the driver asyncpg is not installed; install it, or use sqlite"
        ) from cause


def _check_file(path: str) -> None:
    """Before the driver tries: a connection of it that fails leaves its thread behind, answering a closed loop."""
    if path in ("", ":memory:"):
        raise errors.Misconfigured("database.url names no file; what must not be lost cannot live in memory")
    file = Path(path)
    if not file.parent.is_dir():
        raise errors.Misconfigured(
            f"database.url: the folder {file.parent} does not exist; create it for the node"
        )
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.R_OK | os.W_OK):
        raise errors.Misconfigured(
            f"database.url: {file} is not a file that the node may write; check its owner"
        )


def _sqlite(url: URL, role: Role) -> AsyncEngine:
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=READERS if role is Role.READER else 1,
        max_overflow=0,
        # The driver begins nothing by itself: the `begin` event below decides how a transaction starts.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )
    # IMMEDIATE takes the write lock at once: a transaction that reads first can then never fail to write later.
    start = "BEGIN" if role is Role.READER else "BEGIN IMMEDIATE"

    def prepare(
        connection: Any, record: object
    ) -> None:  # Any: the driver's own connection has no public type
        cursor = connection.cursor()
        for pragma in _pragmas(role):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(start)

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _pragmas(role: Role) -> tuple[str, ...]:
    if role is Role.READER:
        return ("query_only = ON",)
    foreign_keys = "OFF" if role is Role.MIGRATOR else "ON"
    # FULL: in WAL, NORMAL may lose the last commits when the power fails, and those were answered "accepted" (G1).
    return ("journal_mode = WAL", "synchronous = FULL", f"foreign_keys = {foreign_keys}")
