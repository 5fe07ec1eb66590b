"""What a list changes in who speaks for a code is held; each take-over names the decision that it rests on.

Expand: two new tables. Take-overs of imports and approved changes of the organisation count on; those that a list alone
brought rest on nothing, until two people approve them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0301"
down_revision = "0300"
phase = "expand"


def upgrade() -> None:
    code = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "registry_held_row",
        sa.Column("code", code, primary_key=True),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
    )
    op.create_index("ix_registry_held_row_list", "registry_held_row", ["issuer", "sequence"])
    op.create_table(
        "registry_takeover",
        sa.Column("code", code, primary_key=True),
        sa.Column("successor", code, primary_key=True),
        sa.Column("by_id", sa.String(), primary_key=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("at", moment, nullable=False),
    )
    op.create_index("ix_registry_takeover_by", "registry_takeover", ["by_id"])
    op.execute(
        """
        INSERT INTO registry_takeover (code, successor, by_id, decision, at)
        SELECT a.code, a.successor, r.id, COALESCE(a.decision, ''), r.approved_at
        FROM agency a JOIN registry_reform_code c ON c.code = a.code AND c.part = 'ended'
        JOIN registry_reform r ON r.id = c.reform_id AND r.state = 'approved'
        WHERE a.successor IS NOT NULL
        """
    )
    op.execute(
        """
        INSERT INTO registry_takeover (code, successor, by_id, decision, at)
        SELECT code, successor, 'import', COALESCE(decision, ''), updated_at
        FROM agency WHERE source = 'imported' AND successor IS NOT NULL
        """
    )
