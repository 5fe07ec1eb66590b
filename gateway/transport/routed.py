"""Several axes as one: publishing by the table of routes. In: named axes, the table, who hosts which code. Out: an
`AxisDesk` whose outcomes name the axis that said them. Hosting and taking are in `gathered`.

One publish hands a recipient to one axis and to no other. What that axis refuses, or cannot take while it is away, goes
by another one only after the next try, when the change is written down: so a crash between never sends by two ways
what was decided for one. What an axis may have, and did not say so, stays with it, unless the route allows more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO, Self

from gateway import meters
from gateway.domain.forms import Form
from gateway.domain.routes import FRESH, Chooser, OnTrouble, Pattern, RouteTable, Rule, Trail, Turn
from gateway.errors import GatewayError, NotFound, TransportFailure, Unreachable
from gateway.ports.axis import Arrival, AxisDesk, AxisState, DeadParcel, Fate, Outcome, Parcel, Promises
from gateway.ports.services import Clock
from gateway.transport.gathered import WAIT_S, Circuit, Gathered

HostOf = Callable[[str], Awaitable[str | None]]
"""The node that speaks for a code, as the registry has it."""
MOVED, AWAY, NO_WAY, GONE = "axis-moved", "axis-away", "no-route", "axis-gone"
# An axis that says nothing for so long is left: bytes beyond what goes in that time have more.
PATIENCE_S, BYTES_A_SECOND = 30.0, 128 * 1024
ASK_S = 5.0
_OF_RECIPIENT = "axis-bindings"  # a trouble of the recipient's, on an axis that answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one recipient's mail goes now: the rule, the axes that it may take in their order, and the turn it would take."""

    rule: Rule
    node: str | None
    order: tuple[str, ...]
    turn: Turn
    axis: str


async def nobody(code: str) -> str | None:
    return None


