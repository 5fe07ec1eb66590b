"""Remembers a node's dealings with a foreign axis, in a SQLite file that the processes of one machine share: packets
fetched and whether their end was reported; packets sent, and sends in doubt; odd answers. In: one fact at a time. Out:
on disk when the call returns. Sync; call it in the pool."""

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
# Applied after the schema, to files made by an earlier version.
_NEWER = """
BEGIN IMMEDIATE;
CREATE INDEX IF NOT EXISTS sent_doc ON sent (doc_id);
COMMIT;
"""
MOST_ODD = 200
TRYING, SENT, ASKED_PERSON = "trying", "sent", "asked"
_SELECT_FETCHED = "SELECT system, kind, doc_id, digest, ended, told FROM taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPacket:
    """A fetched packet. `end_word` is `done` or `fail` once the node no longer needs it, else empty; `is_reported`: the
    axis was told."""

    system: str
    kind: str
    doc_id: str
    digest: str
    end_word: str
    is_reported: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """State of a file for one recipient: `sent`; `trying`, sending began with an unknown outcome; `asked`, the same, and
    a person decides whether to send again. `handed` describes the file, unless it is the standard one."""

    state: str
    at: float
    doc_id: str
    handed: Handed | None = None


class Ledger:
    """Ledger of one axis, opened on first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def note_coming(self, doc_id: str, system: str) -> None:
        """Note a packet that is about to be queued; `note_fetched` confirms it."""
        with self._write() as file:
            file.execute("INSERT OR REPLACE INTO coming (doc_id, system) VALUES (?, ?)", (doc_id, system))

    def note_fetched(self, system: str, kind: str, doc_id: str, digest: str, at: float) -> None:
        with self._write() as file:
            words = "INSERT OR IGNORE INTO taken (system, kind, doc_id, digest, at) VALUES (?, ?, ?, ?, ?)"
            file.execute(words, (system, kind, doc_id, digest, at))
            file.execute("DELETE FROM coming WHERE doc_id = ?", (doc_id,))

    def get_fetched(self, system: str, kind: str, doc_id: str) -> FetchedPacket | None:
        rows = self._rows(
            f"{_SELECT_FETCHED} WHERE system = ? AND kind = ? AND doc_id = ?", (system, kind, doc_id)
        )
        return next(iter(rows), None)

    def of_document(self, doc_id: str) -> Sequence[FetchedPacket]:
        return list(self._rows(f"{_SELECT_FETCHED} WHERE doc_id = ?", (doc_id,)))

    def list_fetchers(self, doc_id: str) -> Sequence[str]:
        """Return the systems that fetched the packet; empty for an unknown one."""
        words = """SELECT system FROM taken WHERE doc_id = ?
            UNION ALL SELECT system FROM coming WHERE doc_id = ?"""
        return [str(row[0]) for row in self._read(words, (doc_id, doc_id))]

    def list_unreported(self) -> Sequence[FetchedPacket]:
        """Return up to 500 ended packets that the axis was not told about."""
        return list(self._rows(f"{_SELECT_FETCHED} WHERE ended <> '' AND told IS NULL LIMIT 500", ()))

    def list_open(self) -> Sequence[FetchedPacket]:
        """Return fetched packets without an end noted."""
        return list(self._rows(f"{_SELECT_FETCHED} WHERE ended = ''", ()))

    def note_end(self, packet: FetchedPacket, word: str) -> None:
        with self._write() as file:
            words = "UPDATE taken SET ended = ? WHERE system = ? AND kind = ? AND doc_id = ? AND ended = ''"
            file.execute(words, (word, packet.system, packet.kind, packet.doc_id))

    def note_reported(self, packet: FetchedPacket, at: float) -> None:
        with self._write() as file:
            words = "UPDATE taken SET told = ? WHERE system = ? AND kind = ? AND doc_id = ?"
            file.execute(words, (at, packet.system, packet.kind, packet.doc_id))

    def sent(self, digest: str, routes: Sequence[str]) -> Mapping[str, SentFile]:
        """Return the state of a file for those of the routes that it was tried or sent to."""
        rows = self._read("SELECT route, state, at, doc_id, handed FROM sent WHERE digest = ?", (digest,))
        sent_by_route = {
            route: SentFile(state=state, at=at, doc_id=doc_id, handed=_handed(handed))
            for route, state, at, doc_id, handed in rows
        }
        return {route: sent_by_route[route] for route in routes if route in sent_by_route}

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
                words, [(digest, route, state, at, doc_id, _handed_text(handed)) for route in routes]
            )

    def has_it(self, doc_id: str) -> Sequence[str]:
        """Return the recipients for whom the axis accepted a file under this id."""
        words = "SELECT DISTINCT route FROM sent WHERE doc_id = ? AND state = 'sent'"
        return [str(row[0]) for row in self._read(words, (doc_id,))]

    def unmark(self, digest: str, routes: Sequence[str]) -> None:
        """Forget a try that surely sent nothing."""
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
        """Return the kept odd answers, newest first."""
        return self._read("SELECT id, at, operation, status, why, head FROM odd ORDER BY id DESC")

    def counts(self) -> Mapping[str, int]:
        words = """SELECT (SELECT COUNT(*) FROM taken WHERE told IS NULL),
            (SELECT COUNT(*) FROM sent WHERE state IN ('trying', 'asked')), (SELECT COUNT(*) FROM odd)"""
        (counts,) = self._read(words)
        return dict(zip(("unsettled", "unknown", "odd"), counts, strict=True))

    def _rows(self, words: str, parameters: Sequence[object]) -> Iterator[FetchedPacket]:
        for system, kind, doc_id, digest, ended, told_at in self._read(words, parameters):
            yield FetchedPacket(
                system=system,
                kind=kind,
                doc_id=doc_id,
                digest=digest,
                end_word=ended,
                is_reported=told_at is not None,
            )

    def _read(self, words: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a query. A damaged file raises Unreachable, a failure of the transport that is reported and retried like
        any other."""
        with self._lock:
            file = self._opened()
            try:
                return file.execute(words, parameters).fetchall()
            except sqlite3.Error as why:
                raise Unreachable(
                    f"the ledger {self._path} cannot be read: {why}; bring it back from a backup, or move it away"
                ) from why

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            file = self._opened()
            try:
                with commits.write_transaction(file):
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
    """Bring a file of an earlier version to the present schema."""
    if "handed" not in {row[1] for row in file.execute("PRAGMA table_info(sent)")}:
        try:
            file.execute("ALTER TABLE sent ADD COLUMN handed TEXT NOT NULL DEFAULT ''")
        except sqlite3.OperationalError as why:
            if "duplicate" not in str(why):  # another process was first
                raise
    file.executescript(_NEWER)


def _handed_text(handed: Handed | None) -> str:
    return f"{handed.form} {handed.digest} {handed.size}" if handed is not None else ""


def _handed(text: str) -> Handed | None:
    if not text:
        return None
    form, digest, size = text.split()
    return Handed(form=Form(form), digest=Digest(digest), size=int(size))
