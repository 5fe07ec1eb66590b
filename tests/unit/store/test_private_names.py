"""The names of SQLAlchemy and SQLModel that no documentation promises, and that `store.drivers`, `store.engine` and
`store.row` lean on. A library that drops one is named here, and not by a node that does not start."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import sqlalchemy
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import result
from sqlalchemy.util import concurrency
from sqlmodel import main

from gateway.store.drivers import InlineDialect
from gateway.store.tables import BlobRow
from tests.support.cases import Cases

_COMPILED = select(BlobRow).compile(dialect=InlineDialect())
_LEANT_ON: tuple[tuple[object, Iterable[str]], ...] = (
    (AsyncAdapt_asyncpg_connection, ("_connection", "_execute_mutex", "_transaction")),
    (AsyncAdapt_asyncpg_connection, ("_start_transaction", "_handle_exception", "create")),
    (SQLiteExecutionContext, ("create_server_side_cursor", "create_default_cursor")),
    (SQLiteDialect_pysqlite, ("do_execute", "do_executemany", "do_execute_no_params", "do_commit")),
    (SQLiteDialect_pysqlite, ("create_connect_args", "get_pool_class", "is_async", "execution_ctx_cls")),
    (_COMPILED, ("binds", "params", "positiontup", "insert_prefetch", "update_prefetch")),
    (_COMPILED, ("implicit_returning", "post_compile_params", "literal_execute_params")),
    (concurrency, ("await_", "in_greenlet")),
    (sqlalchemy.util, ("await_only",)),
    (main, ("FieldInfo", "get_column_from_field")),
)


def test_every_private_name_that_the_store_leans_on_exists(cases: Cases) -> None:
    for owner, names in _LEANT_ON:
        for name in names:
            with cases.case(f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"):
                assert hasattr(owner, name)


def test_an_asyncio_cursor_is_still_ended_by_the_name_that_ours_has() -> None:
    assert "_async_soft_close()" in inspect.getsource(result)
