"""Three thousand documents between two nodes, with sixty faults of the axis: the comparison of each day finds no
difference, and afterwards each document that was removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast

import pytest

from gateway.bootstrap.node import Wrap
from gateway.errors import TransportFailure
from gateway.ports.axis import Outcome, Parcel
from gateway.witnessing.counting import ONCE_A_DAY
from tests.acceptance.test_loss_audit import HOSTED, NORTH, SOUTH, Nodes, open_nodes, removed_at
from tests.support.node import DEPARTMENT, PROVINCE
from tests.support.sealed import tamper

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
P = TypeVar("P")
DOCUMENTS, AT_ONCE, FAULTS = 3000, 50, 60


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
        for _ in range(3):
            await nodes.carry()
            nodes.advance(timedelta(minutes=20))
    assert axis.count == FAULTS
    nodes.advance(timedelta(days=1))
    await nodes.compare(times=3)
    assert [await nodes.differences(name) for name in HOSTED] == [[], []]
    counted = [count for count in await nodes.counts(NORTH) if count.sender == DEPARTMENT]
    assert sum(count.own_count for count in counted) == DOCUMENTS // 2
    assert [count.own_count for count in counted] == [count.other_count for count in counted]

    for n, (sender, document) in enumerate(axis.chance.sample(sent, 20)):
        place = (NORTH, SOUTH)[n % 2]
        statements = removed_at(is_sender=sender == place)
        address = nodes.towns[place].node.settings.database.address
        await tamper(address, *statements, id=document.id, packet=document.packet_id)
    nodes.advance(ONCE_A_DAY)
    await nodes.compare()
    assert [len(await nodes.differences(name)) for name in HOSTED] == [20, 20]
