"""A sandbox at work, used as integrators use it: robots play by the clock, keys stay apart, a new beginning keeps address
and key, and started again it goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.bootstrap.trial import MARK
from gateway.domain.wall_clock import local
from gateway.errors import Misconfigured
from gateway.words import labels
from gateway_labs.conformance.kit import Kit
from gateway_labs.conformance.line import Line
from gateway_labs.conformance.score import Check
from gateway_labs.sandbox import opened, stage
from gateway_labs.sandbox.opened import Running, Sandbox
from tests.labs.support.sandbox import at_work


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox") / "box"


@pytest.fixture(scope="module")
def running(box: Path) -> Iterator[Running]:
    with at_work(box) as sandbox_run:
        yield sandbox_run


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as new_session:
        yield new_session


@pytest.fixture
async def kit(running: Running, session: aiohttp.ClientSession) -> Kit:
    line = Line(session, running.url, running.key)
    new_kit = Kit(
        subject=line,
        bench=line,
        own="T00.01",
        pdf=(await line.ask("GET", "/sandbox/paper")).body,
        moves=True,
        begins=1,
        today=local(await _now(line)).date(),
    )
    # Numbers that no test before gave.
    messages = (await line.ask("GET", "/messages", query={"limit": 200})).get("data") or []
    return replace(new_kit, begins=1 + max((int(message["number"]) for message in messages), default=0))


async def _now(line: Line) -> Any:
    from datetime import datetime

    return datetime.fromisoformat((await line.ask("GET", "/sandbox")).get("clock", "now"))


async def test_a_robot_plays_its_script_as_the_clock_goes(kit: Kit) -> None:
    check = Check()
    sent = await kit.sent(check, "TEST.SLOW")
    await kit.packet(check, sent["document_id"], "edoc")
    for move, state in (("+4h", "delivered"), ("+2d", "accepted"), ("+8d", "done")):
        await kit.bench.ask("POST", "/sandbox/clock", {"move": move})
        await kit.state(check, sent["id"], state)
    refused = await kit.sent(check, "TEST.OK", subject="x [refuse]")
    await kit.packet(check, refused["document_id"], "edoc")
    await kit.bench.ask("POST", "/sandbox/clock", {"move": "+10s"})
    await kit.state(check, refused["id"], "rejected")
    assert check.passed, check.expectations


async def test_a_robots_document_has_legal_value(kit: Kit) -> None:
    """Its seal is the issuer's, which may seal for the robot by a written act."""

    async def arrived() -> list[dict[str, Any]]:
        letters = (await kit.bench.ask("GET", "/inbox", query={"limit": 200})).get("data")
        return [letter for letter in letters if letter["from"]["code"] == "T00.OK"]

    sent = await kit.bench.ask("POST", "/sandbox/scenarios", {"robot": "TEST.OK", "act": "document"})
    assert sent.status == 201
    (letter, *_) = await kit.poll(arrived, bool)
    assert (letter["legal_value"], letter["checks"]["seal"]) == ("official", "entitled")


async def test_what_no_robot_or_clock_can_do_is_refused(kit: Kit) -> None:
    status_before = await kit.bench.ask("GET", "/sandbox")
    for status, body in (
        (400, {"robot": "TEST.OK", "act": "dance"}),
        (400, {"robot": "TEST.OK", "act": "status"}),
        (400, {"robot": "TEST.OK", "act": "status", "code": "99"}),
        (400, {"robot": "TEST.OK", "act": "document", "code": "01"}),
        (400, {"robot": "TEST.OK", "act": "document", "flaws": ["unknown"]}),
        (404, {"robot": "TEST.NOBODY", "act": "document"}),
        (404, {"robot": "TEST.SLOW", "act": "recall"}),
    ):
        assert (await kit.bench.ask("POST", "/sandbox/scenarios", body)).status == status, body
    for move in ("-1d", "", "tomorrow", "+1w"):
        assert (await kit.bench.ask("POST", "/sandbox/clock", {"move": move})).status == 400, move
    assert (await kit.bench.ask("POST", "/sandbox/clock", {"move": "+999d"})).status == 409
    status_after = await kit.bench.ask("GET", "/sandbox")
    assert status_after.get("clock", "ahead_seconds") == status_before.get("clock", "ahead_seconds")

    # A code of before names its successor.
    answer = await kit.post(kit.meta("TEST.OLDCODE"))
    assert answer.status == 422
    assert "T00.OK" in [error["suggest"] for error in answer.get("errors")]