class RoutedAxis:
    """The `AxisDesk` promise over several. Whoever made it calls `close`, which closes all of them."""

    def __init__(
        self,
        axes: Mapping[str, AxisDesk],
        table: RouteTable,
        clock: Clock,
        *,
        host_of: HostOf = nobody,
        serves: Mapping[str, tuple[Pattern, ...]] | None = None,
        away_s: Mapping[str, float] | None = None,
        patience_s: float = PATIENCE_S,
        wait_s: float = WAIT_S,
    ) -> None:
        self._axes, self._table, self._host_of = dict(axes), table, host_of
        self._patience_s = patience_s
        patience = away_s or {}
        self.circuits = {
            name: Circuit(name, axis, patience.get(name, 0.0), clock) for name, axis in self._axes.items()
        }
        self._chooser = Chooser(
            axes=self._axes.keys(),
            is_away=lambda name: self.circuits[name].is_away(),
            serves=serves or {},
        )
        self._in = Gathered(self._axes, self.circuits, self._chooser.serves, wait_s)

    @property
    def axes(self) -> Mapping[str, AxisDesk]:
        """Each by itself."""
        return self._axes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """A second call does nothing. One that cannot be closed keeps no other open."""
        await self._in.close()
        await asyncio.gather(*(axis.close() for axis in self._axes.values()), return_exceptions=True)

    async def way(self, sender: str, code: str, trail: Trail = FRESH) -> Way:
        """What would be done for this recipient now; does nothing."""
        node = await self._host_of(code) if self._table.asks_for_nodes else None
        rule = self._table.rule(sender, code, node)
        choice = self._chooser.choose(rule, sender, trail)
        order = tuple(self._chooser.order(rule, sender, trail))
        return Way(rule=rule, node=node, order=order, turn=choice.turn, axis=choice.axis)

    async def order(self, sender: str, code: str) -> Sequence[str]:
        return (await self.way(sender, code)).order

    async def form(self, sender: str, code: str) -> Form:
        return (await self._rule(sender, code)).form

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """As `Axis.publish`; every outcome names its axis. LATER and `at_once`: it stands with another axis from now on."""
        outcomes: dict[str, Outcome] = {}
        going: dict[str, dict[Form, list[str]]] = {}
        rules = {route: await self._rule(parcel.sender, route) for route in routes}
        await self._look_for_those_away(rules)
        for route in routes:
            trail = parcel.trails.get(route, FRESH)
            said = self._before(rules[route], parcel.sender, route, trail)
            if isinstance(said, Outcome):
                outcomes[route] = said
            else:
                form = self._form(said, rules[route])
                going.setdefault(said, {}).setdefault(form, []).append(route)
        told = await asyncio.gather(
            *(self._hand_over_each(name, parcel, theirs) for name, theirs in going.items())
        )
        for name, each in zip(going, told, strict=True):
            for route, outcome in each.items():
                meters.AXIS_OUTCOMES.add(axis=name, fate=outcome.fate)
                trail = parcel.trails.get(route, FRESH)
                outcomes[route] = self._after(rules[route], parcel.sender, trail, name, outcome)
        return outcomes

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Those that no axis of their routes reaches; of a route without any answer nothing is said."""
        order = {
            route: tuple(self._chooser.order(await self._rule("", route), "")) or tuple(self._axes)
            for route in routes
        }
        asked = {name: [route for route in routes if name in order[route]] for name in self._axes}
        names = [name for name in self._axes if asked[name]]
        told = await asyncio.gather(*(self._ask(name, asked[name]) for name in names))
        answers = dict(zip(names, told, strict=True))
        if all(answer is None for answer in answers.values()):
            return None if routes else frozenset()
        return frozenset(
            route for route in routes if all(route in (answers[name] or ()) for name in order[route])
        )

    async def host(self, codes: Sequence[str]) -> None:
        await self._in.host(codes)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        return await self._in.take(limit, lease_s)

    async def settle(self, arrival: Arrival, *, done: bool) -> None:
        axis = self._axes.get(arrival.axis)
        if axis is not None:  # of one that is not there any more the lease runs out
            await axis.settle(arrival, done=done)

    async def wait(self, timeout_s: float) -> None:
        await self._in.wait(timeout_s)

    def promises(self) -> Promises:
        """What all of them keep: by which one a parcel goes is not known before."""
        each = [axis.promises() for axis in self._axes.values()]
        kept = {name: all(getattr(one, name) for one in each) for name in Promises.__slots__}
        return Promises(**kept)

    def state(self) -> AxisState:
        """Connected as long as one is; what is not connected, and why, is told beside it."""
        each = {name: axis.state() for name, axis in self._axes.items()}
        away = {name: self.circuits[name] for name in each if self.circuits[name].since is not None}
        up = [
            state.connected_since
            for name, state in each.items()
            if name not in away and state.connected_since
        ]
        since = [at for one in away.values() if (at := one.since) is not None]
        return AxisState(
            connected_since=max(up, default=None),
            down_since=min(since, default=None),
            reason="; ".join(f"{name}: {one.why}" for name, one in away.items()),
            servers=tuple(f"{name}: {server}" for name, state in each.items() for server in state.servers),
        )

    def state_of(self, name: str) -> AxisState:
        state, circuit = self._axes[name].state(), self.circuits[name]
        if circuit.since is None or state.blocked_since is not None:
            return state
        return replace(state, connected_since=None, down_since=circuit.since, reason=circuit.why)

    async def counts(self) -> Mapping[str, int]:
        """Of those that answer together. TransportFailure when none does."""
        told = await asyncio.gather(*(self._counted(name) for name in self._axes))
        answered = [each for each in told if each is not None]
        if not answered:
            raise Unreachable(f"no axis answers: {self.state().reason}")
        return _sums(answered)

    async def oldest(self) -> datetime | None:
        """Of those that answer."""
        times = await asyncio.gather(*(self._oldest(axis) for axis in self._axes.values()))
        return min((time for time in times if time is not None), default=None)

    async def _oldest(self, axis: AxisDesk) -> datetime | None:
        try:
            async with asyncio.timeout(self._patience_s):
                return await axis.oldest()
        except (TransportFailure, TimeoutError):
            return None

    def in_hand(self) -> Mapping[str, int]:
        return _sums([axis.in_hand() for axis in self._axes.values()])

    async def dead_list(self) -> Sequence[DeadParcel]:
        """Of those that answer; their ids begin with the name of the axis."""
        found: list[DeadParcel] = []
        silent: list[GatewayError] = []
        for name, axis in self._axes.items():
            try:
                async with asyncio.timeout(self._patience_s):
                    dead = await axis.dead_list()
            except (TransportFailure, TimeoutError) as error:
                silent.append(error if isinstance(error, GatewayError) else Unreachable(f"{name}: no answer"))
                continue
            found += [replace(each, id=f"{name}:{each.id}", axis=name) for each in dead]
        if silent and len(silent) == len(self._axes):
            raise silent[0]
        return sorted(
            found, key=lambda each: (each.dead_at is None, each.dead_at and each.dead_at.timestamp())
        )

    async def dead_open(self, id: str) -> BinaryIO:
        axis, own = self._dead(id)
        return await axis.dead_open(own)

    async def dead_retry(self, id: str) -> None:
        axis, own = self._dead(id)
        await axis.dead_retry(own)

    async def dead_drop(self, id: str, reason: str) -> None:
        axis, own = self._dead(id)
        await axis.dead_drop(own, reason)

    def _dead(self, id: str) -> tuple[AxisDesk, str]:
        name, _, own = id.partition(":")
        if name not in self._axes or not own:
            raise NotFound(
                f"no parcel {id!r} on a dead list: an id is AXIS:NUMBER, of {', '.join(self._axes)}"
            )
        return self._axes[name], own

    async def _rule(self, sender: str, code: str) -> Rule:
        node = await self._host_of(code) if self._table.asks_for_nodes else None
        return self._table.rule(sender, code, node)

    def _before(self, rule: Rule, sender: str, route: str, trail: Trail) -> Outcome | str:
        """The axis to hand it to; or what is to be done instead."""
        choice = self._chooser.choose(rule, sender, trail)
        if choice.turn is Turn.SEND:
            return choice.axis
        if choice.turn is Turn.NEVER:
            detail = (
                f"no axis that may carry mail of {sender} to {route} is left; see: gateway axis route {route}"
            )
            return Outcome(fate=Fate.NEVER, code=NO_WAY, detail=detail, refused=trail.refused)
        if choice.turn is Turn.MOVE:
            stood = self._chooser.order(rule, sender, trail)[0]
            return self._moved(trail, choice.axis, f"{stood} is away: {self.circuits[stood].why}")
        if choice.gone:
            detail = (
                f"it may lie with the axis {choice.axis}, which is not among the settings any more; "
                "cancel and send it anew, or allow another way with unsure = next"
            )
            return Outcome(fate=Fate.LATER, code=GONE, detail=detail, unsure=True, axis=choice.axis)
        circuit = self.circuits[choice.axis]
        if circuit.may_send():
            return choice.axis  # tried now and then, as on an axis that is alone
        doubt = ", and may have it already" if trail.unsure else ""
        return Outcome(
            fate=Fate.LATER,
            code=AWAY,
            detail=f"the axis {choice.axis} is away{doubt}: {circuit.why}; it waits for it",
            unsure=trail.unsure,
            axis=choice.axis,
            refused=trail.refused,
        )

    def _form(self, name: str, rule: Rule) -> Form:
        """What goes back by the axis that its packet came by may take one that the route does not name."""
        return Form.STANDARD if self._axes[name].promises().needs_signature else rule.form

    async def _hand_over_each(
        self, name: str, parcel: Parcel, theirs: Mapping[Form, Sequence[str]]
    ) -> Mapping[str, Outcome]:
        """In each form by itself, one after the other: an axis may take them for one document."""
        told: dict[str, Outcome] = {}
        for form in sorted(theirs, key=list(Form).index):
            told |= await self._hand_over(name, replace(parcel, form=form), theirs[form])
        return told

    async def _hand_over(self, name: str, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """What that axis says of each, within its time."""
        circuit, axis = self.circuits[name], self._axes[name]
        try:
            async with asyncio.timeout(self._patience_s + parcel.size / BYTES_A_SECOND):
                told = await axis.publish(parcel, routes)
        except TimeoutError:
            circuit.not_sent("it did not answer in time")
            silent = Outcome(
                fate=Fate.LATER, code="axis-slow", detail=f"{name} did not answer in time", unsure=True
            )
            return dict.fromkeys(routes, silent)
        except TransportFailure as error:
            if error.permanent:
                circuit.sent()
                return dict.fromkeys(routes, Outcome(fate=Fate.NEVER, code=error.code, detail=str(error)))
            circuit.not_sent(str(error))
            said = Outcome(fate=Fate.LATER, code=error.code, detail=str(error), unsure=error.unsure)
            return dict.fromkeys(routes, said)
        if all(each.fate is Fate.LATER and each.code != _OF_RECIPIENT for each in told.values()):
            circuit.not_sent(next(iter(told.values())).detail)
        else:
            circuit.sent()
        return told

    async def _look_for_those_away(self, rules: Mapping[str, Rule]) -> None:
        """Whether they are back: asked in a way that moves nothing, and of each rarely. What goes another way meanwhile
        would not find out."""
        asked = {
            name: route
            for route, rule in rules.items()
            for name in rule.axes
            if self.circuits[name].is_away() and self.circuits[name].may_send()
        }
        answers = await asyncio.gather(*(self._ask(name, [route]) for name, route in asked.items()))
        for name, answer in zip(asked, answers, strict=True):
            if answer is None and not self._answers(name):
                self.circuits[name].not_sent(self.circuits[name].why or "it does not answer")
            else:
                self.circuits[name].sent()

    def _after(self, rule: Rule, sender: str, trail: Trail, by: str, said: Outcome) -> Outcome:
        """What an axis said, as the routes go on from there."""
        if said.fate is Fate.LATER:
            stands = Trail(axis=by, unsure=said.unsure or trail.unsure, refused=trail.refused)
            choice = self._chooser.choose(rule, sender, stands)
            if choice.turn is Turn.MOVE:
                return self._moved(stands, choice.axis, f"{by} is away: {said.detail}")
            return replace(said, axis=by, unsure=stands.unsure, refused=stands.refused)
        if said.fate is Fate.DELIVERED:
            return replace(said, axis=by)
        choice = self._chooser.after_refusal(rule, sender, trail, by)
        stays = said.unsure and rule.unsure is OnTrouble.WAIT  # it may be there: a person decides
        if stays or choice.turn is not Turn.MOVE:
            return replace(said, axis=by, refused=trail.refused)
        refused = replace(trail, refused=(*trail.refused, by))
        return self._moved(refused, choice.axis, f"{by} does not reach it: {said.detail}")

    def _moved(self, trail: Trail, to: str, why: str) -> Outcome:
        meters.AXIS_MOVED.add(axis=to)
        return Outcome(
            fate=Fate.LATER,
            code=MOVED,
            detail=f"{why}; it goes by {to}",
            axis=to,
            refused=trail.refused,
            at_once=True,
        )

    async def _ask(self, name: str, routes: Sequence[str]) -> frozenset[str] | None:
        with contextlib.suppress(TransportFailure, TimeoutError):
            async with asyncio.timeout(ASK_S):
                return await self._axes[name].unhosted(routes)
        return None

    def _answers(self, name: str) -> bool:
        """Of an axis that never says who is hosted: whether it answered anything when it was asked."""
        axis = self._axes[name]
        return not axis.promises().unroutable_return and axis.state().connected_since is not None

    async def _counted(self, name: str) -> Mapping[str, int] | None:
        with contextlib.suppress(TransportFailure, TimeoutError):
            async with asyncio.timeout(self._patience_s):
                return await self._axes[name].counts()
        return None


def _sums(told: Sequence[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in told:
        for part, number in each.items():
            found[part] = found.get(part, 0) + number
    return found
