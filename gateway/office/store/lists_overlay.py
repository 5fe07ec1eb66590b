"""What lists show of documents whose rows are not written yet. In: those rows, worked out in memory; questions about
`list_row`. Out: what they would find if the rows were stored. Each question is asked twice, by the same words: of what is
stored, without the rows that are older than their documents, and of the rows in memory, which stand in a table
expression of the stored table's name. Nothing is written. Mostly there are no such rows, and a question is asked once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import CTE, BindParameter, ColumnElement, bindparam, not_, text
from sqlalchemy.engine import Dialect
from sqlmodel import col

from gateway.store.row import one_among
from gateway.store.tables_office import ListRow
from gateway.store.transaction import Transaction

Condition = ColumnElement[bool]
Question = Any  # Any: a SELECT of whatever columns, or several as one
Make = Callable[[Sequence[Condition]], Question]
"""Puts these conditions into a question too."""


class Overlay:
    """Of one agency, within one unit of work."""

    def __init__(self, tx: Transaction, rows: Sequence[ListRow] = ()) -> None:
        self._tx = tx
        self.rows = rows
        ids = [row.id for row in rows]
        these = one_among(col(ListRow.id), ids)
        self.these: Sequence[Condition] = [these]
        """Stored rows that are older than their documents."""
        self.without: Sequence[Condition] = [not_(these)] if rows else []
        """All the others."""
        self._expression = _expression(tx.connection.dialect, rows) if rows else None

    async def found(self, make: Make) -> Sequence[Any]:
        """What a question finds, in no order."""
        stored = await self._tx.tuples(make(self.without))
        return [*stored, *await self.fresh(make([]))] if self.rows else stored

    async def fresh(self, question: Question) -> Sequence[Any]:
        """What it finds among rows that are not written yet."""
        if self._expression is None:
            return ()
        return await self._tx.tuples(question.add_cte(self._expression))

    async def counted(self, make: Make, make_few: Make | None = None) -> Mapping[Any, int]:
        """Of a question for keys and numbers. What is older is taken off again, so that what is stored is counted in an
        index alone. `make_few`: the same question in words for few rows."""
        counted = Counter(dict(_pairs(await self._tx.tuples(make([])))))
        if self.rows:
            few = make_few or make
            counted.subtract(dict(_pairs(await self._tx.tuples(few(self.these)))))
            counted.update(dict(_pairs(await self.fresh(few([])))))
        return {key: n for key, n in counted.items() if n}


def _pairs(rows: Sequence[Any]) -> Sequence[tuple[Any, int]]:
    return [(key, n) for key, n in rows]


def _expression(dialect: Dialect, rows: Sequence[ListRow]) -> CTE:
    """Within its statement the name of the table means these rows."""
    columns = _columns()
    if dialect.name == "sqlite":
        writes = {name: of.type.dialect_impl(dialect).bind_processor(dialect) for name, of in columns.items()}
        taken = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        words = f"SELECT {taken} FROM json_each(:overlaid)"  # noqa: S608  # our words
    else:
        writes = {}
        words = "SELECT * FROM json_populate_recordset(CAST(NULL AS list_row), CAST(:overlaid AS json))"
    told = [
        {name: write(value) if (write := writes.get(name)) else value for name, value in row.values().items()}
        for row in rows
    ]
    given: BindParameter[str] = bindparam("overlaid", json.dumps(told, default=_written))
    return text(words).bindparams(given).columns(*columns.values()).cte(ListRow.__tablename__)


def _written(value: Any) -> str:
    """A day or a moment, for a server."""
    written: str = value.isoformat()
    return written


@cache
def _columns() -> Mapping[str, Any]:
    return dict(ListRow.__table__.columns)
