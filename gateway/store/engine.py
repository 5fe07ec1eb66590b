"""Opens the database: one writer and one pool of readers, as design 6 has them. In: a URL. Out: async engines whose
connections already keep our promises: what SQLite needs to be durable, how long a server bears with us."""

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
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from gateway import errors
from gateway.store import drivers

BUSY_TIMEOUT_S = 10  # design 6: longer than any transaction of ours; whoever holds on longer is reported
READERS = 4
CONNECT_S = 10.0
_LAST_S = 5.0  # for who still has a connection when its engine is closed
# More than a unit of work has different ones; the database reads each once for a connection then.
_STATEMENTS = 512
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class EngineRole(StrEnum):
    """What an engine is for. A migrator is a writer that may rebuild tables, so its foreign keys rest meanwhile."""

    WRITER = "writer"
    READER = "reader"
    NEAR_READER = "near reader"  # for few rows: on SQLite its statements run where they are asked
    MIGRATOR = "migrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """How many connections a server may be asked for by each engine, and for how long a statement, a wait for another
    transaction's lock and a transaction in which nothing happens may last. SQLite has its own: one writer, 10 s."""

    connections: int = 10  # measured: ten give three times the commits of one, and more give little
    statement_s: float = 30.0
    lock_s: float = 10.0
    idle_s: float = 60.0


AS_SHIPPED = ServerLimits()
_READING = (EngineRole.READER, EngineRole.NEAR_READER)


def open_engine(url: str, role: EngineRole, limits: ServerLimits = AS_SHIPPED) -> AsyncEngine:
    """An engine for that role; nothing is connected yet. Misconfigured when the URL names no database of ours."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, role)
    return _server(parsed, role, limits)


@asynccontextmanager
async def opened(url: str, role: EngineRole) -> AsyncIterator[AsyncEngine]:
    """The same, for one piece of work."""
    engine = open_engine(url, role)
    try:
        yield engine
    finally:
        await engine.dispose()


async def close_engine(engine: AsyncEngine) -> None:
    """When nobody has a connection of it any more, or some seconds later: what is given back afterwards nobody closes."""
    pool, back = cast(AsyncAdaptedQueuePool, engine.pool), asyncio.Event()
    event.listen(engine.sync_engine, "checkin", lambda *_: back.set())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_S):
            while pool.checkedout():
                back.clear()
                await back.wait()
    await engine.dispose()


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


def _server(url: URL, role: EngineRole, limits: ServerLimits) -> AsyncEngine:
    reading: dict[str, Any] = {  # one view for the whole unit of work, as SQLite gives by itself
        "isolation_level": "REPEATABLE READ",
        "execution_options": {"postgresql_readonly": True},
    }
    url, whom = _believed(url)
    engine = create_async_engine(
        url,
        pool_size=1 if role is EngineRole.MIGRATOR else limits.connections,
        max_overflow=0,
        pool_timeout=limits.lock_s,
        pool_use_lifo=True,
        connect_args=_server_words(role, limits) | whom,
        **(reading if role in _READING else {}),
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "handle_error", _name_failure)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _believed(url: URL) -> tuple[URL, dict[str, Any]]:
    """With an authority the server's certificate and name are checked, whatever the address asks for; without one the
    driver encrypts to whoever answers."""
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


def _server_words(role: EngineRole, limits: ServerLimits) -> dict[str, Any]:
    """How long the server bears with us. A migration may rewrite a large table, and waits its turn for it."""
    patient = role is EngineRole.MIGRATOR
    server = {
        "application_name": f"gateway {role}",
        "statement_timeout": 0 if patient else limits.statement_s,
        "lock_timeout": 0 if patient else limits.lock_s,
        "idle_in_transaction_session_timeout": 0 if patient else limits.idle_s,
        # To compile a plan takes longer than any question of ours.
        "jit": "off",
    }
    return {
        "timeout": CONNECT_S,
        "statement_cache_size": _STATEMENTS,
        "max_cached_statement_lifetime": 0,
        # Ours is the longer one: it is for a server that says nothing any more.
        "command_timeout": None if patient else limits.statement_s + CONNECT_S,
        "server_settings": {
            name: value if isinstance(value, str) else str(round(value * 1000))
            for name, value in server.items()
        },
    }


def _connect(dialect: Any, record: object, args: Any, words: dict[str, Any]) -> Any:
    """A connection that can be asked directly. What the driver says before it stands becomes what it says later. Any: the
    parts of the driver have no public types."""
    from gateway.store.server_connection import connect_server

    try:
        return connect_server(dialect.loaded_dbapi, *args, **words)
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
    """A server that stops answering in the middle of a statement is a failure like any other, and its connection is
    of no more use."""
    cause = context.original_exception
    if isinstance(cause, OSError | TimeoutError):
        context.is_disconnect = True
        raise OperationalError(None, None, cause) from cause


def _refuse_closed(connection: Any, record: object, proxy: object) -> None:
    """A server that was restarted closed its connections; the pool makes new ones. Asking each connection before each
    use would cost three round trips, and this costs nothing."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


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


