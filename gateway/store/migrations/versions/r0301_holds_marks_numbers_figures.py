"""What a list changes in who speaks for a code is held; a number has one key for all spellings; folders have marks;
readings by programs are kept for their day; figures lead to what they count; official documents get their value once more.

Expand: new tables, columns with defaults and indexes. The former program looks at none of them. Of what it writes meanwhile
an empty key is no number's, and facts without a day are judged one by one until they change.
"""

import sqlalchemy as sa
from alembic import op

from gateway.domain.text import number_word

revision = "0301"
down_revision = "0300"
phase = "expand"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    _hold_rows_of_lists(is_server=is_server)
    _find_what_had_left()
    _give_numbers_a_key()
    _judge_values_again()
    _keep_readings_of_programs()
    _mark_folders()
    _find_facts_by_day(is_server=is_server)


# Take-overs of imports and approved changes of the organisation count on; those that a list alone brought rest on nothing,
# until two people approve them. Remembered answers change with the take-overs.
_LISTS = """
CREATE TABLE registry_held_row (code {code} NOT NULL PRIMARY KEY, issuer VARCHAR NOT NULL, sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL, wanted TEXT NOT NULL, at {moment} NOT NULL);
CREATE INDEX ix_registry_held_row_list ON registry_held_row (issuer, sequence);
CREATE TABLE registry_takeover (code {code} NOT NULL, successor {code} NOT NULL, by_id VARCHAR NOT NULL,
    decision VARCHAR NOT NULL, at {moment} NOT NULL, PRIMARY KEY (code, successor, by_id));
CREATE INDEX ix_registry_takeover_by ON registry_takeover (by_id);
INSERT INTO registry_takeover (code, successor, by_id, decision, at)
    SELECT a.code, a.successor, r.id, COALESCE(a.decision, ''), r.approved_at
    FROM agency a JOIN registry_reform_code c ON c.code = a.code AND c.part = 'ended'
    JOIN registry_reform r ON r.id = c.reform_id AND r.state = 'approved' WHERE a.successor IS NOT NULL;
INSERT INTO registry_takeover (code, successor, by_id, decision, at)
    SELECT code, successor, 'import', COALESCE(decision, ''), updated_at
    FROM agency WHERE source = 'imported' AND successor IS NOT NULL
"""
_SERVER = """CREATE TRIGGER memory_registry_takeover AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registry_takeover
    FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('agency')"""
_FILE = """CREATE TRIGGER memory_registry_takeover_{act} AFTER {act} ON registry_takeover BEGIN
    INSERT INTO memory_version (subject, token) VALUES ('agency', hex(randomblob(16)))
    ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"""


def _hold_rows_of_lists(*, is_server: bool) -> None:
    types = ('VARCHAR COLLATE "C"', "TIMESTAMP WITH TIME ZONE") if is_server else ("VARCHAR", "DATETIME")
    statements = _LISTS.format(code=types[0], moment=types[1]).split(";")
    triggers = [_SERVER] if is_server else [_FILE.format(act=act) for act in ("insert", "update", "delete")]
    for statement in (*statements, *triggers):
        op.get_bind().exec_driver_sql(statement)


def _find_what_had_left() -> None:
    """Add the index by which the list of tasks finds deliveries that had left although they were cancelled."""
    marked = sa.text("marks <> '[]'")
    op.create_index(
        "ix_delivery_marked",
        "delivery",
        ["agency_id", "updated_at"],
        sqlite_where=marked,
        postgresql_where=marked,
    )


_NUMBERED = (("outgoing_document", "ix_outgoing_word"), ("paper_outgoing", "ix_paper_outgoing_word"))
_AT_ONCE = 5000


def _give_numbers_a_key() -> None:
    for name, index in _NUMBERED:
        op.add_column(name, sa.Column("number_word", sa.String(), nullable=False, server_default=""))
        fill_number_words(op.get_bind(), name)
        op.create_index(index, name, ["agency_id", "number_word", "issued_on"])
    incoming = sa.table("incoming_document", sa.column("number_key"))
    keys = incoming.c.number_key
    shorter = sa.func.replace(sa.func.replace(keys, "!!!", "!"), "!!", "!")
    op.execute(sa.update(incoming).where(keys.contains("!!")).values(number_key=shorter))


def fill_number_words(connection: sa.Connection, name: str) -> None:
    """Write the key of each row, a part of the table at a time, in the order of the primary key."""
    table = sa.table(name, *map(sa.column, ("agency_id", "id", "number", "symbol", "number_word")))
    place = (table.c.agency_id, table.c.id)
    query = sa.select(*place, table.c.number, table.c.symbol).order_by(*place).limit(_AT_ONCE)
    mine = (table.c.agency_id == sa.bindparam("agency"), table.c.id == sa.bindparam("row"))
    fill = sa.update(table).where(*mine).values(number_word=sa.bindparam("word"))
    rows = connection.execute(query).all()
    while rows:
        keys = [{"agency": row[0], "row": row[1], "word": number_word(row[2], row[3])} for row in rows]
        connection.execute(fill, keys)
        after = sa.tuple_(*place) > sa.tuple_(sa.literal(rows[-1][0]), sa.literal(rows[-1][1]))
        rows = connection.execute(query.where(after)).all()


def _judge_values_again() -> None:
    """Queue one job for what came to each agency, and one for what it sent, which go through them in batches. The former
    program does not know their subject, and puts them off."""
    for side in ("in", "out"):
        op.execute(
            "INSERT INTO job (attempts, agency_id, id, kind, subject_id, created_at) "  # noqa: S608 - our words
            f"SELECT 0, id, 'job_0301_{side}', 'signatures', 'list:{side}::', CURRENT_TIMESTAMP FROM hosted_agency"
        )


def _keep_readings_of_programs() -> None:
    op.create_table(
        "program_reading",
        sa.Column("agency_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("first_at", _MOMENT, nullable=False),
        sa.Column("last_at", _MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency_id", "document_id", "reader_id"),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_program_reading_agency"),
    )
    untold = sa.text("count > 0")
    op.create_index(
        "ix_program_reading_untold",
        "program_reading",
        ["last_at"],
        sqlite_where=untold,
        postgresql_where=untold,
    )


def _mark_folders() -> None:
    """Make the table of marks; its rows come at the next start, from the folders as they are then."""
    op.create_table(
        "folder_mark",
        sa.Column("place", sa.String(), nullable=False, primary_key=True),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("written_at", _MOMENT, nullable=False),
    )


_DAYS = {
    True: "UPDATE figure_fact SET side = body::json ->> 'side', day = (body::json ->> 'day')::date",
    False: "UPDATE figure_fact SET side = json_extract(body, '$.side'), day = json_extract(body, '$.day')",
}


def _find_facts_by_day(*, is_server: bool) -> None:
    """Give facts their side and day as columns: a figure's list is read from them."""
    op.add_column("figure_fact", sa.Column("side", sa.String(), nullable=True))
    op.add_column("figure_fact", sa.Column("day", sa.Date(), nullable=True))
    op.execute(_DAYS[is_server])
    op.create_index("ix_figure_fact_day", "figure_fact", ["agency_id", "side", "day"])
