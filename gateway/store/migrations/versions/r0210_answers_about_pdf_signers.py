"""Answers of authorities about the certificates of PDF signatures have a table, so that a verdict can be shown again with
the data of its moment.

Expand. Earlier verdicts name no answers.
"""

from alembic import op

revision = "0210"
down_revision = "0209"
phase = "expand"

_TABLE = """CREATE TABLE pdf_answer (
    digest VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    issuer VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    origin VARCHAR NOT NULL,
    fetched_at {moment} NOT NULL,
    made_at {moment} NOT NULL,
    ends_at {moment},
    revokes BOOLEAN NOT NULL,
    used BOOLEAN NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (digest)
)"""
_INDEXES = (
    "CREATE INDEX ix_pdf_answer_about ON pdf_answer (issuer, source, about, made_at)",
    "CREATE INDEX ix_pdf_answer_fetched ON pdf_answer (fetched_at)",
)


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    types = {
        "moment": "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME",
        "bytes": "BYTEA" if is_server else "BLOB",
    }
    for statement in (_TABLE, *_INDEXES):
        op.execute(statement.format(**types))
