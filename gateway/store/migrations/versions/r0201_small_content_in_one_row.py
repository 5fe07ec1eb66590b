"""Small content has one row: its bytes, its size and its first owner.

Expand, though a program of before cannot work on it: all nodes of the database are stopped meanwhile, and the step after
this one keeps such a program from starting. Rows keep the owners that they have in `blob_ref`. On SQLite the table is
made anew, because the bytes must lie where no row is moved; the bytes are read once, in the order of their key.
"""

from alembic import op

revision = "0201"
down_revision = "0200"
phase = "expand"

_HERE = (
    """CREATE TABLE blob_anew (
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    stored_at DATETIME NOT NULL,
    agency_id VARCHAR,
    owner_kind VARCHAR,
    owner_id VARCHAR,
    head BLOB NOT NULL,
    body BLOB,
    PRIMARY KEY (digest),
    CONSTRAINT fk_blob_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)
 WITHOUT ROWID""",
    # CROSS: the left one is the outer loop.
    """INSERT INTO blob_anew (digest, size, stored_at, head, body)
    SELECT blob.digest, size, stored_at, head, body
    FROM small_content CROSS JOIN blob ON blob.digest = small_content.digest""",
    """INSERT INTO blob_anew (digest, size, stored_at, head)
    SELECT digest, size, stored_at, x'' FROM blob
    WHERE NOT EXISTS (SELECT 1 FROM small_content WHERE small_content.digest = blob.digest)""",
)
_ON_SERVER = (
    """ALTER TABLE blob
    ADD COLUMN agency_id VARCHAR CONSTRAINT fk_blob_agency REFERENCES hosted_agency (id),
    ADD COLUMN owner_kind VARCHAR,
    ADD COLUMN owner_id VARCHAR,
    ADD COLUMN head BYTEA NOT NULL DEFAULT '',
    ADD COLUMN body BYTEA""",
    "ALTER TABLE blob ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN head DROP DEFAULT",
    """UPDATE blob SET head = small_content.head, body = small_content.body
    FROM small_content WHERE small_content.digest = blob.digest""",
)


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    for statement in _ON_SERVER if on_server else _HERE:
        op.execute(statement)
