"""Publishes over several axes by a table of routes. In: named axes, the table, which node hosts which code. Out: a
`ManagedAxis` whose outcomes name their axis. Hosting and taking are in `gathered`.

One publish hands a recipient to one axis only. When this axis refuses a parcel, or is away, the outcome says to move;
another axis gets the parcel at the next try, after the move was stored: so a crash never sends one parcel by two axes. A
parcel that an axis may have without confirming it stays with that axis, unless the route allows more."""

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
from gateway.ports.axis import Arrival, AxisState, DeadParcel, Fate, ManagedAxis, Outcome, Parcel, Promises
from gateway.ports.services import Clock
from gateway.transport.gathered import WAIT_S, Circuit, GatheredAxes

HostOf = Callable[[str], Awaitable[str | None]]
"""Returns the node that hosts a code by the registry."""
AXIS_MOVED, AXIS_AWAY, NO_ROUTE, AXIS_REMOVED = "axis-moved", "axis-away", "no-route", "axis-gone"
# A publish that is silent for this time has failed; a large parcel gets the time of its bytes on top.
PATIENCE_S, BYTES_A_SECOND = 30.0, 128 * 1024
ASK_S = 5.0
_OF_RECIPIENT = "axis-bindings"  # the problem is the recipient's; its axis answers


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenAxis:
    """Route of one recipient at this moment: the rule, its axes in order, and the next step."""

    rule: Rule
    node: str | None
    order: tuple[str, ...]
    turn: Turn
    axis: str


async def nobody(code: str) -> str | None:
    """Look up no host: for tables without rules by node."""
    return None


