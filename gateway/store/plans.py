"""What SQLite believes of our tables when it chooses how to run a statement. In: a connection of a migration. Out: its
table of figures, filled by one rule for every index there is.

Without figures SQLite takes an agency's whole register for ten rows, and walks through all of it for one document; with
measured ones its choices would change from day to day, and nobody would have tested them. A server measures by itself
(docs/performance.md; `growth`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

_ROWS = 1_000_000
# How many different values a column has in so many rows; every other one has as many as there are rows.
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
_AT_LEAST = 4  # rows of one key where a key may have several
_PART = 20  # one row of so many is in an index that does not hold all
_INDEXES = """SELECT tables.name, list.name, list."unique", list.partial
    FROM pragma_table_list AS tables, pragma_index_list(tables.name) AS list
    WHERE tables.schema = 'main' AND tables.type = 'table'"""
_COLUMNS = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"


def tell(connection: Connection) -> None:
    """Writes the figures anew; connections that open from now on go by them. Nothing on a server."""
    if connection.dialect.name != "sqlite":
        return
    ask = connection.exec_driver_sql
    ask("ANALYZE alembic_version")  # makes the table of figures, which nothing else may
    ask("DELETE FROM sqlite_stat1")
    for table, index, unique, partial in ask(_INDEXES).all():
        columns = ask(_COLUMNS, (index,)).scalars().all()
        told = " ".join(map(str, _figures(columns, unique=bool(unique), partial=bool(partial))))
        ask("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", (table, index, told))


def _figures(columns: Sequence[str], *, unique: bool, partial: bool) -> Iterator[int]:
    """How many rows the index has, then how many of them have the same first column, the same first two, and so on."""
    rows = _ROWS // _PART if partial else _ROWS
    yield rows
    keys = 1
    for place, column in enumerate(columns, start=1):
        keys *= _VALUES.get(column, _ROWS)
        yield 1 if unique and place == len(columns) else max(rows // keys, _AT_LEAST)
