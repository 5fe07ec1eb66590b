"""A document that was refused may be sent anew under its number (A9, R117), and then comes as a new attempt, whichever
axis brings it and whichever way it is taken in: never as a second proof of what was refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.document import InState
from gateway.incoming import receive
from tests.support.node import LEASE_S, PDF, Town


async def carry_by(town: Town, axis: str, *, by_steps: bool) -> None:
    """All that waits, until nothing does."""
    await town._host()
    while True:
        steps = await town.pack() + await town.dispatch()
        for arrival in await town.node.inn.axis.take(50, LEASE_S):
            steps += 1
            second_arrival = replace(arrival, axis=axis, deliveries=2 if by_steps else 1)
            await receive.run(town.node.inn, second_arrival)
        if not steps + await town.process():
            return


@pytest.mark.parametrize("by_steps", [False, True])
async def test_what_is_sent_anew_over_another_axis_arrives(town: Town, by_steps: bool) -> None:
    for number, size in (("15", 0), ("16", 100_000)):
        files = ((f"{number}.pdf", PDF + bytes(size)),)
        first = await town.send(number, files=files)
        await carry_by(town, "a", by_steps=by_steps)
        await town.status(await town.as_incoming(first), "02")
        await carry_by(town, "a", by_steps=by_steps)

        resent = await town.send(number, files=files)
        await carry_by(town, "b", by_steps=by_steps)

        states = {d.attempt: d.state for d in await town.incoming() if d.number == number}
        assert states == {1: InState.REJECTED, 2: InState.NEW}
        assert (await town.delivery(resent)).state == "delivered"
