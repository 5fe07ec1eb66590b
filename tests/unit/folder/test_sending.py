"""A document in `out/` is sent as over the API, and lies in `sent/` with its receipt."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

from gateway.domain.document import Kind
from tests.support.folder import SETTLE_S, WAIT_S, Desk, packed, sidecar
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town
from tests.support.packets import document


async def test_a_sidecar_and_its_file_are_sent_and_put_away_with_a_receipt(desk: Desk) -> None:
    desk.letter("15", external_id="qlvb-15")

    await desk.settle()

    receipt = desk.receipt("15")
    assert (receipt["result"], receipt["number"], receipt["state"], receipt["repeated"]) == (
        "accepted",
        "15",
        "queued",
        False,
    )
    assert receipt["id"].startswith("msg_")
    assert receipt["external_id"] == "qlvb-15"
    assert desk.sent() == ["15.json", "15.pdf", "15.result.json"]
    assert desk.names("out") == []
    assert await desk.town.count("outgoing_document") == 1
    await desk.town.carry()
    arrived = await desk.town.only(PROVINCE)
    assert await desk.town.read(arrived) == PDF
    assert arrived.sender_code == DEPARTMENT
    desk.letter("16", "16", send=False)
    await desk.settle()
    assert desk.receipt("16")["state"] == "draft"


async def test_a_folder_or_an_archive_with_its_meta_is_sent(desk: Desk) -> None:
    """An archive that a sidecar names is one of its files, also under a name of another Unicode form."""
    numbers = ("16", "17", "18")
    contents: list[dict[str, bytes | str]] = [
        {"meta.json": sidecar(number, "a.pdf"), "a.pdf": PDF} for number in numbers
    ]
    for name, raw in contents[0].items():
        desk.place("out", "16", name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
    desk.drop("17.zip", packed(contents[1]))
    desk.drop("18.zip", packed({f"18/{name}": raw for name, raw in contents[2].items()}))
    name = unicodedata.normalize("NFC", "Công văn.pdf")
    desk.drop(unicodedata.normalize("NFD", name), PDF)
    desk.drop("so-lieu.zip", packed({"bang.csv": b"1,2\n"}))
    await desk.settle()
    desk.drop("15.json", sidecar("15", name, "so-lieu.zip"))

    await desk.settle()

    assert [desk.receipt(number)["number"] for number in ("15", *numbers)] == ["15", *numbers]
    assert "so-lieu.zip" in desk.sent()
    assert desk.names("out") == []
    assert desk.names("error") == []


async def test_threat_131_a_file_that_is_still_written_is_left_alone(desk: Desk) -> None:
    desk.drop("15.pdf", PDF[:100])
    desk.drop("15.json", sidecar("15", "15.pdf"))
    for n in range(2, 8):
        await desk.look(SETTLE_S - 1)
        desk.drop("15.pdf", PDF[: n * 100])
    assert await desk.town.count("outgoing_document") == 0

    desk.drop("15.pdf", PDF)
    await desk.settle()

    assert await desk.town.count("outgoing_document") == 1
    assert desk.receipt("15")["state"] == "queued"


async def test_a_part_is_never_looked_at_and_its_rename_is(desk: Desk) -> None:
    desk.drop("15.pdf", PDF)
    part = desk.drop("15.json.part", sidecar("15", "15.pdf"))
    await desk.settle()
    assert desk.names("out") == ["15.json.part", "15.pdf"]

    part.rename(part.with_suffix(""))
    await desk.settle()

    assert desk.receipt("15")["number"] == "15"


async def test_a_ready_mark_closes_it_at_once_and_goes_with_it(desk: Desk) -> None:
    desk.letter("15")
    desk.drop("15.ready")

    await desk.look()

    assert desk.sent() == ["15.json", "15.pdf", "15.ready", "15.result.json"]


async def test_a_sidecar_waits_for_its_file(desk: Desk) -> None:
    desk.drop("15.json", sidecar("15", "15.pdf"))
    await desk.settle()
    await desk.settle(WAIT_S / 2)
    assert desk.names("out") == ["15.json"]

    desk.drop("15.pdf", PDF)
    await desk.settle()

    assert desk.receipt("15")["number"] == "15"


async def test_the_same_name_and_content_twice_are_sent_once(desk: Desk) -> None:
    desk.letter("15")
    await desk.settle()
    first = desk.receipt("15")

    desk.letter("15")
    await desk.settle()

    repeat = json.loads(next(desk.root.rglob("15 (2).result.json")).read_text())
    assert (repeat["id"], repeat["repeated"]) == (first["id"], True)
    assert await desk.town.count("outgoing_document") == 1


async def test_names_that_collide_in_sent_are_kept_apart(desk: Desk) -> None:
    desk.letter("15", "15", file="van-ban.pdf")
    await desk.settle()
    desk.letter("16", "16", file="van-ban.pdf")
    await desk.settle()

    assert {"van-ban.pdf", "van-ban (2).pdf"} <= set(desk.sent())
    assert desk.receipt("16")["kept"] == {"16.json": "16.json", "van-ban.pdf": "van-ban (2).pdf"}


async def test_an_unsigned_envelope_is_written_anew_and_signed(desk: Desk, town: Town) -> None:
    packet = town.forge(document("18"), (("van-ban.pdf", PDF),))
    unsigned = (
        packet.raw[: packet.raw.index(b"<ds:Signature")]
        + packet.raw[packet.raw.index(b"</ds:Signature>") + len(b"</ds:Signature>") :]
    )
    desk.drop("18.edxml", unsigned)

    await desk.settle()

    assert desk.names("error") == []
    assert desk.receipt("18")["number"] == "18"
    await town.carry()
    assert (await town.only(PROVINCE)).packet_id != packet.id


async def test_an_envelope_that_the_agency_signed_leaves_as_it_is(desk: Desk, town: Town) -> None:
    packet = town.forge(document("19"), (("van-ban.pdf", PDF),), id="ours-19")
    desk.drop("19.edxml", packet.raw)

    await desk.settle()
    assert desk.names("error") == []
    await town.carry()

    (crossed,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    assert crossed.raw == packet.raw
    assert (await town.only(PROVINCE)).packet_id == "ours-19"


async def test_more_than_a_batch_is_worked_off_without_a_pause(desk: Desk) -> None:
    desk.batch = 3
    desk.restart()
    for n in range(20, 28):
        desk.letter(str(n), str(n))

    await desk.settle()

    assert await desk.town.count("outgoing_document") == 8
    assert desk.names("out") == []


async def test_a_folder_that_cannot_be_written_sends_nothing_and_loses_nothing(desk: Desk) -> None:
    desk.letter("15")
    await desk.look()
    own = desk.root / DEPARTMENT / ".gateway"
    plans = own / "probe"
    plans.mkdir()  # nothing can be put in its place

    await desk.settle()
    assert await desk.town.count("outgoing_document") == 0
    assert desk.names("out") == ["15.json", "15.pdf"]

    plans.rmdir()
    await desk.settle(30)
    assert desk.receipt("15")["number"] == "15"


async def test_a_share_that_is_not_mounted_is_not_taken_for_an_empty_one(desk: Desk, tmp_path: Path) -> None:
    """And another node's folder is left alone."""
    desk.letter("15")
    await desk.settle()
    desk.root.rename(tmp_path / "away")
    desk.root.mkdir()
    await desk.look(30)
    assert os.listdir(desk.root) == []

    desk.root.rmdir()
    (tmp_path / "away").rename(desk.root)
    (desk.root / DEPARTMENT / ".gateway" / "node.json").write_text('{"node": "another"}')
    desk.letter("16", "16")
    await desk.settle(30)
    assert desk.names("out") == ["16.json", "16.pdf"]
