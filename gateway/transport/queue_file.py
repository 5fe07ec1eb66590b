"""Owns the embedded axis's SQLite file: its three tables, every statement, and its connections. In: statements. Out:
rows, or Unreachable. Short statements run on the event loop without a thread. Several processes open the file at once:
waiting for the write lock does not block the loop, and writers of this process share one commit (`commits`).

A queue row is one parcel for one recipient code; `payload` has the bytes of small parcels, once for all their rows.
`hosting` names the nodes that may take rows of a code; codes are compared in the form `folded`. A row is due while it is
not dead and has no lease or an expired one; a lease that ends beyond `:far` was written by a clock that was ahead, and
counts as expired."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from gateway import commits, random_source
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.domain.registry import fold_code
from gateway.errors import Misconfigured, Unreachable
from gateway.ports.axis import NO_ROOM_REASON, DeadCause, DeadParcel
from gateway.ports.services import Pool

T = TypeVar("T")
SCHEMA_VERSION = 4
_PAYLOAD = "CREATE TABLE IF NOT EXISTS payload (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL)"
# Deletes the bytes with the last row that needs them.
_FORGET = """
CREATE TRIGGER IF NOT EXISTS queue_forget AFTER DELETE ON queue BEGIN
    DELETE FROM payload WHERE digest = OLD.digest AND NOT EXISTS (SELECT 1 FROM queue WHERE digest = OLD.digest);
END
"""

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS hosting (
    folded TEXT NOT NULL, node TEXT NOT NULL, code TEXT NOT NULL, PRIMARY KEY (folded, node)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folded TEXT NOT NULL, lane INTEGER NOT NULL, recipient TEXT NOT NULL, packet_id TEXT NOT NULL,
    kind TEXT NOT NULL, sender TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    published_at REAL NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0,
    token TEXT, leased_until REAL NOT NULL DEFAULT 0, dead_at REAL, dead_reason TEXT, node TEXT
);
{_PAYLOAD};
CREATE INDEX IF NOT EXISTS queue_due ON queue (folded, dead_at, lane, id, leased_until);
CREATE INDEX IF NOT EXISTS queue_digest ON queue (digest);
CREATE UNIQUE INDEX IF NOT EXISTS queue_token ON queue (token) WHERE token IS NOT NULL;
{_FORGET};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

# Statements that bring a file of each format to the next one, in one transaction. Before format 3 every payload was a
# file; those still waiting stay files until they are taken.
UPGRADES = {
    1: ("ALTER TABLE queue ADD COLUMN node TEXT", "PRAGMA user_version = 2"),
    2: (_PAYLOAD, "PRAGMA user_version = 3"),
    3: (_FORGET, "PRAGMA user_version = 4"),
}

HOSTED = "SELECT DISTINCT folded FROM hosting WHERE folded IN (SELECT value FROM json_each(?))"
HOSTED_ELSEWHERE = (
    "SELECT 1 FROM hosting WHERE folded IN (SELECT value FROM json_each(?)) AND node <> ? LIMIT 1"
)
FORGET_NODE = "DELETE FROM hosting WHERE node = ?"
HOST = "INSERT INTO hosting (folded, node, code) VALUES (?, ?, ?)"

INSERT_ROW = """
INSERT INTO queue (folded, lane, recipient, packet_id, kind, sender, digest, size, published_at, node)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

PUT_BYTES = "INSERT INTO payload (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
BYTES_OF = "SELECT digest, bytes FROM payload WHERE digest IN (SELECT value FROM json_each(?))"

# CROSS JOIN keeps the order: first the node's codes, then their rows by index; SQLite would scan the whole queue.
_OF_NODE = """
hosting h CROSS JOIN queue q ON q.folded = h.folded
WHERE h.node = :node AND q.dead_at IS NULL AND (q.leased_until <= :now OR q.leased_until > :far)
"""
ANY_DUE = f"SELECT 1 FROM {_OF_NODE} LIMIT 1"  # noqa: S608 - our own words, here and below

