"""The registry feed: the list in force, feeds that were refused, and certificates that a feed proposes.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "registry_feed",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.Column("applied_at", _WHEN, nullable=False),
        sa.Column("by_principal", sa.String(), nullable=False),
        sa.Column("change_id", sa.String(), nullable=False),
    )
    op.create_table(
        "registry_feed_refusal",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("issuer", sa.String()),
        sa.Column("sequence", sa.BigInteger()),
        sa.Column("by_principal", sa.String(), nullable=False),
    )
    op.create_index("ix_registry_feed_refusal_at", "registry_feed_refusal", ["at", "id"])
    op.create_table(
        "registry_feed_proposal",
        sa.Column("code", sa.String(), primary_key=True),
        sa.Column("fingerprint", sa.String(), primary_key=True),
        sa.Column("certificate_pem", sa.Text(), nullable=False),
        sa.Column("valid_from", _WHEN),
        sa.Column("valid_to", _WHEN),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
    )
