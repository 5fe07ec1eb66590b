"""Has a server measure the tables that have grown. In: its engine. Out: the names of those that it measured just now.
SQLite has none of this: its figures are written once (`plans`).

A server measures by itself, but not before a minute is over, and knows no figures of what it has never measured: until then
a young node walked through an agency's whole register for one document (decision 0057)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.store.transaction import failure

_FEW = 50
# A table that is held, as by whoever makes an index, is measured when its turn comes again.
_PATIENCE = text("SET LOCAL lock_timeout = '500ms'")
# What a server has counted of each table meanwhile, and what it had when it was measured last; -1 for never.
_GROWN = text(
    "SELECT told.relname, told.n_live_tup FROM pg_stat_user_tables AS told JOIN pg_class ON pg_class.oid = told.relid"
    " WHERE told.schemaname = current_schema() AND told.n_live_tup >= :few"
    " AND told.n_live_tup >= 2 * greatest(pg_class.reltuples, 0) ORDER BY told.relname"
)


class Growth:
    """One for each store. A table is measured each time it has doubled; of what is large the server's own rule is the
    closer one."""

    def __init__(self, writer: AsyncEngine) -> None:
        self._writer = writer
        # A table that is another role's stays as it is: the server says so in its log, once for each doubling.
        self._asked: dict[str, int] = {}

    async def measure(self) -> Sequence[str]:
        """StoreFailure while the server cannot be asked; and where a table is held, once the others are measured. Nobody
        waits for a table that is measured."""
        try:
            async with self._writer.connect() as connection:
                return await self._measured(connection)
        except SQLAlchemyError as cause:
            raise failure(cause) from cause

    async def _measured(self, connection: AsyncConnection) -> Sequence[str]:
        found = (await connection.execute(_GROWN, {"few": _FEW})).all()
        await connection.commit()
        grown = [(name, rows) for name, rows in found if rows >= 2 * self._asked.get(name, 0)]
        held: DBAPIError | None = None
        for name, rows in grown:
            # Each in a transaction of its own: its lock, which a change of the schema waits for, ends with it.
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
                held = cause
            else:
                self._asked[name] = rows
        if held is not None:
            raise held
        return [name for name, _ in grown]
