"""The tables of the registry: agency codes, the certificates bound to them, and the record of changes.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)
# Ranges of what begins alike are asked for, and those must not depend on the language of a server.
_CODE = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "agency",
        sa.Column("code", _CODE, primary_key=True),
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
        sa.Column("updated_at", _WHEN, nullable=False),
    )
    op.create_index("ix_agency_alias", "agency", ["alias"])
    op.create_index("ix_agency_folded", "agency", ["folded"])
    op.create_index("ix_agency_parent", "agency", ["parent", "code"])
    op.create_table(
        "agency_binding",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("certificate_pem", sa.Text(), nullable=False),
        sa.Column("valid_from", _WHEN),
        sa.Column("valid_to", _WHEN),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("created_at", _WHEN, nullable=False),
        sa.UniqueConstraint("code", "fingerprint", name="uq_agency_binding_certificate"),
    )
    op.create_table(
        "registry_change",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("by_principal", sa.String(), nullable=False),
        sa.Column("source_digest", sa.String(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
    )
