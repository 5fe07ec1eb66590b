"""One open transaction, and the few ways in which repositories speak to it. In: statements. Out: rows, or our own
errors instead of the driver's. Nothing is flushed behind anyone's back: each call is one statement, at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import CursorResult, Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Executable, Select
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlmodel import SQLModel

from gateway import errors

R = TypeVar("R", bound=SQLModel)


class Transaction:
    """Begun on opening, over at `commit` or on leaving. A failed `put_new` leaves it usable on both databases."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._over = False

    async def rows(self, kind: type[R], query: Select[Any]) -> Sequence[R]:
        """The rows of one table, to be read only: each has the columns of `kind` as attributes. No session stands
        between, because nobody here changes a row by assigning to it, and that is a third of a statement's cost."""
        return cast("Sequence[R]", await self.tuples(query))

    async def first(self, kind: type[R], query: Select[Any]) -> R | None:
        return next(iter(await self.rows(kind, query.limit(1))), None)

    async def tuples(self, query: Executable) -> Sequence[Any]:
        """What a query of several columns found; each row reads like a tuple."""
        return (await self._execute(query)).all()

    async def put(self, *rows: SQLModel) -> None:
        """Writes new rows of one table. Clash when one of them is there, or names a row that is not."""
        if rows:
            await self._execute(_table(type(rows[0])).insert(), [_values(row) for row in rows])

    async def put_new(self, row: SQLModel) -> bool:
        """Writes the row unless a unique key of it is taken: False then, and nothing changed."""
        statement = _insert(type(row), self._dialect).on_conflict_do_nothing()
        return (await self._execute(statement, _values(row))).rowcount == 1

    async def put_over(self, row: SQLModel, *columns: str) -> None:
        """Writes the row, or only these columns of it into the one with its primary key; holds that row's lock either
        way."""
        statement = _insert(type(row), self._dialect)
        key = [column.name for column in _table(type(row)).primary_key]
        kept = {name: statement.excluded[name] for name in columns}
        await self._execute(statement.on_conflict_do_update(index_elements=key, set_=kept), _values(row))

    async def change(self, statement: Update | Delete | Insert) -> int:
        """How many rows it changed."""
        return (await self._execute(statement)).rowcount

    async def change_many(self, statement: Update, values: Sequence[Mapping[str, Any]]) -> None:
        """The same statement for each set of values, as one call to the driver."""
        if values:
            await self._execute(statement, [dict(row) for row in values])

    async def commit(self) -> None:
        self._check_open()
        self._over = True
        await self._connection.commit()

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    async def _execute(
        self, statement: Executable, values: list[dict[str, Any]] | dict[str, Any] | None = None
    ) -> CursorResult[Any]:
        self._check_open()
        try:
            return await self._connection.execute(statement, values)
        except IntegrityError as cause:
            raise errors.Clash(
                f"the database refused the change ({_reason(cause)}): a row it needs is missing, or one like it is there"
            ) from cause
        except SQLAlchemyError as cause:
            raise _failure(cause) from cause

    def _check_open(self) -> None:
        if self._over:
            raise errors.StoreFailure("this unit of work is committed and over; begin another one")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """A transaction that has begun. Leaving without `commit` rolls back; what the driver raises becomes ours."""
    try:
        async with engine.connect() as connection:
            await connection.begin()
            yield Transaction(connection)
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


def _insert(kind: type[SQLModel], dialect: str) -> Any:
    """ON CONFLICT is in both databases but not in the common language. Any: the two inserts share no base type that
    has it."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(_table(kind))


@cache
def _table(kind: type[SQLModel]) -> Table:
    return cast("Table", inspect(kind).local_table)


def _values(row: SQLModel) -> dict[str, Any]:
    """Every column's value; a key that the database counts itself is left out."""
    counted = _table(type(row)).autoincrement_column
    given = row.model_dump()
    if counted is not None and given.get(counted.name) is None:
        given.pop(counted.name, None)
    return given
