"""What a node needs for so many documents. In: documents a day, their size, the database, years. Out: rows, gigabytes and
minutes of a backup. Pure. The costs of one document were measured by `python -m bench.rows`, those of a night's backup on
300,000 rows; they are rounded up, and without the room that a disk needs besides."""

from __future__ import annotations

from dataclasses import dataclass

WORKING_DAYS = 250
_KB, _MB, _GB = 1_000, 1_000_000, 1_000_000_000
# Content up to this size is in the database.
_IN_ROWS = 64 * 1024
# An envelope has its content in base64; a sealed piece of a backup has a head.
_CODED, _SEALED = 4 / 3, 1.02
_LOG_BYTES = 190
# One night reads every row, and writes what is new; both on a shared disk and two busy cores.
_ROWS_A_SECOND, _SECONDS_A_GB = 14_000, 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one document: rows, their bytes in the database, and the bytes of their pieces in a folder of backups."""

    rows: float
    bytes: int
    piece_bytes: int


SQLITE = (
    Cost(rows=28.4, bytes=35 * _KB, piece_bytes=11 * _KB),
    Cost(rows=23.3, bytes=30 * _KB, piece_bytes=11 * _KB),
)
SERVER = (
    Cost(rows=28.0, bytes=45 * _KB, piece_bytes=11 * _KB),
    Cost(rows=23.0, bytes=36 * _KB, piece_bytes=11 * _KB),
)
"""Cost of a document that is sent, and of one that arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Documents of a node on a working day, each with files of `mb` megabytes; `received` is the part that arrives."""

    documents: int
    mb: float
    received: float = 0.5
    on_server: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Rows and bytes of a node after some time. `backups` is a folder of incremental ones; a `window` is in minutes."""

    rows: int
    database_gb: float
    content_gb: float
    log_gb: float
    backups_gb: float
    window: float

    @property
    def disk_gb(self) -> float:
        """Gigabytes on the node's own disks; with a server the database is on that one's."""
        return self.database_gb + self.content_gb + self.log_gb


def need(load: Load, days: float) -> Need:
    """Reckon what is there after so many working days, and how long the next night's backup takes."""
    sent, arrived = SERVER if load.on_server else SQLITE

    def mean(of_sent: float, of_arrived: float) -> float:
        return of_sent * (1 - load.received) + of_arrived * load.received

    documents, content = load.documents * days, load.mb * _MB * _CODED
    is_small = load.mb * _MB <= _IN_ROWS
    rows = mean(sent.rows, arrived.rows) * documents
    in_database = mean(sent.bytes, arrived.bytes) + (content if is_small else 0)
    pieces, files = mean(sent.piece_bytes, arrived.piece_bytes), 0.0 if is_small else content
    night_s = rows / _ROWS_A_SECOND + load.documents * (content + pieces) / _GB * _SECONDS_A_GB
    return Need(
        rows=round(rows),
        database_gb=in_database * documents / _GB,
        content_gb=files * documents / _GB,
        log_gb=_LOG_BYTES * documents / _GB,
        backups_gb=(content * _SEALED + pieces) * documents / _GB,
        window=night_s / 60,
    )
