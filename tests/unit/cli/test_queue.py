"""Commands list queued rows and dead parcels, show them, hand them out again or drop them, on a real axis folder and a
real node."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli.command import Invocation, Lang
from gateway.cli.output import age
from gateway.domain.document import Lane, Urgency
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports.axis import Parcel
from gateway.stopwatch import note_arrival
from gateway.transport.embedded import EmbeddedAxis
from tests.support.clock import START, ManualClock
from tests.support.node import DEPARTMENT, Town, opened
from tests.unit.cli.conftest import Terminal

# The first is an envelope that can be read; the second is its name and nothing more.
SAMPLE = Path(__file__).parents[2] / "interop" / "samples" / "a-new.edxml"
CONTENT = {"p1": SAMPLE.read_bytes()}


async def poison(folder: Path, *packets: str) -> None:
    """Put parcels on the axis that no node can land."""
    pool = ThreadPool(1)
    try:
        async with EmbeddedAxis(folder, "one", ManualClock(START), pool, poison_limit=1) as axis:
            await axis.host(["Z92"])
            for packet in packets:
                content = CONTENT.get(packet, packet.encode())
                sent = Parcel(
                    packet_id=packet,
                    kind="edoc",
                    sender="Z91",
                    lane=Lane.NORMAL,
                    digest=Digest(hashlib.sha256(content).hexdigest()),
                    size=len(content),
                    open=lambda content=content: io.BytesIO(content),  # type: ignore[misc]  # bound early
                )
                await axis.publish(sent, ["Z92"])
            for arrival in await axis.take(len(packets), 60):
                await axis.settle(arrival, is_done=False)
            assert await axis.take(len(packets), 60) == []
    finally:
        pool.close()


@pytest.fixture
def dead(terminal: Terminal, tmp_path: Path) -> list[str]:
    """Put two parcels on the dead list of the axis that the settings name; return their ids there."""
    (tmp_path / "gateway.toml").write_text('[axis]\nfolder = "axis"\n', encoding="utf-8")
    asyncio.run(poison(tmp_path / "axis", "p1", "p2"))
    return [parcel["id"] for parcel in terminal.type("queue", "dead", "list", "-o", "json").json["data"]]


def test_the_dead_list_says_what_lies_there_and_why(terminal: Terminal, dead: list[str]) -> None:
    run = terminal.type("queue", "dead", "list")
    counts = terminal.type("axis", "status", "-o", "json").json
    assert len(dead) == 2
    assert "p1" in run.out
    assert "Văn bản mới" in run.out
    assert "never settled" in run.out
    assert (counts["dead"], counts["waiting"]) == (2, 0)

    parcel = terminal.type("queue", "dead", "show", dead[0], "-o", "json").json
    in_english = terminal.type("queue", "dead", "show", dead[0], "--lang", "en")
    assert (parcel["packet_id"], parcel["sender"]) == ("p1", "Z91")
    assert parcel["claims"]["kind"] == "document"
    assert parcel["claims"]["subject"] in in_english.out
    unread = terminal.type("queue", "dead", "show", dead[1])
    assert (unread.code, "p2" in unread.out, "Không đọc được" in unread.err) == (0, True, True)
    assert terminal.type("queue", "dead", "show", "999").code == 3


def test_one_dead_parcel_or_all_are_released(terminal: Terminal, dead: list[str]) -> None:
    for words in (("retry",), ("retry", "1", "--all")):
        assert terminal.type("queue", "dead", *words).code == 2
    first = terminal.type("queue", "dead", "retry", dead[0], "--yes", "-q")
    others_run = terminal.type("queue", "dead", "retry", "--all", "--yes", "-q")

    assert (first.out.split(), others_run.out.split()) == (dead[:1], dead[1:])
    assert terminal.type("axis", "status", "-o", "json").json["waiting"] == 2


def test_a_dropped_parcel_is_gone_and_a_dry_run_drops_nothing(terminal: Terminal, dead: list[str]) -> None:
    why = ("--reason", "A trial")

    assert terminal.type("queue", "dead", "drop", dead[0], *why, "--dry-run").code == 0
    assert terminal.type("axis", "status", "-o", "json").json["dead"] == 2
    assert terminal.type("queue", "dead", "drop", dead[0], *why, "--yes").code == 0
    assert terminal.type("queue", "dead", "drop", dead[0], *why, "--yes").code == 3
    assert terminal.type("axis", "status", "-o", "json").json["dead"] == 1


def test_no_axis_is_made_by_looking_for_one(terminal: Terminal, tmp_path: Path) -> None:
    run = terminal.type("axis", "status", "--lang", "en")

    assert run.code == 1
    assert "there is no axis in" in run.err
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_does_not_answer_is_told_with_its_reason(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AXIS_KIND": "amqp",
        "AMQP_SERVERS": "amqp://127.0.0.1:1",
        "AMQP_PASSWORD": "invented",
        "NODE_DATA_DIR": str(tmp_path / "data"),
    }.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)

    for_people = terminal.type("axis", "status", "--lang", "en")
    for_programs = terminal.type("axis", "status", "-o", "json")
    examined = terminal.type("doctor", "-o", "json").json["checks"]

    assert for_people.code == for_programs.code == 6
    assert for_people.out.startswith("Axis: down since")
    assert for_programs.json["down_since"] is not None
    assert "Connect call failed" in for_programs.json["reason"]
    assert for_programs.json["reason"] in for_people.out
    (axis,) = [e for e in examined if e["check"] == "axis"]
    assert axis["level"] == "red"
    # There is no folder of an axis to look for.
    assert not [e for e in examined if e["check"] == "folder.axis"]


def at_node(folder: Path, act: Callable[[Town], Awaitable[object]]) -> object:
    """Act on the node itself, between commands."""

    async def act_on_town() -> object:
        async with opened(folder / "node", ManualClock(datetime.now(UTC))) as town:
            return await act(town)

    return asyncio.run(act_on_town())


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path, keys_away: None) -> Path:
    """Set up a node with one document that waits to be packed and one to be sent; return its folder."""

    async def wait(town: Town) -> None:
        await town._host()
        await town.send("14")
        await town.pack()
        await town.send("15")

    at_node(tmp_path, wait)
    (tmp_path / "gateway.toml").write_text('[node]\nname = "demo"\ndata_dir = "node"\n', encoding="utf-8")
    return tmp_path


def test_every_queue_is_listed_with_its_oldest(terminal: Terminal, node: Path) -> None:
    """Rows that a worker has in hand are listed with the waiting ones."""
    listed = {queue["id"]: queue for queue in terminal.type("queue", "list", "-o", "json").json["data"]}
    assert listed["job.pack"]["count"] == listed["outbox.normal"]["count"] == 1
    assert listed["outbox.normal"]["oldest"].startswith(f"{datetime.now(UTC):%Y}")
    assert listed["axis.waiting"]["count"] == listed["axis.dead"]["count"] == 0
    assert "Chờ đóng gói, ký" in terminal.type("queue", "list").out

    # As by a worker of another process, which is at it.
    assert at_node(node, lambda town: town.node.store.claim_outbox(10, 60))
    counts = {q["id"]: q["count"] for q in terminal.type("queue", "list", "-o", "json").json["data"]}
    assert (counts["outbox.normal"], counts["outbox.leased"]) == (1, 1)
    assert (counts["job.pack"], counts["job.leased"], counts["inbox.leased"]) == (1, 0, 0)
    assert "of which being worked on" in terminal.type("queue", "list", "--lang", "en").out


def test_one_row_is_looked_at_and_stays(terminal: Terminal, node: Path) -> None:
    rows: list[str] = []

    async def look(town: Town) -> None:
        rows.extend(o.id for o in await town.outbox(DEPARTMENT))

    at_node(node, look)
    (row,) = rows
    first = terminal.type("queue", "peek", row, "-o", "json").json
    second = terminal.type("queue", "peek", row, "-o", "json").json

    assert first == second
    assert (first["id"], first["state"], first["attempts"]) == (row, "waiting", 0)
    assert terminal.type("queue", "peek", "obx_none").code == 3


def test_a_drain_ends_when_nothing_waits_or_says_what_is_left(terminal: Terminal, node: Path) -> None:
    late = terminal.type("queue", "drain", "--timeout", "0", "-o", "json")
    assert (late.code, late.json["left"] >= 2) == (75, True)

    async def carry(town: Town) -> None:
        await town._host()
        await town.carry()
        await town.number()

    at_node(node, carry)
    run = terminal.type("queue", "drain", "--timeout", "30", "-o", "json")
    assert (run.code, run.json) == (0, {"left": 0})


def test_the_status_is_one_screen_that_says_where_to_look(terminal: Terminal, node: Path) -> None:
    lines = terminal.type("status").out.splitlines()
    state = terminal.type("status", "-o", "json").json

    assert len(lines) <= 24
    assert lines[0].startswith("✓ Nút demo")
    assert "! Chưa có bản sao lưu nào" in lines
    assert any(line.startswith("✗ Không có tiến trình") for line in lines)
    assert "✓ Tốc độ: trong một giờ qua chưa đo được lượt nào" in lines
    assert state["jobs"]["pack"]["count"] == 1
    assert state["axis"]["connected_since"] is not None
    assert min(state["certificates"].values()) > 0
    assert state["backup"] is None
    spans = (0, 59, 60, 7200, 86400, 172800)
    ages = [age(Invocation(lang=Lang.EN), timedelta(seconds=span)) for span in spans]
    assert ages == ["0 s", "59 s", "1 min", "2 h", "1 day", "2 days"]


def test_the_status_knows_the_backup_and_the_workers(terminal: Terminal, node: Path) -> None:
    now = datetime.now(UTC)
    folder = node / "node"
    note = {"at": now.isoformat(), "path": "backup.tar", "verified_at": None}
    (folder / "backup.json").write_text(json.dumps(note), encoding="utf-8")
    (folder / "heartbeat").mkdir()
    beat = {"at": now.isoformat(), "since": now.isoformat(), "stuck": ["packer"]}
    (folder / "heartbeat" / "here-1.json").write_text(json.dumps(beat), encoding="utf-8")

    lines = terminal.type("status", "--lang", "en").out.splitlines()
    state = terminal.type("status", "-o", "json").json

    assert any(line.startswith("! Last backup:") and line.endswith("never") for line in lines)
    assert any(line.startswith("! Process here-1: the loops packer") for line in lines)
    assert state["backup"]["path"] == "backup.tar"
    assert [worker["process"] for worker in state["workers"]] == ["here-1"]


def test_the_status_tells_how_fast_the_node_was_and_marks_what_breaks_the_regulation(
    terminal: Terminal, node: Path
) -> None:
    async def wait(town: Town) -> None:
        """Carry one document there and back, with six seconds until it was accepted."""
        await town.carry()  # what lay there
        with note_arrival(town.clock.now() - timedelta(seconds=5.5)):
            await town.send("77", urgency=Urgency.URGENT)
        await town.carry()
        await town.node.pulse.beat()

    at_node(node, wait)

    lines = terminal.type("status", "--lang", "en").out.splitlines()
    paces = {
        (pace["way"], pace["lane"]): pace for pace in terminal.type("status", "-o", "json").json["paces"]
    }

    accepted = "Accept a document to send (Urgent, Embedded), the last hour: 1, over 5 s: 1; "
    assert f"! {accepted}50 %: at most 6 s; 95 %: at most 6 s; 99 %: at most 6 s" in lines
    assert any(line.startswith("✓ From accepted to its 01 (delivered) (Urgent") for line in lines)
    assert any(line.startswith("✓ From arrival at this node") for line in lines)
    assert paces["accept", "urgent"]["slow"] is True
    assert (paces["accept", "urgent"]["axis"], paces["accept", "urgent"]["p95"]) == ("embedded", 6.0)
    assert paces["arrival_to_admitted", "urgent"]["slow"] is False
    assert paces["accept_to_01", "urgent"]["count"] == 1
    assert any(line.startswith("! pace") for line in terminal.type("doctor").out.splitlines())
