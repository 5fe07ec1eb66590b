"""The to-do list and the calendar are shown at the command line, on a real node."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.core import open_core
from gateway.clock import SystemClock
from gateway.document_view.deadlines import time_left
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState, Urgency
from gateway.domain.wall_clock import vietnam_time
from gateway_labs.demo import stage
from gateway_office.bootstrap.office import account_services
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.stores import opened
from tests.support import people, pki, stores
from tests.unit.cli.conftest import Terminal


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    assert terminal.type("init", "--code", "Z92.01", "--name", "Office", "--yes").code == 0
    anchors = tmp_path / "data" / "trust" / "ca.pem"
    anchors.parent.mkdir(exist_ok=True)
    anchors.write_bytes(pki.root().certificate.public_bytes(Encoding.PEM))
    return terminal


async def arrive(folder: Path, state: InState = InState.NEW) -> str:
    """Store an express letter that arrived, in this state; return its id."""
    path = folder / "data" / "gateway.db"
    with sqlite3.connect(path) as line:
        ((agency,),) = line.execute("SELECT id FROM hosted_agency").fetchall()
    line.close()
    clock = SystemClock()
    scope = AgencyScope(agency_id=agency, principal_id="node")
    letter = stores.incoming(clock, scope=scope, urgency=Urgency.EXPRESS, state=state)
    async with opened(f"sqlite+aiosqlite:///{path}", clock) as store:
        await _keep(store, scope, letter)
    return letter.id


async def _keep(store: SqlOfficeStore, scope: AgencyScope, letter: IncomingDocument) -> None:
    async with store.changing(scope) as work:
        await work.incoming.add(letter)


def test_a_task_is_listed_taken_snoozed_and_settled(node: Terminal, tmp_path: Path) -> None:
    assert node.type("todo", "list", "-o", "json").json == {"data": [], "resting": 0, "cut": False}
    id = asyncio.run(arrive(tmp_path))

    (task,) = node.type("todo", "list", "-o", "json").json["data"]
    table = node.type("todo", "list", "--lang", "en")
    with_owner = node.type("todo", "take", task["id"], "--owner", "A. Clerk", "--yes", "-o", "json")
    closed = node.type("todo", "close", task["id"], "--note", "Went on paper", "--yes", "-o", "json")
    open_tasks = node.type("todo", "list", "-o", "json").json
    all_tasks = node.type("todo", "list", "--all", "-o", "json").json["data"]
    assert node.type("todo", "wake", task["id"], "--yes").code == 0

    assert (task["id"], task["subject"], task["direction"]) == (f"take_in:{id}", id, "in")
    assert (task["wall_clock"], task["urgency"], task["timer"]) == (True, "hoa_toc", "t2u")
    assert "To be taken in" in table.out
    assert with_owner.json["owner"] == "A. Clerk"
    assert closed.json["note"] == "Went on paper"
    assert (open_tasks["data"], open_tasks["resting"]) == ([], 1)
    assert [(t["id"], t["owner"]) for t in all_tasks] == [(task["id"], "A. Clerk")]
    assert len(node.type("todo", "list", "-o", "json").json["data"]) == 1


def test_a_note_to_an_unknown_task_or_with_an_impossible_day_is_refused(node: Terminal) -> None:
    options = ("--until", "2026-13-01 09:00", "--note", "x")

    assert node.type("todo", "close", "failed:nobody", "--note", "x", "--yes").code == 3
    assert node.type("todo", "snooze", "failed:nobody", *options, "--yes").code == 2
    assert node.type("todo", "take", "failed:nobody", "--dry-run").code == 0


def test_a_day_is_added_over_what_ships_and_taken_back(node: Terminal) -> None:
    shipped = node.type("calendar", "list", "--year", "2026", "-o", "json").json["data"]
    added = node.type(
        "calendar", "add", "16/02/2026", "--kind", "ordinary", "--name", "Flood", "--yes", "-o", "json"
    )
    changed = node.type("calendar", "list", "--year", "2026", "-o", "json").json["data"]
    table = node.type("calendar", "list", "--year", "2026")
    removed = node.type("calendar", "remove", "2026-02-16", "--yes")

    assert added.code == 0, added.err
    day = {day_row["id"]: day_row for day_row in changed}["2026-02-16"]
    assert (day["kind"], day["name"], day["shipped"]) == ("ordinary", "Flood", False)
    assert len(changed) == len(shipped)
    assert "Tết Nguyên đán" in table.out
    assert removed.code == 0
    assert node.type("calendar", "list", "--year", "2026", "-o", "json").json["data"] == shipped
    assert node.type("calendar", "remove", "2026-02-16", "--yes").code == 3


def test_days_come_from_a_file_or_none_of_them_does(node: Terminal, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("day,kind,name\n2028-01-03,holiday,New Year\n", encoding="utf-8")
    (tmp_path / "bad.csv").write_text(
        "day,kind,name\n2028-01-04,holiday,x\n2028-01-05,party,y\n", encoding="utf-8"
    )

    assert node.type("calendar", "import", "good.csv", "--yes").code == 0
    refused = node.type("calendar", "import", "bad.csv", "--yes", "--lang", "en")
    days = node.type("calendar", "list", "--year", "2028", "-q").out.split()

    assert refused.code == 4
    assert "line 3" in refused.err
    assert days == ["2028-01-03"]


def test_a_day_that_cannot_be_is_a_usage_error(terminal: Terminal) -> None:
    for day, kind in (("31/02/2026", "holiday"), ("2026-01-01", "party"), ("someday", "holiday")):
        assert terminal.type("calendar", "add", day, "--kind", kind, "--yes").code == 2, day


OFFICE_DAY = timedelta(hours=7, minutes=30)


def test_a_countdown_reads_as_clerks_read_it() -> None:
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    for remaining, day, vi, en in (
        (2 * hour, None, "Còn 2 giờ", "2 h left"),
        (hour + 12 * minute, OFFICE_DAY, "Còn 1 giờ 12 phút", "1 h 12 min left"),
        (-40 * minute, OFFICE_DAY, "Quá 40 phút", "Late by 40 min"),
        (
            -8 * hour - minute,
            OFFICE_DAY,
            "Quá 1 ngày 31 phút làm việc",
            "Late by 1 day 31 min of office time",
        ),
        (-51 * hour - 5 * minute, None, "Quá 2 ngày 3 giờ", "Late by 2 days 3 h"),
        (minute / 2, None, "Còn dưới 1 phút", "Less than a minute left"),
        (timedelta(), OFFICE_DAY, "Hết hạn 17:00 hôm nay", "Ended at 17:00 today"),
    ):
        words = [time_left(remaining, FIVE, FIVE - remaining, lang, day) for lang in ("vi", "en")]
        assert words == [vi, en]
    for days, vi in ((1, "Hết hạn 17:00 hôm qua"), (2, "Hết hạn 17:00 ngày 20/11/2026")):
        # No minute of office time has passed since the end of the office's day.
        assert time_left(timedelta(), FIVE, FIVE + timedelta(days=days), "vi", OFFICE_DAY) == vi


FIVE = vietnam_time(date(2026, 11, 20), time(17))


async def take_up(folder: Path, code: str) -> None:
    async with open_core(stage.settings_for(folder / "data")) as core:
        await accounts.taken_up(account_services(core), code)


def test_a_document_is_submitted_to_a_leader_whose_opinion_is_recorded(
    node: Terminal, tmp_path: Path
) -> None:
    new, id = asyncio.run(arrive(tmp_path)), asyncio.run(arrive(tmp_path, InState.ACCEPTED))
    with people.cheap():
        leader = node.type("people", "account", "lanhdao", "A. Head", "--post", "head", "--yes", "-o", "json")
        asyncio.run(take_up(tmp_path, leader.json["code"]))
    early = node.type("todo", "submit", new, "lanhdao", "--yes")
    stranger = node.type("todo", "submit", id, "nobody", "--yes")
    submitted = node.type("todo", "submit", id, "lanhdao", "--note", "For planning", "--yes", "-o", "json")
    listed = node.type("todo", "list", "-o", "json").json["data"]
    opinion = node.type("todo", "opinion", id, "To be filed.", "--by", "A. Head", "--yes", "-o", "json")
    repeat = node.type("todo", "opinion", id, "Once more.", "--yes", "--lang", "en")

    assert (early.code, stranger.code) == (4, 3)
    assert "cannot be submitted" in early.err
    assert "its heads: lanhdao" in stranger.err
    assert (submitted.json["document"], submitted.json["note"]) == (id, "For planning")
    assert {(row["kind"], row["subject"]) for row in listed} == {("take_in", new), ("opinion", id)}
    assert (opinion.json["state"], opinion.json["opinion"]) == ("decided", "To be filed.")
    assert opinion.json["decided_by"] == submitted.json["leader"]
    assert repeat.code == 3
    assert [row["kind"] for row in node.type("todo", "list", "-o", "json").json["data"]] == ["take_in"]
