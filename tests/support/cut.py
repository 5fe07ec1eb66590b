"""An axis whose line a test cuts: what it is asked then fails as a broken line does, before anything is handed over or
after. Everything else goes through to the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from gateway.errors import Unreachable
from gateway.ports.axis import ManagedAxis, Outcome, Parcel

_CALLS = frozenset({"publish", "take", "host", "unhosted", "counts", "dead_list"})


class Cut:
    """`is_cut`: nothing reaches it. `loses_answers`: it takes what it is sent, and its word about it is lost."""

    def __init__(self, axis: ManagedAxis) -> None:
        self.axis = axis
        self.is_cut = self.loses_answers = False

    def __getattr__(self, name: str) -> Any:
        if self.is_cut and name in _CALLS:
            return self._fail
        return getattr(self.axis, name)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        if self.is_cut:
            await self._fail()
        outcomes = await self.axis.publish(parcel, routes)
        if self.loses_answers:
            raise Unreachable("the line broke before the answer came")
        return outcomes

    async def _fail(self, *_: object, **__: object) -> Any:
        error = Unreachable("the line is cut")
        error.unsure = False
        raise error


def line_of(axis: ManagedAxis, name: str) -> Cut:
    """The line to one of several axes, from now on in the test's hands."""
    axes = cast("dict[str, Any]", getattr(axis, "axes"))  # noqa: B009 - of the axis that is made of several
    cut = Cut(axes[name])
    axes[name] = cut
    return cut
