"""The memory of who receives: hosted codes for a minute, a silent axis for some seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from gateway.outgoing.reach import REMEMBERED, SILENT, Reach
from gateway.ports.axis import Axis
from tests.support.clock import START


class Questions:
    """Answers as an axis does, and keeps what was asked; `hosted` is None while it cannot say."""

    def __init__(self, *hosted: str) -> None:
        self.hosted: set[str] | None = set(hosted)
        self.asked: list[list[str]] = []

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        self.asked.append(list(routes))
        return None if self.hosted is None else frozenset(routes) - self.hosted


async def test_a_hosted_code_is_asked_about_once_a_minute_and_an_unhosted_one_each_time() -> None:
    axis, reach = Questions("Z91"), Reach()

    async def unhosted(days: int) -> frozenset[str]:
        return await reach.unhosted(cast(Axis, axis), ["Z91", "Z92"], START + REMEMBERED * days)

    assert [await unhosted(0), await unhosted(0), await unhosted(1)] == [{"Z92"}] * 3
    assert axis.asked == [["Z91", "Z92"], ["Z92"], ["Z91", "Z92"]]


async def test_nothing_is_said_of_anybody_while_the_axis_cannot_say() -> None:
    axis, reach = Questions(), Reach()
    axis.hosted = None

    async def unhosted(days: int) -> frozenset[str]:
        return await reach.unhosted(cast(Axis, axis), ["Z91"], START + SILENT * days)

    assert [await unhosted(0), await unhosted(0)] == [frozenset(), frozenset()]
    axis.hosted = set()
    assert await unhosted(0) == frozenset()
    assert await unhosted(1) == {"Z91"}
    assert len(axis.asked) == 2
