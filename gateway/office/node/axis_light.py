"""The light of the axis on every page. In: the axis's state, from memory. Out: `up`, `slow` or `down`, and since when."""

from __future__ import annotations

from collections.abc import Callable

from gateway.office.web.deps import Light
from gateway.ports import AxisDesk


def of(axis: AxisDesk) -> Callable[[], Light]:
    def light() -> Light:
        state = axis.state()
        if state.blocked_since is not None:
            return Light(word="slow", since=state.blocked_since)
        # An axis that nobody needed yet is well.
        if state.connected_since is None and state.down_since is not None:
            return Light(word="down", since=state.down_since)
        return Light(word="up")

    return light
