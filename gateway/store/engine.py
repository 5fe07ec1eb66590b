"""Creation of the database's engines, by their role. In: a URL. Out: async engines whose connections have our settings:
durability on SQLite, time limits on a server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from sqlalchemy import event, make_url
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import await_only
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from gateway import errors, random_source
from gateway.store import drivers

BUSY_TIMEOUT_S = 10  # longer than any transaction of ours; a longer wait is an error
READERS = 4
CONNECT_S = 10.0
_CLOSE_WAIT_S = 5.0  # for connections in use when their engine is closed
# Prepared statements that a connection keeps: more than a unit of work has, so that each is parsed once.
_STATEMENTS = 512
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
# 6 MB of pages stay in memory, and 4,000 in the write-ahead log before they move to the file, because successive documents
# touch mostly the same pages.
_CACHE_PRAGMAS = ("cache_size = -6000", "wal_autocheckpoint = 4000")


class EngineRole(StrEnum):
    """Purpose of an engine. A migrator is a writer that may rebuild tables, so its connections check no foreign keys."""

    WRITER = "writer"
    READER = "reader"
    NEAR_READER = "near reader"  # for few rows: on SQLite its statements run in the calling thread
    MIGRATOR = "migrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Limits of an engine on a server: number of connections, and how long a statement, a wait for a lock and an idle
    transaction may last. They do not apply to SQLite, which has one writer and waits 10 s for its lock."""

    connections: int = 10  # measured: ten give three times the commits of one, and more give little
    statement_s: float = 30.0
    lock_s: float = 10.0
    idle_s: float = 60.0


AS_SHIPPED = ServerLimits()
_READING = (EngineRole.READER, EngineRole.NEAR_READER)
# Connections of an engine. A writer has two: one that the store keeps open, and one for the registry.
_CONNECTIONS = {EngineRole.WRITER: 2, EngineRole.MIGRATOR: 1}


def open_engine(url: str, role: EngineRole, limits: ServerLimits = AS_SHIPPED) -> AsyncEngine:
    """Return an engine for that role, without connecting. Misconfigured when the URL names no usable database."""
    parsed = _parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, role)
    return _server_engine(parsed, role, limits)


@asynccontextmanager
async def engine_for_task(url: str, role: EngineRole) -> AsyncIterator[AsyncEngine]:
    """Open an engine that is disposed of when the context ends."""
    engine = open_engine(url, role)
    try:
        yield engine
    finally:
        await engine.dispose()


async def close_engine(engine: AsyncEngine) -> None:
    """Dispose of the engine once all its connections are returned, or after some seconds; connections that are returned
    later are never closed."""
    pool, back = cast(AsyncAdaptedQueuePool, engine.pool), asyncio.Event()
    event.listen(engine.sync_engine, "checkin", lambda *_: back.set())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_WAIT_S):
            while pool.checkedout():
                back.clear()
                await back.wait()
    await engine.dispose()


def _parse_url(url: str) -> URL:
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


def _server_engine(url: URL, role: EngineRole, limits: ServerLimits) -> AsyncEngine:
    reading: dict[str, Any] = {  # one view for the whole unit of work, as SQLite gives by itself
        "isolation_level": "REPEATABLE READ",
        "execution_options": {"postgresql_readonly": True},
    }
    url, tls = _split_tls(url)
    engine = create_async_engine(
        url,
        pool_size=1 if role is EngineRole.MIGRATOR else limits.connections,
        max_overflow=0,
        pool_timeout=limits.lock_s,
        pool_use_lifo=True,
        connect_args=_server_arguments(role, limits) | tls,
        **(reading if role in _READING else {}),
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "handle_error", _name_failure)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _split_tls(url: URL) -> tuple[URL, dict[str, Any]]:
    """Return the URL without its TLS options, and the driver's TLS argument. With a certificate authority (`ca`) the
    server's certificate and name are checked, whatever else the URL says; without one the URL is not changed, and the
    driver encrypts without checking the server."""
    ca = url.query.get("ca")
    if not isinstance(ca, str):
        return url, {}
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as cause:
        raise errors.Misconfigured(
            f"database.ca: {ca} holds no authority that can be read: {cause}",
            hint="name a PEM file with the certificate of whoever signed the server's",
        ) from cause
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return url.difference_update_query(["ca", "ssl"]), {"ssl": context}


def _server_arguments(role: EngineRole, limits: ServerLimits) -> dict[str, Any]:
    """Return the driver's arguments with the time limits. A migrator has none, because it may rewrite a large table."""
    patient = role is EngineRole.MIGRATOR
    server = {
        "application_name": f"gateway {role}",
        "statement_timeout": 0 if patient else limits.statement_s,
        "lock_timeout": 0 if patient else limits.lock_s,
        "idle_in_transaction_session_timeout": 0 if patient else limits.idle_s,
        # Compiling a plan takes longer than any of our queries.
        "jit": "off",
    }
    return {
        "timeout": CONNECT_S,
        "statement_cache_size": _STATEMENTS,
        "max_cached_statement_lifetime": 0,
        # Longer than the server's own limit, because it is for a server that no longer answers.
        "command_timeout": None if patient else limits.statement_s + CONNECT_S,
        "server_settings": {
            name: value if isinstance(value, str) else str(round(value * 1000))
            for name, value in server.items()
        },
    }


