"""One key for all spellings of the number of an outgoing document and of a paper letter.

Expand: rows of an older program get an empty key, which is no number's.
"""

import sqlalchemy as sa
from alembic import op

from gateway.domain.text import number_word

revision = "0303"
down_revision = "0300"
phase = "expand"

_TABLES = (("outgoing_document", "ix_outgoing_word"), ("paper_outgoing", "ix_paper_outgoing_word"))
_AT_ONCE = 5000


def upgrade() -> None:
    for name, index in _TABLES:
        op.add_column(name, sa.Column("number_word", sa.String(), nullable=False, server_default=""))
        _fill(op.get_bind(), name)
        op.create_index(index, name, ["agency_id", "number_word", "issued_on"])
    arrivals = sa.table("incoming_document", sa.column("number_key"))
    keys = arrivals.c.number_key
    shorter = sa.func.replace(sa.func.replace(keys, "!!!", "!"), "!!", "!")
    op.execute(sa.update(arrivals).where(keys.contains("!!")).values(number_key=shorter))


def _fill(connection: sa.Connection, name: str) -> None:
    """Write the key of each row, a part of the table at a time, in the order of the primary key."""
    table = sa.table(name, *map(sa.column, ("agency_id", "id", "number", "symbol", "number_word")))
    place = (table.c.agency_id, table.c.id)
    query = sa.select(*place, table.c.number, table.c.symbol).order_by(*place).limit(_AT_ONCE)
    mine = (table.c.agency_id == sa.bindparam("agency"), table.c.id == sa.bindparam("row"))
    fill = sa.update(table).where(*mine).values(number_word=sa.bindparam("word"))
    rows = connection.execute(query).all()
    while rows:
        keys = [{"agency": row[0], "row": row[1], "word": number_word(row[2], row[3])} for row in rows]
        connection.execute(fill, keys)
        after = sa.tuple_(*place) > sa.tuple_(sa.literal(rows[-1][0]), sa.literal(rows[-1][1]))
        rows = connection.execute(query.where(after)).all()
