"""The memory of the robots, in one SQLite file: packets that came, acts that are due and when, packets they sent. In: rows.
Out: rows. A packet and its due acts are one commit; a packet to send is written before it is sent, so that a killed robot
sends the same bytes again. Sync; call it in the pool."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import commits

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS came (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, robot TEXT NOT NULL, digest TEXT NOT NULL, sender TEXT NOT NULL,
    document TEXT NOT NULL, packet TEXT NOT NULL, told TEXT NOT NULL, at REAL NOT NULL, times INTEGER NOT NULL DEFAULT 1,
    raw BLOB, UNIQUE (robot, digest)
);
CREATE INDEX IF NOT EXISTS came_document ON came (document);
CREATE TABLE IF NOT EXISTS due (
    id TEXT PRIMARY KEY, at REAL NOT NULL, robot TEXT NOT NULL, work TEXT NOT NULL, sent TEXT NOT NULL DEFAULT '',
    raw BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due_at ON due (at);
CREATE TABLE IF NOT EXISTS sent (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, robot TEXT NOT NULL, receiver TEXT NOT NULL, kind TEXT NOT NULL,
    document TEXT NOT NULL, told TEXT NOT NULL
);
COMMIT;
"""
# The rows of so many packets stay, and the bytes of those that are not larger than this.
MOST, MOST_RAW = 5000, 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedPacket:
    """A packet that came to a robot. `content` is its content and the findings on it; `times`: how often it came."""

    seq: int
    robot: str
    times: int
    at: datetime
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An act that is due. `raw` and `sent` are set once it was written down for good."""

    id: str
    at: datetime
    robot: str
    work: Mapping[str, Any]
    sent: Mapping[str, Any] | None = None
    raw: bytes | None = None


class Memory:
    """The memory; one process has it open."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._file = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def note(
        self, robot: str, facts: Mapping[str, Any], raw: bytes, at: datetime, acts: Sequence[Due]
    ) -> bool:
        """Tell whether it is the first of these bytes: then its acts are due. A repeat is counted."""
        digest = str(facts["digest"])
        with self._write() as file:
            repeat = "UPDATE came SET times = times + 1 WHERE robot = ? AND digest = ?"
            if file.execute(repeat, (robot, digest)).rowcount:
                return False
            file.execute(
                "INSERT INTO came (robot, digest, sender, document, packet, told, at, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    robot,
                    digest,
                    facts["sender"],
                    # A request is kept under the document that it is about.
                    facts.get("target") or facts["document_id"],
                    facts["packet_id"],
                    json.dumps(facts),
                    at.timestamp(),
                    raw if len(raw) <= MOST_RAW else None,
                ),
            )
            file.execute("DELETE FROM came WHERE seq <= (SELECT max(seq) FROM came) - ?", (MOST,))
            self._insert(file, acts)
        return True

    def plan(self, acts: Sequence[Due]) -> None:
        with self._write() as file:
            self._insert(file, acts)

    def next_at(self) -> datetime | None:
        (at,) = self._read("SELECT min(at) FROM due")[0]
        return None if at is None else datetime.fromtimestamp(at, UTC)

    def due(self, now: datetime) -> list[Due]:
        """Return the acts whose time has come, oldest first."""
        words = "SELECT id, at, robot, work, sent, raw FROM due WHERE at <= ? ORDER BY at, id LIMIT 50"
        return [
            Due(
                id=id,
                at=datetime.fromtimestamp(at, UTC),
                robot=robot,
                work=json.loads(work),
                sent=json.loads(sent) if sent else None,
                raw=raw,
            )
            for id, at, robot, work, sent, raw in self._read(words, (now.timestamp(),))
        ]

    def note_written(self, id: str, sent: Mapping[str, Any], raw: bytes) -> None:
        """Keep these bytes: they are sent, however often the act is begun anew."""
        with self._write() as file:
            file.execute("UPDATE due SET sent = ?, raw = ? WHERE id = ?", (json.dumps(sent), raw, id))

    def end_act(self, id: str, sent: Mapping[str, Any] | None) -> None:
        """Remove the act. `sent` None: it sent nothing."""
        with self._write() as file:
            file.execute("DELETE FROM due WHERE id = ?", (id,))
            if sent is not None:
                file.execute(
                    "INSERT INTO sent (robot, receiver, kind, document, told) VALUES (?, ?, ?, ?, ?)",
                    (sent["robot"], sent["to"], sent["kind"], sent["document_id"], json.dumps(sent)),
                )
                file.execute("DELETE FROM sent WHERE seq <= (SELECT max(seq) FROM sent) - ?", (MOST,))

    def packets(
        self, seq_before: int, limit: int, document: str = "", robot: str = ""
    ) -> list[ReceivedPacket]:
        """Return packets behind that number, oldest first; of one document or robot where it is named."""
        words = (
            "SELECT seq, robot, times, at, told FROM came WHERE seq > ? AND (? = '' OR document = ?)"
            " AND (? = '' OR robot = ?) ORDER BY seq LIMIT ?"
        )
        rows = self._read(words, (seq_before, document, document, robot, robot, limit))
        return [
            ReceivedPacket(
                seq=seq,
                robot=robot,
                times=times,
                at=datetime.fromtimestamp(at, UTC),
                content=json.loads(text),
            )
            for seq, robot, times, at, text in rows
        ]

    def raw(self, seq: int) -> bytes | None:
        """Return the bytes; None for a packet that is not here, or was too large to keep."""
        rows = self._read("SELECT raw FROM came WHERE seq = ?", (seq,))
        return rows[0][0] if rows else None

    def find_document(self, robot: str, document: str) -> Mapping[str, Any] | None:
        """Return the last packet to this robot about that document; a request where one asks something of it."""
        words = "SELECT told FROM came WHERE robot = ? AND document = ? ORDER BY seq DESC LIMIT 1"
        rows = self._read(words, (robot, document))
        return json.loads(rows[0][0]) if rows else None

    def last_sent(self, robot: str, receiver: str) -> Mapping[str, Any] | None:
        """Return the last document of this robot for that agency."""
        words = "SELECT told FROM sent WHERE robot = ? AND receiver = ? AND kind = 'edoc' ORDER BY seq DESC LIMIT 1"
        rows = self._read(words, (robot, receiver))
        return json.loads(rows[0][0]) if rows else None

    def sent_document(self, robot: str, document: str) -> Mapping[str, Any] | None:
        words = (
            "SELECT told FROM sent WHERE robot = ? AND document = ? AND kind <> 'status' ORDER BY seq LIMIT 1"
        )
        rows = self._read(words, (robot, document))
        return json.loads(rows[0][0]) if rows else None

    def _insert(self, file: sqlite3.Connection, acts: Sequence[Due]) -> None:
        file.executemany(
            "INSERT INTO due (id, at, robot, work) VALUES (?, ?, ?, ?)",
            [(act.id, act.at.timestamp(), act.robot, json.dumps(act.work)) for act in acts],
        )

    def _read(self, words: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            return self._file.execute(words, values).fetchall()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, commits.write_transaction(self._file) as file:
            yield file