OLDEST = f"SELECT MIN(q.published_at) FROM {_OF_NODE}"  # noqa: S608
LEASE = "UPDATE queue SET token = ?, leased_until = ?, deliveries = deliveries + 1 WHERE id = ?"
BURY = "UPDATE queue SET dead_at = ?, dead_reason = ?, token = NULL, leased_until = 0 WHERE id = ?"
# These name the lease's token: a consumer that is late finds it changed, and changes nothing.
DELETE_LEASED = "DELETE FROM queue WHERE token = ?"
RELEASE_LEASE = "UPDATE queue SET token = NULL, leased_until = 0 WHERE token = ?"
BURY_LEASED = "UPDATE queue SET dead_at = ?, dead_reason = ?, token = NULL, leased_until = 0 WHERE token = ?"
STILL_NEEDED = "SELECT 1 FROM queue WHERE digest = ? LIMIT 1"
NEEDED_OF = "SELECT DISTINCT digest FROM queue WHERE digest IN (SELECT value FROM json_each(?))"
DEAD = """
SELECT id, recipient, packet_id, kind, sender, lane, digest, size, deliveries, dead_at, dead_reason
FROM queue WHERE dead_at IS NOT NULL ORDER BY id
"""
REVIVE = """
UPDATE queue SET dead_at = NULL, dead_reason = NULL, deliveries = 0 WHERE id = ? AND dead_at IS NOT NULL
"""
DROP_DEAD = "DELETE FROM queue WHERE id = ? AND dead_at IS NOT NULL RETURNING digest, packet_id, recipient"
_IS_LEASED = "leased_until > :now AND leased_until <= :far"
COUNTS = f"""
SELECT COALESCE(SUM(dead_at IS NULL AND NOT ({_IS_LEASED})), 0),
       COALESCE(SUM(dead_at IS NULL AND NOT ({_IS_LEASED}) AND lane = 0), 0),
       COALESCE(SUM(dead_at IS NULL AND {_IS_LEASED}), 0),
       COALESCE(SUM(dead_at IS NOT NULL), 0),
       COALESCE(SUM(dead_at IS NULL AND leased_until > :far), 0)
FROM queue
"""  # noqa: S608
LANES = (Lane.URGENT, Lane.NORMAL)  # the stored number is the index here: urgent sorts first
BUSY_S = 10.0  # how long a writer waits for another process's transaction
# How a commit treats the disk: FULL waits for it; with NORMAL a power failure may undo the last commits. With either,
# SQLite waits for the disk when it empties its log, so only commits that wait anyway, in a thread, empty it.
_ON_DISK = ("PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 1000")
_SOON_ON_DISK = ("PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 0")


def _due(lane: str) -> str:
    """Return the query of due rows. Its inner part reads only the index, so that a long backlog is sorted without rows."""
    return f"""
WITH due AS (SELECT q.id, q.lane, h.code FROM {_OF_NODE} {lane} ORDER BY q.lane, q.id LIMIT :most)
SELECT q.id, due.code, q.packet_id, q.kind, q.sender, q.lane, q.digest, q.size, q.deliveries, q.node, payload.bytes
FROM due JOIN queue q ON q.id = due.id LEFT JOIN payload ON payload.digest = q.digest ORDER BY due.lane, due.id
"""  # noqa: S608


DUE = _due("")
DUE_ORDINARY = _due("AND q.lane = 1")


def needed_payloads(queue: sqlite3.Connection, digests: Sequence[str]) -> set[str]:
    """Return those of the digests that a queue row still needs."""
    return {row[0] for row in queue.execute(NEEDED_OF, (json.dumps(digests),)).fetchall()}


def folded_codes(routes: Iterable[str]) -> tuple[str]:
    """Return the routes as the JSON parameter of `HOSTED`."""
    return (json.dumps([fold_code(route) for route in routes]),)


def due_of(
    queue: sqlite3.Connection, parameters: Mapping[str, object], limit: int, ordinary: int
) -> list[Sequence[Any]]:
    """Return up to `limit` due rows; where urgent ones would fill them, `ordinary` places go to the oldest normal rows."""
    rows: list[Sequence[Any]] = queue.execute(DUE, {**parameters, "most": limit}).fetchall()
    urgent = [row for row in rows if LANES[row[5]] is Lane.URGENT]
    if len(rows) < limit or limit - len(urgent) >= ordinary:
        return rows
    normal = queue.execute(DUE_ORDINARY, {**parameters, "most": ordinary}).fetchall()
    return [*urgent[: limit - len(normal)], *normal]


def tries_reason(deliveries: int) -> str:
    return f"delivered {deliveries} times and never settled"


def _cause(stored: str) -> DeadCause:
    """Read a stored cause. Earlier versions stored its words, and knew two causes."""
    if stored in {*DeadCause}:
        return DeadCause(stored)
    return DeadCause.NO_ROOM if stored == NO_ROOM_REASON else DeadCause.TRIES