class RoutedAxis:
    """Several axes as one `ManagedAxis`. Its creator calls `close`, which closes all of them."""

    def __init__(
        self,
        axes: Mapping[str, ManagedAxis],
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
        self._in = GatheredAxes(self._axes, self.circuits, self._chooser.serves, wait_s)

    @property
    def axes(self) -> Mapping[str, ManagedAxis]:
        """The axes by name."""
        return self._axes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every axis, even where one fails to close. A second call does nothing."""
        await self._in.close()
        await asyncio.gather(*(axis.close() for axis in self._axes.values()), return_exceptions=True)

    async def choose_axis(self, sender: str, code: str, trail: Trail = FRESH) -> ChosenAxis:
        """Return which axis this recipient's mail would take now; nothing is sent."""
        node = await self._host_of(code) if self._table.asks_for_nodes else None
        rule = self._table.rule(sender, code, node)
        choice = self._chooser.choose(rule, sender, trail)
        order = tuple(self._chooser.order(rule, sender, trail))
        return ChosenAxis(rule=rule, node=node, order=order, turn=choice.turn, axis=choice.axis)

    async def order(self, sender: str, code: str) -> Sequence[str]:
        """Return the axes that may carry this recipient's mail, in order."""
        return (await self.choose_axis(sender, code)).order

    async def form(self, sender: str, code: str) -> Form:
        """Return the form in which this recipient gets packets."""
        return (await self._rule(sender, code)).form

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Publish to each recipient by the axis of its route, and return outcomes that name their axis. RETRY with
        `at_once` means that another axis is to be tried at once."""
        outcomes: dict[str, Outcome] = {}
        routes_by_axis: dict[str, dict[Form, list[str]]] = {}
        rules = {route: await self._rule(parcel.sender, route) for route in routes}
        await self._look_for_those_away(rules)
        for route in routes:
            trail = parcel.trails.get(route, FRESH)
            choice = self._choose_axis(rules[route], parcel.sender, route, trail)
            if isinstance(choice, Outcome):
                outcomes[route] = choice
            else:
                form = self._form(choice, rules[route])
                routes_by_axis.setdefault(choice, {}).setdefault(form, []).append(route)
        answers = await asyncio.gather(
            *(
                self._hand_over_by_form(name, parcel, routes_by_form)
                for name, routes_by_form in routes_by_axis.items()
            )
        )
        for name, axis_outcomes in zip(routes_by_axis, answers, strict=True):
            for route, outcome in axis_outcomes.items():
                meters.AXIS_OUTCOMES.add(axis=name, fate=outcome.fate)
                trail = parcel.trails.get(route, FRESH)
                outcomes[route] = self._apply_routes(rules[route], parcel.sender, trail, name, outcome)
        return outcomes

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Return the codes that no axis of their routes reaches; a code is left out where one of its axes gave no
        answer. None when no axis answers."""
        order = {
            route: tuple(self._chooser.order(await self._rule("", route), "")) or tuple(self._axes)
            for route in routes
        }
        routes_by_axis = {name: [route for route in routes if name in order[route]] for name in self._axes}
        names = [name for name in self._axes if routes_by_axis[name]]
        replies = await asyncio.gather(*(self._ask(name, routes_by_axis[name]) for name in names))
        answers = dict(zip(names, replies, strict=True))
        if all(answer is None for answer in answers.values()):
            return None if routes else frozenset()
        return frozenset(
            route for route in routes if all(route in (answers[name] or ()) for name in order[route])
        )

    async def host(self, codes: Sequence[str]) -> None:
        await self._in.host(codes)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        return await self._in.take(limit, lease_s)

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        axis = self._axes.get(arrival.axis)
        if axis is not None:  # where the axis is no longer configured, its lease just expires
            await axis.settle(arrival, is_done=is_done)

    async def put_aside(self, arrival: Arrival) -> None:
        if (axis := self._axes.get(arrival.axis)) is not None:
            await axis.put_aside(arrival)

    async def wait(self, timeout_s: float) -> None:
        await self._in.wait(timeout_s)

    def promises(self) -> Promises:
        """Return the promises that all axes keep, because a parcel's axis is not known in advance."""
        promises = [axis.promises() for axis in self._axes.values()]
        common = {name: all(getattr(p, name) for p in promises) for name in Promises.__slots__}
        return Promises(**common)

    def state(self) -> AxisState:
        """Return the joint state: connected while one axis works; the reason names those that fail."""
        states = {name: axis.state() for name, axis in self._axes.items()}
        away = {name: self.circuits[name] for name in states if self.circuits[name].since is not None}
        up = [
            state.connected_since
            for name, state in states.items()
            if name not in away and state.connected_since
        ]
        since = [at for circuit in away.values() if (at := circuit.since) is not None]
        return AxisState(
            connected_since=max(up, default=None),
            down_since=min(since, default=None),
            reason="; ".join(f"{name}: {circuit.why}" for name, circuit in away.items()),
            servers=tuple(f"{name}: {server}" for name, state in states.items() for server in state.servers),
        )

    def state_of(self, name: str) -> AxisState:
        """Return one axis's state, as down where its circuit sees failures."""
        state, circuit = self._axes[name].state(), self.circuits[name]
        if circuit.since is None or state.blocked_since is not None:
            return state
        return replace(state, connected_since=None, down_since=circuit.since, reason=circuit.why)

    async def counts(self) -> Mapping[str, int]:
        """Sum the counts of the axes that answer. Unreachable when none does."""
        replies = await asyncio.gather(*(self._counted(name) for name in self._axes))
        answered = [reply for reply in replies if reply is not None]
        if not answered:
            raise Unreachable(f"no axis answers: {self.state().reason}")
        return _sums(answered)

    async def oldest(self) -> datetime | None:
        """Return the oldest waiting time among the axes that answer."""
        times = await asyncio.gather(*(self._oldest(axis) for axis in self._axes.values()))
        return min((time for time in times if time is not None), default=None)

    async def _oldest(self, axis: ManagedAxis) -> datetime | None:
        try:
            async with asyncio.timeout(self._patience_s):
                return await axis.oldest()
        except (TransportFailure, TimeoutError):
            return None

    def in_hand(self) -> Mapping[str, int]:
        return _sums([axis.in_hand() for axis in self._axes.values()])

    async def dead_list(self) -> Sequence[DeadParcel]:
        """List the dead parcels of the axes that answer, oldest first; ids begin with the axis's name. Raises when no
        axis answers."""
        parcels: list[DeadParcel] = []
        silent: list[GatewayError] = []
        for name, axis in self._axes.items():
            try:
                async with asyncio.timeout(self._patience_s):
                    dead = await axis.dead_list()
            except (TransportFailure, TimeoutError) as error:
                silent.append(error if isinstance(error, GatewayError) else Unreachable(f"{name}: no answer"))
                continue
            parcels += [replace(parcel, id=f"{name}:{parcel.id}", axis=name) for parcel in dead]
        if silent and len(silent) == len(self._axes):
            raise silent[0]
        return sorted(
            parcels,
            key=lambda parcel: (parcel.dead_at is None, parcel.dead_at and parcel.dead_at.timestamp()),
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

    def _dead(self, id: str) -> tuple[ManagedAxis, str]:
        """Split the id of a dead parcel into its axis and the axis's own id."""
        name, _, own = id.partition(":")
        if name not in self._axes or not own:
            raise NotFound(
                f"no parcel {id!r} on a dead list: an id is AXIS:NUMBER, of {', '.join(self._axes)}"
            )
        return self._axes[name], own

    async def _rule(self, sender: str, code: str) -> Rule:
        node = await self._host_of(code) if self._table.asks_for_nodes else None
        return self._table.rule(sender, code, node)

    def _choose_axis(self, rule: Rule, sender: str, route: str, trail: Trail) -> Outcome | str:
        """Choose the axis to publish by, or the outcome to return without publishing."""
        choice = self._chooser.choose(rule, sender, trail)
        if choice.turn is Turn.SEND:
            return choice.axis
        if choice.turn is Turn.NEVER:
            detail = (
                f"no axis that may carry mail of {sender} to {route} is left; see: gateway axis route {route}"
            )
            return Outcome(fate=Fate.NEVER, code=NO_ROUTE, detail=detail, refused=trail.refused)
        if choice.turn is Turn.MOVE:
            absent = self._chooser.order(rule, sender, trail)[0]
            return self._moved(trail, choice.axis, f"{absent} is away: {self.circuits[absent].why}")
        if choice.is_removed:
            detail = (
                f"it may lie with the axis {choice.axis}, which is not among the settings any more; "
                "cancel and send it anew, or allow another way with unsure = next"
            )
            return Outcome(fate=Fate.RETRY, code=AXIS_REMOVED, detail=detail, unsure=True, axis=choice.axis)
        circuit = self.circuits[choice.axis]
        if circuit.may_send():
            return choice.axis  # the only way left is tried now and then
        doubt = ", and may have it already" if trail.unsure else ""
        return Outcome(
            fate=Fate.RETRY,
            code=AXIS_AWAY,
            detail=f"the axis {choice.axis} is away{doubt}: {circuit.why}; it waits for it",
            unsure=trail.unsure,
            axis=choice.axis,
            refused=trail.refused,
        )

    def _form(self, name: str, rule: Rule) -> Form:
        """Return the form for this axis. A reply may leave by an axis that its route does not name, and that needs
        signatures."""
        return Form.STANDARD if self._axes[name].promises().needs_signature else rule.form

    async def _hand_over_by_form(
        self, name: str, parcel: Parcel, routes_by_form: Mapping[Form, Sequence[str]]
    ) -> Mapping[str, Outcome]:
        """Publish each form by itself, in sequence, because an axis may take the forms for one document."""
        outcomes: dict[str, Outcome] = {}
        for form in sorted(routes_by_form, key=list(Form).index):
            outcomes |= await self._hand_over(name, replace(parcel, form=form), routes_by_form[form])
        return outcomes

    async def _hand_over(self, name: str, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Publish by one axis within its time, note success or failure in its circuit, and return the outcomes."""
        circuit, axis = self.circuits[name], self._axes[name]
        try:
            async with asyncio.timeout(self._patience_s + parcel.size / BYTES_A_SECOND):
                outcomes = await axis.publish(parcel, routes)
        except TimeoutError:
            circuit.note_send_failure("it did not answer in time")
            silent = Outcome(
                fate=Fate.RETRY, code="axis-slow", detail=f"{name} did not answer in time", unsure=True
            )
            return dict.fromkeys(routes, silent)
        except TransportFailure as error:
            if error.permanent:
                circuit.note_sent()
                return dict.fromkeys(routes, Outcome(fate=Fate.NEVER, code=error.code, detail=str(error)))
            circuit.note_send_failure(str(error))
            refusal = Outcome(fate=Fate.RETRY, code=error.code, detail=str(error), unsure=error.unsure)
            return dict.fromkeys(routes, refusal)
        if all(outcome.fate is Fate.RETRY and outcome.code != _OF_RECIPIENT for outcome in outcomes.values()):
            circuit.note_send_failure(next(iter(outcomes.values())).detail)
        else:
            circuit.note_sent()
        return outcomes

    async def _look_for_those_away(self, rules: Mapping[str, Rule]) -> None:
        """Probe axes that are away, from time to time, by a question that sends nothing: mail meanwhile goes another way
        and would not notice that they are back."""
        route_by_axis = {
            name: route
            for route, rule in rules.items()
            for name in rule.axes
            if self.circuits[name].is_away() and self.circuits[name].may_send()
        }
        answers = await asyncio.gather(*(self._ask(name, [route]) for name, route in route_by_axis.items()))
        for name, answer in zip(route_by_axis, answers, strict=True):
            if answer is None and not self._answers(name):
                self.circuits[name].note_send_failure(self.circuits[name].why or "it does not answer")
            else:
                self.circuits[name].note_sent()

    def _apply_routes(self, rule: Rule, sender: str, trail: Trail, by: str, outcome: Outcome) -> Outcome:
        """Return one axis's outcome as the routes treat it: kept with this axis, or moved to the next one."""
        if outcome.fate is Fate.RETRY:
            current = Trail(axis=by, unsure=outcome.unsure or trail.unsure, refused=trail.refused)
            choice = self._chooser.choose(rule, sender, current)
            if choice.turn is Turn.MOVE:
                return self._moved(current, choice.axis, f"{by} is away: {outcome.detail}")
            return replace(outcome, axis=by, unsure=current.unsure, refused=current.refused)
        if outcome.fate is Fate.DELIVERED:
            return replace(outcome, axis=by)
        choice = self._chooser.after_refusal(rule, sender, trail, by)
        # The parcel may be there already, so a person decides.
        must_stay = outcome.unsure and rule.unsure is OnTrouble.WAIT
        if must_stay or choice.turn is not Turn.MOVE:
            return replace(outcome, axis=by, refused=trail.refused)
        refused = replace(trail, refused=(*trail.refused, by))
        return self._moved(refused, choice.axis, f"{by} does not reach it: {outcome.detail}")

    def _moved(self, trail: Trail, to: str, why: str) -> Outcome:
        """Return the outcome that moves the parcel to another axis."""
        meters.AXIS_MOVED.add(axis=to)
        return Outcome(
            fate=Fate.RETRY,
            code=AXIS_MOVED,
            detail=f"{why}; it goes by {to}",
            axis=to,
            refused=trail.refused,
            at_once=True,
        )

    async def _ask(self, name: str, routes: Sequence[str]) -> frozenset[str] | None:
        """Ask one axis which routes are unhosted; None when it does not answer soon."""
        with contextlib.suppress(TransportFailure, TimeoutError):
            async with asyncio.timeout(ASK_S):
                return await self._axes[name].unhosted(routes)
        return None

    def _answers(self, name: str) -> bool:
        """Tell whether the axis is connected although it cannot say who is hosted."""
        axis = self._axes[name]
        return not axis.promises().unroutable_return and axis.state().connected_since is not None

    async def _counted(self, name: str) -> Mapping[str, int] | None:
        with contextlib.suppress(TransportFailure, TimeoutError):
            async with asyncio.timeout(self._patience_s):
                return await self._axes[name].counts()
        return None


def _sums(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for numbers in counts:
        for part, number in numbers.items():
            totals[part] = totals.get(part, 0) + number
    return totals
