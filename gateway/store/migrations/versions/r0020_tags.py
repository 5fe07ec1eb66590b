"""An agency's own labels; and of each row of lists how the document came and in which register book it stands.

Expand: two new tables, two columns that may be empty, and indexes. Rows that are there are written anew afterwards, in
batches, while the node works: until then a filter by origin or book does not find them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "tag",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_tag_agency"),
        sa.UniqueConstraint("agency_id", "folded", name="uq_tag_name"),
    )
    op.create_table(
        "tag_mark",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("tag_id", sa.String(), primary_key=True),
        sa.Column("document_id", sa.String(), primary_key=True),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("marked_by", sa.String(), nullable=False),
        sa.Column("marked_at", _WHEN, nullable=False),
        sa.ForeignKeyConstraint(["agency_id", "tag_id"], ["tag.agency_id", "tag.id"], name="fk_tag_mark_tag"),
    )
    op.create_index("ix_tag_mark_document", "tag_mark", ["agency_id", "document_id"])
    for name in ("origin", "book"):
        op.add_column("list_row", sa.Column(name, sa.String(), nullable=True))
        op.create_index(f"ix_list_row_{name}", "list_row", ["agency_id", "side", name, "place"])
    op.execute("DELETE FROM list_fill")
