"""Three thousand documents between two nodes, a third of them with a further status, with sixty faults of the axis: the
comparisons of packets and states of each day find no difference; afterwards each state that was changed, and each document
that was removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast

import pytest

from gateway.bootstrap.node import Wrap
from gateway.errors import TransportFailure
from gateway.ports.axis import Outcome, Parcel
from gateway.witnessing.counting import ONCE_A_DAY
from tests.acceptance.test_loss_audit import HOSTED, NORTH, SOUTH, Nodes, open_nodes, removed_at
from tests.acceptance.test_state_audit import LOST, States
from tests.support.node import DEPARTMENT, PROVINCE
from tests.support.sealed import tamper

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
P = TypeVar("P")
DOCUMENTS, AT_ONCE, FAULTS = 3000, 50, 60
AT = datetime(2026, 1, 1, tzinfo=UTC)
"""Time before all documents, so that a changed state stands."""


class FaultyAxis(Wrap):
    """Wrapper around the axis that loses a call, or the answer to one that had its effect, while it has faults to make."""

    def __init__(self, chance: Random) -> None:
        self.chance, self.due, self.count = chance, 0, 0

    def __call__(self, name: str, port: P) -> P:
        return cast(P, _Axis(port, self)) if name == "axis" else port


class _Axis:
    def __init__(self, real: Any, faults: FaultyAxis) -> None:
        self._real, self._faults = real, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        faults = self._faults
        if not faults.due:
            return cast("Mapping[str, Outcome]", await self._real.publish(parcel, routes))
        faults.due -= 1
        faults.count += 1
        if faults.chance.random() < 0.5:
            await self._real.publish(parcel, routes)
        raise TransportFailure("the axis was away")


@pytest.fixture
async def axis(seed: int) -> FaultyAxis:
    return FaultyAxis(Random(seed))


@pytest.fixture
async def nodes(tmp_path: Path, axis: FaultyAxis) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        yield await open_nodes(tmp_path, stack, axis)


async def test_no_false_difference_and_each_removed_document(nodes: Nodes, axis: FaultyAxis) -> None:
    sent = []
    for batch in range(DOCUMENTS // AT_ONCE):
        axis.due = min(2, FAULTS - axis.count) if batch % 2 else 0
        for n in range(AT_ONCE):
            name, to = ((NORTH, PROVINCE), (SOUTH, DEPARTMENT))[n % 2]
            document = await nodes.towns[name].send(f"{batch * AT_ONCE + n}", to, sender=HOSTED[name])
            sent.append((name, document))
        for turn in range(3):
            await nodes.carry()
            nodes.advance(timedelta(minutes=20))
            if not turn:
                await _set_statuses(nodes, axis.chance)
    assert axis.count == FAULTS
    nodes.advance(timedelta(days=1))
    states = States(nodes)
    await _compare(states, times=3)
    assert [await nodes.differences(name) for name in HOSTED] == [[], []]
    assert [await states.all_differences(name) for name in HOSTED] == [[], []]
    compared = Counter[str]()
    for count in await states.counts(NORTH):
        assert all(own == other for own, other in count.counts.values())
        compared.update({word: own for word, (own, _) in count.counts.items()})
    assert compared.total() == DOCUMENTS
    assert compared["rejected"]
    assert compared["done"]

    counted = [count for count in await nodes.counts(NORTH) if count.sender == DEPARTMENT]
    assert sum(count.own_count for count in counted) == DOCUMENTS // 2
    assert [count.own_count for count in counted] == [count.other_count for count in counted]

    chosen = axis.chance.sample(sent, 40)
    for name, document in chosen[:20]:
        address = nodes.towns[name].node.settings.database.address
        await tamper(address, LOST, id=document.id, state="assigned", at=f"{AT:%Y-%m-%d %H:%M:%S.%f}")
    for n, (sender, document) in enumerate(chosen[20:]):
        place = (NORTH, SOUTH)[n % 2]
        statements = removed_at(is_sender=sender == place)
        address = nodes.towns[place].node.settings.database.address
        await tamper(address, *statements, id=document.id, packet=document.packet_id)
    nodes.advance(ONCE_A_DAY)
    await _compare(states, times=2)
    assert [len(await nodes.differences(name)) for name in HOSTED] == [20, 20]
    assert [len(await states.differences(name)) for name in HOSTED] == [20, 20]


async def _compare(states: States, times: int) -> None:
    """Compare packets and states, six hours apart."""
    for _ in range(times):
        await states.nodes.compare(times=1)
        await states.ask()
        await states.take()


async def _set_statuses(nodes: Nodes, chance: Random) -> None:
    """Take in, refuse or close some documents that came last."""
    for name, code in HOSTED.items():
        town = nodes.towns[name]
        async with town.node.store.read(await town.scope(code)) as work:
            newest = (await work.incoming.page(limit=AT_ONCE // 6)).items
        for document in newest:
            await town.status(document, chance.choice(["02", "03", "06"]))
