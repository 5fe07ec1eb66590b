"""Numbers of outgoing documents that the node gives, each with its state.

Expand. A program of before gives no numbers to outgoing documents.
"""

from alembic import op

revision = "0216"
down_revision = "0215"
phase = "expand"

_TABLE = """CREATE TABLE given_number (
    agency_id VARCHAR NOT NULL,
    book VARCHAR NOT NULL,
    year INTEGER NOT NULL,
    number INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    at {moment} NOT NULL,
    "by" VARCHAR NOT NULL,
    until {moment},
    subject_id VARCHAR NOT NULL,
    document_id TEXT NOT NULL,
    code VARCHAR NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (agency_id, book, year, number),
    FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    op.execute(_TABLE.format(moment="TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"))
    op.execute(
        "CREATE INDEX ix_given_number_free ON given_number (agency_id, book, year, number) "
        "WHERE state IN ('free', 'reserved')"
    )
    op.execute(
        "CREATE INDEX ix_given_number_subject ON given_number (agency_id, subject_id) WHERE subject_id <> ''"
    )
