"""A reminder that is being sent has a lease and the id of its mail; closed files of records are kept until the archive;
texts that figures count are kept where they were deleted from the log.

Expand. Reminders of before have no lease: they count as sent, as they do for a program of before.
"""

from alembic import op

revision = "0221"
down_revision = "0220"
phase = "expand"

_FILES = """CREATE TABLE work_file (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    title TEXT NOT NULL,
    kind VARCHAR NOT NULL,
    closed_on DATE NOT NULL,
    owner VARCHAR NOT NULL,
    archived_on DATE,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_work_file_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""

_FROZEN = """CREATE TABLE figure_frozen (
    agency_id VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (agency_id, event_id),
    CONSTRAINT fk_figure_frozen_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""


def upgrade() -> None:
    moment = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    for table in ("reminder", "node_reminder"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN mail VARCHAR")
        op.execute(f"ALTER TABLE {table} ADD COLUMN leased_until {moment}")
    op.execute(_FILES)
    op.execute(_FROZEN)
    op.execute("CREATE UNIQUE INDEX uq_work_file_code ON work_file (agency_id, code)")
    op.execute("CREATE INDEX ix_work_file_open ON work_file (agency_id, closed_on) WHERE archived_on IS NULL")
