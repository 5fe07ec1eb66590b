"""The counter: each delivery is ended once, and truly, in whatever order people take, settle and run out of time."""

from __future__ import annotations

import asyncio
import io
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.ports.axis import Arrival
from gateway.transport.amqp.handout import BrokerDelivery, HandOut
from gateway.transport.amqp.label import Label
from tests.support.waiting import wait_until

ACTS = st.sampled_from(["put", "take one", "take all", "done", "again", "stale", "cut"])


class Counter:
    """Remembers how each delivery was ended, and what was said about it before."""

    def __init__(self) -> None:
        self.handout = HandOut()
        self.ended: dict[str, list[bool]] = {}
        self.codes: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.refused: set[str] = set()
        self.gone: set[str] = set()
        self.held: list[Arrival] = []
        self.stale: list[Arrival] = []

    def add(self, codes: int, lane: Lane) -> None:
        id = f"p{len(self.ended)}"
        self.ended[id], self.codes[id], self.done[id] = [], codes, 0

        async def end(is_done: bool) -> None:
            self.ended[id].append(is_done)

        label = Label(
            packet_id=id,
            kind="document",
            sender="Z91",
            digest=Digest("a" * 64),
            size=1,
            recipients=(),
            node=None,
            deliveries=1,
        )
        self.handout.add(
            BrokerDelivery(
                label,
                lane,
                [f"Z92.{n}" for n in range(codes)],
                open=lambda: io.BytesIO(b"x"),
                end=end,
                put_aside=partial(end, False),
            )
        )

    async def settle(self, is_done: bool) -> None:
        if self.held:
            arrival = self.held.pop(0)
            self.stale.append(arrival)
            if is_done:
                self.done[arrival.packet_id] += 1
            else:
                self.refused.add(arrival.packet_id)
            await self.handout.settle(arrival.token, is_done=is_done)

    def cut(self) -> None:
        self.gone |= {id for id, ends in self.ended.items() if not ends}
        self.handout.forget_channel()
        self.stale += self.held
        self.held.clear()

    def check(self) -> None:
        for id, ends in self.ended.items():
            assert len(ends) <= 1
            if ends == [True]:
                assert self.done[id] == self.codes[id]
            if ends == [False]:
                assert id in self.refused
            if id in self.gone:
                assert ends == []
        assert self.handout.leased == len(self.held)


@settings(max_examples=200)
@given(st.lists(st.tuples(ACTS, st.integers(1, 3), st.sampled_from(list(Lane))), max_size=40))
def test_each_delivery_is_ended_once_and_as_done_only_when_all_of_it_is(
    acts: list[tuple[str, int, Lane]],
) -> None:
    async def run() -> None:
        counter = Counter()
        for act, number, lane in acts:
            match act:
                case "put":
                    counter.add(number, lane)
                case "take one":
                    counter.held += counter.handout.take(1, 60.0)
                case "take all":
                    arrivals = counter.handout.take(100, 60.0)
                    lanes = [x.lane is Lane.NORMAL for x in arrivals]
                    assert lanes == sorted(lanes)
                    counter.held += arrivals
                case "done" | "again":
                    await counter.settle(act == "done")
                case "stale":
                    for arrival in counter.stale:
                        await counter.handout.settle(arrival.token, is_done=True)
                case "cut":
                    counter.cut()
            counter.check()
        await counter.handout.close()

    asyncio.run(run())


async def test_a_lease_that_runs_out_gives_the_whole_delivery_back_once() -> None:
    counter = Counter()
    counter.add(2, Lane.NORMAL)
    (first,) = counter.handout.take(1, 0.01)

    await wait_until(lambda: bool(counter.ended["p0"]), "the end")
    await counter.handout.settle(first.token, is_done=True)

    assert counter.ended["p0"] == [False]
    assert counter.handout.take(10, 60.0) == []


async def test_the_time_starts_anew_with_each_arrival_of_a_delivery_for_many() -> None:
    """Three hundred agencies of one node are not landed within one lease; the copy must not come again and again."""
    counter = Counter()
    counter.add(2, Lane.NORMAL)
    counter.handout.take(1, 0.02)

    counter.handout.take(1, 60.0)
    later_than_the_first = asyncio.Event()
    asyncio.get_running_loop().call_later(0.04, later_than_the_first.set)
    await later_than_the_first.wait()

    assert counter.ended["p0"] == []
    assert counter.handout.leased == 2
    await counter.handout.close()


async def test_a_share_of_every_batch_is_the_oldest_ordinary_ones_of_the_counter() -> None:
    """Large packets joined on disk are counted apart, so that small messages do not keep them from being offered."""
    counter = Counter()
    for lane in [Lane.NORMAL] * 6 + [Lane.URGENT] * 20:
        counter.add(1, lane)
    assert (counter.handout.waiting(), counter.handout.joined) == (26, 0)
    batch = counter.handout.take(8, 60.0)
    assert [arrival.packet_id for arrival in batch] == [*(f"p{n}" for n in range(6, 12)), "p0", "p1"]
    await counter.handout.close()
