"""R44 and R103 (hand-over): closed files of records become packages for the historical archive, which answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from lxml import etree

from gateway.domain.archive_package import DESCRIPTION, PART
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.edxml import schema
from gateway.errors import Clash, Misconfigured, NotFound, StoreFailure
from gateway.incoming import seal
from gateway.ops import archive_package
from gateway.ops.archive_package import check
from gateway.ops.evidence import proof_text
from gateway.ops.evidence.pack_file import open_key, read_pack
from gateway_office.domain.work_file import HandOver, HandOverState, WorkFile
from gateway_office.node import hand_over
from tests.office.support.records import TEN_YEARS, closed_file, keep_classes
from tests.office.support.town import OfficeTown
from tests.support import archive_packages
from tests.support.evidence import exchanged, sealed
from tests.support.node import DEPARTMENT, PROVINCE

RECEIVED, REFUSED = HandOverState.RECEIVED, HandOverState.REFUSED


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


def key_of(town: OfficeTown) -> bytes:
    keys = town.node.settings.keys
    return open_key(keys.folder, keys.passwords).public_key


def members_of(place: Path, package: HandOver) -> dict[str, bytes]:
    return archive_packages.members_of(place / f"{package.id}.tar")


async def pack(town: OfficeTown, file: WorkFile, place: Path, *, is_decided: bool = False) -> HandOver:
    scope = await town.scope(PROVINCE)
    return await hand_over.pack(town.node, scope, file.code, str(place), is_decided=is_decided)


async def answer(town: OfficeTown, id: str, state: HandOverState, receipt: str = "12/BB-LTLS") -> HandOver:
    today = local(town.clock.now()).date()
    return await hand_over.answer(town.node, await town.scope(PROVINCE), id, state, receipt, today)


async def kinds_of(town: OfficeTown, file: WorkFile) -> list[EventKind]:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return [event.kind for event in await work.events.of_subject(file.id)]


async def test_a_file_is_packed_with_files_envelopes_and_proofs_and_received_once(
    town: OfficeTown, place: Path
) -> None:
    """R103 (archive duties): electronic documents are handed to the archive as a package."""
    await keep_classes(town)
    _, first = await exchanged(town)
    _, second = await exchanged(town, "16")
    await sealed(town, None)
    file = await closed_file(town, [first, second])

    package = await pack(town, file, place)

    report = check(place / f"{package.id}.tar", [key_of(town)])
    members = members_of(place, package)
    assert (report.verdict, report.faults, report.documents) == ("valid", [], 2)
    assert (package.documents, package.files, package.size) == (
        2,
        report.files,
        (place / f"{package.id}.tar").stat().st_size,
    )
    rules = etree.XMLSchema(etree.parse(schema.folder() / "archive-records.xsd"))
    root = etree.fromstring(members[DESCRIPTION])
    rules.assertValid(root)
    assert root.findtext("{*}File/{*}Maintenance") == "vĩnh viễn"
    numbers = [document.findtext("{*}CodeNumber") for document in root.iter("{*}Document")]
    assert numbers == ["15", "16"]
    data = [content for path, content in members.items() if path.startswith(f"{PART}/data/00001/")]
    assert await town.read(first) in data
    assert any(content.startswith((b"<?xml", b"<edXML")) for content in data)
    (place / "proof").write_bytes(data[-1])
    assert proof_text.is_proof(place / "proof")
    (place / "proof").unlink()

    received = await answer(town, package.id, RECEIVED)

    assert (received.state, received.receipt) == (RECEIVED, "12/BB-LTLS")
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        assert (await work.office.work_files.get(file.id)).archived_on == received.answered_on
    expected = [EventKind.HAND_OVER_PACKED, EventKind.HAND_OVER_RECEIVED, EventKind.FILE_ARCHIVED]
    assert (await kinds_of(town, file))[-3:] == expected
    for act in (pack(town, file, place), answer(town, package.id, REFUSED)):
        with pytest.raises(Clash):
            await act
    assert [path.name for path in place.iterdir()] == [f"{package.id}.tar"]


async def test_before_the_log_is_sealed_the_evidence_pack_goes_with_the_document(
    town: OfficeTown, place: Path
) -> None:
    await keep_classes(town)
    _, arrived = await exchanged(town)

    package = await pack(town, await closed_file(town, [arrived]), place)

    members = members_of(place, package)
    (path,) = [path for path in members if path.endswith(".zip")]
    (place / "evidence.zip").write_bytes(members[path])
    assert read_pack(place / "evidence.zip").manifest.about["id"] == arrived.id


async def test_a_file_at_work_one_not_kept_for_ever_and_one_of_another_agency_do_not_go(
    town: OfficeTown, place: Path
) -> None:
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived], period=TEN_YEARS)

    with pytest.raises(Clash, match="kept for ever"):
        await pack(town, file, place)
    with pytest.raises(NotFound):
        await hand_over.pack(town.node, await town.scope(DEPARTMENT), file.code, str(place), is_decided=True)
    package = await pack(town, file, place, is_decided=True)
    other = await town.scope(DEPARTMENT)
    with pytest.raises(NotFound):
        await hand_over.answer(town.node, other, package.id, RECEIVED, "1", local(town.clock.now()).date())
    async with town.node.store.read(other) as work:
        assert await work.office.work_files.hand_overs() == []


async def test_a_refused_package_may_be_made_again_and_an_answer_needs_number_and_day(
    town: OfficeTown, place: Path
) -> None:
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])
    first = await pack(town, file, place)
    with pytest.raises(Clash, match="was handed over"):
        await pack(town, file, place)
    with pytest.raises(Clash, match="number"):
        await answer(town, first.id, REFUSED, " ")
    tomorrow = local(town.clock.now() + timedelta(days=1)).date()
    early = local(town.clock.now() - timedelta(days=1)).date()
    with pytest.raises(Clash, match="no earlier"):
        await hand_over.answer(town.node, await town.scope(PROVINCE), first.id, RECEIVED, "1", early)
    with pytest.raises(Clash, match="day"):
        await hand_over.answer(town.node, await town.scope(PROVINCE), first.id, RECEIVED, "1", tomorrow)

    await answer(town, first.id, REFUSED, "15/LTLS")
    second = await pack(town, file, place)

    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        listed = await work.office.work_files.hand_overs(file.id)
        assert (await work.office.work_files.get(file.id)).archived_on is None
    assert [(h.id, h.state) for h in listed] == [(first.id, REFUSED), (second.id, HandOverState.PACKED)]


async def test_a_recalled_document_goes_without_content(town: OfficeTown, place: Path) -> None:
    await keep_classes(town)
    sent, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])
    await town.act_and_carry(town.recall(sent))
    await town.act_and_carry(town.status(await town.reload(arrived), "15"))
    assert (await town.reload(arrived)).state.value == "recalled"

    package = await pack(town, file, place)

    root = etree.fromstring(members_of(place, package)[DESCRIPTION])
    assert root.findtext("{*}Document/{*}Description") == "Văn bản đã được thu hồi; nội dung không giao nộp."
    assert package.files == 0


@pytest.mark.parametrize("step", ["begin", "write", "finish"])
async def test_a_crash_in_the_middle_leaves_nothing_that_looks_whole_and_nothing_recorded(
    town: OfficeTown, place: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])
    real: Callable[..., object] = getattr(archive_package.PackageWriter, step)
    calls = 0

    def cut(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == (1 if step == "finish" else 2):
            raise OSError("cut")
        return real(*arguments)

    monkeypatch.setattr(archive_package.PackageWriter, step, cut)
    with pytest.raises(OSError, match="cut"):
        await pack(town, file, place)
    monkeypatch.undo()

    assert list(place.iterdir()) == []
    assert await kinds_of(town, file) == [EventKind.FILE_OPENED, EventKind.FILE_CLOSED]
    assert (await pack(town, file, place)).documents == 1


async def test_a_package_that_a_disk_damages_is_not_recorded(
    town: OfficeTown, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])
    real = archive_package.PackageWriter.finish

    def damage(writer: archive_package.PackageWriter, *arguments: object) -> object:
        summary = real(writer, *arguments)  # type: ignore[arg-type]  # passed on
        out: BinaryIO = writer._out
        out.seek(600)
        out.write(b"damage")
        return summary

    monkeypatch.setattr(archive_package.PackageWriter, "finish", damage)
    with pytest.raises(StoreFailure, match="not written as a whole"):
        await pack(town, file, place)

    assert list(place.iterdir()) == []
    assert EventKind.HAND_OVER_PACKED not in await kinds_of(town, file)


async def test_a_place_that_cannot_be_reached_is_named_and_the_file_can_go_again(
    town: OfficeTown, place: Path
) -> None:
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])

    with pytest.raises(NotFound, match="missing"):
        await pack(town, file, place / "none")
    with pytest.raises((StoreFailure, Misconfigured)):
        await hand_over.pack(town.node, await town.scope(PROVINCE), file.code, "nowhere:x", is_decided=False)

    assert (await kinds_of(town, file))[-2:] == [EventKind.HAND_OVER_PACKED, EventKind.HAND_OVER_REFUSED]
    assert (await pack(town, file, place)).state is HandOverState.PACKED
    assert not [path for path in town.node.settings.node.data_dir.iterdir() if "handover" in path.name]


async def test_a_sealed_document_keeps_its_file_here(town: OfficeTown, place: Path) -> None:
    """A suspected secret goes nowhere, nor its subject, until a head has decided."""
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])
    scope = await town.scope(PROVINCE)
    await seal.document(town.node.inn, town.node.hold, scope, arrived.id, "Có dấu mật")

    with pytest.raises(Clash, match="sealed"):
        await pack(town, file, place)

    assert list(place.iterdir()) == []


async def test_a_package_is_sent_to_a_place_of_rclone(town: OfficeTown, place: Path) -> None:
    if shutil.which("rclone") is None:
        pytest.skip("rclone is not installed")
    await keep_classes(town)
    _, arrived = await exchanged(town)
    file = await closed_file(town, [arrived])

    scope, target = await town.scope(PROVINCE), f":local:{place}"
    package = await hand_over.pack(town.node, scope, file.code, target, is_decided=False)

    assert package.target == target
    assert check(place / f"{package.id}.tar", [key_of(town)]).verdict == "valid"
    assert [path.name for path in place.iterdir()] == [f"{package.id}.tar"]
