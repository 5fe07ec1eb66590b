"""A process that is killed between any two steps of the hot folder loses nothing and sends nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from gateway.folder.places import Place
from gateway.folder.worker import TURN
from gateway.store.store import SqlStore
from tests.support.folder import Desk
from tests.support.node import PROVINCE

STEPS = ("move", "write", "remove", "append")


class Killed(BaseException):
    """Exception that no code of the program catches, like a kill."""


class Killer:
    """Stops at the n-th step that changes a folder, before or after it; and before or after a document is accepted."""

    def __init__(self) -> None:
        self.left: float = float("inf")
        self.count = 0

    def wrap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            outcome = step(*args, **kwargs)
            self.tick()
            return outcome

        return run

    def tick(self) -> None:
        self.count += 1
        self.left -= 1
        if self.left == 0:
            raise Killed


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    counter = Killer()
    for name in STEPS:
        monkeypatch.setattr(Place, name, counter.wrap(getattr(Place, name)))
    share = SqlStore.share

    async def finished(*args: Any, **kwargs: Any) -> Any:
        counter.tick()
        outcome = await share(*args, **kwargs)
        counter.tick()
        return outcome

    monkeypatch.setattr(SqlStore, "share", finished)
    return counter


@contextmanager
def dying(killer: Killer, steps: int) -> Iterator[None]:
    killer.left = steps
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Killed) and not (
            isinstance(error, BaseExceptionGroup) and error.subgroup(Killed)
        ):
            raise
    finally:
        killer.left = float("inf")


async def go_on(desk: Desk) -> None:
    desk.restart()
    desk.town.clock.advance(TURN + timedelta(seconds=61))
    await desk.settle()
    await desk.settle(61)


async def steps_of_a_whole_run(desk: Desk, killer: Killer) -> int:
    await desk.settle()
    desk.letter("99", "99")
    count_before = killer.count
    await desk.settle()
    return killer.count - count_before


@pytest.mark.long
async def test_killed_at_any_step_a_document_is_sent_once_and_put_away(desk: Desk, killer: Killer) -> None:
    steps = await steps_of_a_whole_run(desk, killer)
    assert steps > 10

    for n in range(1, steps + 1):
        desk.letter(str(100 + n), str(100 + n))
        with dying(killer, n):
            await desk.settle()
        await go_on(desk)

        assert await desk.town.count("outgoing_document") == 1 + n, f"killed at step {n}"
        assert desk.names("out") == [], f"killed at step {n}"
        assert desk.receipt(str(100 + n))["state"] == "queued"
    assert desk.names("error") == []


@pytest.mark.long
async def test_killed_at_any_step_a_refusal_is_told_once(desk: Desk, killer: Killer) -> None:
    await desk.settle()
    desk.drop("first.json", "{")
    count_before = killer.count
    await desk.settle()
    steps = killer.count - count_before

    for n in range(1, steps + 1):
        desk.drop(f"bad{n}.json", "{")
        with dying(killer, n):
            await desk.settle()
        await go_on(desk)

        assert desk.names("out") == []
        assert "GW-400-BAD-JSON" in desk.reason(f"bad{n}")
    assert len(desk.names("error")) == 2 * (steps + 1)


@pytest.mark.long
async def test_killed_at_any_step_an_incoming_document_is_written_completely(
    desk: Desk, killer: Killer
) -> None:
    await desk.settle()
    for n in range(1, 17):
        await desk.town.send(str(n))
        await desk.town.carry()
        with dying(killer, n):
            await desk.settle(61)
        await go_on(desk)
        desk.town.clock.advance(700)
        await desk.settle(61)
        folders = {path.name for path in (desk.root / PROVINCE / "in").iterdir() if path.is_dir()}
        assert folders == {document.id for document in await desk.town.incoming(PROVINCE)}
        for folder in folders:
            names = {path.name for path in (desk.root / PROVINCE / "in" / folder).iterdir()}
            assert names == {"meta.json", "envelope.xml", "15.pdf"}


async def _many(desk: Desk, killer: Killer, documents: int, bad: int, kills: int) -> None:
    """Drop documents while the node is killed again and again: each good one is sent once, each bad one has its reason."""
    chance = random.Random(7)
    desk.agencies = frozenset({desk.code.casefold()})
    desk.restart()
    await desk.settle()
    for n in range(documents):
        desk.letter(f"g{n}", str(1000 + n))
        if n < bad:
            desk.letter(f"b{n}", "", file=f"b{n}.pdf")
    for _ in range(kills):
        with dying(killer, chance.randrange(5, max(6, documents // 2))):
            await desk.settle()
        desk.restart()
        desk.town.clock.advance(TURN + timedelta(seconds=1))
    await desk.settle()
    await desk.settle()

    assert await desk.town.count("outgoing_document") == documents
    receipts = [name for name in desk.sent() if name.endswith(".result.json")]
    assert sorted(receipts) == sorted(f"g{n}.result.json" for n in range(documents))
    reasons = [name for name in desk.names("error") if name.endswith(".error.txt")]
    assert sorted(reasons) == sorted(f"b{n}.error.txt" for n in range(bad))
    assert desk.names("out") == []


async def test_many_files_dropped_while_the_node_is_killed_are_sent_once(desk: Desk, killer: Killer) -> None:
    await _many(desk, killer, documents=12, bad=3, kills=3)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_thousand_files_dropped_while_the_node_is_killed_ten_times_are_sent_once(
    desk: Desk, killer: Killer
) -> None:
    await _many(desk, killer, documents=1000, bad=100, kills=10)
