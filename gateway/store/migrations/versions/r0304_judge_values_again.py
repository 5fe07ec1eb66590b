"""Documents that are official get their value once more, by the person who signed: one job for what came to each agency,
and one for what it sent, which go through them in batches.

Expand: nothing but two jobs for each agency. The former program does not know their subject, and puts them off.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0304"
down_revision = "0300"
phase = "expand"


def upgrade() -> None:
    agency = sa.table("hosted_agency", sa.column("id", sa.String()))
    job = sa.table(
        "job",
        *(sa.column(name, sa.String()) for name in ("agency_id", "id", "kind", "subject_id")),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("attempts", sa.Integer()),
    )
    rows = [
        {
            "agency_id": agency_id,
            "id": f"job_{revision}_{side}",
            "kind": "signatures",
            "subject_id": f"side:{side}:",
            "created_at": datetime.now(UTC),
            "attempts": 0,
        }
        for agency_id in op.get_bind().scalars(sa.select(agency.c.id)).all()
        for side in ("in", "out")
    ]
    op.bulk_insert(job, rows)
