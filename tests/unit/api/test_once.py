"""A call that took longer than its key's marker lasts, and was repeated meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.call import IN_FLIGHT
from gateway.api.resources import writing
from gateway.outgoing.recall import recall
from tests.support.api import Answer, Door
from tests.unit.api.test_messages import recall as wanted
from tests.unit.api.test_messages import sent


async def test_a_recall_under_way_is_told_to_its_caller_though_a_repeat_took_the_key_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = (await sent(door))["id"]
    await door.carry()
    repeated: list[Answer] = []
    begun: list[str] = []

    async def ask() -> Answer:
        return await door.ask("POST", f"/messages/{id}/recall", once="r", json=wanted())

    async def act(*args: Any, **more: Any) -> Any:
        """The real act; after the first one's commit its marker runs out and the caller repeats itself."""
        begun.append("")
        is_first = len(begun) == 1
        document = await recall(*args, **more)
        if is_first:
            door.clock.advance(IN_FLIGHT)
            repeated.append(await ask())
        return document

    monkeypatch.setattr(writing, "ask_recall", act)
    first = await ask()

    assert [r.status for r in repeated] == [409]
    assert first.status == 202, str(first)
    assert (first.json["kind"], first.json["parent"]) == ("recall", id)
