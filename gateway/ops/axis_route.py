"""Explains the route of mail to one code, at this moment. In: open axes, the host of each code, sender and
recipient. Out: the route that applies, its axes in their order with the state of each, and the step that would come now.
Every axis is asked; one that does not answer counts as away at once, whatever its patience is. Nothing is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from gateway.bootstrap.axis import join_axes
from gateway.clock import SystemClock
from gateway.domain.forms import Form
from gateway.domain.routes import RouteTable, Turn
from gateway.errors import GatewayError
from gateway.ports.axis import ManagedAxis, each_axis
from gateway.settings import Settings
from gateway.settings.axes import rules
from gateway.transport.routed import HostOf

ASK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisCondition:
    """State of one axis of a route: `up`, `idle`, `blocked` or `down`, and why."""

    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplained:
    """Explanation of a route. `by` is the axis that would be handed the next packet, moved to, or waited for. A node with
    one axis has one route, which waits for it."""

    code: str
    sender: str
    node: str | None = None
    route: str = "*"
    away: str = "wait"
    unsure: str = "wait"
    axes: tuple[AxisCondition, ...]
    turn: str
    by: str
    form: str = Form.STANDARD.value


async def explain_route(
    settings: Settings, axis: ManagedAxis, host_of: HostOf, sender: str, code: str
) -> RouteExplained:
    """Explain a route. `axis` is that of the settings."""
    axes = each_axis(axis)
    if not settings.axes:
        only_state = await _state_of(settings.axis.kind, axis)
        turn = Turn.WAIT if only_state.state == "down" else Turn.SEND
        return RouteExplained(code=code, sender=sender, axes=(only_state,), turn=turn, by=only_state.name)
    impatient = tuple(replace(a, away_s=0) for a in settings.axes)
    trial = join_axes(replace(settings, axes=impatient), axes, SystemClock(), host_of)
    first = await trial.choose_axis(sender, code)
    states = await asyncio.gather(*(_state_of(name, axes[name]) for name in first.order))
    for a in states:
        if a.state == "down":
            trial.circuits[a.name].note_send_failure(a.reason)
    now = await trial.choose_axis(sender, code)
    return RouteExplained(
        code=code,
        sender=sender,
        node=now.node,
        route=str(now.rule),
        away=now.rule.away,
        unsure=now.rule.unsure,
        axes=tuple(states),
        turn=now.turn,
        by=now.axis,
        form=now.rule.form.value,
    )


async def form_by_settings(settings: Settings, host_of: HostOf, sender: str, code: str) -> Form:
    """Return the form of mail to that code; no axis is asked."""
    if not settings.axes:
        return Form.STANDARD
    table = RouteTable(rules(settings.routes))
    return table.rule(sender, code, await host_of(code) if table.asks_for_nodes else None).form


async def _state_of(name: str, axis: ManagedAxis) -> AxisCondition:
    try:
        async with asyncio.timeout(ASK_S):
            await axis.counts()
    except (GatewayError, TimeoutError) as error:
        reason = axis.state().reason or str(error) or "it does not answer"
        return AxisCondition(name=name, state="down", reason=reason)
    state = axis.state()
    word = "up" if state.word == "partly" else state.word
    return AxisCondition(name=name, state=word, reason=state.reason)
