"""Accounts of persons: sign-in names, standing, sessions, rights per agency, delegations, mailboxes, recovery codes.

Expand: new tables, and new columns that an older node leaves empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    _persons()
    _secrets()
    _sessions()
    _rights()
    _agencies()


def _persons() -> None:
    for name in ("login", "title", "email", "standing", "standing_why", "standing_by"):
        op.add_column("person", sa.Column(name, sa.String()))
    for name in ("standing_at", "password_at", "last_login_at", "warned_at"):
        op.add_column("person", sa.Column(name, _WHEN))
    op.add_column("person", sa.Column("must_change", sa.Boolean()))
    op.create_index("uq_person_login", "person", ["login"], unique=True)
    op.create_index("ix_person_code", "person", ["code_digest"])


def _secrets() -> None:
    op.create_table(
        "password_past",
        sa.Column("person_id", sa.String(), primary_key=True),
        sa.Column("at", _WHEN, primary_key=True),
        sa.Column("hashed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_password_past_person"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("person_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("used_at", _WHEN),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_recovery_code_person"),
    )
    op.create_table(
        "sign_in_try",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", _WHEN, nullable=False),
    )
    op.create_index("ix_sign_in_try_last", "sign_in_try", ["last_at"])


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("agency_id", sa.String()),
        sa.Column("factor", sa.String(), nullable=False),
        sa.Column("began_at", _WHEN, nullable=False),
        sa.Column("seen_at", _WHEN, nullable=False),
        sa.Column("ends_at", _WHEN, nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("ended_at", _WHEN),
        sa.Column("ended_why", sa.String()),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_session_person"),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_session_agency"),
        sa.UniqueConstraint("id", name="uq_session_id"),
    )
    op.create_index("ix_session_person", "session", ["person_id", "ended_at"])
    op.create_index("ix_session_ends", "session", ["ends_at"])


def _rights() -> None:
    op.create_table(
        "post",
        sa.Column("person_id", sa.String(), primary_key=True),
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("role", sa.String(), primary_key=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("given_by", sa.String(), nullable=False),
        sa.Column("given_at", _WHEN, nullable=False),
        sa.Column("until", _WHEN),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_post_person"),
    )
    op.create_index("ix_post_agency", "post", ["agency_id", "role"])


def _agencies() -> None:
    op.create_table(
        "delegation",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("from_id", sa.String(), nullable=False),
        sa.Column("to_id", sa.String(), nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.Column("ends_at", _WHEN, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_delegation_agency"),
    )
    op.create_index("ix_delegation_to", "delegation", ["to_id", "ends_at"])
    op.create_index("ix_delegation_made", "delegation", ["agency_id", "made_at", "id"])
    op.create_table(
        "mailbox",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.Column("closed_at", _WHEN),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_mailbox_agency"),
    )
    op.create_index("uq_mailbox_name", "mailbox", ["name"], unique=True)
