"""Reports that are sent by the calendar.

Expand. A program of before sends none.
"""

from alembic import op

revision = "0222"
down_revision = "0221"
phase = "expand"

_TABLE = """CREATE TABLE report_schedule (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    wish TEXT NOT NULL,
    made_by VARCHAR NOT NULL,
    made_at {moment} NOT NULL,
    due_on DATE NOT NULL,
    paused_at {moment},
    sent_at {moment},
    sent_to TEXT NOT NULL,
    problem VARCHAR DEFAULT '' NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    not_before {moment},
    lease_token VARCHAR,
    lease_until {moment},
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_report_schedule_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""


def upgrade() -> None:
    moment = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    op.execute(_TABLE.format(moment=moment))
