"""Large content may lie in a bucket of an object store.

Expand: a column without a value, and an index of the content of either place. The former program does not look at them: it
works on as long as no content lies in a bucket.
"""

import sqlalchemy as sa
from alembic import op

revision = "0311"
down_revision = "0310"
phase = "expand"


def upgrade() -> None:
    op.add_column("blob", sa.Column("object_name", sa.String(), nullable=True))
    for name, condition in (
        ("ix_blob_file", "body IS NULL AND object_name IS NULL"),
        ("ix_blob_object", "object_name IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "blob", ["digest"], sqlite_where=where, postgresql_where=where)
