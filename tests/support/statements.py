"""Statements that the program sends to its database, as text, so that a test can count the reads of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import Engine, event

from gateway.store.transaction import Transaction

_IN_TRANSACTION: ContextVar[bool] = ContextVar("in_transaction", default=False)


class Statements(list[str]):
    """Statements in their order."""

    def reads(self, table: str) -> int:
        """Count the queries whose first table is this one."""
        return sum(bool(re.match(rf"SELECT .*?\bFROM {table}\b", text, re.DOTALL)) for text in self)


@contextmanager
def noted_statements() -> Iterator[Statements]:
    """Collect the statements of every transaction and of every engine of this process."""
    statements = Statements()
    execute = Transaction._execute

    async def execute_and_note(tx: Transaction, statement: Any, values: dict[str, Any]) -> Any:
        statements.append(str(statement))
        token = _IN_TRANSACTION.set(True)
        try:
            return await execute(tx, statement, values)
        finally:
            _IN_TRANSACTION.reset(token)

    # What a transaction has prepared goes to the driver past the library; the registry asks the library itself.
    def note(
        _connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool
    ) -> None:
        if not _IN_TRANSACTION.get():
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transaction, "_execute", execute_and_note)
            yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
