"""Words of files have tables and an index, so that a search finds what is written inside documents.

Expand. Nothing is filled here: the node marks its documents little by little, the newest first, and reads their files.
"""

from alembic import op

revision = "0207"
down_revision = "0206"
phase = "expand"

_TABLES = (
    """CREATE TABLE content_text (
    place {big} NOT NULL,
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    n INTEGER NOT NULL,
    page INTEGER NOT NULL,
    folded TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (place),
    CONSTRAINT fk_content_text_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT uq_content_text_page UNIQUE (agency_id, document_id, n, page)
)""",
    """CREATE TABLE content_due (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    place {big} NOT NULL,
    not_before {moment} NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (agency_id, document_id),
    CONSTRAINT fk_content_due_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)""",
    "CREATE INDEX ix_content_due_place ON content_due (place)",
    """CREATE TABLE content_read (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    n INTEGER NOT NULL,
    reading VARCHAR NOT NULL,
    at {moment} NOT NULL,
    PRIMARY KEY (agency_id, document_id, n),
    CONSTRAINT fk_content_read_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)""",
    """CREATE TABLE content_state (
    name VARCHAR NOT NULL,
    place {big} NOT NULL,
    PRIMARY KEY (name)
)""",
)
_ON_SQLITE = (
    """CREATE VIRTUAL TABLE content_search USING fts5(
        folded, content='content_text', content_rowid='place', tokenize='unicode61 remove_diacritics 0'
    )""",
    """CREATE TRIGGER content_search_new AFTER INSERT ON content_text BEGIN
        INSERT INTO content_search (rowid, folded) VALUES (new.place, new.folded);
    END""",
    # The index keeps removed words until it is rewritten, which the node then does in short steps.
    """CREATE TRIGGER content_search_gone AFTER DELETE ON content_text BEGIN
        INSERT INTO content_search (content_search, rowid, folded) VALUES ('delete', old.place, old.folded);
        INSERT OR REPLACE INTO content_state (name, place) VALUES ('traces', 0);
    END""",
)
_ON_SERVER = (
    # The agency is one of the words, so that the words of other agencies are not read.
    "CREATE INDEX ix_content_search ON content_text USING gin ("
    "array_to_tsvector(string_to_array(agency_id || rtrim(folded), ' ')))",
)


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    types = {
        "big": "BIGINT" if is_server else "INTEGER",
        "moment": "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME",
    }
    for statement in (*_TABLES, *(_ON_SERVER if is_server else _ON_SQLITE)):
        op.execute(statement.format(**types))
