"""Receipts of signed lists of agencies: those that came to the issuer, and what a node told its own issuer.

Expand. A program of before tells no issuer, and takes no receipt.
"""

from alembic import op

revision = "0224"
down_revision = "0223"
phase = "expand"

_TABLE = """CREATE TABLE registry_receipt (
    issuer VARCHAR NOT NULL,
    code VARCHAR{collation} NOT NULL,
    sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    taken_at {moment} NOT NULL,
    said_at {moment} NOT NULL,
    received_at {moment} NOT NULL,
    version VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    tellings INTEGER NOT NULL,
    PRIMARY KEY (issuer, code)
)"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    op.execute(_TABLE.format(moment=moment, collation=' COLLATE "C"' if is_server else ""))
    op.execute("ALTER TABLE registry_feed ADD COLUMN receipt_state VARCHAR")
    op.execute(f"ALTER TABLE registry_feed ADD COLUMN receipt_at {moment}")
    op.execute(f"ALTER TABLE registry_feed ADD COLUMN receipt_tried_at {moment}")
    op.execute("ALTER TABLE registry_feed ADD COLUMN receipt_fault TEXT")
