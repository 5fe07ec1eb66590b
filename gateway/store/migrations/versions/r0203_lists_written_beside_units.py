"""Databases that were made when lists were written within units get the table of marks and the indexes of today.

Expand. A database whose baseline had them already loses and gains the same two indexes.
"""

from alembic import op

revision = "0203"
down_revision = "0202"
phase = "expand"

_FORMER = """both state lead urgent tab_queued tab_rejected tab_failed tab_recall tab_draft tab_silent tab_new tab_held
    tab_processing tab_not_handed tab_unsent unread attached pressing origin place attention few"""
_PLACE = "agency_id, side, place, tabs"
_FEW = " OR ".join(f"(tabs & {bit}) <> 0" for bit in (1, 4, 8, 16, 32, 64, 128, 256, 1024, 2048, 4096))


def upgrade() -> None:
    op.execute(
        """CREATE TABLE IF NOT EXISTS list_change (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_list_change_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""
    )
    for name in _FORMER.split():
        op.execute(f"DROP INDEX IF EXISTS ix_list_row_{name}")
    op.execute(f"CREATE INDEX ix_list_row_place ON list_row ({_PLACE}, state, origin, urgency, attached)")
    op.execute(
        "CREATE INDEX ix_list_row_attention ON list_row (agency_id, side, lead, place, attention_at, tabs, state, origin, "
        "urgency, attached) WHERE attention_at IS NOT NULL"
    )
    op.execute(f"CREATE INDEX ix_list_row_few ON list_row ({_PLACE}, urgency, unread) WHERE {_FEW} OR unread")
