"""What is watched in a world is reported: a row that is leased twice, and an event before its cause."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.simulation import leases_held, order
from tests.simulation.rows import Rows

_DATA = {"message.sent": '{"to": "Z92", "delivery": "dlv_1"}'}
NOW = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
        connection.executescript(
            "CREATE TABLE outbox (id, lease_token, lease_until);"
            "INSERT INTO outbox VALUES ('obx_1', 'a', '2026-01-05 01:01:00.000000');"
            "CREATE TABLE event (subject_id, kind, at, node_seq, data);"
            "CREATE TABLE inbox (id, lease_token, lease_until); CREATE TABLE job (id, lease_token, lease_until);"
            "CREATE TABLE fact (subject_id, code, at, body);"
            "CREATE TABLE incoming_document (id); CREATE TABLE delivery (id);"
        )
    return tmp_path


def broken_by(folder: Path, *statements: str) -> list[str]:
    leases_held.watch(folder / "gateway.db")
    broken: list[str] = []
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        leases_held.let_report(connection, lambda: NOW, broken.append)
        for statement in statements:
            connection.execute(statement)
    return broken


def test_a_row_that_is_taken_while_another_holds_it_is_reported(folder: Path) -> None:
    (line,) = broken_by(folder, "UPDATE outbox SET lease_token = 'b'")
    assert "outbox obx_1" in line


def test_a_lease_that_ends_or_is_renewed_may_be_followed_by_another(folder: Path) -> None:
    assert not broken_by(
        folder,
        "UPDATE outbox SET lease_token = 'a', lease_until = '2026-01-05 00:59:59.000000'",
        "UPDATE outbox SET lease_token = 'b', lease_until = '2026-01-05 01:01:00.000000'",
        "UPDATE outbox SET lease_token = NULL",
        "UPDATE outbox SET lease_token = 'c'",
    )


def test_a_parcel_that_is_taken_while_another_holds_it_is_reported(tmp_path: Path) -> None:
    broken: list[str] = []
    with closing(sqlite3.connect(tmp_path / "axis.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE queue (id, token, leased_until)")
        leases_held.watch_axis(tmp_path / "axis.sqlite")
        leases_held.let_report(connection, lambda: NOW, broken.append)
        for ends_s in (NOW.timestamp() + 30, NOW.timestamp() - 30):
            connection.execute("DELETE FROM queue")
            connection.execute("INSERT INTO queue VALUES (7, 'a', ?)", (ends_s,))
            connection.execute("UPDATE queue SET token = 'b'")
    (line,) = broken
    assert "the axis 7" in line


def events(folder: Path, *kinds: str) -> list[str]:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        rows = [
            ("msg_1", kind, f"2026-01-05 01:00:0{n}", n, _DATA.get(kind, "{}"))
            for n, kind in enumerate(kinds, 1)
        ]
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    return [*order.check([Rows("north", folder, {})], clocks_were_right=True)]


def test_events_in_their_order_are_not_reported(folder: Path) -> None:
    assert not events(folder, "message.accepted", "message.queued", "message.sent")


def test_an_event_before_its_cause_is_reported(folder: Path) -> None:
    (line,) = events(folder, "message.accepted", "message.sent", "message.queued")
    assert "message.sent is number 2" in line


def test_a_document_that_is_sent_more_often_than_it_was_queued_is_reported(folder: Path) -> None:
    sent = ("message.accepted", "message.queued", "message.sent", "message.sent")
    assert events(folder, *sent) == ["north msg_1: sent to Z92 2 times, and queued 1 times"]


@pytest.mark.parametrize(("since_s", "now_s", "count"), [(-31, 0, 1), (-29, 0, 0), (-31, 61, 0)])
def test_a_lease_that_began_since_and_has_not_ended_remains(
    folder: Path, since_s: int, now_s: int, count: int
) -> None:
    since, now = (NOW + timedelta(seconds=seconds) for seconds in (since_s, now_s))
    assert len(leases_held.remaining(folder / "gateway.db", since, now)) == count
