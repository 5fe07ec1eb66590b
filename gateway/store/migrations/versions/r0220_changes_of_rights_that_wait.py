"""Changes of rights in an agency that wait for a second administrator; figures of what is read, and of sign-ins.

Expand. A program of before proposes no such changes. The figures are counted anew, in batches.
"""

from alembic import op

revision = "0220"
down_revision = "0219"
phase = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE proposal ADD COLUMN agency_id VARCHAR")
    op.execute("CREATE INDEX ix_proposal_agency ON proposal (agency_id, state) WHERE agency_id IS NOT NULL")
    for name in ("reads", "read_files", "sign_ins"):
        op.execute(f"ALTER TABLE figure_day ADD COLUMN {name} INTEGER DEFAULT 0 NOT NULL")
