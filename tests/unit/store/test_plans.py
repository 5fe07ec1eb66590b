"""SQLite chooses by figures that belong to the schema: each index has its own, and none is left to guessing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store import migrate
from tests.support.cases import Cases
from tests.support.stores import copied

AGENCY = "agency_id = 'a' AND"


@pytest.fixture
def database(blank_database: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    url = copied(blank_database, tmp_path)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
        yield opened


def test_every_index_has_figures_that_fall_with_each_column(database: sqlite3.Connection) -> None:
    indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name NOT LIKE '%_search%'"
    index_names = {name for (name,) in database.execute(indexes)}
    figures = dict(database.execute("SELECT idx, stat FROM sqlite_stat1"))

    assert index_names <= set(figures)
    assert not any(name.startswith(("sqlite_stat", "list_search", "content_search")) for name in figures)
    for stat in figures.values():
        falling = [int(n) for n in stat.split()]
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] >= 1


def test_a_row_is_sought_by_what_is_its_own(database: sqlite3.Connection, cases: Cases) -> None:
    newest = "ORDER BY created_at DESC, id DESC"
    facts = f"fact JOIN delivery ON delivery.id = subject_id WHERE fact.{AGENCY} delivery.{AGENCY} document_id = 'd'"
    rows = [
        (f"outgoing_document WHERE {AGENCY} document_id = 'd' {newest}", "document_id=?"),
        (
            f"incoming_document WHERE {AGENCY} number_key = 'n' ORDER BY arrived_at DESC, id DESC",
            "number_key=?",
        ),
        (f"outgoing_document WHERE {AGENCY} number_word = 'n' {newest}", "number_word=?"),
        (
            f"incoming_document WHERE {AGENCY} document_id = 'd' ORDER BY arrived_at DESC, id DESC",
            "document_id=?",
        ),
        (f"incoming_document WHERE {AGENCY} sender_folded = 's' ORDER BY arrived_at DESC", "sender_folded=?"),
        (f"blob_ref WHERE {AGENCY} digest = 'd' AND owner_kind != 'job'", "digest=?"),
        (f"blob WHERE {AGENCY} owner_kind = 'inbox' AND owner_id = 'i'", "owner_id=?"),
        (f"inbox WHERE {AGENCY} state = 's' AND needs_document_id = 'd'", "needs_document_id=?"),
        (facts, "document_id=?"),
        (f"incoming_document WHERE {AGENCY} state = 'new' ORDER BY arrived_at DESC", "state=?"),
        (f"outgoing_document WHERE {AGENCY} created_at < 't' {newest}", "created_at<?"),
    ]
    for question, by in rows:
        with cases.case(question):
            plan_lines = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {question}")]  # noqa: S608  # of this file
            assert by in plan_lines[0], plan_lines


async def test_figures_are_written_anew_with_each_migration(blank_database: Path, tmp_path: Path) -> None:
    url = copied(blank_database, tmp_path)
    file = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as opened:
        figures = opened.execute("SELECT * FROM sqlite_stat1 ORDER BY 1, 2").fetchall()
        opened.execute("DROP TABLE sqlite_stat1")

    await migrate.up(url)

    with closing(sqlite3.connect(file)) as opened:
        assert opened.execute("SELECT * FROM sqlite_stat1 ORDER BY 1, 2").fetchall() == figures != []
