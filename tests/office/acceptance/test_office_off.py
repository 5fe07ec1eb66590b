"""A node whose office is switched off exchanges as ever, shows no page and keeps no lists; switched on, it knows all."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, select

from gateway import program
from gateway.bootstrap.node import OpenNode, open_node, unused_jobs
from gateway.cli.applications import build_application
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.pace import Beat
from gateway.ops.checks import Watch
from gateway.policy.upkeep import JOBS, OF_OFFICE, late_jobs
from gateway.settings.reading import load
from gateway.store.row import from_json
from gateway.store.tables import IncomingRow, OutgoingRow
from gateway.store.tables_office import ListRow
from gateway_labs.demo import stage, story
from gateway_office.bootstrap.office import Office, open_office
from gateway_office.domain.listing import is_listed_in, is_listed_out


@pytest.fixture(scope="module")
def told_story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, story.StoryResult]:
    folder = tmp_path_factory.mktemp("exchange")
    return folder, asyncio.run(story.once(folder, envelopes=False, office=False))


async def rows(node: OpenNode, table: type[ListRow] | type[IncomingRow] | type[OutgoingRow]) -> int:
    async with node.store.reading() as tx:
        ((row_count,),) = await tx.tuples(select(func.count()).select_from(table))
    return int(row_count)


async def test_the_story_is_told_by_the_exchange_alone(told_story: tuple[Path, story.StoryResult]) -> None:
    folder, result = told_story

    assert result.ok
    assert (result.lost, result.doubled) == (0, 0)
    async with open_node(stage.settings_for(folder, office="off")) as node:
        assert not isinstance(node, Office)
        assert await rows(node, ListRow) == 0
        assert await rows(node, IncomingRow) > 0


def test_the_folder_that_is_left_has_settings_that_hold_in_any_folder(
    told_story: tuple[Path, story.StoryResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = told_story
    monkeypatch.chdir(tmp_path)

    settings = load(folder / "gateway.toml", {})

    assert (settings.node.data_dir, settings.node.office) == (folder.resolve(), "off")
    assert settings.trust.folder.is_relative_to(folder.resolve())


async def test_programs_are_answered_and_there_are_no_pages(
    told_story: tuple[Path, story.StoryResult],
) -> None:
    async with (
        open_node(stage.settings_for(told_story[0], office="off")) as node,
        TestClient(TestServer(build_application(node, Watch(node=node)))) as client,
    ):
        codes = {
            path: (await client.get(path)).status
            for path in ("/api/v1/openapi.json", "/healthz", "/", "/den")
        }

    assert codes == {"/api/v1/openapi.json": 200, "/healthz": 200, "/": 404, "/den": 404}


async def test_switched_on_it_writes_the_lists_of_everything(
    told_story: tuple[Path, story.StoryResult], tmp_path: Path
) -> None:
    folder = tmp_path / "switched on"
    shutil.copytree(told_story[0], folder)
    async with open_office(stage.settings_for(folder)) as office:
        while await office.store.fill_lists(100):
            pass
        listed = await rows(office, ListRow)

        assert listed == await lists_of(office)

    async with open_node(stage.settings_for(folder, office="off")):
        pass
    async with open_office(stage.settings_for(folder)) as office:
        assert not await office.store.fill_lists(1), "to look at a node changes nothing"
    async with open_node(stage.settings_for(folder, office="off")) as node, story.at_work(node):
        pass
    async with open_office(stage.settings_for(folder)) as office:
        assert await office.store.fill_lists(1), "what an exchange alone may have changed is written again"


async def lists_of(office: Office) -> int:
    """Count every document that has a line of its own."""
    async with office.store.reading() as tx:
        sent = [
            from_json(OutgoingDocument, row.body) for row in await tx.rows(OutgoingRow, select(OutgoingRow))
        ]
        arrived = [
            from_json(IncomingDocument, row.body) for row in await tx.rows(IncomingRow, select(IncomingRow))
        ]
    return sum(map(is_listed_out, sent)) + sum(map(is_listed_in, arrived))


async def test_nobody_is_told_that_the_jobs_of_the_office_are_late(
    told_story: tuple[Path, story.StoryResult],
) -> None:
    """The office was at work here and is switched off now; a day later the others are late, its jobs are not."""
    async with open_node(stage.settings_for(told_story[0], office="off")) as node:
        history, now = node.store.history, node.clock.now()
        await history.record([Beat(job=job, at=now) for job in JOBS], [], now)
        await history.record([], [], now, unused_jobs(node.more_loops()))
        late_then = late_jobs(await history.days(now.date() - timedelta(days=1)), now + timedelta(days=1))

    assert "landing" in late_then
    assert not OF_OFFICE & set(late_then)


def test_a_command_of_the_office_says_that_it_is_off(
    told_story: tuple[Path, story.StoryResult],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GATEWAY_NODE_DATA_DIR", str(told_story[0]))
    monkeypatch.setenv("GATEWAY_NODE_OFFICE", "off")

    code = program.run(["--agency", stage.cast().code("province"), "book", "show", "incoming"])

    assert code != 0
    assert "node.office" in capsys.readouterr().err