def dead_parcels(row: Sequence[Any]) -> DeadParcel:
    id, recipient, packet_id, kind, sender, lane, digest, size, deliveries, dead_at, cause = row
    cause = _cause(cause)
    return DeadParcel(
        id=str(id),
        recipient=recipient,
        packet_id=packet_id,
        kind=kind,
        sender=sender,
        lane=LANES[lane],
        digest=Digest(digest),
        size=size,
        deliveries=deliveries,
        dead_at=datetime.fromtimestamp(dead_at, UTC),
        cause=cause,
        reason=NO_ROOM_REASON if cause is DeadCause.NO_ROOM else tries_reason(deliveries),
    )


def version_of(connection: sqlite3.Connection) -> object:
    """Return a value that changes when another connection commits; compare only values of the same connection."""
    ((version,),) = connection.execute("PRAGMA data_version").fetchall()
    return connection, version


class QueueFile:
    """One queue file. Quick statements run on the event loop's thread; those that wait for the disk, or grow with the
    queue, run in threads."""

    def __init__(self, path: Path, pool: Pool, begin: Callable[[sqlite3.Connection], None]) -> None:
        """`begin` is called once in a thread with the newly opened file, before any other access."""
        self.path = path
        self._pool, self._begin = pool, begin
        self._groups = commits.GroupWriter(self._locked)
        self._opening = asyncio.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._treats_disk = _ON_DISK
        self.failures, self._commit_failures = FailuresNamed(path), FailuresNamed(path, unsure=True)
        self._closed = False

    @property
    def is_open(self) -> bool:
        return self._reader is not None

    async def close(self) -> None:
        """Close the file after committing open units. A second call does nothing."""
        self._closed = True
        async with self._opening, self._groups.exclusive():
            with self.failures:
                await commits.run_in_thread(self._close)

    async def read(self, words: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """Run a query that an index answers with few rows."""
        with self.failures:
            return (await self._opened()).execute(words, parameters).fetchall()

    async def others_version(self) -> object:
        """Return a value that changes with every commit of another process, or of another axis in this one; None while
        this one is writing."""
        with self.failures:
            await self._opened()
            if self._writer is None or not self._groups.is_idle:
                return None
            return version_of(self._writer)

    async def search(self, words: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """Run a query that may read the whole queue, in a thread with its own connection."""
        with self.failures:
            await self._opened()
            return await self._pool.run(partial(_query, self.path, words, parameters))

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[sqlite3.Connection]:
        """Open one unit that holds the write lock; it is on disk when the body ends without error."""
        with self.failures:
            await self._opened()
            unit = await self._groups.begin()
            try:
                yield unit.driver.connection
                with self._commit_failures:
                    await unit.settle()
            finally:
                await unit.leave()

    async def change(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """Run `do` as a short unit that a power failure may undo: for leases and settlements, whose parcels then come
        again. It does not wait for the disk while this is the only writer; otherwise it waits for its group's commit."""
        with self.failures:
            await self._opened()
            if self._writer is not None and self._groups.is_idle and self._begin_at_once(self._writer):
                return self._finish_at_once(self._writer, do)
        async with self.write() as queue:
            return do(queue)

    def _begin_at_once(self, writer: sqlite3.Connection) -> bool:
        """Begin a transaction without waiting; False while another process writes."""
        self._treat_disk(writer, _SOON_ON_DISK)
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # another process writes; `write` waits for it, or reports the error
            return False
        return True

    def _finish_at_once(self, writer: sqlite3.Connection, do: Callable[[sqlite3.Connection], T]) -> T:
        try:
            result = do(writer)
            writer.execute("END")
        except BaseException:
            self._forget_writer()
            writer.close()  # closing rolls the unit back
            raise
        return result

    def _treat_disk(self, writer: sqlite3.Connection, settings: tuple[str, str]) -> None:
        """Set how commits treat the disk; SQLite accepts that only outside a transaction."""
        if self._treats_disk is not settings:
            for setting in settings:
                writer.execute(setting)
            self._treats_disk = settings

    async def shorten(self) -> bool:
        """Empty SQLite's log, in which removed rows can still be read. False while another connection reads from it."""
        with self.failures:
            async with self._groups.exclusive():
                return self._writer is None or await commits.run_in_thread(partial(_shorten, self._writer))

    async def _opened(self) -> sqlite3.Connection:
        """Open the file on first use, and return the connection for reading."""
        self._check_open()
        if self._reader is None:
            async with self._opening:
                self._check_open()
                if self._reader is None:
                    await commits.run_in_thread(self._open)
        if self._reader is None:
            raise Unreachable(f"the embedded axis {self.path} did not open")
        return self._reader

    def _check_open(self) -> None:
        if self._closed:
            raise Unreachable(f"the embedded axis {self.path} was closed; restart the node to open it again")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            writer = undo.enter_context(contextlib.closing(_connect(self.path)))
            _set_up(writer, self.path)
            self._begin(writer)
            writer.execute(commits.NO_WAIT)
            reader = undo.enter_context(contextlib.closing(_connect(self.path)))
            reader.execute("PRAGMA query_only = ON")
            undo.pop_all()
        self._writer, self._reader = writer, reader

    def _reopen_writer(self) -> None:
        writer = _connect(self.path)
        writer.execute(commits.NO_WAIT)
        self._writer = writer

    def _close(self) -> None:
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        for connection in (reader, writer):
            if connection is not None:
                connection.close()

    async def _locked(self) -> _QueueDriver:
        """Take the write lock, on a new connection where the last one was dropped."""
        self._check_open()
        if self._writer is None:
            await commits.run_in_thread(self._reopen_writer)
        if self._writer is None:
            raise Unreachable(f"the embedded axis {self.path} did not open")
        self._treat_disk(self._writer, _ON_DISK)
        await commits.take_lock(self._writer, BUSY_S)
        return _QueueDriver(self._writer, self._forget_writer)

    def _forget_writer(self) -> None:
        self._writer, self._treats_disk = None, _ON_DISK


class FailuresNamed:
    """Raises SQLite and disk errors as Unreachable. `unsure`: the commit itself failed, and may have succeeded."""

    def __init__(self, path: Path, *, unsure: bool = False) -> None:
        self._path, self._unsure = path, unsure

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(cause, sqlite3.Error | OSError):
            error = Unreachable(
                f"the embedded axis {self._path} did not answer: {type(cause).__name__}: {cause};"
                " check that the folder exists, has free space and may be written",
            )
            error.unsure = self._unsure
            raise error from cause


class _QueueDriver:
    """Driver of one unit, as `commits.Driver` wants it."""

    def __init__(self, connection: sqlite3.Connection, on_drop: Callable[[], None]) -> None:
        self.connection = connection
        self._gone, self._is_gone = on_drop, False

    def mark(self, words: str) -> None:
        self.connection.execute(words)

    async def commit(self) -> None:
        # Not `commit()`, which ignores that there may be no transaction any more.
        await commits.run_in_thread(partial(self.connection.execute, "COMMIT"))

    async def drop(self) -> None:
        self._is_gone = True
        self._gone()
        await commits.run_in_thread(self.connection.close)

    async def close(self) -> None:
        if not self._is_gone and self.connection.in_transaction:
            self.connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        for setting in _ON_DISK:  # what was published has been answered "delivered", so it must be on disk
            connection.execute(setting)
        # Deleted rows are overwritten with zeros: a settled parcel must not stay in free pages.
        connection.execute("PRAGMA secure_delete = ON")
        # Nor in a temporary file: SQLite writes undo data there, which is never overwritten.
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    """Switch the file to WAL, and create or upgrade its tables."""
    # Several processes may open a new file at once, and the change to WAL ignores the busy timeout.
    for attempt in Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        stop=stop_after_attempt(8),
        wait=lambda tried: random_source.backoff_s(tried.attempt_number, 0.02, 1.0),
        reraise=True,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode = WAL")
    version = _format_of(connection)
    if version > SCHEMA_VERSION:
        raise Misconfigured(
            f"{path} has queue format {version}, this program knows up to {SCHEMA_VERSION}: use the newer program"
        )
    if version == 0:
        connection.executescript(SCHEMA)
    elif version < SCHEMA_VERSION:
        _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade the file to the newest format, which is read again under the lock: another process may have done it."""
    connection.execute("BEGIN IMMEDIATE")
    for version in range(_format_of(connection), SCHEMA_VERSION):
        for step in UPGRADES[version]:
            connection.execute(step)
    connection.execute("COMMIT")


def _format_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _query(path: Path, words: str, parameters: Sequence[object] | Mapping[str, object]) -> list[Any]:
    with contextlib.closing(_connect(path)) as connection:
        return connection.execute(words, parameters).fetchall()


def _shorten(connection: sqlite3.Connection) -> bool:
    """Empty the log into the file; False where a reader kept it from that."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
