"""A clerk at the terminal of one node: lists tell packets apart, a draft is sent, a held packet is given back, and what is
shown is Vietnamese to the end. The node is the demonstration's, the commands are typed at the program's entry."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.long.acceptance.test_cli import CommandRun, run_command
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, document

pytestmark = [pytest.mark.timeout(120)]


class Desk:
    """Types commands about one agency of the town's node."""

    def __init__(self, town: Town, agency: str) -> None:
        data = town.node.settings.node.data_dir
        self._settings = data / "typed.toml"
        self._settings.write_text(f'[node]\nname = "town"\ndata_dir = "{data}"\n', encoding="utf-8")
        self._agency = agency

    async def type(self, *words: str | Path) -> CommandRun:
        line = ("--config", self._settings, "--agency", self._agency, *words)
        return await asyncio.to_thread(run_command, *line)

    async def listed(self, *words: str) -> Any:
        return json.loads((await self.type(*words, "-o", "json")).out)["data"]


async def test_lists_tell_a_document_from_what_is_asked_about_it(town: Town) -> None:
    recalled, updated = await town.send("15"), await town.send("16")
    await town.carry()
    await town.recall(recalled)
    await town.act_and_carry(town.update(updated))

    out = (await Desk(town, DEPARTMENT).type("outbox", "list")).out
    come = (await Desk(town, PROVINCE).type("inbox", "list")).out

    for page in (out, come):
        for kind in ("Văn bản mới", "Thông báo thu hồi", "Cập nhật"):
            assert kind in page
    assert "Chờ trả lời yêu cầu" in come


async def test_a_document_is_shown_in_the_clerks_own_language(town: Town) -> None:
    await town.act_and_carry(town.send("15"))

    page = (await Desk(town, PROVINCE).type("inbox", "show", "15/STD-VP")).out

    assert "Chữ ký gói văn bản: hợp lệ" in page
    assert "Chờ tiếp nhận (01)" in page
    for english in ("envelope_signature", "valid", "business", "warnings", " B\n"):
        assert english not in page


async def test_a_kept_draft_is_sent_once(town: Town) -> None:
    draft = await town.send("15", send=False)
    desk = Desk(town, DEPARTMENT)

    run = await desk.type("outbox", "send", draft.id, "--yes", "-o", "json")
    repeat = await desk.type("outbox", "send", draft.id, "--yes")
    await town.carry()

    assert json.loads(run.out)["state"] == "queued"
    assert repeat.code == 4
    assert (await town.only()).number == "15"


async def test_a_held_packet_is_given_back_to_its_sender(town: Town) -> None:
    files = (("van-ban.pdf", PDF),)
    await town.brought(town.forge(document(), files))
    other = town.forge(document(subject="Nội dung khác"), files)
    row = await town.brought(other)
    desk = Desk(town, PROVINCE)

    listed, page = await desk.type("inbox", "list"), await desk.type("inbox", "show", row.id)
    run = await desk.type("inbox", "return", row.id, "--reason", "DUPLICATE", "--note", "Trùng số", "--yes")
    repeat = await desk.type("inbox", "return", row.id, "--reason", "DUPLICATE", "--note", "Lại", "--yes")

    assert row.state == "held"
    assert "gateway inbox list --quarantine" in listed.err
    assert f"gateway inbox return {row.id}" in page.out
    assert run.code == 0, run.err
    assert repeat.code == 4
    assert (await town.row(PROVINCE, other)).state == "returned"


async def test_a_state_that_nothing_can_be_in_is_no_empty_list(town: Town) -> None:
    run = await Desk(town, PROVINCE).type("inbox", "list", "--state", "accept")

    assert run.code == 2
    assert "did you mean accepted?" in run.err


async def test_what_forbids_an_act_is_said_in_words_with_what_to_do(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))

    run = await Desk(town, DEPARTMENT).type("outbox", "cancel", sent.id, "--yes")

    assert run.code == 4
    assert "Hãy gửi thông báo thu hồi văn bản." in run.err
