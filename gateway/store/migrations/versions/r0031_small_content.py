"""Small content is a row: a file of its own costs more of the disk than its bytes.

Expand: one table; `head` keeps `body` out of the part of a row that SQLite moves between pages. Content that lies in files
stays there and is read from there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "small_content",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"], ["blob.digest"], name="fk_small_content_blob", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