def _keep_to_ourselves(dialect: object, record: object, args: Any, words: dict[str, Any]) -> None:
    """A new file is for its own user alone, whoever makes it and however; SQLite gives its journals the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(args[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _is_locked(why: BaseException) -> bool:
    return isinstance(why, sqlite3.OperationalError) and "locked" in str(why)


def _pause(seconds: float) -> None:
    """Within a connecting greenlet, so that the loop goes on meanwhile."""
    await_only(asyncio.sleep(seconds))


# Two nodes that start together on a new file both give it its journal, and there SQLite waits for nobody by itself.
_PATIENT = Retrying(
    retry=retry_if_exception(_is_locked),
    wait=wait_random(0.005, 0.05),
    stop=stop_after_delay(BUSY_TIMEOUT_S),
    sleep=_pause,
    reraise=True,
)


# Of a writer: the one that the store keeps open, and one for the registry.
_CONNECTIONS = {EngineRole.WRITER: 2, EngineRole.MIGRATOR: 1}


def _sqlite(url: URL, role: EngineRole) -> AsyncEngine:
    near = role in (EngineRole.WRITER, EngineRole.NEAR_READER)
    engine = create_async_engine(
        url.set(drivername=drivers.SQLITE_HERE) if near else url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=_CONNECTIONS.get(role, READERS),
        # Whoever keeps near ones open counts them.
        max_overflow=-1 if role is EngineRole.NEAR_READER else 0,
        # The driver begins nothing by itself: the `begin` event below decides how a transaction starts.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None, "cached_statements": _STATEMENTS},
    )
    # IMMEDIATE takes the write lock at once: a transaction that reads first can then never fail to write later.
    start = "BEGIN" if role in _READING else "BEGIN IMMEDIATE"

    def prepare(
        connection: Any, record: object
    ) -> None:  # Any: the driver's own connection has no public type
        cursor = connection.cursor()
        for pragma in _pragmas(role):
            _PATIENT.copy()(cursor.execute, f"PRAGMA {pragma}")  # its state is not for two at once
        cursor.close()

    def begin(connection: Connection) -> None:
        if near and drivers.sqlite_driver(connection).in_transaction:
            pass  # begun already, by whoever keeps the connection
        elif role is EngineRole.WRITER:
            drivers.begin_waiting(connection, BUSY_TIMEOUT_S)
        else:
            connection.exec_driver_sql(start)

    event.listen(engine.sync_engine, "do_connect", _keep_to_ourselves)
    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    if near:
        event.listen(engine.sync_engine, "handle_error", _stay_open)
    return engine


def _stay_open(context: ExceptionContext) -> None:
    """Who is cut short while a thread works learns it when that is done (`commits.apart`): the connection is as good as
    before, and may carry what others wrote. SQLAlchemy would close it."""
    if isinstance(context.original_exception, asyncio.CancelledError):
        context.is_disconnect = False


# So many KiB of pages stay in memory, and so many pages in the journal before they go to their places: what a document
# touches, the next one touches too.
_ROOM = ("cache_size = -6000", "wal_autocheckpoint = 4000")


def _pragmas(role: EngineRole) -> tuple[str, ...]:
    if role in _READING:
        return ("query_only = ON",)
    foreign_keys = "OFF" if role is EngineRole.MIGRATOR else "ON"
    # FULL: in WAL, NORMAL may lose the last commits when the power fails, and those were answered "accepted" (G1).
    # Zeros over what is deleted: a text that goes by law, or a secret's words, must not stay in free pages.
    always = (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"foreign_keys = {foreign_keys}",
        "secure_delete = ON",
        *_ROOM,
    )
    # What a savepoint changes is noted down meanwhile: not in a temporary file, over which nobody writes zeros.
    return (*always, "temp_store = MEMORY") if role is EngineRole.WRITER else always
