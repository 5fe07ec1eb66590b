"""Each agency's hot folder is a failure domain of its own: an unforeseen error in one stops no other, delays no other
entry of the same folder, and ends in `error/` with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.domain.event import EventKind
from gateway.errors import StoreFailure
from gateway.folder import statuses, submit
from gateway.folder.layout import EVENTS, OWN
from tests.support.folder import Desk, sidecar
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, document
from tests.support.stored_content import Lying

LOOKS = 60


@pytest.fixture
def desk(town: Town, tmp_path: Path) -> Desk:
    return Desk(town=town, root=tmp_path / "hot")


def drop_letters(desk: Desk) -> None:
    """One document in the folder of each agency, to the other one."""
    for code, recipient in ((DEPARTMENT, PROVINCE), (PROVINCE, DEPARTMENT)):
        desk.drop("15.pdf", PDF, code=code)
        to = [{"code": recipient, "role": "to_act"}]
        desk.drop("15.json", sidecar("15", "15.pdf", recipients=to), code=code)


async def look_often(desk: Desk, looks: int = LOOKS, seconds: float = 10.0) -> None:
    for _ in range(looks):
        await desk.look(seconds)
        await desk.town.number()
        desk.town.clock.advance(seconds)


def a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("make", [a_folder, a_pipe])
async def test_what_stands_in_the_place_of_the_events_goes_to_error_and_events_go_on(
    desk: Desk, make: Callable[[Path], None]
) -> None:
    await desk.settle()
    make(desk.root / PROVINCE / EVENTS)
    drop_letters(desk)

    await look_often(desk)

    assert desk.names("sent", code=DEPARTMENT)
    assert desk.names("sent", code=PROVINCE)
    assert EVENTS in desk.reason(EVENTS, code=PROVINCE)
    assert [line["type"] for line in desk.events(code=PROVINCE)]


@pytest.mark.parametrize("name", ["x.json", "x.plan"])
async def test_a_folder_among_the_moves_under_way_stops_nothing(desk: Desk, name: str) -> None:
    await desk.settle()
    (desk.root / PROVINCE / OWN / "plans" / name / "below").mkdir(parents=True)
    drop_letters(desk)

    await look_often(desk)

    assert desk.names("sent", code=DEPARTMENT)
    assert desk.names("sent", code=PROVINCE)


async def test_a_folder_in_the_place_of_the_nodes_mark_rests_that_agency_alone(desk: Desk) -> None:
    await desk.settle()
    a_folder(desk.root / PROVINCE / OWN / "node.json")
    drop_letters(desk)

    await look_often(desk)

    assert desk.names("sent", code=DEPARTMENT)
    assert "15.json" in desk.names("out", code=PROVINCE)


def change_tail(raw: bytes) -> bytes:
    return raw[:-200] + b"x" * 200


def change_inside(raw: bytes) -> bytes:
    at = raw.find(b"ContentTransferEncoded>") + 60
    return raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :]


@pytest.mark.usefixtures("lies_in")
@pytest.mark.parametrize("change", [change_tail, change_inside])
async def test_an_incoming_document_that_cannot_be_given_holds_up_nothing_and_is_told_a_few_times(
    town: Town, desk: Desk, change: Callable[[bytes], bytes]
) -> None:
    await town.brought(town.forge(document("200"), (("van-ban.pdf", PDF),)), PROVINCE)
    damaged = await town.only(PROVINCE)
    await Lying.in_node(town.node).change(damaged.envelope_digest, change)
    await town.brought(town.forge(document("201"), (("van-ban.pdf", PDF),)), PROVINCE)
    (undamaged,) = [d for d in await town.incoming(PROVINCE) if d.id != damaged.id]
    drop_letters(desk)

    await look_often(desk, looks=400)

    assert desk.names("sent", code=DEPARTMENT)
    assert desk.names("sent", code=PROVINCE)
    assert f"{undamaged.id}/meta.json" in desk.names("in", code=PROVINCE)
    assert not [name for name in desk.names("in", code=PROVINCE) if name.startswith(damaged.id)]
    assert damaged.id in desk.reason(damaged.id, code=PROVINCE)
    events = await town.events(PROVINCE, damaged.id)
    alerts = sum(event.kind is EventKind.ALERT_CONTENT for event in events)
    assert 1 <= alerts <= 6, "five tries, then one an hour"


async def test_a_document_whose_reason_was_removed_is_given_once_its_content_is_back(
    town: Town, desk: Desk
) -> None:
    await town.brought(town.forge(document("200"), (("van-ban.pdf", PDF),)), PROVINCE)
    damaged = await town.only(PROVINCE)
    content = Lying.in_node(town.node)
    raw = await content.read(damaged.envelope_digest)
    await content.change(damaged.envelope_digest, change_tail)
    await look_often(desk, looks=100)
    assert damaged.id in desk.reason(damaged.id, code=PROVINCE)
    desk.restart()
    await content.write(damaged.envelope_digest, raw)
    await look_often(desk, looks=100)
    assert not [name for name in desk.names("in", code=PROVINCE) if name.startswith(damaged.id)]

    desk.place("error", f"{damaged.id}.error.txt", code=PROVINCE).unlink()
    await look_often(desk, looks=200)

    assert f"{damaged.id}/meta.json" in desk.names("in", code=PROVINCE)


async def test_an_entry_that_breaks_the_program_five_times_goes_to_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    async def broken(*args: object) -> submit.Answer:
        tries.append("try")
        raise ValueError("a library broke")

    monkeypatch.setattr(submit, "hand_in", broken)
    desk.letter()

    await look_often(desk, looks=200)

    assert len(tries) == 5
    assert desk.names("out") == []
    assert "ValueError" in desk.reason("15")


async def test_a_status_file_that_breaks_the_program_five_times_goes_to_error(
    town: Town, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def broken(*args: object) -> bytes:
        tries.append("try")
        raise ValueError("a library broke")

    monkeypatch.setattr(statuses, "read", broken)
    desk.place("in", "inc_1.status.json").write_text("{}")

    await look_often(desk, looks=200)

    assert len(tries) == 5
    assert "ValueError" in desk.reason("inc_1.status")


async def test_a_store_that_fails_for_one_agency_is_the_loops_trouble_after_the_others_had_their_turn(
    town: Town, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.settle()
    drop_letters(desk)
    first = min((await town.node.store.hosted()), key=lambda agency: agency.code)
    hand_in = submit.hand_in

    async def fails_for_the_first(out: object, scope: object, *more: object) -> submit.Answer:
        if getattr(scope, "agency_id", "") == first.id:
            raise StoreFailure("the database does not answer")
        return await hand_in(out, scope, *more)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(submit, "hand_in", fails_for_the_first)
    for _ in range(20):
        with suppress(StoreFailure):
            await desk.look(10.0)
        town.clock.advance(10)

    other_codes = {DEPARTMENT, PROVINCE} - {first.code}
    assert all(desk.names("sent", code=code) for code in other_codes)
    assert "15.json" in desk.names("out", code=first.code)
