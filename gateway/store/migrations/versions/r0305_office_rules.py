"""An agency has rules for incoming letters.

Expand: a table that the former program does not know.
"""

from alembic import op

revision = "0305"
down_revision = "0304"
phase = "expand"

_TABLE = """
CREATE TABLE office_rule (agency_id VARCHAR NOT NULL, id VARCHAR NOT NULL, name VARCHAR NOT NULL,
    position INTEGER NOT NULL, condition TEXT NOT NULL, acts TEXT NOT NULL, made_by VARCHAR NOT NULL,
    made_at {moment} NOT NULL, is_on BOOLEAN NOT NULL, tried_at {moment}, tried_count INTEGER NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_office_rule_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id))
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    op.get_bind().exec_driver_sql(_TABLE.format(moment=moment))
