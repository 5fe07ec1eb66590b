"""The hub behind a simulator: packets with their recipients and states, in a folder that survives kill -9. In: a file as a
client sent it. Out: its id; the file written anew, as the real axes do; lists, states and counts. An answer means that it
is on disk. Sync; call it in a thread."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway import commits
from gateway.atomic_files import new_file
from gateway.domain.document import Kind
from gateway.domain.registry import fold_code
from gateway.edxml import foreign, reader
from gateway.edxml.attachment import pieces
from gateway.edxml.envelope import Envelope, outline_header
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.reader import Read
from gateway.edxml.verify import EnvelopeSource
from gateway.errors import MalformedXml
from gateway_labs.simulators import again
from gateway_labs.simulators.settings import HubSystem, SimulatorSettings

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS agency (
    folded TEXT PRIMARY KEY, code TEXT NOT NULL, old TEXT NOT NULL, name TEXT NOT NULL, pid TEXT NOT NULL,
    mail TEXT NOT NULL, system TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    doc_id TEXT PRIMARY KEY, kind TEXT NOT NULL, system TEXT NOT NULL, sender TEXT NOT NULL, digest TEXT NOT NULL,
    document TEXT NOT NULL, is_new INTEGER NOT NULL, title TEXT NOT NULL, notation TEXT NOT NULL, at REAL NOT NULL,
    times INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS message_digest ON message (digest);
CREATE TABLE IF NOT EXISTS delivery (
    doc_id TEXT NOT NULL, receiver TEXT NOT NULL, system TEXT NOT NULL, status TEXT NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL, fetched INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (doc_id, receiver)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS late (doc_id TEXT PRIMARY KEY, shows REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_system ON delivery (system, status);
COMMIT;
"""
WORDS = ("initial", "processing", "done", "fail")
_SETTLED = ("done", "fail")


class HubSaysNo(Exception):
    """A refusal. `code` is the error code of the answer."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a list. `receiver` may name several codes of one system."""

    doc_id: str
    kind: str
    sender: str
    receiver: str
    status: str
    created: datetime
    updated: datetime
    title: str = ""
    notation: str = ""


