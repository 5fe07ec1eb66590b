"""What lists, search and figures read: a row for each document, figures by day, and an index of words.

Expand: new tables only. Rows of older documents are written afterwards, in batches, while the node works.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)
_SORTED = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABS = {
    "queued": 1,
    "rejected": 4,
    "failed": 8,
    "recall": 16,
    "draft": 32,
    "silent": 64,
    "new": 128,
    "held": 256,
    "processing": 1024,
    "not_handed": 2048,
    "unsent": 4096,
}
# Words are folded before they are written, so the tokenizer has nothing to fold. `old` words are told to it again when
# they go, because it keeps no text of its own.
_SQLITE = (
    """CREATE VIRTUAL TABLE list_search USING fts5(
        folded, content='list_row', content_rowid='place', tokenize='unicode61 remove_diacritics 0', prefix='2 3'
    )""",
    """CREATE TRIGGER list_search_new AFTER INSERT ON list_row BEGIN
        INSERT INTO list_search (rowid, folded) VALUES (new.place, new.folded);
    END""",
    """CREATE TRIGGER list_search_gone AFTER DELETE ON list_row BEGIN
        INSERT INTO list_search (list_search, rowid, folded) VALUES ('delete', old.place, old.folded);
    END""",
    """CREATE TRIGGER list_search_changed AFTER UPDATE OF folded ON list_row WHEN old.folded <> new.folded BEGIN
        INSERT INTO list_search (list_search, rowid, folded) VALUES ('delete', old.place, old.folded);
        INSERT INTO list_search (rowid, folded) VALUES (new.place, new.folded);
    END""",
    # A secret's words must not stay in parts of the index that are only marked as gone.
    """CREATE TRIGGER list_search_secret AFTER UPDATE OF folded ON list_row WHEN old.folded <> '' AND new.folded = ''
    BEGIN
        INSERT INTO list_search (list_search) VALUES ('optimize');
    END""",
)


def upgrade() -> None:
    _rows()
    _figures()
    if op.get_bind().dialect.name == "sqlite":
        for statement in _SQLITE:
            op.execute(statement)
    elif _has_trigrams(op.get_bind()):
        op.create_index(
            "ix_list_search",
            "list_row",
            ["folded"],
            postgresql_using="gin",
            postgresql_ops={"folded": "gin_trgm_ops"},
        )


def _has_trigrams(connection: sa.Connection) -> bool:
    """Whether the server has the extension, made here where it may be. Without it searching reads more rows."""
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.DBAPIError:
        return False
    return True


def _rows() -> None:
    op.create_table(
        "list_row",
        sa.Column("place", _WHOLE, primary_key=True, autoincrement=False),
        sa.Column("agency_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("own_state", sa.String(), nullable=False),
        sa.Column("tabs", sa.Integer(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date()),
        sa.Column("due_at", _WHEN),
        sa.Column("attention_at", _WHEN),
        sa.Column("lead", _WHOLE),
        sa.Column("sent_at", _WHEN),
        sa.Column("latest_at", _WHEN),
        sa.Column("attached", sa.Boolean(), nullable=False),
        sa.Column("number_key", _SORTED, nullable=False),
        sa.Column("party_key", _SORTED, nullable=False),
        sa.Column("type_key", _SORTED, nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_row_agency"),
        sa.UniqueConstraint("agency_id", "id", name="uq_list_row_id"),
    )
    _index("place", "place", "tabs")
    op.create_index("ix_list_row_both", "list_row", ["agency_id", "place"])
    for name in ("number", "party", "type"):
        _index(name, f"{name}_key", "place")
    _index("issued", "issued_on", "place")
    _index("state", "state", "place")
    _index("attention", "place", "attention_at", where="attention_at IS NOT NULL")
    _index("lead", "lead", "place", where="lead IS NOT NULL")
    _index("urgent", "urgency", "place", where="urgency > 0")
    for tab, bit in _TABS.items():
        _index(f"tab_{tab}", "place", where=f"(tabs & {bit}) <> 0")


def _index(name: str, *columns: str, where: str | None = None) -> None:
    condition = sa.text(where) if where else None
    op.create_index(
        f"ix_list_row_{name}",
        "list_row",
        ["agency_id", "side", *columns],
        postgresql_where=condition,
        sqlite_where=condition,
    )


def _figures() -> None:
    op.create_table(
        "list_day",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_day_agency"),
    )
    op.create_table(
        "list_fill",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("side", sa.String(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_fill_agency"),
    )
