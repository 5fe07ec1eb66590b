"""An agency's units are a list, and a part of a unit may be a named person's, or for information alone.

Expand. The list begins with the units that posts and parts name; units that only ended parts name are closed. An agency
without posts in units has no list, as its programs name units freely. The texts on posts and parts stay as they are.
"""

import secrets
from datetime import UTC, datetime

from alembic import op
from sqlalchemy import DateTime, bindparam, text

from gateway.domain.text import fold

revision = "0205"
down_revision = "0204"
phase = "expand"

# Units of persons come first, in the order of their names, then those that only parts name.
_UNITS_OF_AGENCIES = """SELECT post.agency_id, post.unit, 1 FROM post
    JOIN hosted_agency ON hosted_agency.id = post.agency_id WHERE post.unit <> ''
UNION SELECT agency_id, unit, MAX(CASE WHEN state IN ('open', 'returned') THEN 1 ELSE 0 END) FROM unit_part
    WHERE agency_id IN (SELECT agency_id FROM post WHERE unit <> '')
    GROUP BY agency_id, unit"""


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if on_server else "DATETIME"
    op.execute(
        f"""CREATE TABLE unit (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    name_key VARCHAR NOT NULL,
    parent_id VARCHAR,
    position INTEGER NOT NULL,
    former TEXT DEFAULT '[]' NOT NULL,
    closed_at {moment},
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_unit_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_unit_name UNIQUE (agency_id, name_key)
)"""
    )
    op.execute("ALTER TABLE unit_part ADD COLUMN person_id VARCHAR")
    op.execute("ALTER TABLE unit_part ADD COLUMN is_informed BOOLEAN DEFAULT false NOT NULL")
    _fill()


def _fill() -> None:
    connection, now = op.get_bind(), datetime.now(UTC)
    units: dict[tuple[str, str], tuple[str, bool]] = {}
    for agency_id, name, is_in_use in sorted(
        connection.execute(text(_UNITS_OF_AGENCIES)), key=lambda row: (-row[2], *row)
    ):
        units.setdefault((agency_id, fold(name)), (name, bool(is_in_use)))
    insertion = text(
        "INSERT INTO unit (agency_id, id, name, name_key, position, closed_at) "
        "VALUES (:agency_id, :id, :name, :name_key, :position, :closed_at)"
    ).bindparams(bindparam("closed_at", type_=DateTime(timezone=True)))
    for position, ((agency_id, key), (name, is_in_use)) in enumerate(units.items()):
        values = {
            "agency_id": agency_id,
            "id": f"unt_{secrets.token_hex(13)}",
            "name": name,
            "name_key": key,
            "position": position,
            "closed_at": None if is_in_use else now,
        }
        connection.execute(insertion, values)
