"""Statistics from which a database plans how to run a statement.

SQLite: in, a connection of a migration; out, its statistics table, filled by one rule for every index. Without it SQLite
estimates ten rows for an agency's whole register, and scans it for one document; with measured statistics its plans would
change from day to day, untested (docs/performance.md).

A server measures by itself, but only after a minute: until then a new node would scan an agency's whole register for one
document (decision 0057). In: its engine. Out: the names of the tables that have grown and were measured now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.store.transaction import failure

_ROWS = 1_000_000
# Assumed number of different values of a column in `_ROWS` rows; every other column has a different value in each row.
_VALUES: Mapping[str, int] = {
    "agency_id": 100,
    "book": 4,
    "day": 400,
    "handed_over": 400,
    "issued_on": 4_000,
    "kind": 10,
    "lane": 2,
    "lead": 3,
    "level": 20,
    "number": 3_000,
    "origin": 4,
    "owner_kind": 10,
    "parent": 30_000,
    "party_key": 3_000,
    "role": 5,
    "sender": 3_000,
    "sender_folded": 3_000,
    "side": 2,
    "state": 8,
    "symbol": 100,
    "tabs": 50,
    "type_key": 50,
    "urgency": 4,
    "year": 10,
}
_AT_LEAST = 4  # least number of rows of a key that is not unique
_PART = 20  # a partial index has one row of so many
_INDEXES = """SELECT tables.name, list.name, list."unique", list.partial
    FROM pragma_table_list AS tables, pragma_index_list(tables.name) AS list
    WHERE tables.schema = 'main' AND tables.type = 'table'"""
_COLUMNS = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
_FEW = 50
# A table that is locked for longer, such as while an index is created, is measured at the next call.
_PATIENCE = text("SET LOCAL lock_timeout = '500ms'")
# Tables with at least `few` rows that have doubled since the server last measured them (`reltuples`, -1 for never).
_GROWN = text(
    "SELECT told.relname, told.n_live_tup FROM pg_stat_user_tables AS told JOIN pg_class ON pg_class.oid = told.relid"
    " WHERE told.schemaname = current_schema() AND told.n_live_tup >= :few"
    " AND told.n_live_tup >= 2 * greatest(pg_class.reltuples, 0) ORDER BY told.relname"
)


def write_statistics(connection: Connection) -> None:
    """Rewrite SQLite's statistics table, which later connections will use. Does nothing on a server."""
    if connection.dialect.name != "sqlite":
        return
    ask = connection.exec_driver_sql
    ask("ANALYZE alembic_version")  # creates the statistics table, which nothing else may create
    ask("DELETE FROM sqlite_stat1")
    for table, index, unique, partial in ask(_INDEXES).all():
        columns = ask(_COLUMNS, (index,)).scalars().all()
        figures = " ".join(map(str, _figures(columns, unique=bool(unique), partial=bool(partial))))
        ask("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", (table, index, figures))


def _figures(columns: Sequence[str], *, unique: bool, partial: bool) -> Iterator[int]:
    """Yield the number of rows in an index, then how many of them share the first column, the first two, and so on."""
    rows = _ROWS // _PART if partial else _ROWS
    yield rows
    keys = 1
    for place, column in enumerate(columns, start=1):
        keys *= _VALUES.get(column, _ROWS)
        yield 1 if unique and place == len(columns) else max(rows // keys, _AT_LEAST)


class Growth:
    """Measuring of a server's tables whenever they have doubled; for large tables the server's own rule is finer."""

    def __init__(self, writer: AsyncEngine) -> None:
        self._writer = writer
        # Rows of each table when it was last measured here. The server does not measure a table of another role, so this
        # keeps such a table from being tried again before it has doubled.
        self._rows_measured: dict[str, int] = {}

    async def measure(self) -> Sequence[str]:
        """Measure the tables that have doubled, and return their names. Readers and writers are not blocked. StoreFailure
        when the server does not answer, and for a locked table once the others are measured."""
        try:
            async with self._writer.connect() as connection:
                return await self._measure_grown(connection)
        except SQLAlchemyError as cause:
            raise failure(cause) from cause

    async def _measure_grown(self, connection: AsyncConnection) -> Sequence[str]:
        tables = (await connection.execute(_GROWN, {"few": _FEW})).all()
        await connection.commit()
        grown_tables = [(name, rows) for name, rows in tables if rows >= 2 * self._rows_measured.get(name, 0)]
        lock_error: DBAPIError | None = None
        for name, rows in grown_tables:
            # Each table has a transaction of its own, because a change of the schema waits for its lock.
            try:
                await connection.execute(_PATIENCE)
                await connection.execute(
                    text(f"ANALYZE {connection.dialect.identifier_preparer.quote(name)}")
                )
                await connection.commit()
            except DBAPIError as cause:
                if connection.invalidated:
                    raise
                await connection.rollback()
                lock_error = cause
            else:
                self._rows_measured[name] = rows
        if lock_error is not None:
            raise lock_error
        return [name for name, _ in grown_tables]