def _connect(dialect: Any, record: object, args: Any, arguments: dict[str, Any]) -> Any:
    """Open a server connection for SQLAlchemy. A refused certificate or argument becomes Misconfigured, a server that does
    not answer the driver's OperationalError. Any: the parts of the driver have no public types."""
    from gateway.store.server_connection import connect_server

    try:
        return connect_server(dialect.loaded_dbapi, *args, **arguments)
    except ssl.SSLCertVerificationError as cause:
        raise errors.Misconfigured(
            f"the database server's certificate is not accepted: {cause.verify_message}",
            hint="an expired one is renewed at the server; else check database.ca and the host's name in database.url",
        ) from cause
    except (OSError, TimeoutError) as cause:
        raise dialect.loaded_dbapi.OperationalError(f"the server does not answer: {cause}") from cause
    except (TypeError, ValueError) as cause:
        raise errors.Misconfigured(
            f"database.url: the server cannot be asked in this way: {cause}"
        ) from cause


def _name_failure(context: ExceptionContext) -> None:
    """Convert the error of a server that stops answering within a statement to SQLAlchemy's, and drop its connection."""
    cause = context.original_exception
    if isinstance(cause, OSError | TimeoutError):
        context.is_disconnect = True
        raise OperationalError(None, None, cause) from cause


def _refuse_closed(connection: Any, record: object, proxy: object) -> None:
    """Refuse a connection that the server has closed, such as by a restart, so that the pool opens a new one. SQLAlchemy's
    own check before each use would cost three round trips; this one costs none."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def _check_file(path: str) -> None:
    """Check that the SQLite file can be used; Misconfigured otherwise. The driver would find out too late: its failed
    connection leaves a thread behind that calls a closed event loop."""
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


def _create_private(dialect: object, record: object, args: Any, arguments: dict[str, Any]) -> None:
    """Create a missing database file with access for the node's own user alone; SQLite gives its journals the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(args[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _refuse_moved(dialect: Any, record: object, args: Any, arguments: dict[str, Any]) -> None:
    """Refuse a file that was moved away while its journal is there: SQLite would make an empty file, and delete the journal
    with the commits in it. Any: the driver has no public type."""
    if not os.path.exists(args[0]) and os.path.exists(f"{args[0]}-wal"):
        raise dialect.loaded_dbapi.OperationalError(f"the database file {args[0]} was moved away")


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _sleep(seconds: float) -> None:
    """Sleep in the greenlet that opens a connection, so that the event loop goes on meanwhile."""
    await_only(asyncio.sleep(seconds))


# Retries setting the journal mode: SQLite itself does not wait for that lock when two processes start on a new file.
_PATIENT = Retrying(
    retry=retry_if_exception(_is_locked),
    wait=lambda _: random_source.uniform(0.005, 0.05),
    stop=stop_after_attempt(round(BUSY_TIMEOUT_S / 0.0275)),
    sleep=_sleep,
    reraise=True,
)


def _sqlite_engine(url: URL, role: EngineRole) -> AsyncEngine:
    near = role in (EngineRole.WRITER, EngineRole.NEAR_READER)
    engine = create_async_engine(
        url.set(drivername=drivers.SQLITE_INLINE) if near else url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=_CONNECTIONS.get(role, READERS),
        # `NearReaders` and `Memory` bound their own connections.
        max_overflow=-1 if role is EngineRole.NEAR_READER else 0,
        # With no isolation level the driver begins no transaction; the `begin` event below does.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None, "cached_statements": _STATEMENTS},
    )
    # IMMEDIATE takes the write lock at once, so that a transaction which reads first cannot fail to write later.
    start = "BEGIN" if role in _READING else "BEGIN IMMEDIATE"

    def prepare(
        connection: Any, record: object
    ) -> None:  # Any: the driver's own connection has no public type
        cursor = connection.cursor()
        for pragma in _pragmas(role):
            _PATIENT.copy()(
                cursor.execute, f"PRAGMA {pragma}"
            )  # a copy, because two concurrent callers must not share its state
        cursor.close()

    def begin(connection: Connection) -> None:
        if near and drivers.sqlite_driver(connection).in_transaction:
            pass  # the owner of the connection has begun it already
        elif role is EngineRole.WRITER:
            drivers.begin_waiting(connection, BUSY_TIMEOUT_S)
        else:
            connection.exec_driver_sql(start)

    if role is not EngineRole.MIGRATOR:  # a restore begins anew
        event.listen(engine.sync_engine, "do_connect", _refuse_moved)
    event.listen(engine.sync_engine, "do_connect", _create_private)
    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    if near:
        event.listen(engine.sync_engine, "handle_error", _stay_open)
    return engine


def _stay_open(context: ExceptionContext) -> None:
    """Keep the connection when a caller is cancelled while a thread works, where SQLAlchemy would close it. The
    cancellation is raised after the thread has finished (`commits.run_in_thread`), so the connection is usable, and other
    callers' writes may be on it."""
    if isinstance(context.original_exception, asyncio.CancelledError):
        context.is_disconnect = False


def _pragmas(role: EngineRole) -> tuple[str, ...]:
    if role in _READING:
        return ("query_only = ON",)
    foreign_keys = "OFF" if role is EngineRole.MIGRATOR else "ON"
    # FULL: with WAL, NORMAL may lose the last commits at a power failure, which were answered as accepted (G1, durable).
    # `secure_delete` overwrites deleted rows with zeros: a text deleted by law, or a secret, must not stay in free pages.
    always = (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"foreign_keys = {foreign_keys}",
        "secure_delete = ON",
        *_CACHE_PRAGMAS,
    )
    # The journal of a savepoint stays in memory, because a temporary file would not be overwritten with zeros.
    return (*always, "temp_store = MEMORY") if role is EngineRole.WRITER else always
