"""Questions to authorities about certificates, their answers, and the packets that wait for one.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "revocation_question",
        sa.Column("source", sa.String(), primary_key=True),
        sa.Column("issuer", sa.String(), primary_key=True),
        sa.Column("about", sa.String(), primary_key=True),
        sa.Column("first_at", _WHEN, nullable=False),
        sa.Column("due_at", _WHEN, nullable=False),
        sa.Column("answered_at", _WHEN),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
    )
    op.create_index("ix_revocation_question_due", "revocation_question", ["due_at"])
    op.create_table(
        "revocation_answer",
        sa.Column("source", sa.String(), primary_key=True),
        sa.Column("issuer", sa.String(), primary_key=True),
        sa.Column("about", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("fetched_at", _WHEN, nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.Column("ends_at", _WHEN),
        sa.Column("revokes", sa.Boolean(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    made = ["source", "issuer", "about", "made_at"]
    op.create_index("ix_revocation_answer_made", "revocation_answer", made)
    op.create_index("ix_revocation_answer_fetched", "revocation_answer", ["fetched_at"])
    op.create_index("ix_revocation_answer_digest", "revocation_answer", ["digest"])
    op.create_table(
        "revocation_pending",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("inbox_id", sa.String(), primary_key=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("arrived_at", _WHEN, nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_id", "inbox_id"], ["inbox.agency_id", "inbox.id"], name="fk_revocation_pending_inbox"
        ),
    )
