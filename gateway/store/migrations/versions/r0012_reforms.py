"""Dated changes of the organisation: what was decided, which codes it touches, and what was believed of each code when.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)
# Compared as bytes, as the codes of the registry itself.
_CODE = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _reforms()
    _periods()


def _reforms() -> None:
    op.create_table(
        "registry_reform",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("lives_before", sa.Text(), nullable=False),
        sa.Column("lives_after", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("approved_at", _WHEN, nullable=False),
        sa.Column("undone_by", sa.String()),
        sa.Column("undone_at", _WHEN),
        sa.Column("undone_why", sa.Text()),
        sa.Column("reported_by", sa.String()),
        sa.Column("reported_at", _WHEN),
        sa.Column("reported_how", sa.Text()),
    )
    op.create_index("ix_registry_reform_effective", "registry_reform", ["effective_on", "id"])
    op.create_table(
        "registry_reform_code",
        sa.Column("reform_id", sa.String(), primary_key=True),
        sa.Column("code", _CODE, primary_key=True),
        sa.Column("part", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["reform_id"], ["registry_reform.id"], name="fk_registry_reform_code"),
    )
    op.create_index("ix_registry_reform_code", "registry_reform_code", ["code", "part"])


def _periods() -> None:
    op.create_table(
        "agency_period",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("code", _CODE, nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("alias", _CODE),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("folded", _FOLDED, nullable=False),
        sa.Column("parent", _CODE),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        sa.Column("successor", sa.String()),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("email", sa.String()),
        sa.Column("address", sa.String()),
        sa.Column("phone", sa.String()),
        sa.Column("check_note", sa.String()),
        sa.Column("scheme", sa.String(), nullable=False, server_default="VN-GOV"),
        sa.Column("decision", sa.String()),
        sa.Column("host", sa.String()),
        sa.Column("believed_from", _WHEN, nullable=False),
        sa.Column("believed_to", _WHEN),
        sa.Column("change_id", sa.String(), nullable=False),
    )
    op.create_index("ix_agency_period_code", "agency_period", ["code", "believed_to"])
    op.create_index("ix_agency_period_folded", "agency_period", ["folded"])
    # The registry asks for successors backwards: which old codes lead to one of ours.
    op.create_index("ix_agency_successor", "agency", ["successor"])
