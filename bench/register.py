"""Makes a register of any size out of a small one, in SQL alone. In: the SQLite file of a stopped node through which
some documents went there and back. Out: the same file with so many documents more, finished and of the last 400 days, in
every table that has rows for each; the bytes of their content are left out. Copies come in the order of their times, as
documents do, and indexes are made when all rows exist, so that a million take minutes. Events get numbers below those of
the first, so that the log and its readers do not take them for new."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

# The copies, the oldest first: the number of newer ones, the seconds that it is older than its original, and the first
# signs of its digests, spread as digests are.
_COPIES = """WITH RECURSIVE
    n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < :copies),
    copy(k, newer, age, prefix) AS (
        SELECT k, :copies + 1 - k, 259200 + 34560000 * (:copies - k) / :copies,
            printf('%07x%05x', k * (268435456 / (:copies + 1)), k) FROM n)"""
# A copy's id is the first one's with the copy's number behind it.
_ID = "{0} || printf('.%07d', k)"
_DIGEST = "prefix || substr({0}, 13)"
_TIME = "strftime('%Y-%m-%d %H:%M:%f000', {0}, '-' || age || ' seconds')"
_NUMBER = "{0} - newer * 100000"
_FINISHED = "'done'"
_NONE = "NULL"
_BARE = "'{{}}'"  # copies are not read, and millions of them need room
_NO_BYTES = "CASE WHEN {0} IS NOT NULL THEN x'' END"
# Table → columns that change in a copy. The leaves of an event are copied before it.
_TABLES: Mapping[str, Mapping[str, str]] = {
    "outgoing_document": {
        "id": _ID,
        "packet_id": _ID,
        "document_id": _ID,
        "created_at": _TIME,
        "body": _BARE,
        "lead": _DIGEST,
    },
    "delivery": {"id": _ID, "document_id": _ID, "updated_at": _TIME, "state": _FINISHED},
    "fact": {"subject_id": _ID, "at": _TIME, "body": _BARE},
    "incoming_document": {
        "id": _ID,
        "inbox_id": _ID,
        "packet_id": _ID,
        "document_id": _ID,
        "arrived_at": _TIME,
        "state": _FINISHED,
        "body": _BARE,
        "lead": _DIGEST,
    },
    "identity": {
        "body_digest": _DIGEST,
        "packet_id": _ID,
        "document_id": _ID,
        "inbox_id": _ID,
        "incoming_id": _ID,
        "at": _TIME,
    },
    "outbox": {
        "id": _ID,
        "packet_id": _ID,
        "subject_id": _ID,
        "envelope_digest": _DIGEST,
        "created_at": _TIME,
    },
    "inbox": {
        "id": _ID,
        "file_digest": _DIGEST,
        "transport_packet_id": _ID,
        "document_id": _ID,
        "incoming_id": _ID,
        "received_at": _TIME,
        "steps": "'[]'",
    },
    "blob": {"digest": _DIGEST, "stored_at": _TIME, "owner_id": _ID, "head": _NO_BYTES, "body": _NO_BYTES},
    "blob_ref": {"owner_id": _ID, "digest": _DIGEST},
    "log_leaf": {"leaf_index": _NUMBER, "position": _NUMBER, "body": _BARE, "salts": _NONE},
    "event": {
        "position": _NUMBER,
        "data": _BARE,
        "id": _ID,
        "subject_id": _ID,
        "at": _TIME,
        "node_seq": _NUMBER,
        "agency_seq": _NUMBER,
    },
    "list_row": {
        "place": "{0} - age * 4096000000",
        "id": _ID,
        "at": _TIME,
        "sent_at": _TIME,
        "latest_at": _TIME,
        "state": _FINISHED,
        "due_at": _NONE,
        "attention_at": _NONE,
        "lead": _NONE,
    },
}
# Events of the node itself, and the first ones of each agency, are not about a document.
_OF_DOCUMENTS = "SELECT position FROM main.event WHERE agency_seq IS NOT NULL"
_ONLY = dict.fromkeys(("event", "log_leaf"), f"WHERE position IN ({_OF_DOCUMENTS})")
# The lists know all of them: a node that starts looks through the last two days alone.
_FILLED = """INSERT OR REPLACE INTO list_fill (agency_id, side, at, id, done)
    SELECT id, side, strftime('%Y-%m-%d %H:%M:%f000', 'now'), '', 1
    FROM hosted_agency, (SELECT 'in' AS side UNION SELECT 'out')"""


def documents(file: Path) -> int:
    """Count the documents on both sides."""
    with closing(sqlite3.connect(file)) as database:
        return _documents(database)


def grow(file: Path, total: int) -> int:
    """Fill up to at least so many documents, if there are any; return their number."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        copies = -(-total // _documents(database)) - 1
        if copies > 0:
            with _unguarded(database), without_indexes(database):
                for table in _TABLES:
                    _copy(database, table, copies)
            database.execute(_FILLED)
    return documents(file)


def _documents(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM list_row").fetchone()[0])


@contextmanager
def _unguarded(database: sqlite3.Connection) -> Iterator[None]:
    """Turn off safety and undo meanwhile."""
    for pragma in (
        "journal_mode = OFF",
        "locking_mode = EXCLUSIVE",
        "foreign_keys = OFF",
        "synchronous = OFF",
        "cache_size = -1000000",
    ):
        database.execute(f"PRAGMA {pragma}")
    yield
    for pragma in ("locking_mode = NORMAL", "journal_mode = WAL"):
        database.execute(f"PRAGMA {pragma}")


@contextmanager
def without_indexes(database: sqlite3.Connection) -> Iterator[None]:
    """Drop indexes meanwhile: one made of existing rows is sorted once. The planner's figures are kept aside."""
    figures = database.execute("SELECT tbl, idx, stat FROM sqlite_stat1").fetchall()
    indexes = database.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND (name = 'list_search_new' OR type = 'index')"
    ).fetchall()
    for kind, name, _ in indexes:
        database.execute(f"DROP {kind} {name}")
    yield
    for _, _, words in indexes:
        database.execute(words)
    database.execute("INSERT INTO list_search (list_search) VALUES ('rebuild')")
    database.execute("DELETE FROM sqlite_stat1")
    database.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", figures)


def _copy(database: sqlite3.Connection, table: str, copies: int) -> None:
    changed = _TABLES[table]
    names = [row[1] for row in database.execute(f"PRAGMA main.table_info({table})")]
    values = ", ".join(changed.get(name, "{0}").format(f'f."{name}"') for name in names)
    # The names are this program's own; these statements contain no other words.
    firsts = f"SELECT * FROM main.{table} {_ONLY.get(table, '')}"  # noqa: S608
    database.execute(f"CREATE TEMP TABLE firsts AS {firsts}")
    database.execute(
        f"{_COPIES} INSERT INTO main.{table} SELECT {values} FROM copy CROSS JOIN temp.firsts AS f",  # noqa: S608
        {"copies": copies},
    )
    database.execute("DROP TABLE temp.firsts")
