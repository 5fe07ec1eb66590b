"""Lists over documents whose rows are not written yet. In: those rows, worked out in memory, and queries about `list_row`.
Out: what the queries would find if the rows were stored. Each query runs twice with the same text: on stored rows, without
those that are older than their documents, and on the rows in memory, which a table expression has under the stored table's
name. Nothing is written. Mostly there are no such rows, and a query runs once."""

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
"""Makes a query with the conditions added."""


class Overlay:
    """Rows that are not written yet, of one agency and within one unit of work."""

    def __init__(self, tx: Transaction, rows: Sequence[ListRow] = ()) -> None:
        self._tx = tx
        self.rows = rows
        ids = [row.id for row in rows]
        outdated = one_among(col(ListRow.id), ids)
        self.outdated: Sequence[Condition] = [outdated]
        """Selects stored rows that are older than their documents."""
        self.without: Sequence[Condition] = [not_(outdated)] if rows else []
        """Selects all other stored rows."""
        self._expression = _expression(tx.connection.dialect, rows) if rows else None

    async def find(self, make: Make) -> Sequence[Any]:
        """Return what a query finds, in no order."""
        stored = await self._tx.tuples(make(self.without))
        return [*stored, *await self.find_unwritten(make([]))] if self.rows else stored

    async def find_unwritten(self, question: Question) -> Sequence[Any]:
        """Return what a query finds among rows that are not written yet."""
        if self._expression is None:
            return ()
        return await self._tx.tuples(question.add_cte(self._expression))

    async def count(self, make: Make, make_few: Make | None = None) -> Mapping[Any, int]:
        """Count by a query for keys and numbers. Outdated rows are subtracted afterwards, so that stored rows are counted
        in an index alone. `make_few`: the same query in words for few rows."""
        counts = Counter(dict(_pairs(await self._tx.tuples(make([])))))
        if self.rows:
            few = make_few or make
            counts.subtract(dict(_pairs(await self._tx.tuples(few(self.outdated)))))
            counts.update(dict(_pairs(await self.find_unwritten(few([])))))
        return {key: n for key, n in counts.items() if n}


def _pairs(rows: Sequence[Any]) -> Sequence[tuple[Any, int]]:
    return [(key, n) for key, n in rows]


def _expression(dialect: Dialect, rows: Sequence[ListRow]) -> CTE:
    """Make a table expression of these rows under the name of the table."""
    columns = _columns()
    if dialect.name == "sqlite":
        writes = {name: c.type.dialect_impl(dialect).bind_processor(dialect) for name, c in columns.items()}
        columns_sql = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        query = f"SELECT {columns_sql} FROM json_each(:overlaid)"  # noqa: S608  # our words
    else:
        writes = {}
        query = "SELECT * FROM json_populate_recordset(CAST(NULL AS list_row), CAST(:overlaid AS json))"
    plain_rows = [
        {name: write(value) if (write := writes.get(name)) else value for name, value in row.values().items()}
        for row in rows
    ]
    parameter: BindParameter[str] = bindparam("overlaid", json.dumps(plain_rows, default=_encode_date))
    return text(query).bindparams(parameter).columns(*columns.values()).cte(ListRow.__tablename__)


def _encode_date(value: Any) -> str:
    """Encode a day or a moment, for a server."""
    iso_text: str = value.isoformat()
    return iso_text


@cache
def _columns() -> Mapping[str, Any]:
    return dict(ListRow.__table__.columns)
