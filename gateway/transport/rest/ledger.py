"""What a node remembers of a foreign axis, in a SQLite file of its own that the processes of one machine share: which
packets it fetched, and whether the axis was told of their end; what it sent, and what it does not know whether it
sent; odd answers. In: one fact at a time. Out: on disk when the call returns. Sync; call it in the pool."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import commits
from gateway.domain.forms import Form, Handed
from gateway.domain.identity import Digest
from gateway.errors import Unreachable

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS taken (
    system TEXT NOT NULL, kind TEXT NOT NULL, doc_id TEXT NOT NULL, digest TEXT NOT NULL, at REAL NOT NULL,
    ended TEXT NOT NULL DEFAULT '', told REAL, PRIMARY KEY (system, kind, doc_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS taken_doc ON taken (doc_id);
CREATE TABLE IF NOT EXISTS coming (doc_id TEXT PRIMARY KEY, system TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (
    digest TEXT NOT NULL, route TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL, doc_id TEXT NOT NULL DEFAULT '',
    handed TEXT NOT NULL DEFAULT '', PRIMARY KEY (digest, route)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS odd (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, operation TEXT NOT NULL, status INTEGER NOT NULL,
    why TEXT NOT NULL, head BLOB NOT NULL
);
COMMIT;
"""
# Behind the schema, for a file that an earlier version began.
_NEWER = """
BEGIN IMMEDIATE;
CREATE INDEX IF NOT EXISTS sent_doc ON sent (doc_id);
COMMIT;
"""
MOST_ODD = 200
TRYING, SENT, ASKED = "trying", "sent", "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A packet that was fetched. `ended`: done or fail, once the node needs it no more; `told`: the axis knows."""

    system: str
    kind: str
    doc_id: str
    digest: str
    ended: str
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is known of a file for one recipient. `trying`: it was begun, and nobody knows how it ended; `asked`: as much,
    and a person was asked what to do: whoever sends it again now has decided. `handed`: the file itself, where it is not
    the standard one."""

    state: str
    at: float
    doc_id: str
    handed: Handed | None = None


class Ledger:
    """Opened on first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def coming(self, doc_id: str, system: str) -> None:
        """It is about to be put on the shelf; whether it was, `took` says."""
        with self._write() as file:
            file.execute("INSERT OR REPLACE INTO coming (doc_id, system) VALUES (?, ?)", (doc_id, system))

    def took(self, system: str, kind: str, doc_id: str, digest: str, at: float) -> None:
        with self._write() as file:
            words = "INSERT OR IGNORE INTO taken (system, kind, doc_id, digest, at) VALUES (?, ?, ?, ?, ?)"
            file.execute(words, (system, kind, doc_id, digest, at))
            file.execute("DELETE FROM coming WHERE doc_id = ?", (doc_id,))

    def taken(self, system: str, kind: str, doc_id: str) -> Taken | None:
        found = self._rows(f"{_TAKEN} WHERE system = ? AND kind = ? AND doc_id = ?", (system, kind, doc_id))
        return next(iter(found), None)

    def of_document(self, doc_id: str) -> Sequence[Taken]:
        return list(self._rows(f"{_TAKEN} WHERE doc_id = ?", (doc_id,)))

    def by_whom(self, doc_id: str) -> Sequence[str]:
        """The systems that fetched it; none for what this ledger knows nothing of."""
        words = """SELECT system FROM taken WHERE doc_id = ?
            UNION ALL SELECT system FROM coming WHERE doc_id = ?"""
        return [str(row[0]) for row in self._read(words, (doc_id, doc_id))]

    def untold(self) -> Sequence[Taken]:
        return list(self._rows(f"{_TAKEN} WHERE ended <> '' AND told IS NULL LIMIT 500", ()))

    def open_ones(self) -> Sequence[Taken]:
        """Fetched, and still in the node's hands as far as the ledger knows."""
        return list(self._rows(f"{_TAKEN} WHERE ended = ''", ()))

    def ended(self, one: Taken, word: str) -> None:
        with self._write() as file:
            words = "UPDATE taken SET ended = ? WHERE system = ? AND kind = ? AND doc_id = ? AND ended = ''"
            file.execute(words, (word, one.system, one.kind, one.doc_id))

    def told(self, one: Taken, at: float) -> None:
        with self._write() as file:
            words = "UPDATE taken SET told = ? WHERE system = ? AND kind = ? AND doc_id = ?"
            file.execute(words, (at, one.system, one.kind, one.doc_id))

    def sent(self, digest: str, routes: Sequence[str]) -> Mapping[str, Sent]:
        rows = self._read("SELECT route, state, at, doc_id, handed FROM sent WHERE digest = ?", (digest,))
        known = {
            route: Sent(state=state, at=at, doc_id=doc_id, handed=_handed(handed))
            for route, state, at, doc_id, handed in rows
        }
        return {route: known[route] for route in routes if route in known}

    def mark(
        self,
        digest: str,
        routes: Sequence[str],
        state: str,
        at: float,
        doc_id: str = "",
        handed: Handed | None = None,
    ) -> None:
        with self._write() as file:
            words = """INSERT OR REPLACE INTO sent (digest, route, state, at, doc_id, handed)
                VALUES (?, ?, ?, ?, ?, ?)"""
            file.executemany(
                words, [(digest, route, state, at, doc_id, _written(handed)) for route in routes]
            )

    def has_it(self, doc_id: str) -> Sequence[str]:
        """For whom the axis has taken a file under that id."""
        words = "SELECT DISTINCT route FROM sent WHERE doc_id = ? AND state = 'sent'"
        return [str(row[0]) for row in self._read(words, (doc_id,))]

    def unmark(self, digest: str, routes: Sequence[str]) -> None:
        """It is known that it was not sent."""
        with self._write() as file:
            file.executemany(
                "DELETE FROM sent WHERE digest = ? AND route = ? AND state = 'trying'",
                [(digest, route) for route in routes],
            )

    def keep_odd(self, at: float, operation: str, status: int, why: str, head: bytes) -> None:
        with self._write() as file:
            words = "INSERT INTO odd (at, operation, status, why, head) VALUES (?, ?, ?, ?, ?)"
            file.execute(words, (at, operation, status, why, head))
            file.execute("DELETE FROM odd WHERE id <= (SELECT MAX(id) FROM odd) - ?", (MOST_ODD,))

    def odd(self) -> Sequence[tuple[int, float, str, int, str, bytes]]:
        """Newest first."""
        return self._read("SELECT id, at, operation, status, why, head FROM odd ORDER BY id DESC")

    def counts(self) -> Mapping[str, int]:
        words = """SELECT (SELECT COUNT(*) FROM taken WHERE told IS NULL),
            (SELECT COUNT(*) FROM sent WHERE state IN ('trying', 'asked')), (SELECT COUNT(*) FROM odd)"""
        (counts,) = self._read(words)
        return dict(zip(("unsettled", "unknown", "odd"), counts, strict=True))

    def _rows(self, words: str, about: Sequence[object]) -> Iterator[Taken]:
        for system, kind, doc_id, digest, ended, told in self._read(words, about):
            yield Taken(
                system=system, kind=kind, doc_id=doc_id, digest=digest, ended=ended, told=told is not None
            )

    def _read(self, words: str, about: Sequence[object] = ()) -> list[Any]:
        """Return rows. A damaged file is a failure of the transport, which is told and tried again like any other."""
        with self._lock:
            file = self._opened()
            try:
                return file.execute(words, about).fetchall()
            except sqlite3.Error as why:
                raise Unreachable(
                    f"the ledger {self._path} cannot be read: {why}; bring it back from a backup, or move it away"
                ) from why

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            file = self._opened()
            try:
                with commits.whole(file):
                    yield file
            except sqlite3.Error as why:
                raise Unreachable(
                    f"the ledger {self._path} takes nothing: {why}; has the disk room?"
                ) from why

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                file = sqlite3.connect(
                    self._path, timeout=10.0, isolation_level=None, check_same_thread=False
                )
                file.execute("PRAGMA journal_mode = WAL")
                file.execute("PRAGMA synchronous = FULL")
                file.executescript(_SCHEMA)
                _bring_up(file)
            except (sqlite3.Error, OSError) as why:
                raise Unreachable(f"the ledger {self._path} cannot be opened: {why}") from why
            self._file = file
        return self._file


def _bring_up(file: sqlite3.Connection) -> None:
    if "handed" not in {row[1] for row in file.execute("PRAGMA table_info(sent)")}:
        try:
            file.execute("ALTER TABLE sent ADD COLUMN handed TEXT NOT NULL DEFAULT ''")
        except sqlite3.OperationalError as why:
            if "duplicate" not in str(why):  # another process was first
                raise
    file.executescript(_NEWER)


def _written(handed: Handed | None) -> str:
    return f"{handed.form} {handed.digest} {handed.size}" if handed is not None else ""


def _handed(text: str) -> Handed | None:
    if not text:
        return None
    form, digest, size = text.split()
    return Handed(form=Form(form), digest=Digest(digest), size=int(size))


_TAKEN = "SELECT system, kind, doc_id, digest, ended, told FROM taken"
