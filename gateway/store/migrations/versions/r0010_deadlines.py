"""Days that differ from the shipped calendar, what people noted on their tasks, which reminders have gone out, and what
the to-do list asks of documents: until when a reply is wanted, and which requests were made.

Expand: new tables, one column that may be empty, and indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)
_WANTED = sa.text("reply_by IS NOT NULL")
_ASKED = sa.text("track = 'request' AND code = 'asked'")
_RETURNED = sa.text("state IN ('failed', 'rejected')")
_OPEN = "state IN ('new', 'held', 'accepted', 'assigned', 'processing')"
_DUE = {
    "sqlite": ("json_extract(body, '$.due_on')", "json_extract(body, '$.reply_required') = 1"),
    "postgresql": ("CAST(body::json ->> 'due_on' AS date)", "body::json ->> 'reply_required' = 'true'"),
}


def upgrade() -> None:
    op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("set_at", _WHEN, nullable=False),
    )
    op.create_table(
        "task_note",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("task", sa.String(), primary_key=True),
        sa.Column("owner", sa.String()),
        sa.Column("snoozed_until", _WHEN),
        sa.Column("closed_at", _WHEN),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("noted_by", sa.String(), nullable=False),
        sa.Column("noted_at", _WHEN, nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_task_note_agency"),
    )
    op.create_table(
        "reminder",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_reminder_agency"),
    )
    op.create_index("ix_reminder_at", "reminder", ["at"])
    op.add_column("incoming_document", sa.Column("reply_by", sa.Date()))
    due, wanted = _DUE[op.get_bind().dialect.name]
    op.execute(sa.text(f"UPDATE incoming_document SET reply_by = {due} WHERE {_OPEN} AND {wanted}"))  # noqa: S608  # no input
    op.create_index(
        "ix_incoming_reply_by",
        "incoming_document",
        ["agency_id", "reply_by"],
        postgresql_where=_WANTED,
        sqlite_where=_WANTED,
    )
    op.create_index(
        "ix_fact_asked", "fact", ["agency_id", "at"], postgresql_where=_ASKED, sqlite_where=_ASKED
    )
    op.create_index(
        "ix_delivery_returned",
        "delivery",
        ["agency_id", "updated_at"],
        postgresql_where=_RETURNED,
        sqlite_where=_RETURNED,
    )