async def test_a_real_key_is_no_key_here_and_it_says_that_it_is_a_sandbox(
    session: aiohttp.ClientSession, running: Running
) -> None:
    answer = await Line(session, running.url, "gwk_real").ask("GET", "/sandbox")
    assert (answer.status, answer.get("code")) == (401, "GW-401-TRIAL")
    assert running.key.startswith("sbx_")
    async with session.get(f"{running.url}/api/v1/sandbox") as without:
        assert without.status == 401
    async with session.get(f"{running.url}/readyz") as ready:
        assert (await ready.json())["checks"]["trial"] == "on"
    async with session.get(f"{running.url}/dang-nhap") as page:
        assert labels.say("page.ribbon") in await page.text()
    paths = (await Line(session, running.url, running.key).ask("GET", "/openapi.json")).get("paths")
    assert {"/api/v1/sandbox", "/api/v1/sandbox/scenarios", "/api/v1/sandbox/clock"} <= set(paths)
    assert "delete" in paths["/api/v1/sandbox"]


async def test_one_process_has_a_folder(running: Running, box: Path) -> None:
    with pytest.raises(Misconfigured, match="already"):
        await Sandbox(folder=box).serve(asyncio.Event(), lambda address: None)
    assert opened.running(box) == running


@pytest.mark.long
async def test_a_new_beginning_keeps_address_and_key_and_nothing_else(
    kit: Kit, session: aiohttp.ClientSession, running: Running
) -> None:
    await kit.sent(Check(), "TEST.SILENT")
    assert (await kit.bench.ask("DELETE", "/sandbox")).status == 202

    async def begun() -> bool:
        try:
            async with session.get(
                f"{running.url}/api/v1/messages", headers={"Authorization": f"Bearer {running.key}"}
            ) as answer:
                return answer.status == 200 and not (await answer.json())["data"]
        except aiohttp.ClientError:
            return False

    kit.patience_s = 60.0
    assert await kit.poll(begun, bool)
    assert (await kit.bench.ask("GET", "/sandbox")).get("clock", "ahead_seconds") == 0


def test_a_new_beginning_that_was_cut_short_is_ended_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename
    for cut in range(1, 4):
        folder = tmp_path / str(cut)
        renamed: list[Path] = []
        stage.claim(folder)
        key = stage.api_key(folder)
        (folder / stage.CLOCK).write_text("{}", "ascii")

        def until_cut(path: Path, to: Path, cut: int = cut, renamed: list[Path] = renamed) -> Path:
            renamed.append(path)
            if len(renamed) == cut:
                raise KeyboardInterrupt
            return rename(path, to)

        with monkeypatch.context() as killed:
            killed.setattr(Path, "rename", until_cut)
            with pytest.raises(KeyboardInterrupt):
                stage.clear(folder)

        assert stage.is_half_cleared(folder)
        stage.clear(folder)
        assert not stage.is_half_cleared(folder)
        assert {p.name for p in folder.iterdir()} == {MARK, stage.KEY}
        assert stage.api_key(folder) == key


@pytest.mark.long
async def test_started_again_it_goes_on(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    box = tmp_path / "again"
    with at_work(box) as first:
        line = Line(session, first.url, first.key)
        await line.ask("POST", "/sandbox/clock", {"move": "+2d"})
        sent = await line.ask("POST", "/sandbox/scenarios", {"robot": "TEST.OK", "act": "document"})
    with pytest.raises(Misconfigured):
        opened.running(box)
    with at_work(box) as second:
        line = Line(session, second.url, second.key)
        assert second.key == first.key
        assert (await line.ask("GET", "/sandbox")).get("clock", "ahead_seconds") == 172_800
        answer = await line.ask("GET", "/inbox", query={"wait": 20})
        assert answer.get("data", 0, "document_id") == sent.get("document_id")
