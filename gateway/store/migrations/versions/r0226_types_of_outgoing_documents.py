"""The type of an outgoing document as a column, for the closing lines of a book: its JSON need not be read.

Expand. Rows of before, and of a program of before, have none; their type is read from the JSON. A draft that such a program
changes keeps the type in its column until a program of today writes it, at the latest when it is sent.
"""

from alembic import op

revision = "0226"
down_revision = "0225"
phase = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE outgoing_document ADD COLUMN type_name VARCHAR")
