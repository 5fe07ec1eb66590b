"""Explains the way of mail to one code, as it is at this moment. In: open axes, who hosts which code, sender and recipient.
Out: the route that holds, its axes in their order with the state of each, and what would be done now. Every axis is
asked; one that does not answer counts as away at once, whatever its patience is. Nothing is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from gateway.bootstrap.axis import routed
from gateway.clock import SystemClock
from gateway.domain.forms import Form
from gateway.domain.routes import RouteTable, Turn
from gateway.errors import GatewayError
from gateway.ports.axis import AxisDesk, each_axis
from gateway.settings import Settings
from gateway.settings.axes import rules
from gateway.transport.routed import HostOf

ASK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisSeen:
    """One axis of a route: `up`, `idle`, `blocked` or `down`, and why."""

    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplained:
    """`by` is the axis that would be handed the next packet, moved to, or waited for."""

    code: str
    sender: str
    node: str | None
    route: str
    away: str
    unsure: str
    axes: tuple[AxisSeen, ...]
    turn: str
    by: str
    form: str = Form.STANDARD.value


async def explained(
    settings: Settings, axis: AxisDesk, host_of: HostOf, sender: str, code: str
) -> RouteExplained:
    """`axis` is that of the settings."""
    each = each_axis(axis)
    if not settings.axes:
        seen = await _seen(settings.axis.kind, axis)
        turn = Turn.WAIT if seen.state == "down" else Turn.SEND
        return RouteExplained(
            code=code,
            sender=sender,
            node=None,
            route="*",
            away="wait",
            unsure="wait",
            axes=(seen,),
            turn=turn,
            by=seen.name,
        )
    impatient = tuple(replace(one, away_s=0) for one in settings.axes)
    asked = routed(replace(settings, axes=impatient), each, SystemClock(), host_of)
    way = await asked.way(sender, code)
    found = await asyncio.gather(*(_seen(name, each[name]) for name in way.order))
    for one in found:
        if one.state == "down":
            asked.circuits[one.name].not_sent(one.reason)
    now = await asked.way(sender, code)
    return RouteExplained(
        code=code,
        sender=sender,
        node=now.node,
        route=str(now.rule),
        away=now.rule.away,
        unsure=now.rule.unsure,
        axes=tuple(found),
        turn=now.turn,
        by=now.axis,
        form=now.rule.form.value,
    )


async def form_by_settings(settings: Settings, host_of: HostOf, sender: str, code: str) -> Form:
    """How mail to that code is written; no axis is asked."""
    if not settings.axes:
        return Form.STANDARD
    table = RouteTable(rules(settings.routes))
    return table.rule(sender, code, await host_of(code) if table.asks_for_nodes else None).form


async def _seen(name: str, axis: AxisDesk) -> AxisSeen:
    try:
        async with asyncio.timeout(ASK_S):
            await axis.counts()
    except (GatewayError, TimeoutError) as error:
        reason = axis.state().reason or str(error) or "it does not answer"
        return AxisSeen(name=name, state="down", reason=reason)
    state = axis.state()
    word = "up" if state.word == "partly" else state.word
    return AxisSeen(name=name, state=word, reason=state.reason)
