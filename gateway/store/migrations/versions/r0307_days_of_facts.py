"""Facts of figures are found by their side and day: a figure's list is read from them.

Expand: the former version writes facts without them; those are judged one by one until they change.
"""

import sqlalchemy as sa
from alembic import op

revision = "0307"
down_revision = "0300"
phase = "expand"

_FILL = {
    "sqlite": "UPDATE figure_fact SET side = json_extract(body, '$.side'), day = json_extract(body, '$.day')",
    "postgresql": "UPDATE figure_fact SET side = body::json ->> 'side', day = (body::json ->> 'day')::date",
}


def upgrade() -> None:
    op.add_column("figure_fact", sa.Column("side", sa.String(), nullable=True))
    op.add_column("figure_fact", sa.Column("day", sa.Date(), nullable=True))
    op.execute(_FILL[op.get_bind().dialect.name])
    op.create_index("ix_figure_fact_day", "figure_fact", ["agency_id", "side", "day"])
