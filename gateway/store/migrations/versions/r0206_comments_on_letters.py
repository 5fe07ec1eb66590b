"""Persons of an agency comment on an incoming document, and see who has seen it.

Expand.
"""

from alembic import op

revision = "0206"
down_revision = "0205"
phase = "expand"

_AGENCY = "FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)"
_DOCUMENT = "FOREIGN KEY(agency_id, document_id) REFERENCES incoming_document (agency_id, id)"


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if on_server else "DATETIME"
    op.execute(
        f"""CREATE TABLE letter_comment (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    at {moment} NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_letter_comment_agency {_AGENCY},
    CONSTRAINT fk_letter_comment_document_id {_DOCUMENT}
)"""
    )
    op.execute("CREATE INDEX ix_letter_comment_document ON letter_comment (agency_id, document_id, at)")
    op.execute("CREATE INDEX ix_letter_comment_at ON letter_comment (agency_id, at)")
    op.execute(
        f"""CREATE TABLE letter_seen (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    person_id VARCHAR NOT NULL,
    at {moment} NOT NULL,
    read_until {moment} NOT NULL,
    PRIMARY KEY (agency_id, document_id, person_id),
    CONSTRAINT fk_letter_seen_agency {_AGENCY},
    CONSTRAINT fk_letter_seen_document_id {_DOCUMENT}
)"""
    )
    op.execute("CREATE INDEX ix_letter_seen_person ON letter_seen (agency_id, person_id)")
