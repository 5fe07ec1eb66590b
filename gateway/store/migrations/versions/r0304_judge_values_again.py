"""Documents that are official get their value once more, by the person who signed: one job for what came to each agency,
and one for what it sent, which go through them in batches.

Expand: nothing but two jobs for each agency. The former program does not know their subject, and puts them off.
"""

from alembic import op

revision = "0304"
down_revision = "0300"
phase = "expand"


def upgrade() -> None:
    for side in ("in", "out"):
        op.execute(
            "INSERT INTO job (attempts, agency_id, id, kind, subject_id, created_at) "  # noqa: S608 - our words
            f"SELECT 0, id, 'job_0304_{side}', 'signatures', 'list:{side}::', CURRENT_TIMESTAMP FROM hosted_agency"
        )
