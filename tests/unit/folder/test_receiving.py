"""Incoming documents lie in `in/` until they are taken away; statuses go back as files; what happens is written down."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.event import EventKind
from gateway.folder import event_lines
from gateway.folder.handover import LEASE_S
from tests.support.folder import Desk
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town
from tests.support.statements import noted_statements


async def arrived(desk: Desk, number: str = "15") -> Path:
    """Send a letter to the province; return its folder in `in/`."""
    await desk.town.send(number)
    await desk.town.carry()
    await desk.town.number()
    await desk.settle(61)
    (document,) = [d for d in await desk.town.incoming(PROVINCE) if d.number == number]
    return desk.root / PROVINCE / "in" / document.id


async def handed(town: Town, id: str) -> str:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return (await work.handovers.get(id)).state


async def test_a_document_lies_there_whole_with_its_meta_and_envelope(desk: Desk) -> None:
    folder = await arrived(desk)

    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    assert (meta["number"], meta["from"]["code"], meta["paths"]) == ("15", DEPARTMENT, {"1": "15.pdf"})
    assert meta["checks"]["envelope_signature"] == "valid"
    assert (folder / "15.pdf").read_bytes() == PDF
    assert b"edXML" in (folder / "envelope.xml").read_bytes()
    assert await handed(desk.town, folder.name) == "leased"


async def test_a_document_that_is_laid_there_was_read_by_a_program(desk: Desk) -> None:
    """R123 (each reading is recorded): one event for the document, however many files it has."""
    folder = await arrived(desk)

    async with desk.town.node.store.read(await desk.town.scope(PROVINCE)) as work:
        events = await work.events.of_subject(folder.name)
    read = [event.data["door"] for event in events if event.kind is EventKind.DOCUMENT_READ]
    assert read == ["folder"]


async def test_taken_away_it_is_acknowledged(desk: Desk, tmp_path: Path) -> None:
    deleted, moved = await arrived(desk, "15"), await arrived(desk, "16")
    shutil.rmtree(deleted)
    moved.rename(tmp_path / "mine")

    await desk.settle()

    assert [await handed(desk.town, folder.name) for folder in (deleted, moved)] == ["acked", "acked"]


async def test_what_lies_there_is_not_laid_again_when_its_lease_ends(desk: Desk) -> None:
    folder = await arrived(desk)
    (folder / "mine.txt").write_text("read")

    desk.town.clock.advance(timedelta(seconds=LEASE_S + 1))
    await desk.settle(61)

    assert (folder / "mine.txt").exists()
    assert await handed(desk.town, folder.name) == "leased"


async def test_a_folder_that_was_exchanged_acknowledges_nothing_and_is_refilled(
    desk: Desk, tmp_path: Path
) -> None:
    folder = await arrived(desk)
    folder.parent.rename(tmp_path / "away")

    await desk.settle()
    assert await handed(desk.town, folder.name) == "leased"

    desk.town.clock.advance(timedelta(seconds=LEASE_S + 1))
    await desk.settle(61)
    assert (folder / "15.pdf").read_bytes() == PDF


async def test_no_more_lies_there_than_was_set(desk: Desk) -> None:
    desk.most_in = 2
    desk.restart()
    for number in ("15", "16", "17"):
        await desk.town.send(number)
    await desk.town.carry()
    await desk.settle(61)
    folders = sorted((desk.root / PROVINCE / "in").glob("in*"))
    assert len(folders) == 2

    shutil.rmtree(folders[0])
    await desk.settle()
    await desk.settle(61)

    assert len(list((desk.root / PROVINCE / "in").glob("in*"))) == 2
    assert not folders[0].exists()


async def test_a_status_goes_back_as_a_file(desk: Desk) -> None:
    folder = await arrived(desk)
    status = {"code": "03", "register_no": "1245", "register_year": 2026}
    desk.place("in", f"{folder.name}.status.json", code=PROVINCE).write_text(json.dumps(status))

    await desk.settle()

    receipt = desk.receipt(f"{folder.name}.status", PROVINCE)
    assert (receipt["code"], receipt["state"], receipt["repeated"]) == ("03", "accepted", False)
    assert folder.exists()
    await desk.town.carry()
    assert await desk.town.statuses(PROVINCE) == 2  # 01, 03


async def test_a_status_that_cannot_be_said_lies_in_error(desk: Desk) -> None:
    folder = await arrived(desk)
    for n, (text, word) in enumerate(
        (
            ("{", "GW-400-BAD-JSON"),
            ('{"code": "02"}', "reason"),
            ('{"code": "77"}', "GW-400"),
            ("{}", "code"),
        )
    ):
        desk.place("in", f"{folder.name}.status.json", code=PROVINCE).write_text(text)
        await desk.settle()
        tail = f" ({n + 1})" if n else ""
        assert word in desk.reason(f"{folder.name}.status{tail}", PROVINCE)
    desk.place("in", "inc_none.status.json", code=PROVINCE).write_text('{"code": "03"}')

    await desk.settle()

    assert "GW-404" in desk.reason("inc_none.status", PROVINCE)
    assert await desk.town.statuses(PROVINCE) == 1


async def told_of(desk: Desk, number: str) -> None:
    """Send a letter and settle until what happened is written down."""
    desk.letter(number, number)
    await desk.settle()
    await desk.town.carry()
    await desk.town.number()
    await desk.settle()


async def test_events_are_written_in_order_each_once_also_over_a_restart(desk: Desk) -> None:
    await desk.settle()  # it begins with what comes
    await told_of(desk, "15")
    desk.restart()
    await told_of(desk, "16")

    events = desk.events()
    numbers = [event["sequence"] for event in events]
    assert numbers == sorted(set(numbers))
    assert [event["type"] for event in events].count("message.accepted") == 2
    assert desk.receipt("15")["id"] in {event["subject"] for event in events}
    # A file that its user took away goes on where it was.
    (desk.root / DEPARTMENT / "events.ndjson").unlink()
    await told_of(desk, "17")
    later_ids = {event["id"] for event in desk.events()}
    assert later_ids
    assert not later_ids & {event["id"] for event in events}


async def test_a_new_file_of_events_begins_at_the_newest_without_reading_earlier_events(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_lines, "_AT_ONCE", 1)
    await desk.town.send("15")
    await desk.town.carry()
    await desk.town.number()
    with noted_statements() as first_start:
        await desk.settle()
    assert desk.events() == []
    desk.restart()
    with noted_statements() as later_start:
        await desk.settle()

    assert first_start.reads("event") <= later_start.reads("event")
    await told_of(desk, "16")
    assert [event["type"] for event in desk.events()].count("message.accepted") == 1


async def test_a_line_that_was_cut_short_spoils_no_other(desk: Desk) -> None:
    await desk.settle()
    path = desk.root / DEPARTMENT / "events.ndjson"
    path.write_text('{"sequence": 0}\n{"sequ')
    await told_of(desk, "15")

    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[1] == '{"sequ'
    assert all(json.loads(line) for line in lines[2:])
    assert len(lines) > 2
