"""A folder that is not there, or another one in its place, is seen by its mark: the node is not ready and takes nothing in,
files are missing for now and not for ever, and all goes on by itself once the right folder is back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.bootstrap.node import open_node
from gateway.domain.diagnosis import Tag, check_words
from gateway.domain.identity import Digest
from gateway.errors import Misconfigured, MissingContent, StoreFailure
from gateway.ops import checks
from gateway.ops.checks import KEPT_FOR, Watch
from gateway.ops.subject import Subject
from gateway.store.folder_marks import CONTENT, FolderMarks, read_mark, write_mark
from tests.support.node import Town, opened
from tests.support.packets import DEPARTMENT, PDF

LARGE = PDF + bytes(200_000)


def away(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.away")


def unmount(folder: Path) -> None:
    """Leave what a share that is not mounted leaves: an empty folder."""
    folder.rename(away(folder))
    folder.mkdir()


def mount_another(folder: Path) -> None:
    unmount(folder)
    write_mark(folder, "another")


def remount(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    away(folder).rename(folder)


async def opened_large(town: Town) -> Callable[[], Awaitable[object]]:
    """Send a document whose envelope is too large for a row; return a function that opens its content."""
    await town.send("15", files=(("15.pdf", LARGE),))
    async with town.node.store.writer.connect() as connection:
        cursor = await connection.exec_driver_sql("SELECT digest FROM blob WHERE body IS NULL")
        digest = cursor.scalar_one()

    async def read() -> object:
        async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
            return await town.node.blobs.open(work, Digest(digest))

    await read()
    return read


async def ready_word(town: Town, watch: Watch) -> str | None:
    town.clock.advance(KEPT_FOR[Tag.READY])
    return check_words(await watch.ready()).get("folder.content")


@pytest.mark.parametrize("lose", [unmount, mount_another])
async def test_a_content_folder_that_is_not_there_stops_the_node_until_it_is_back(
    town: Town, lose: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder, watch = town.node.room.folder, Watch(node=town.node)
    read = await opened_large(town)
    step_count = 0

    async def step() -> bool:
        nonlocal step_count
        step_count += 1
        return True

    lose(folder)
    with pytest.raises(StoreFailure) as refused:
        await town.send("16")
    await town.node.marks.step()
    await town.node.marks.unless_strange(step)()
    with pytest.raises(MissingContent) as missing:
        await read()

    assert (refused.value.code, refused.value.permanent) == ("GW-S-509", False)
    assert (missing.value.code, missing.value.permanent) == ("GW-S-411", False)
    assert "blob.missing" in [
        getattr(record, "action", "") for record in caplog.records if record.levelname == "ERROR"
    ]
    assert step_count == 0
    assert await ready_word(town, watch) == "other"
    subject = Subject(settings=town.node.settings, clock=town.clock, pool=town.node.pool)
    (finding,) = [f for f in await checks.examine(subject) if f.check == "folder.content" and f.stops]
    assert finding.cure == f"mount {folder}"
    assert str(finding.params["mount"]) in finding.says("en")
    assert not [path for path in folder.rglob("*") if path.is_file() and path.name != ".store"]

    remount(folder)
    await town.node.marks.step()
    await town.node.marks.unless_strange(step)()
    await read()
    await town.send("16")
    assert step_count == 1
    assert await ready_word(town, watch) is None


async def test_an_installation_without_marks_gets_them_unless_its_folder_is_empty(town: Town) -> None:
    store, clock, pool, folder = town.node.store, town.clock, town.node.pool, town.node.room.folder
    await opened_large(town)

    async def as_upgraded() -> FolderMarks:
        async with store.writer.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM folder_mark")
        marks = FolderMarks(store, clock, pool, {CONTENT: folder})
        await marks.settle()
        return marks

    (folder / ".store").unlink()
    assert (await as_upgraded()).strange == ()
    mark = read_mark(folder)
    assert len(mark) == 32

    (folder / ".store").unlink()
    unmount(folder)
    empty = await as_upgraded()
    assert [strange.place for strange in empty.strange] == [CONTENT]
    with pytest.raises(StoreFailure):
        empty.check()
    assert read_mark(folder) == ""

    remount(folder)
    await empty.step()
    assert empty.strange == ()
    assert read_mark(folder) not in ("", mark)


async def test_a_missing_axis_folder_is_not_recreated(tmp_path: Path) -> None:
    async with opened(tmp_path / "node") as town:
        folder, settings = town.node.settings.axis.folder, town.node.settings
    unmount(folder)
    with pytest.raises(Misconfigured) as refused:
        async with open_node(settings):
            pass
    assert refused.value.code == "GW-C-004"
    assert list(folder.iterdir()) == []
