"""Figures of documents by day and month, and the facts that they are sums of.

Expand. The tables begin empty: a loop counts the events from the first one on, in batches.
"""

from alembic import op

revision = "0215"
down_revision = "0214"
phase = "expand"

_FACTS = """CREATE TABLE figure_fact (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    parent VARCHAR DEFAULT '' NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_figure_fact_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""
_MEASURES = (
    *("documents", "electronic", "with_paper", "paper", "unsigned", "replacements", "recipients", "failed"),
    *("delivered", "delivered_s", "handed", "taken", "taken_s", "refused", "recalled", "done", "done_s"),
    *("due", "on_time", "late", "late_s", "open_due", "asked", "replied", "replied_late", "owed"),
)
_DAYS = """CREATE TABLE figure_day (
    agency_id VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    dimension VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    span VARCHAR NOT NULL,
    day DATE NOT NULL,
    key VARCHAR NOT NULL,
    {measures},
    PRIMARY KEY (agency_id, side, dimension, unit, span, day, key),
    CONSTRAINT fk_figure_day_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
){rowid}"""
_STATE = "CREATE TABLE figure_state (name VARCHAR NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (name))"


def upgrade() -> None:
    kinds = ("BIGINT" if name.endswith("_s") else "INTEGER" for name in _MEASURES)
    columns = (f"{name} {kind} DEFAULT 0 NOT NULL" for name, kind in zip(_MEASURES, kinds, strict=True))
    op.execute(_FACTS)
    op.execute("CREATE INDEX ix_figure_fact_parent ON figure_fact (agency_id, parent) WHERE parent <> ''")
    rowid = "" if op.get_bind().dialect.name == "postgresql" else " WITHOUT ROWID"
    op.execute(_DAYS.format(measures=",\n    ".join(columns), rowid=rowid))
    op.execute(_STATE)
