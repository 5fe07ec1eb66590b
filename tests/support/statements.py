"""Statements that the program sends to its database, as text, so that a test can count the reads of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


class Statements(list[str]):
    """Statements in their order."""

    def reads(self, table: str) -> int:
        """Count the queries whose first table is this one."""
        return sum(bool(re.match(rf"SELECT .*?\bFROM {table}\b", text, re.DOTALL)) for text in self)


@contextmanager
def noted_statements() -> Iterator[Statements]:
    """Collect the statements of every engine of this process."""
    statements = Statements()

    def note(
        _connection: Any, _cursor: Any, statement: str, _values: Any, _context: Any, _many: bool
    ) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
