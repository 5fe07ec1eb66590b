"""Makes a register of any size out of a small one, in SQL alone. In: the SQLite file of a node through which some
documents went there and back, and which does not run. Out: the same file with so many documents more, older and done,
in the tables that grow with them. Their content is not copied, so neither are the rows about it; events stand under
numbers below zero, so that the log and its readers do not take them for new."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

# A copy's id is the first one's with the copy's number behind it; its digest begins with that number, scattered.
_ID = "{0} || printf('.%07d', k)"
_DIGEST = "printf('%07x', (k * 7919123) % 268435456) || substr({0}, 8)"
_TIME = "strftime('%Y-%m-%d %H:%M:%f000', {0}, '-' || (3 + k % 400) || ' days')"
_DONE = "'done'"
_NONE = "NULL"
_BARE = "'{{}}'"  # nobody reads a copy, and five million of them must have room
# Table → what is not copied as it is.
_TABLES: Mapping[str, Mapping[str, str]] = {
    "outgoing_document": {
        "id": _ID,
        "packet_id": _ID,
        "document_id": _ID,
        "created_at": _TIME,
        "body": _BARE,
        "lead": _DIGEST,
    },
    "delivery": {"id": _ID, "document_id": _ID, "updated_at": _TIME, "state": _DONE},
    "fact": {"subject_id": _ID, "at": _TIME, "body": _BARE},
    "incoming_document": {
        "id": _ID,
        "inbox_id": _ID,
        "packet_id": _ID,
        "document_id": _ID,
        "arrived_at": _TIME,
        "state": _DONE,
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
    "event": {
        "position": _NONE,
        "data": _BARE,
        "id": _ID,
        "subject_id": _ID,
        "at": _TIME,
        "node_seq": "{0} - k * 100000",
        "agency_seq": "{0} - k * 100000",
    },
    "list_row": {
        "place": "{0} - k * 1000003",
        "id": _ID,
        "at": _TIME,
        "sent_at": _TIME,
        "latest_at": _TIME,
        "state": _DONE,
        "due_at": _NONE,
        "attention_at": _NONE,
        "lead": _NONE,
    },
}
# Of the node itself, and the first ones of each agency: not about a document.
_ONLY = {"event": "WHERE agency_seq IS NOT NULL"}
_AT_ONCE = 20_000
# The lists know all of them: a node that starts looks through the last two days alone.
_FILLED = """INSERT OR REPLACE INTO list_fill (agency_id, side, at, id, done)
    SELECT id, side, strftime('%Y-%m-%d %H:%M:%f000', 'now'), '', 1
    FROM hosted_agency, (SELECT 'in' AS side UNION SELECT 'out')"""


def documents(file: Path) -> int:
    """How many there are on both sides."""
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM list_row").fetchone()[0])


def grow(file: Path, wanted: int) -> int:
    """At least so many documents in all, as long as there are any; how many there are."""
    there = documents(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for pragma in (
            "foreign_keys = OFF",
            "synchronous = OFF",
            "cache_size = -500000",
            "temp_store = MEMORY",
        ):
            database.execute(f"PRAGMA {pragma}")
        firsts = _firsts(database, file.with_name("firsts.db"))
        done, copies = there // firsts - 1, -(-wanted // firsts) - 1
        step = max(1, _AT_ONCE // firsts)
        while done < copies:
            until = min(done + step, copies)
            _copy(database, done + 1, until)
            done = until
        database.execute(_FILLED)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return documents(file)


def _firsts(database: sqlite3.Connection, beside: Path) -> int:
    """What copies are made of, kept beside the database: its documents when it was first filled. How many they are."""
    known = beside.exists()
    database.execute("ATTACH ? AS firsts", (str(beside),))
    for table in () if known else _TABLES:
        only = _ONLY.get(table, "")
        database.execute(f"CREATE TABLE firsts.{table} AS SELECT * FROM main.{table} {only}")  # noqa: S608
    return int(database.execute("SELECT count(*) FROM firsts.list_row").fetchone()[0])


def _copy(database: sqlite3.Connection, first: int, last: int) -> None:
    numbers = f"WITH RECURSIVE n(k) AS (SELECT {first} UNION ALL SELECT k + 1 FROM n WHERE k < {last})"  # noqa: S608
    database.execute("BEGIN")
    for table, changed in _TABLES.items():
        names = [row[1] for row in database.execute(f"PRAGMA main.table_info({table})")]
        values = ", ".join(changed.get(name, "{0}").format(f'f."{name}"') for name in names)
        # The names are this program's own; nobody else's words come into these statements.
        database.execute(f"{numbers} INSERT INTO main.{table} SELECT {values} FROM n, firsts.{table} AS f")  # noqa: S608
    database.execute("COMMIT")
