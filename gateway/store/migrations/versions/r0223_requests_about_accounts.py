"""Requests of agencies about their accounts, with the answer; and the reports that agencies handed in.

Expand. A program of before keeps no requests.
"""

from alembic import op

revision = "0223"
down_revision = "0222"
phase = "expand"

_TABLE = """CREATE TABLE account_request (
    id VARCHAR NOT NULL,
    agency_id VARCHAR NOT NULL,
    form VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    made_at {moment} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
)"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    op.execute(_TABLE.format(moment="TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"))
    op.execute("CREATE INDEX ix_account_request_agency ON account_request (agency_id, made_at)")
    op.execute("CREATE INDEX ix_account_request_state ON account_request (state, made_at)")
