"""Holds a feed beside the registry that it would change, in a temporary database file, so that a million rows need no
memory. In: the feed's lines, the registry's rows, the keys bound here. Out: every contradiction, then the rows to write.
The file is deleted as soon as it is opened, so that nothing of it stays. Sync: call it in the pool, one call at a time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from gateway import random_source
from gateway.registry_authoring import feed_file
from gateway.registry_authoring.feed_file import AgencyLine, BodyLine, Header, ProposalLine, TrustLine

CertificateLine: TypeAlias = ProposalLine | TrustLine

AT_ONCE = 1000
PROBLEMS = 20  # reported for one feed, so that its issuer can mend several at once
# Links from an agency to the top, or to its last successor; real chains have fewer than ten.
LONGEST_CHAIN = 50
_CACHE_KIB = 32 * 1024

_TABLES = """
CREATE TABLE feed (code TEXT PRIMARY KEY, body BLOB NOT NULL, alias, parent, successor) WITHOUT ROWID;
CREATE TABLE base (code TEXT PRIMARY KEY, body BLOB NOT NULL, alias, parent, successor, last, synced)
    WITHOUT ROWID;
CREATE TABLE proposal (code TEXT, fingerprint TEXT, key TEXT, body BLOB, PRIMARY KEY (code, fingerprint));
CREATE TABLE bound (code TEXT, key TEXT);
"""
# Rows of the registry after the feed: the feed's, and ours that it leaves alone. Rows that a snapshot no longer has are
# closed, so no new row may refer to them.
_FUTURE_TABLE = """
CREATE TABLE after (code TEXT PRIMARY KEY, alias, parent, successor, new INTEGER) WITHOUT ROWID;
INSERT INTO after SELECT code, alias, parent, successor, 1 FROM feed;
INSERT INTO after SELECT code, alias, parent, successor, 0 FROM base
    WHERE code NOT IN (SELECT code FROM feed) {kept};
