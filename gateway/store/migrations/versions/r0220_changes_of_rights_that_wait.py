"""Changes of rights in an agency that wait for a second administrator.

Expand. A program of before proposes no such changes.
"""

from alembic import op

revision = "0220"
down_revision = "0218"
phase = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE proposal ADD COLUMN agency_id VARCHAR")
    op.execute("CREATE INDEX ix_proposal_agency ON proposal (agency_id, state) WHERE agency_id IS NOT NULL")
