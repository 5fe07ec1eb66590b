"""Robots lose nothing: what came is noted before the axis forgets it, what is to be said is said with the same bytes
however often it is cut short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.proof import Binding
from gateway.errors import Unreachable
from gateway.pool import ThreadPool
from gateway.ports.axis import Outcome, Parcel
from gateway.transport.embedded import EmbeddedAxis
from gateway_labs.sandbox.cast import cast
from gateway_labs.sandbox.hall import Hall
from gateway_labs.sandbox.memory import Due, Memory
from tests.support import pki
from tests.support.clock import START, ManualClock

ROBOT = "T00.OK"


class Cut(EmbeddedAxis):
    """Takes what is published, and breaks before it says so."""

    cuts = 1

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        outcomes = await super().publish(parcel, routes)
        if self.cuts:
            self.cuts -= 1
            raise Unreachable("cut")
        return outcomes


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    new_memory = Memory(tmp_path / "memory.sqlite")
    yield new_memory
    new_memory.close()


async def nobody(_: str) -> Sequence[Binding]:
    return ()


def hall(axis: EmbeddedAxis, memory: Memory, clock: ManualClock, pool: ThreadPool) -> Hall:
    return Hall(
        cast=cast(),
        axis=axis,
        memory=memory,
        clock=clock,
        pool=pool,
        bound=nobody,
        signer=lambda code, flaws: pki.signer(code),
        lead=b"%PDF-1.4\n",
        limit=1 << 20,
    )


async def test_what_was_cut_short_is_said_again_with_the_same_bytes(
    tmp_path: Path, memory: Memory, pool: ThreadPool
) -> None:
    clock = ManualClock()
    async with (
        EmbeddedAxis(tmp_path / "axis", "subject", clock, pool) as subject,
        Cut(tmp_path / "axis", "robots", clock, pool) as axis,
    ):
        await subject.host([cast().code])
        robots = hall(axis, memory, clock, pool)
        with pytest.raises(Unreachable):
            await robots.act(cast().robots[ROBOT], {"what": "document"})
        assert len(memory.due(clock.now())) == 1

        await robots.do_due()

        first, second = await subject.take(10, 60.0)
        assert (first.digest, first.packet_id) == (second.digest, second.packet_id)
        assert memory.due(clock.now() + timedelta(days=1)) == []
        assert memory.last_sent(ROBOT, cast().code) is not None


def packet_note(digest: str, **more: Any) -> dict[str, Any]:
    content = {"digest": digest, "sender": "T00.01", "document_id": "d", "packet_id": "p", "kind": "edoc"}
    return content | more


def test_what_came_again_is_counted_and_answered_once(memory: Memory) -> None:
    """And what cannot be noted leaves nothing behind."""
    act = [Due(id="a", at=START, robot=ROBOT, work={"what": "01"})]
    with pytest.raises(Exception, match="UNIQUE"):
        memory.note(ROBOT, packet_note("1"), b"", START, act * 2)
    assert (memory.packets(0, 10), memory.due(START)) == ([], [])

    assert memory.note(ROBOT, packet_note("1"), b"x", START, act)
    assert not memory.note(
        ROBOT, packet_note("1"), b"x", START, [Due(id="b", at=START, robot=ROBOT, work={})]
    )

    (row,) = memory.packets(0, 10)
    assert (row.times, memory.raw(row.seq)) == (2, b"x")
    assert [packet.id for packet in memory.due(START)] == ["a"]
    assert memory.due(START - timedelta(seconds=1)) == []
    assert memory.next_at() == START


def test_a_request_stands_with_the_document_that_it_is_about(memory: Memory) -> None:
    memory.note(ROBOT, packet_note("1"), b"", START, [])
    memory.note(ROBOT, packet_note("2", document_id="recall", target="d", kind="recall"), b"", START, [])

    assert [packet.content["digest"] for packet in memory.packets(0, 10, document="d")] == ["1", "2"]
    subject = memory.find_document(ROBOT, "d")
    assert subject is not None
    assert subject["kind"] == "recall"
