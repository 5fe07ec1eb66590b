"""Watches that no row is leased by two at once. In: the database of each node when it is laid out. Out: a broken promise at
the very statement that takes a row whose lease another worker or process still holds, by the node's own clock. So it is
with the parcels of an axis in a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

# Tables whose rows workers take under a token.
TABLES = ("outbox", "inbox", "job", "webhook", "report_schedule")
# Of these, what a process takes up that is not its own turn: it gives them back when it stops.
_RELEASED = TABLES[:3]
_FUNCTION, _AXIS_FUNCTION = "lease_is_taken", "parcel_is_taken"
# As the product has it: a lease that ends later than twice its length from now was written by a clock that was ahead.
_LEASE = timedelta(seconds=90)


def watch(database: Path) -> None:
    """Let the database report each change of a lease that has not ended."""
    with closing(sqlite3.connect(database)) as connection:
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        for table in sorted(names.intersection(TABLES)):
            connection.execute(
                f"CREATE TRIGGER watch_{table} BEFORE UPDATE OF lease_token ON {table}"
                " WHEN OLD.lease_token IS NOT NULL AND NEW.lease_token <> OLD.lease_token"
                f" BEGIN SELECT {_FUNCTION}('{table}', OLD.id, OLD.lease_until); END"
            )
        connection.commit()


def remaining(database: Path, since: datetime, now: datetime) -> list[str]:
    """Name the rows with a lease that began after that time and has not ended."""
    last = max(since + _LEASE, now)
    words = "SELECT id, lease_until FROM {} WHERE lease_token IS NOT NULL AND lease_until > ?"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [
            f"{table} {id}, which ends at {ends}"
            for table in _RELEASED
            for id, ends in connection.execute(words.format(table), (f"{last:%F %T.%f}",))
        ]


def watch_axis(file: Path) -> None:
    """Let the file of an embedded axis report each parcel that is taken while another taker holds it."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "CREATE TRIGGER watch_queue BEFORE UPDATE OF token ON queue"
            " WHEN OLD.token IS NOT NULL AND NEW.token <> OLD.token"
            f" BEGIN SELECT {_AXIS_FUNCTION}(OLD.id, OLD.leased_until); END"
        )
        connection.commit()


def let_report(
    connection: sqlite3.Connection, now: Callable[[], datetime], broken: Callable[[str], None]
) -> None:
    """Give a connection the function that the watch calls."""

    def is_taken(table: str, id: str, ends: str) -> None:
        ends_at = datetime.fromisoformat(ends)
        at = now().replace(tzinfo=ends_at.tzinfo)
        if at < ends_at <= at + 2 * _LEASE:
            broken(f"leased twice: {table} {id} is taken, and its lease of another ends only at {ends}")

    def report_parcel(id: int, ends_s: float) -> None:
        is_taken("the axis", str(id), str(datetime.fromtimestamp(ends_s, UTC)))

    connection.create_function(_FUNCTION, 3, is_taken)
    connection.create_function(_AXIS_FUNCTION, 2, report_parcel)
