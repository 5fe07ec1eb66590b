"""How the axis is now, and what is under way on it with what every worker process of this node holds. In: the axis,
the signs of life of the workers. Out: one `AxisNow`. A broker tells how much waits with it, and nothing of what it
handed out and has not heard of since: that only the process knows that holds it. It tells of an alarm only on lines
that publish: that too the workers know, and not the process that asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from gateway.errors import GatewayError, TransportFailure
from gateway.ports.axis import AxisDesk, AxisState, each_axis, each_state
from gateway.workers.pulse import ProcessBeat, beats, own_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisNow:
    """How the axis is; `counts` is empty and `state.reason` says why where it does not answer. `each`: of several, by
    name."""

    state: AxisState
    counts: Mapping[str, int]
    each: Mapping[str, AxisNow] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """Whether it does, and of several each; a foreign axis counts what this node holds of it also while it is away."""
        away = self.state.down_since is not None and self.state.connected_since is None
        return bool(self.counts) and not away and all(each.answers for each in self.each.values())


# Of one axis among several, so that one that hangs does not keep back what is told of the others.
PATIENCE_S = 10.0


async def look(axis: AxisDesk, heartbeat: Path, now: datetime) -> AxisNow:
    """Counting makes an axis connect, so that its state is told after that."""
    several = {name: one for name, one in each_axis(axis).items() if name}
    told = await asyncio.gather(*(alone(one, now) for one in several.values()))
    try:
        counts = await count(axis, heartbeat, now)
    except TransportFailure:
        counts = {}
    state, *of_each = (
        worst_state(name, own, heartbeat, now)
        for name, own in {
            "": axis.state(),
            **{n: a.state for n, a in zip(several, told, strict=True)},
        }.items()
    )
    each = {name: replace(one, state=known) for name, one, known in zip(several, told, of_each, strict=True)}
    return AxisNow(state=state, counts=counts, each=each)


def worst_state(name: str, own: AxisState, heartbeat: Path, now: datetime) -> AxisState:
    """Return how this process finds that axis, made worse by what a living worker process says of it."""
    states = [beat.axes[name] for beat in _others(heartbeat, now) if name in beat.axes]
    for state in states:
        own = replace(
            own,
            down_since=own.down_since or state.down_since,
            blocked_since=own.blocked_since or state.blocked_since,
            reason=own.reason or state.reason,
        )
    return own


def whole_and_each(
    axis: AxisDesk, heartbeat: Path, now: datetime
) -> tuple[AxisState, Mapping[str, AxisState]]:
    """Return how the axis is, and of several how each is, with what the workers say."""
    each = {name: state for name, state in worst_states(axis, heartbeat, now).items() if name}
    return worst_state("", axis.state(), heartbeat, now), each


def worst_states(axis: AxisDesk, heartbeat: Path, now: datetime) -> Mapping[str, AxisState]:
    """As `each_state`, with what the workers say."""
    return {name: worst_state(name, state, heartbeat, now) for name, state in each_state(axis).items()}


def _others(heartbeat: Path, now: datetime) -> Iterator[ProcessBeat]:
    """Other worker processes that live. One that died is silent; what it held went back to the broker."""
    for beat in beats(heartbeat, now):
        if beat.process != own_name() and beat.lives(now):
            yield beat


async def alone(axis: AxisDesk, now: datetime) -> AxisNow:
    """One of several. Where it does not answer it is down, whatever it says of itself."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            counts = await axis.counts()
    except (GatewayError, TimeoutError) as error:
        state = axis.state()
        reason = state.reason or str(error) or "no answer in time"
        state = replace(state, connected_since=None, down_since=state.down_since or now, reason=reason)
        return AxisNow(state=state, counts={})
    return AxisNow(state=axis.state(), counts=counts)


async def count(axis: AxisDesk, heartbeat: Path, now: datetime) -> Mapping[str, int]:
    """As `AxisDesk.counts`, with what the other processes hold. TransportFailure while the axis does not answer."""
    counts = dict(await axis.counts())
    for beat in _others(heartbeat, now):
        for part, number in beat.holds.items():
            counts[part] = counts.get(part, 0) + number
    return counts
