"""Files that come in parts before the document that carries them.

Expand: a process of before knows none of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0105"
down_revision = "0104"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced", sa.String()),
        sa.Column("file", sa.Text()),
        sa.Column("signatures", sa.Text()),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_upload_agency"),
    )
    op.create_index("ix_upload_expires", "upload", ["expires_at"])
    op.create_table(
        "upload_part",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("upload_id", sa.String(), primary_key=True),
        sa.Column("n", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_id", "upload_id"], ["upload.agency_id", "upload.id"], name="fk_upload_part_upload_id"
        ),
    )
