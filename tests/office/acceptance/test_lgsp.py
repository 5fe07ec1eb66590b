"""The page that tests the connection to a provincial service."""

from __future__ import annotations

from pathlib import Path

from gateway.domain.diagnosis import Tag
from gateway.ops.checks import Watch
from gateway.words import labels
from tests.office.support.node import opened
from tests.support.clock import ManualClock
from tests.support.town import lgsp
from tests.support.town.axes import CODES


async def test_the_page_that_tests_the_line_asks_the_service_and_has_words_for_it(tmp_path: Path) -> None:
    clock = ManualClock()
    async with lgsp.of_agencies(tmp_path / "hub", CODES, now=clock.now) as axis:
        change = axis.connect(lgsp.credentials(tmp_path / "lgsp.toml", CODES))
        async with opened(tmp_path / "node", clock, change=change) as town:
            await town.carry()
            steps = await Watch(node=town.node).list_findings(Tag.LINE)

    assert [step.level for step in steps if step.check == "session"] == ["green"] * 3
    for step in steps:
        for lang in ("vi", "en"):
            assert labels.say(f"operating.line.step.{step.check}", lang)
            assert labels.say(f"operating.line.mark.{step.level.state}", lang)
            assert step.says(lang)
