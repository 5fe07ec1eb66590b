"""State of the axis and the number of parcels on it, with those that worker processes hold. In: the axis, the heartbeats of
the workers. Out: one `AxisView`. Heartbeats are needed, because a broker counts the parcels that wait with it, but not
those that it has handed to a process, and reports an alarm only on connections that publish, which are the workers'."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from gateway.errors import GatewayError, TransportFailure
from gateway.ports.axis import AxisState, ManagedAxis, each_axis, each_state
from gateway.workers.heartbeat import ProcessBeat, beats, own_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisView:
    """State and counts of the axis. When the axis does not answer, `counts` is empty, and `state.reason` tells why. Of
    several axes `by_name` has the view of each."""

    state: AxisState
    counts: Mapping[str, int]
    by_name: Mapping[str, AxisView] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """Tell whether the axis, and each of several, answers. Counts alone do not show it, because those of a foreign axis
        are kept on this node."""
        is_away = self.state.down_since is not None and self.state.connected_since is None
        return bool(self.counts) and not is_away and all(axis.answers for axis in self.by_name.values())


# Longest wait for one of several axes, so that a hanging one does not hold up the view.
PATIENCE_S = 10.0


async def look(axis: ManagedAxis, heartbeat: Path, now: datetime) -> AxisView:
    """Return the view of the axis and of each of several. Counting makes an axis connect, so states are read afterwards."""
    axes = {name: a for name, a in each_axis(axis).items() if name}
    views = await asyncio.gather(*(look_at_one(a, now) for a in axes.values()))
    try:
        counts = await count(axis, heartbeat, now)
    except TransportFailure:
        counts = {}
    state, *states = (
        worst_state(name, own_state, heartbeat, now)
        for name, own_state in {
            "": axis.state(),
            **{n: a.state for n, a in zip(axes, views, strict=True)},
        }.items()
    )
    now_by_name = {
        name: replace(view, state=state) for name, view, state in zip(axes, views, states, strict=True)
    }
    return AxisView(state=state, counts=counts, by_name=now_by_name)


def worst_state(name: str, own: AxisState, heartbeat: Path, now: datetime) -> AxisState:
    """Return an axis's state as this process sees it (`own`), with troubles that living worker processes report of it.
    Connected is counted from when a worker was, because those carry the mail; this process may be a command."""
    states = [beat.axes[name] for beat in _other_beats(heartbeat, now) if name in beat.axes]
    connected = [state.connected_since for state in states if state.connected_since is not None]
    if connected or any(state.down_since for state in states):
        own = replace(own, connected_since=min(connected, default=None))
    for state in states:
        own = replace(
            own,
            down_since=own.down_since or state.down_since,
            blocked_since=own.blocked_since or state.blocked_since,
            reason=own.reason or state.reason,
        )
    return own


def collect_states(
    axis: ManagedAxis, heartbeat: Path, now: datetime
) -> tuple[AxisState, Mapping[str, AxisState]]:
    """Return the state of the whole axis, and the states of several by name, with troubles that workers report."""
    state_by_name = {name: state for name, state in worst_states(axis, heartbeat, now).items() if name}
    return worst_state("", axis.state(), heartbeat, now), state_by_name


def worst_states(axis: ManagedAxis, heartbeat: Path, now: datetime) -> Mapping[str, AxisState]:
    """Return the states of the single axes as `each_state` does, with troubles that workers report."""
    return {name: worst_state(name, state, heartbeat, now) for name, state in each_state(axis).items()}


def _other_beats(heartbeat: Path, now: datetime) -> Iterator[ProcessBeat]:
    """Yield the heartbeats of other living worker processes; parcels of a dead process have returned to the broker."""
    for beat in beats(heartbeat, now):
        if beat.process != own_name() and beat.lives(now):
            yield beat


async def look_at_one(axis: ManagedAxis, now: datetime) -> AxisView:
    """Return the view of one of several axes. One that does not answer counts as down, whatever its own state."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            counts = await axis.counts()
    except (GatewayError, TimeoutError) as error:
        state = axis.state()
        reason = state.reason or str(error) or "no answer in time"
        state = replace(state, connected_since=None, down_since=state.down_since or now, reason=reason)
        return AxisView(state=state, counts={})
    return AxisView(state=axis.state(), counts=counts)


async def count(axis: ManagedAxis, heartbeat: Path, now: datetime) -> Mapping[str, int]:
    """Count parcels as `ManagedAxis.counts` does, plus those that other processes hold. TransportFailure when the axis does
    not answer."""
    counts = dict(await axis.counts())
    for beat in _other_beats(heartbeat, now):
        for part, number in beat.holds.items():
            counts[part] = counts.get(part, 0) + number
    return counts
