"""One open transaction, and the few ways in which repositories speak to it. In: statements. Out: rows, or our own
errors instead of the driver's. Nothing is flushed behind anyone's back: each call is one statement, at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import CursorResult, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.sql import Executable, Select
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlmodel import SQLModel

from gateway import errors

R = TypeVar("R", bound=SQLModel)


class Transaction:
    """Begun on opening, over at `commit` or on leaving. A failed `put_new` leaves it usable on both databases."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._over = False

    async def rows(self, kind: type[R], query: Select[Any]) -> Sequence[R]:
        """The rows of one table."""
        return cast("Sequence[R]", (await self._execute(query)).scalars().all())

    async def first(self, kind: type[R], query: Select[Any]) -> R | None:
        return next(iter(await self.rows(kind, query.limit(1))), None)

    async def tuples(self, query: Executable) -> Sequence[Any]:
        """What a query of several columns found; each row reads like a tuple."""
        return (await self._execute(query)).all()

    async def put(self, *rows: SQLModel) -> None:
        """Writes new rows of one table. Clash when one of them is there, or names a row that is not."""
        if rows:
            table = _table(type(rows[0]))
            await self._execute(table.insert(), [_values(row) for row in rows])

    async def put_new(self, row: SQLModel) -> bool:
        """Writes the row unless a unique key of it is taken: False then, and nothing changed."""
        statement = self._insert(type(row)).values(**_values(row)).on_conflict_do_nothing()
        return await self.change(statement) == 1

    async def put_over(self, row: SQLModel, keep: Mapping[str, Any]) -> None:
        """Writes the row, or sets `keep` in the one with its primary key; holds that row's lock either way."""
        table = _table(type(row))
        key = [column.name for column in table.primary_key]
        statement = self._insert(type(row)).values(**_values(row))
        await self.change(statement.on_conflict_do_update(index_elements=key, set_=dict(keep)))

    async def change(self, statement: Update | Delete | Insert) -> int:
        """How many rows it changed."""
        return (await self._execute(statement)).rowcount

    async def change_many(self, statement: Update, values: Sequence[Mapping[str, Any]]) -> None:
        """The same statement for each set of values, as one call to the driver."""
        self._check_open()
        if values:
            connection = await self._session.connection()
            await connection.execute(statement, [dict(row) for row in values])

    async def commit(self) -> None:
        self._check_open()
        self._over = True
        await self._session.commit()

    def _insert(self, kind: type[SQLModel]) -> Any:
        """ON CONFLICT is in both databases but not in the common language. Any: the two inserts share no base type
        that has it."""
        dialect = self._session.get_bind().dialect.name
        return (postgresql if dialect == "postgresql" else sqlite).insert(_table(kind))

    async def _execute(
        self, statement: Executable, values: list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        self._check_open()
        # Rows read twice are read again, never taken from the session's memory; updates touch the database alone.
        options = {"populate_existing": True, "synchronize_session": False}
        try:
            result = await self._session.execute(statement, values, execution_options=options)
        except IntegrityError as cause:
            raise errors.Clash(
                f"the database refused the change ({_reason(cause)}): a row it needs is missing, or one like it is there"
            ) from cause
        except SQLAlchemyError as cause:
            raise _failure(cause) from cause
        return cast("CursorResult[Any]", result)

    def _check_open(self) -> None:
        if self._over:
            raise errors.StoreFailure("this unit of work is committed and over; begin another one")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """A transaction that has begun. Leaving without `commit` rolls back; what the driver raises becomes ours."""
    try:
        async with AsyncSession(engine, autoflush=False, expire_on_commit=False) as session:
            await session.connection()
            yield Transaction(session)
    except SQLAlchemyError as cause:
        raise _failure(cause) from cause


def _failure(cause: SQLAlchemyError) -> errors.StoreFailure:
    return errors.StoreFailure(
        f"the database did not do it ({type(cause).__name__}: {_reason(cause)}); nothing of this transaction is stored"
    )


def _reason(cause: SQLAlchemyError) -> str:
    """The driver's first line, without the statement and its values: those are content."""
    said = str(cause.orig) if isinstance(cause, DBAPIError) else str(cause)
    return said.partition("\n")[0]


def _table(kind: type[SQLModel]) -> Table:
    return cast("Table", inspect(kind).local_table)


def _values(row: SQLModel) -> dict[str, Any]:
    """Every column's value; a key that the database counts itself is left out."""
    counted = _table(type(row)).autoincrement_column
    given = row.model_dump()
    if counted is not None and given.get(counted.name) is None:
        given.pop(counted.name, None)
    return given
