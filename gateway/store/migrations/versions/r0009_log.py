"""The sealed log over the events: where it stands, leaves, nodes and seals.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)
_STAMPED = sa.text("stamped_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "log",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("log_id", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.Text(), nullable=False),
        sa.Column("published_number", sa.BigInteger()),
        sa.Column("published_at", _WHEN),
    )
    op.create_table(
        "log_leaf",
        sa.Column("leaf_index", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("salts", sa.Text()),
        sa.UniqueConstraint("position", name="uq_log_leaf_position"),
    )
    op.create_table(
        "log_node",
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "log_seal",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("tree_size", sa.BigInteger(), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("stamp", sa.LargeBinary()),
        sa.Column("stamped_at", _WHEN),
    )
    op.create_index("ix_log_seal_size", "log_seal", ["tree_size"])
    op.create_index(
        "ix_log_seal_stamped", "log_seal", ["number"], postgresql_where=_STAMPED, sqlite_where=_STAMPED
    )
