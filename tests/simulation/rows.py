"""Reads the rows of a node's database directly, without the product: an error there must not hide itself. In: a node's
folder. Out: rows as plain dictionaries, and the files of its content store."""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]
# Folders of worlds, and those that they are copied from, whose names are drawn by the machine.
_WORLDS = re.compile(r"/[\w/]+/simulation-\w+(-stage-\w+)?")
# Tables whose values SQLite draws by itself, from a source that no seed reaches.
_DRAWN_BY_SQLITE = frozenset({"memory_version"})


class Rows:
    """All rows of one node, read once."""

    def __init__(self, name: str, folder: Path, codes: Mapping[str, str]) -> None:
        """Take the codes of its agencies by id, which replace the ids."""
        self.name, self.folder, self.codes = name, folder, codes
        self._tables: dict[str, list[Row]] = {}
        self._connection: sqlite3.Connection | None = None

    def __getitem__(self, table: str) -> list[Row]:
        if table not in self._tables:
            self._tables[table] = [self._with_code(row) for row in self.ask(f"SELECT * FROM {table}")]  # noqa: S608 - our words
        return self._tables[table]

    def ask(self, words: str, *values: object) -> list[Row]:
        if self._connection is None:
            self._connection = sqlite3.connect(self.folder / "gateway.db")
            self._connection.row_factory = sqlite3.Row
        return [dict(row) for row in self._connection.execute(words, values)]

    def _with_code(self, row: Row) -> Row:
        return {**row, "agency": self.codes.get(row.get("agency_id") or "", row.get("agency_id") or "")}

    def content_of(self, digest: str) -> bytes:
        rows = self.ask("SELECT body FROM blob WHERE digest = ? AND body IS NOT NULL", digest)
        path = self.folder / "content" / digest[:2] / digest[2:4] / digest
        body: bytes = rows[0]["body"] if rows else path.read_bytes()
        return body

    def digest_of(self, file: Mapping[str, Any]) -> str:
        """Return the digest of a file inside its envelope, as a clerk would open it."""
        source = file["source"]
        try:
            piece = self.content_of(source)[file["offset"] : file["offset"] + file["length"]]
            return hashlib.sha256(base64.b64decode(piece)).hexdigest()
        except (OSError, ValueError) as error:
            return repr(error)

    def everything(self) -> Iterator[bytes]:
        """Yield every row of every table, and every file of the content store, in an order of its own."""
        tables = self.ask("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for table in tables:
            name = table["name"]
            if name.startswith("sqlite_") or name in _DRAWN_BY_SQLITE:
                continue
            rows = self.ask(f'SELECT * FROM "{name}"')  # noqa: S608 - a name that the database gave
            lines = sorted(repr(tuple(row.values())) for row in rows)
            yield f"{self.name} {name} {len(lines)}".encode()
            for line in lines:
                yield _WORLDS.sub("", line).encode()
        content = self.folder / "content"
        for path in sorted(content.rglob("*")):
            if path.is_file() and len(path.name) == 64:
                yield path.name.encode() + hashlib.sha256(path.read_bytes()).digest()
