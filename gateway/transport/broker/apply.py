"""Does a plan, step by step, through the management API. In: ordered steps. Out: each step as it is done. What is cut
short is finished by the next run: every step may be repeated, and none undoes another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

from gateway.transport.broker.management import Management
from gateway.transport.broker.plan import Sign, Step
from gateway.transport.broker.things import Binding, Exchange, Policy, Queue

AT_ONCE = 1000  # bindings added in one call; the broker takes seconds for this many
_INSIDE = (Exchange, Queue, Policy, Binding)


async def done(broker: Management, steps: Iterable[Step]) -> AsyncIterator[Step]:
    """Yields each step once it is in force."""
    for batch in batches(steps):
        if batch[0].sign is Sign.REMOVE:
            await broker.remove(batch[0].thing)
        elif isinstance(batch[0].thing, _INSIDE):
            await broker.add([step.thing for step in batch])
        else:
            await broker.put(batch[0].thing)
        for step in batch:
            yield step


def batches(steps: Iterable[Step]) -> Iterator[Sequence[Step]]:
    """Neighbours that one call may add in any order: things of one kind, and bindings of one exchange."""
    batch: list[Step] = []
    for step in steps:
        if batch and (_call_of(step) != _call_of(batch[0]) or len(batch) == AT_ONCE):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def _call_of(step: Step) -> object:
    """Steps with equal answers may share a call."""
    if step.sign is Sign.REMOVE or not isinstance(step.thing, _INSIDE):
        return step
    return type(step.thing), step.thing.source if isinstance(step.thing, Binding) else None