CREATE INDEX after_alias ON after (alias) WHERE alias IS NOT NULL;
CREATE INDEX proposal_key ON proposal (key);
CREATE INDEX bound_key ON bound (key);
"""
_KEPT_ROWS = {True: "AND NOT synced", False: ""}  # by whether the feed is the whole list
_UNKNOWN = """
SELECT code || ': its {column} ' || {column} || ' is in no row' FROM after
WHERE new AND {column} IS NOT NULL AND {column} NOT IN (SELECT code FROM after) LIMIT ?
"""
_ALIAS_TWICE = """
SELECT min(code) || ' and ' || max(code) || ' share the alias ' || alias FROM after
WHERE alias IS NOT NULL GROUP BY alias HAVING count(*) > 1 AND max(new) LIMIT ?
"""
_ALIAS_IS_CODE = """
SELECT a.code || ': its alias ' || a.alias || ' is a code in use' FROM after a JOIN after b ON b.code = a.alias
WHERE a.alias IS NOT NULL AND (a.new OR b.new) LIMIT ?
"""
_EDGES = """
DROP TABLE IF EXISTS edge;
CREATE TABLE IF NOT EXISTS tip (code TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE edge (code TEXT PRIMARY KEY, next) WITHOUT ROWID;
INSERT INTO edge SELECT code, {column} FROM after WHERE {column} IS NOT NULL;
"""
_CIRCLE = """
SELECT code || ': following each {column} leads back to it, or past {chain} links' FROM edge
JOIN after USING (code) WHERE new LIMIT ?
"""
_HOMELESS = """
SELECT code || ': a certificate is proposed for it, and it is in no row' FROM proposal
WHERE code NOT IN (SELECT code FROM after) LIMIT ?
"""
_MOVED = """
SELECT p.code || ': the key of certificate ' || p.fingerprint || ' speaks for ' || b.code FROM proposal p
JOIN (SELECT code, key FROM bound UNION SELECT code, key FROM proposal) b ON b.key = p.key AND b.code <> p.code LIMIT ?
"""
_TOO_MANY = """
SELECT code || ': ' || count(*) || ' certificates are proposed for it, at most {most}' FROM proposal
GROUP BY code HAVING count(*) > {most} LIMIT ?
"""
_CHANGED = """
SELECT feed.body, base.code IS NULL, base.last IS NULL FROM feed LEFT JOIN base USING (code)
WHERE base.code IS NULL OR NOT base.synced OR base.body <> feed.body
"""
_GONE_ROWS = """
SELECT body, alias IN (SELECT alias FROM feed UNION SELECT code FROM feed) FROM base
WHERE synced AND code NOT IN (SELECT code FROM feed) AND (last IS NULL OR last > ?)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRow:
    """One row to write, new or over an existing one; `closes` is true where it gets its first last day, `is_gone` where the
    snapshot no longer has it."""

    line: AgencyLine
    is_new: bool
    closes: bool
    is_gone: bool = False


class FeedStage:
    """One feed beside one registry."""

    def __init__(self, folder: Path, *, is_snapshot: bool) -> None:
        """Open the temporary database. `is_snapshot`: the feed is the whole list."""
        self._is_snapshot = is_snapshot
        path = folder / f".feed-{random_source.token_hex(8)}"
        # Used by several threads of the pool, one after the other.
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._rows.execute(f"PRAGMA {pragma}")
        self._rows.executescript(_TABLES)
        path.unlink()

    def close(self) -> None:
        self._rows.close()

    def put_feed(self, lines: Iterable[tuple[BodyLine, str]]) -> None:
        """Store the feed's lines, each certificate with the digest of its key."""
        rows = iter(lines)
        while part := list(islice(rows, AT_ONCE)):
            agencies = [line for line, _ in part if isinstance(line, AgencyLine)]
            self._insert("feed", 5, [_columns(line) for line in agencies])
            proposed = [
                (feed_file.code_of(line), line.sha256, key, feed_file.encode(line))
                for line, key in part
                if not isinstance(line, AgencyLine)
            ]
            self._insert("proposal", 4, proposed)

    def put_base(self, rows: Iterable[tuple[AgencyLine, bool]]) -> None:
        """Store rows of the registry, each with whether a feed brought it."""
        self._insert(
            "base",
            7,
            [(*_columns(line), _iso(line.valid_to), synced) for line, synced in rows],
        )

    def put_bound(self, rows: Iterable[tuple[str, str]]) -> None:
        """Store codes, each with the digest of a key bound to it here."""
        self._insert("bound", 2, list(rows))

    def problems(self, most_certificates: int | None) -> list[str]:
        """Return descriptions of contradictions, at most PROBLEMS; keys that would move between codes are separate. Without
        `most_certificates` certificates are not examined, because each gets its own outcome later."""
        self._rows.executescript(_FUTURE_TABLE.format(kept=_KEPT_ROWS[self._is_snapshot]))
        texts = [*self._texts_of(_ALIAS_TWICE), *self._texts_of(_ALIAS_IS_CODE)]
        if most_certificates is not None:
            texts += self._texts_of(_HOMELESS)
            texts += self._texts_of(_TOO_MANY.format(most=most_certificates))
        for column in ("parent", "successor"):
            texts += self._texts_of(_UNKNOWN.format(column=column))
            texts += self._circles(column)
        return texts[:PROBLEMS]

    def describe_moved_keys(self) -> list[str]:
        """Describe proposed certificates whose key belongs to another code. Call `problems` first."""
        return self._texts_of(_MOVED)

    def changed(self) -> Iterator[list[StagedRow]]:
        """Yield the rows to write, in parts, in no order."""
        with contextlib.closing(self._rows.execute(_CHANGED)) as cursor:
            while part := cursor.fetchmany(AT_ONCE):
                yield [_staged_row(*row) for row in part]

    def listed(self, codes: Collection[str]) -> set[str]:
        """Return those of these codes that the feed has a row of."""
        query = "SELECT code FROM feed WHERE code = ?"
        return {code for code in codes if self._rows.execute(query, (code,)).fetchone() is not None}

    def missing(self, last_day: date) -> Iterator[list[StagedRow]]:
        """Yield rows that the snapshot no longer has and that are in force after that day, closed by it, in parts. One that
        had not begun begins and ends on that day, because it never was in force. An alias may belong to another row now."""
        if not self._is_snapshot:
            return
        with contextlib.closing(self._rows.execute(_GONE_ROWS, (_iso(last_day),))) as cursor:
            while part := cursor.fetchmany(AT_ONCE):
                yield [_gone_row(body, is_alias_used, last_day) for body, is_alias_used in part]

    def certificates(self, header: Header) -> Iterator[list[CertificateLine]]:
        """Yield the lines of certificates in the order of the list, in parts."""
        with contextlib.closing(self._rows.execute("SELECT body FROM proposal ORDER BY rowid")) as cursor:
            while part := cursor.fetchmany(AT_ONCE):
                lines = (feed_file.read_line(body, header, "a certificate") for (body,) in part)
                yield [line for line in lines if not isinstance(line, AgencyLine)]

    def _insert(self, table: str, columns: int, rows: Sequence[tuple[object, ...]]) -> None:
        marks = ", ".join("?" * columns)
        self._rows.execute("BEGIN")
        self._rows.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names of this module
        self._rows.execute("COMMIT")

    def _texts_of(self, query: str) -> list[str]:
        return [text for (text,) in self._rows.execute(query, (PROBLEMS,))]

    def _circles(self, column: str) -> list[str]:
        """Describe codes on circles or in too long chains. Ends of chains are removed again and again; these codes
        remain."""
        self._rows.executescript(_EDGES.format(column=column))
        for _ in range(LONGEST_CHAIN):
            # Looked up before any row is removed, so that one round removes one link of each chain.
            self._rows.execute(
                "INSERT INTO tip SELECT code FROM edge WHERE next NOT IN (SELECT code FROM edge)"
            )
            removed_count = self._rows.execute(
                "DELETE FROM edge WHERE code IN (SELECT code FROM tip)"
            ).rowcount
            self._rows.execute("DELETE FROM tip")
            if not removed_count:
                break
        return self._texts_of(_CIRCLE.format(column=column, chain=LONGEST_CHAIN))


def _columns(line: AgencyLine) -> tuple[object, ...]:
    return (line.code, feed_file.encode(line), line.alias, line.parent, line.successor)


def _staged_row(body: bytes, is_new: int, was_open: int) -> StagedRow:
    line = AgencyLine.model_validate_json(body)
    closes = not is_new and bool(was_open) and line.valid_to is not None
    return StagedRow(line=line, is_new=bool(is_new), closes=closes)


def _gone_row(body: bytes, is_alias_used: int | None, last_day: date) -> StagedRow:
    line = AgencyLine.model_validate_json(body)
    closed = {
        "valid_from": line.valid_from and min(line.valid_from, last_day),
        "valid_to": last_day,
        "alias": None if is_alias_used else line.alias,
    }
    return StagedRow(line=line.model_copy(update=closed), is_new=False, closes=True, is_gone=True)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