class Hub:
    """One hub over one folder; one process has it open."""

    def __init__(
        self, folder: Path, settings: SimulatorSettings, now: Callable[[], datetime] | None = None
    ) -> None:
        self._files, self._settings = folder / "files", settings
        ahead = timedelta(seconds=settings.hub.ahead_s)
        self.now = now or (lambda: datetime.now(UTC) + ahead)
        self._limits = EnvelopeLimits()
        self._files.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(
            folder / "hub.sqlite", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_SCHEMA)
        for system in settings.systems:
            for agency in system.agencies:
                self.register(system, agency.code, agency.name, old=agency.old)

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def draft(self) -> Path:
        return self._files / f"{uuid.uuid4()}.part"

    # --- agencies ----------------------------------------------------------------------------------------------

    def register(
        self, system: HubSystem, code: str, name: str, *, old: str = "", pid: str = "", mail: str = ""
    ) -> None:
        """Add or change an agency. HubSaysNo for a code that is another system's."""
        if not code.strip() or not name.strip():
            raise HubSaysNo("22", "code and name are needed")
        with self._write() as file:
            owner = file.execute("SELECT system FROM agency WHERE folded = ?", (fold_code(code),)).fetchone()
            if owner is not None and owner[0] != system.id:
                raise HubSaysNo("19", f"{code} is registered by another system")
            file.execute(
                "INSERT OR REPLACE INTO agency (folded, code, old, name, pid, mail, system) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (fold_code(code), code.strip(), old, name, pid, mail, system.id),
            )

    def remove(self, system: HubSystem, code: str) -> None:
        with self._write() as file:
            words = "DELETE FROM agency WHERE folded = ? AND system = ?"
            if not file.execute(words, (fold_code(code), system.id)).rowcount:
                raise HubSaysNo("18", f"{code} is no agency of this system")

    def agencies(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield code, old code, name, parent, mail; the invented ones last."""
        with self._lock:
            rows = self._file.execute(
                "SELECT code, old, name, pid, mail FROM agency ORDER BY folded"
            ).fetchall()
        yield from rows
        for n in range(self._settings.hub.more_agencies):
            yield f"X{n % 100:02}.{n // 100:04}", "", f"Invented agency {n}", "", ""

    # --- messages ----------------------------------------------------------------------------------------------

    def accept(
        self,
        draft: Path,
        system: HubSystem,
        kind: str,
        sender: str,
        only: Sequence[str] = (),
        late: timedelta = timedelta(),
    ) -> str:
        """Keep the file on disk and return its id; `late`: when lists begin to show it. HubSaysNo: nothing was kept."""
        read = self._read_draft(draft)
        model = read.envelope
        sender_code = model.sender.organ_id or ""
        self._check_sender(system, sender_code, sender)
        if (kind == "status") != (model.kind is Kind.STATUS):
            raise HubSaysNo("22", f"the message type {kind} is not what is in the file")
        digest = _content_digest(read)
        if self._settings.hub.dedupe and (first := self._repeated_id(digest, model, system)):
            return first
        receivers = self._receivers(model, only)
        doc_id, now = str(uuid.uuid4()), self.now()
        with new_file(self._path(doc_id)) as out:
            out.writelines(self._passed(read, partial(_reader, draft), now))
        reference = model.response_for[0] if model.response_for else None
        notation = f"{model.code.number or ''}/{model.code.notation or ''}" if model.code else ""
        if model.status is not None:
            notation = (reference.code if reference else "") or ""
        with self._write() as file:
            file.execute(
                "INSERT INTO message (doc_id, kind, system, sender, digest, document, is_new, title, notation, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    doc_id,
                    kind,
                    system.id,
                    sender_code.strip(),
                    digest,
                    model.document_id or "",
                    model.kind is Kind.DOCUMENT,
                    model.subject or "",
                    notation,
                    now.timestamp(),
                ),
            )
            file.executemany(
                "INSERT INTO delivery (doc_id, receiver, system, status, created, updated) VALUES (?, ?, ?, ?, ?, ?)",
                [(doc_id, code, to, "initial", now.timestamp(), now.timestamp()) for code, to in receivers],
            )
            if late:
                words = "INSERT INTO late (doc_id, shows) VALUES (?, ?)"
                file.execute(words, (doc_id, (now + late).timestamp()))
        return doc_id

    def _read_draft(self, draft: Path) -> Read:
        """Read the file, and unwrap it on disk where it came as text in JSON. HubSaysNo when it is no edXML."""
        try:
            read = reader.read(pieces(partial(_reader, draft)), self._limits)
            if any(x.code == "JSON-WRAPPED" for x in read.findings):
                draft.write_bytes(foreign.unwrap(_source(draft), self._limits))
                read = reader.read(pieces(partial(_reader, draft)), self._limits)
        except MalformedXml as why:
            raise HubSaysNo("22", f"the file is no edXML: {why}") from why
        return read

    def _check_sender(self, system: HubSystem, in_file: str, stated: str) -> None:
        """Raise HubSaysNo when the sender in the file, or the stated one, is not of that system."""
        own = {fold_code(x.code) for x in self._settings_of(system.id).agencies} | self._registered(system)
        if fold_code(in_file) not in own:
            raise HubSaysNo("19", f"the sender {in_file!r} is no agency of {system.id}")
        if stated and fold_code(stated) not in {*own, fold_code(system.id)}:
            raise HubSaysNo("19", f"from {stated!r} is no agency of {system.id}")

    def waiting(
        self, system: str, kind: str, since: datetime | None = None, sent_before: datetime | None = None
    ) -> list[Entry]:
        """Return packets that this system has not settled, oldest first; between two times all that came then."""
        late = self._settings.hub.late_s
        settled_words = ("done", "fail") if since is None else ("", "")
        rows = self._rows(
            "SELECT m.doc_id, m.kind, m.sender, d.receiver, d.status, d.created, d.updated, m.title, m.notation"
            " FROM delivery d JOIN message m ON m.doc_id = d.doc_id WHERE d.system = ? AND m.kind = ?"
            " AND d.status NOT IN (?, ?) AND d.created <= ? AND d.created >= ? AND d.created < ?"
            " AND NOT EXISTS (SELECT 1 FROM late WHERE late.doc_id = m.doc_id AND late.shows > ?)"
            " ORDER BY m.rowid, d.receiver",
            (
                system,
                kind,
                *settled_words,
                self.now().timestamp() - late,
                since.timestamp() if since else 0,
                sent_before.timestamp() if sent_before else 1e12,
                self.now().timestamp(),
            ),
        )
        if self._settings.hub.entries == "receiver":
            return rows
        once: dict[str, Entry] = {}
        for row in rows:
            once.setdefault(row.doc_id, row)
        return list(once.values())

    def sent(self, system: str, kind: str, doc_id: str = "") -> list[Entry]:
        """Return the message of that id, where this system sent it; else all: the id sticks from a fetch."""
        mine = self._rows_of_sent(system, kind, doc_id) if doc_id else []
        return mine or self._rows_of_sent(system, kind, "")

    def _rows_of_sent(self, system: str, kind: str, doc_id: str) -> list[Entry]:
        return self._rows(
            "SELECT m.doc_id, m.kind, m.sender, d.receiver, d.status, m.at, d.updated, m.title, m.notation"
            " FROM message m JOIN delivery d ON m.doc_id = d.doc_id WHERE m.system = ? AND m.kind = ?"
            " AND (? = '' OR m.doc_id = ?) ORDER BY m.rowid, d.receiver",
            (system, kind, doc_id, doc_id),
        )

    def content(self, doc_id: str, system: str) -> Path:
        """Return the file, for its sender and its receivers. HubSaysNo for other systems."""
        with self._lock:
            words = (
                "SELECT 1 FROM message WHERE doc_id = ? AND system = ?"
                " UNION SELECT 1 FROM delivery WHERE doc_id = ? AND system = ?"
            )
            row = self._file.execute(words, (doc_id, system, doc_id, system)).fetchone()
        if row is None:
            raise HubSaysNo("18", f"there is no message {doc_id} for this system")
        with self._write() as file:
            file.execute(
                "UPDATE delivery SET fetched = fetched + 1 WHERE doc_id = ? AND system = ?", (doc_id, system)
            )
        return self._path(doc_id)

    def update(self, doc_id: str, system: str, status: str, more: Sequence[str] = ()) -> None:
        """Set the state; a settled packet stays settled. `more`: words besides the usual ones."""
        if status not in WORDS and status not in more:
            raise HubSaysNo("22", f"there is no status {status!r}")
        with self._write() as file:
            row = file.execute(
                "SELECT 1 FROM delivery WHERE doc_id = ? AND system = ?", (doc_id, system)
            ).fetchone()
            if row is None:
                raise HubSaysNo("18", f"there is no message {doc_id} for this system")
            file.execute(
                "UPDATE delivery SET status = ?, updated = ? WHERE doc_id = ? AND system = ?"
                " AND status NOT IN ('done', 'fail')",
                (status, self.now().timestamp(), doc_id, system),
            )

    def summary(self) -> list[tuple[str, str, str, str, str, int, int]]:
        """Return rows for the page: id, kind, sender, receiver, status, times sent, times fetched; newest first."""
        with self._lock:
            return self._file.execute(
                "SELECT m.doc_id, m.kind, m.sender, d.receiver, d.status, m.times, d.fetched FROM message m"
                " JOIN delivery d ON m.doc_id = d.doc_id ORDER BY m.at DESC LIMIT 500"
            ).fetchall()

    def _passed(self, read: Read, opener: Callable[[], BinaryIO], at: datetime) -> Iterator[bytes]:
        if self._settings.hub.anew:
            return again.write_envelope(read, opener, self._settings.hub.code, at)
        return pieces(opener)

    def _repeated_id(self, digest: str, model: Envelope, system: HubSystem) -> str:
        with self._write() as file:
            row = file.execute(
                "SELECT doc_id, digest FROM message WHERE system = ? AND (digest = ? OR (is_new = 1 AND ?"
                " AND document = ? AND document <> '' AND sender = ?)) ORDER BY digest <> ?, at LIMIT 1",
                (
                    system.id,
                    digest,
                    model.kind is Kind.DOCUMENT,
                    model.document_id or "",
                    (model.sender.organ_id or "").strip(),
                    digest,
                ),
            ).fetchone()
            if row is None:
                return ""
            if row[1] != digest:
                raise HubSaysNo("22", f"DocumentId {model.document_id} is {row[0]} with other content")
            file.execute("UPDATE message SET times = times + 1 WHERE doc_id = ?", (row[0],))
        return str(row[0])

    def _receivers(self, model: Envelope, only: Sequence[str]) -> list[tuple[str, str]]:
        organisations = model.response_for[:1] if model.kind is Kind.STATUS else model.to
        codes = [o.organ_id.strip() for o in organisations if o.organ_id]
        only_codes = {fold_code(c) for c in only}
        codes = [code for code in codes if not only_codes or fold_code(code) in only_codes]
        with self._lock:
            rows = self._file.execute("SELECT folded, old, code, system FROM agency").fetchall()
        by_code = {folded: (code, system) for folded, _, code, system in rows}
        by_code |= {fold_code(old): (code, system) for _, old, code, system in rows if old}
        receivers = {
            by_code[fold_code(code)][0]: by_code[fold_code(code)][1]
            for code in codes
            if fold_code(code) in by_code
        }
        if not receivers:
            raise HubSaysNo(
                "18", f"no receiver is an agency of this axis: {', '.join(codes) or 'none is named'}"
            )
        return list(receivers.items())

    def _registered(self, system: HubSystem) -> set[str]:
        with self._lock:
            rows = self._file.execute(
                "SELECT folded, old FROM agency WHERE system = ?", (system.id,)
            ).fetchall()
        return {folded for folded, _ in rows} | {fold_code(old) for _, old in rows if old}

    def _settings_of(self, id: str) -> HubSystem:
        return next(s for s in self._settings.systems if s.id == id)

    def _path(self, doc_id: str) -> Path:
        return self._files / f"{uuid.UUID(doc_id)}.edxml"

    def _rows(self, words: str, parameters: Sequence[object]) -> list[Entry]:
        with self._lock:
            rows = self._file.execute(words, parameters).fetchall()
        return [
            Entry(
                doc_id=doc_id,
                kind=kind,
                sender=sender,
                receiver=receiver,
                status=status,
                created=datetime.fromtimestamp(created, UTC),
                updated=datetime.fromtimestamp(updated, UTC),
                title=title,
                notation=notation,
            )
            for doc_id, kind, sender, receiver, status, created, updated, title, notation in rows
        ]

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, commits.write_transaction(self._file) as file:
            yield file


def _source(path: Path) -> EnvelopeSource:
    return EnvelopeSource(size=path.stat().st_size, open=lambda: pieces(partial(_reader, path)))


def _reader(path: Path) -> BinaryIO:
    return path.open("rb")


def _content_digest(read: Read) -> str:
    """Digest the content of a file: without its trace, its line ends and the ids of its attachments."""
    header = outline_header(replace(read.envelope, trace=()))
    files = [(file.name, file.sha256) for file in read.files]
    return hashlib.sha256(json.dumps([header, files], sort_keys=True, default=str).encode()).hexdigest()
