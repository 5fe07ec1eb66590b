"""Receives from several axes as from one. In: the codes that this node hosts, and how many parcels there is room for.
Out: arrivals of all axes, each with its axis's name, urgent ones first, the axes taking turns.

Each axis is asked in a task of its own. A slow axis is waited for once: its task goes on in the background, its late
arrivals are handed out first at the next call, and it is not asked again until then. A failing axis is asked again after
a pause of its own (`Circuit`). No loop runs here: everything happens within calls of `take`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from gateway import meters
from gateway.domain.document import Lane
from gateway.domain.routes import NODE, Pattern
from gateway.errors import GatewayError, Unreachable
from gateway.log import action, warn
from gateway.ports.axis import Arrival, ManagedAxis
from gateway.ports.services import Clock

# How long a `take` waits for a slow axis.
WAIT_S = 2.0
_log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=1)


class GatheredAxes:
    """Receiving half of `RoutedAxis`."""

    def __init__(
        self,
        axes: Mapping[str, ManagedAxis],
        circuits: Mapping[str, Circuit],
        serves: Mapping[str, tuple[Pattern, ...]],
        wait_s: float = WAIT_S,
    ) -> None:
        self._axes, self._circuits, self._serves, self._wait_s = axes, circuits, serves, wait_s
        self._asking: dict[str, asyncio.Task[Sequence[Arrival]]] = {}
        self._late: list[Arrival] = []
        self._to_host: dict[str, Sequence[str]] = {}
        self._errors: dict[str, GatewayError] = {}
        self._something = asyncio.Event()
        self._turn = 0

    async def host(self, codes: Sequence[str]) -> None:
        """Host the codes on every axis that serves them, on a silent axis before its next take. GatewayError when none
        answers."""
        self._to_host = {name: self._served(name, codes) for name in self._axes}
        await asyncio.gather(*(self._host_soon(name) for name in self._axes))
        if len(self._to_host) == len(self._axes):
            raise self._errors.get(next(iter(self._axes))) or Unreachable("no axis answers")

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Return up to `limit` arrivals: late ones first, then a share from each axis, then more from axes that have
        more. Raises an axis's last error when every axis fails."""
        self._something.clear()
        names = self._in_turn()
        arrivals, self._late = self._late[:limit], self._late[limit:]
        arrivals += await self._ask(names, limit - len(arrivals), lease_s)
        if self._late:
            self._something.set()
        if not arrivals and names and all(name in self._errors for name in names):
            raise self._errors[names[0]]
        urgent = [arrival for arrival in arrivals if arrival.lane is Lane.URGENT]
        return [*urgent, *(arrival for arrival in arrivals if arrival.lane is not Lane.URGENT)]

    async def wait(self, timeout_s: float) -> None:
        """Wait until an axis may have parcels, a late answer has come, or the time is over."""
        if self._late:
            return
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._wait(name, timeout_s)) for name in self._axes
        ]
        waits.append(asyncio.ensure_future(self._something.wait()))
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waits:
                future.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def close(self) -> None:
        """Cancel running takes; parcels leased by them come again when their leases end."""
        asking, self._asking = list(self._asking.values()), {}
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, names: Sequence[str], room: int, lease_s: float) -> list[Arrival]:
        """Take from the axes in rounds, until the room is filled or no axis may have more."""
        arrivals: list[Arrival] = []
        shares = _shares(room, len(names))
        shares_by_name = {name: share for name, share in zip(names, shares, strict=True) if share}
        while shares_by_name and room > len(arrivals):
            brought = await self._round(shares_by_name, lease_s)
            arrivals += _mixed(brought)
            remaining = room - len(arrivals)
            # An axis that filled its share may have more; one that was not asked yet may have some.
            full = [name for name, share in shares_by_name.items() if len(brought.get(name, ())) == share]
            more = [*full, *(name for name in names if name not in shares_by_name)] if remaining else []
            names = [name for name in names if name in more]
            shares_by_name = {
                name: share
                for name, share in zip(names, _shares(remaining, len(names)), strict=True)
                if share
            }
        return arrivals

    async def _round(
        self, shares_by_name: Mapping[str, int], lease_s: float
    ) -> Mapping[str, Sequence[Arrival]]:
        """Take its share from each axis at once, and return the arrivals that came in time."""
        takes: dict[str, asyncio.Task[Sequence[Arrival]]] = {}
        for name, share in shares_by_name.items():
            if name not in self._asking and self._circuits[name].may_take():
                takes[name] = asyncio.create_task(self._take(name, share, lease_s), name=f"take from {name}")
        if not takes:
            return {}
        self._asking |= takes
        try:
            await asyncio.wait(takes.values(), timeout=self._wait_s)
        finally:  # also on cancellation: late arrivals are kept for the next call
            brought = {}
            for name, task in takes.items():
                if task.done():
                    brought[name] = self._ended(name, task)
                else:
                    task.add_done_callback(lambda task, name=name: self._came_late(name, task))  # type: ignore[misc]  # mypy cannot type a lambda with a default
                    self._circuits[name].note_take_failure("it did not answer in time")
        return brought

    def _ended(self, name: str, task: asyncio.Task[Sequence[Arrival]]) -> Sequence[Arrival]:
        """Return the arrivals of a finished take; an unforeseen error pauses this axis alone."""
        self._asking.pop(name, None)
        if task.cancelled():
            return ()
        if (error := task.exception()) is not None:  # an unforeseen failure: the other axes go on
            _log.error("axis.broke", exc_info=error, extra={"action": "axis.broke", "axis": name})
            self._circuits[name].note_take_failure(f"{type(error).__name__}: {error}")
            return ()
        return task.result()

    def _came_late(self, name: str, task: asyncio.Task[Sequence[Arrival]]) -> None:
        self._late += self._ended(name, task)
        self._something.set()

    async def _take(self, name: str, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Take from one axis, hosting its codes first where that is due. A failure is noted in its circuit, not raised."""
        circuit = self._circuits[name]
        try:
            if name in self._to_host and not await self._hosted(name):
                return ()
            arrivals = await self._axes[name].take(limit, lease_s)
        except GatewayError as error:
            self._failed(name, error)
            return ()
        self._errors.pop(name, None)
        circuit.note_take()
        for arrival in arrivals:
            meters.AXIS_RECEIVED.add(axis=name, lane=arrival.lane)
        return [replace(arrival, axis=name) for arrival in arrivals]

    async def _host_soon(self, name: str) -> None:
        """Host the codes on one axis, waiting no longer than `wait_s`."""
        hosting = asyncio.ensure_future(self._hosted(name))
        finished, _ = await asyncio.wait([hosting], timeout=self._wait_s)
        if not finished:
            hosting.cancel()
            await asyncio.gather(hosting, return_exceptions=True)
            self._failed(name, Unreachable(f"{name} did not answer in time"))

    async def _hosted(self, name: str) -> bool:
        """Host the codes on one axis, and tell whether that succeeded."""
        codes = self._to_host[name]
        try:
            await self._axes[name].host(codes)
        except GatewayError as error:
            self._failed(name, error)
            return False
        if self._to_host.get(name) is codes:
            del self._to_host[name]
        return True

    async def _wait(self, name: str, timeout_s: float) -> None:
        try:
            await self._axes[name].wait(timeout_s)
        except GatewayError:
            await asyncio.sleep(timeout_s)  # an immediate return would end the wait for the other axes too

    def _failed(self, name: str, error: GatewayError) -> None:
        if name not in self._errors:
            warn(_log, "axis.failed", str(error), axis=name, code=error.code)
        self._errors[name] = error
        self._circuits[name].note_take_failure(str(error))

    def _served(self, name: str, codes: Sequence[str]) -> list[str]:
        """List the codes that this axis serves; routes to the node itself come by every axis."""
        patterns = self._serves.get(name, ())
        return [
            code
            for code in codes
            if not patterns or code.startswith(NODE) or any(pattern.fits(code) for pattern in patterns)
        ]

    def _in_turn(self) -> list[str]:
        """Return the names rotated, so that each axis is first in turn."""
        names = list(self._axes)
        self._turn = (self._turn + 1) % len(names)
        return names[self._turn :] + names[: self._turn]


def _shares(room: int, parts: int) -> list[int]:
    """Divide `room` into `parts` as evenly as possible, the first ones getting more."""
    return [room // parts + (n < room % parts) for n in range(parts)] if parts else []


def _mixed(brought: Mapping[str, Sequence[Arrival]]) -> list[Arrival]:
    """Interleave the arrivals of the axes."""
    return [arrival for row in zip_longest(*brought.values()) for arrival in row if arrival is not None]


@dataclass(slots=True)
class Backoff:
    """Pause after a failure, twice as long each time up to a minute."""

    paused_until: datetime | None = None
    length: timedelta = FIRST_PAUSE

    def begin(self, now: datetime) -> None:
        self.paused_until = now + self.length
        self.length = min(self.length * 2, LONGEST_PAUSE)

    def end(self) -> None:
        self.paused_until, self.length = None, FIRST_PAUSE

    def is_over(self, now: datetime) -> bool:
        # A pause further ahead than the longest counts as over, because a clock set back must not prolong it.
        return self.paused_until is None or not self.paused_until - LONGEST_PAUSE <= now < self.paused_until


class Circuit:
    """Failures and pauses of one axis, as this process sees them."""

    def __init__(self, name: str, axis: ManagedAxis, away_s: float, clock: Clock) -> None:
        self.name = name
        self._axis, self._clock = axis, clock
        self._patience = timedelta(seconds=away_s)
        self._failing: datetime | None = None
        self._is_of_sending = False
        self._why = ""
        self._sending, self._taking = Backoff(), Backoff()
        self._told = False

    def note_sent(self) -> None:
        """Note that the axis answered a parcel, or a question about hosting."""
        self._sending.end()
        self._failing, self._is_of_sending, self._why = None, False, ""
        self.is_away()

    def note_take(self) -> None:
        self._taking.end()
        if not self._is_of_sending:
            self._failing, self._why = None, ""
            self.is_away()

    def note_send_failure(self, why: str) -> None:
        self._is_of_sending = True
        self._sending.begin(self._clock.now())
        self._failed(why)

    def note_take_failure(self, why: str) -> None:
        self._taking.begin(self._clock.now())
        self._failed(why)

    def may_send(self) -> bool:
        """Tell whether the pause since its last failed sending is over."""
        return self._sending.is_over(self._clock.now())

    def may_take(self) -> bool:
        return self._taking.is_over(self._clock.now())

    @property
    def since(self) -> datetime | None:
        """Time at which the axis began to fail; None while it works."""
        state = self._axis.state()
        down = state.down_since if state.connected_since is None else None
        return min((at for at in (self._failing, down, state.blocked_since) if at is not None), default=None)

    @property
    def why(self) -> str:
        return self._axis.state().reason or self._why

    def is_away(self) -> bool:
        """Tell whether the axis has failed for longer than its patience, and log each change."""
        since = self.since
        away = since is not None and self._clock.now() - since >= self._patience
        if away != self._told:
            self._told = away
            self._tell(away=away)
        return away

    def _failed(self, why: str) -> None:
        self._failing, self._why = self._failing or self._clock.now(), why
        self.is_away()

    def _tell(self, *, away: bool) -> None:
        if away:
            meters.AXIS_AWAY.add(axis=self.name)
            warn(_log, "axis.away", f"{self.name} does not answer: {self.why}", axis=self.name)
        else:
            action(_log, "axis.back", f"{self.name} answers again", axis=self.name, ends="away")
