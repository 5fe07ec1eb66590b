"""Lays a feed beside the registry it would change, in a file of its own, so that a million rows need no memory. In: the
feed's lines, the registry's rows, the keys bound here. Out: every contradiction, then what to write. Its file has no
name: whatever happens, nothing of it stays. Sync: call it in the pool, one call at a time."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

from gateway.registry import feed_file
from gateway.registry.feed_file import AgencyLine, ProposalLine

AT_ONCE = 1000
PROBLEMS = 20  # told of one feed; its issuer mends more than one at a time
LONGEST_CHAIN = 50  # links from an agency to the top, or to its last successor; real ones have under ten
_CACHE_KIB = 32 * 1024

_TABLES = """
CREATE TABLE feed (code TEXT PRIMARY KEY, body BLOB NOT NULL, alias, parent, successor) WITHOUT ROWID;
CREATE TABLE base (code TEXT PRIMARY KEY, body BLOB NOT NULL, alias, parent, successor, first, last, synced)
    WITHOUT ROWID;
CREATE TABLE proposal (code TEXT, fingerprint TEXT, key TEXT, body BLOB, PRIMARY KEY (code, fingerprint));
CREATE TABLE bound (code TEXT, key TEXT);
"""
# What the registry would hold: the feed's rows, and ours that it leaves alone. Rows that a snapshot no longer has are
# closed, so nothing new may lean on them.
_AFTER = """
CREATE TABLE after (code TEXT PRIMARY KEY, alias, parent, successor, new INTEGER) WITHOUT ROWID;
INSERT INTO after SELECT code, alias, parent, successor, 1 FROM feed;
INSERT INTO after SELECT code, alias, parent, successor, 0 FROM base
    WHERE code NOT IN (SELECT code FROM feed) {kept};
CREATE INDEX after_alias ON after (alias) WHERE alias IS NOT NULL;
CREATE INDEX proposal_key ON proposal (key);
CREATE INDEX bound_key ON bound (key);
"""
_KEPT = {True: "AND NOT synced", False: ""}  # by whether the feed is the whole list
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
_GONE = """
SELECT code, first, last, alias IN (SELECT alias FROM feed UNION SELECT code FROM feed) FROM base
WHERE synced AND code NOT IN (SELECT code FROM feed) AND (last IS NULL OR last > ?)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRow:
    """One row to write: a new one, or over one that is there; `closes` says that it had no last day before."""

    line: AgencyLine
    is_new: bool
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A row that a feed brought and a later snapshot no longer has. Its alias may have gone to another row."""

    code: str
    valid_from: date | None
    keeps_alias: bool


class FeedStage:
    """One feed beside one registry."""

    def __init__(self, folder: Path, *, whole: bool) -> None:
        """`whole`: the feed is the whole list, a snapshot."""
        self._whole = whole
        path = folder / f".feed-{secrets.token_hex(8)}"
        # Several threads of the pool use it, one after the other.
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._rows.execute(f"PRAGMA {pragma}")
        self._rows.executescript(_TABLES)
        path.unlink()

    def close(self) -> None:
        self._rows.close()

    def put_feed(self, lines: Iterable[tuple[AgencyLine | ProposalLine, str]]) -> None:
        """The feed's lines, each proposal with the digest of its key."""
        rows = iter(lines)
        while part := list(islice(rows, AT_ONCE)):
            found = [line for line, _ in part if isinstance(line, AgencyLine)]
            self._put("feed", 5, [_columns(line) for line in found])
            proposed = [
                (line.proposal, line.sha256, key, feed_file.encoded(line))
                for line, key in part
                if isinstance(line, ProposalLine)
            ]
            self._put("proposal", 4, proposed)

    def put_base(self, rows: Iterable[tuple[AgencyLine, bool]]) -> None:
        """Rows of the registry, and whether a feed brought them."""
        self._put(
            "base",
            8,
            [(*_columns(line), _iso(line.valid_from), _iso(line.valid_to), synced) for line, synced in rows],
        )

    def put_bound(self, rows: Iterable[tuple[str, str]]) -> None:
        """Codes, each with the digest of a key that speaks for it here."""
        self._put("bound", 2, list(rows))

    def problems(self, most_certificates: int) -> list[str]:
        """Why the rows cannot be taken, in words; a certificate that would move between codes is none of these."""
        self._rows.executescript(_AFTER.format(kept=_KEPT[self._whole]))
        found = [*self._asked(_ALIAS_TWICE), *self._asked(_ALIAS_IS_CODE), *self._asked(_HOMELESS)]
        found += self._asked(_TOO_MANY.format(most=most_certificates))
        for column in ("parent", "successor"):
            found += self._asked(_UNKNOWN.format(column=column))
            found += self._circles(column)
        return found[:PROBLEMS]

    def moved(self) -> list[str]:
        """Certificates whose key speaks for another code. Ask `problems` first."""
        return self._asked(_MOVED)

    def changed(self) -> Iterator[list[StagedRow]]:
        """The rows to write, in parts, in no order."""
        with contextlib.closing(self._rows.execute(_CHANGED)) as found:
            while part := found.fetchmany(AT_ONCE):
                yield [_written(*row) for row in part]

    def gone(self, last_day: date) -> Iterator[list[Gone]]:
        """Rows that a snapshot no longer has and that are in force after that day."""
        if not self._whole:
            return
        with contextlib.closing(self._rows.execute(_GONE, (_iso(last_day),))) as found:
            while part := found.fetchmany(AT_ONCE):
                yield [
                    Gone(code=code, valid_from=first and date.fromisoformat(first), keeps_alias=not taken)
                    for code, first, _, taken in part
                ]

    def proposals(self) -> Iterator[list[ProposalLine]]:
        with contextlib.closing(self._rows.execute("SELECT body FROM proposal")) as found:
            while part := found.fetchmany(AT_ONCE):
                yield [feed_file.decoded(ProposalLine, body, "proposal") for (body,) in part]

    def _put(self, table: str, columns: int, rows: Sequence[tuple[object, ...]]) -> None:
        marks = ", ".join("?" * columns)
        self._rows.execute("BEGIN")
        self._rows.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names of this module
        self._rows.execute("COMMIT")

    def _asked(self, query: str) -> list[str]:
        return [text for (text,) in self._rows.execute(query, (PROBLEMS,))]

    def _circles(self, column: str) -> list[str]:
        """Takes the ends of all chains away, again and again: what is left runs in circles, or is longer than any."""
        self._rows.executescript(_EDGES.format(column=column))
        for _ in range(LONGEST_CHAIN):
            # Looked up before anything is taken away, so that one turn takes one link of each chain.
            self._rows.execute(
                "INSERT INTO tip SELECT code FROM edge WHERE next NOT IN (SELECT code FROM edge)"
            )
            taken = self._rows.execute("DELETE FROM edge WHERE code IN (SELECT code FROM tip)").rowcount
            self._rows.execute("DELETE FROM tip")
            if not taken:
                break
        return self._asked(_CIRCLE.format(column=column, chain=LONGEST_CHAIN))


def _columns(line: AgencyLine) -> tuple[object, ...]:
    return (line.code, feed_file.encoded(line), line.alias, line.parent, line.successor)


def _written(body: bytes, is_new: int, was_open: int) -> StagedRow:
    line = AgencyLine.model_validate_json(body)
    closes = not is_new and bool(was_open) and line.valid_to is not None
    return StagedRow(line=line, is_new=bool(is_new), closes=closes)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
