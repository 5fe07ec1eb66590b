"""Waits until every recipient of a document has reached a state. In: a document's id, a goal. Out: nothing when all are
there; a refusal, a failure or the end of time as the error whose exit code a script acts on. Progress on stderr."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import typer

from gateway.cli.command import Call
from gateway.cli.node import Seat
from gateway.domain.document import Delivery, OutState
from gateway.errors import BrokerRefused, Clash, Waiting

_ORDER = ("queued", "sending", "sent", "delivered", "accepted", "assigned", "processing", "done")
_GOALS = ("sent", "delivered", "accepted", "done")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Where every recipient should get, and by when."""

    state: str
    within: timedelta


class NotYet(Waiting):
    """The time given was not enough; nothing is lost, and it goes on without us."""

    code = "GW-NOT-YET"
    label_key = "cli.not_yet"


def goal(wait: str | None, timeout: str) -> Goal | None:
    """The goal of --wait and --timeout; a usage error that lists the states otherwise."""
    if wait is None:
        return None
    if wait not in _GOALS:
        raise typer.BadParameter(f"--wait {wait!r}: expected one of {', '.join(_GOALS)}")
    return Goal(state=wait, within=span(timeout))


def span(text: str) -> timedelta:
    """90s, 30m, 2h or 7d."""
    found = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no length of time; write 90s, 30m, 2h or 7d")
    return timedelta(seconds=int(found[1]) * (_UNITS | {"d": 86400})[found[2]])


async def until(call: Call, seat: Seat, document_id: str, goal: Goal) -> None:
    """Returns when all are there. Clash: refused, cancelled or blocked; BrokerRefused: not sent; Waiting: too late."""
    ends = seat.node.clock.now() + goal.within
    told = ""
    while True:
        async with seat.node.store.read(seat.scope) as work:
            document = await work.outgoing.get(document_id)
            deliveries = await work.deliveries.of(document_id)
        if document.state in (OutState.BLOCKED, OutState.CANCELLED):
            raise Clash(
                f"{document_id} is {document.state}: {document.state_reason or 'it will not be sent'}"
            )
        if document.state is OutState.PAPER:
            raise Clash(f"{document_id} goes on paper and never over the axis: there is nothing to wait for")
        _stopped(deliveries)
        there = sum(_reached(each, goal.state) for each in deliveries)
        now = f"{there}/{len(deliveries)}"
        if now != told:
            call.say("cli.waiting", there=now, state=call.word(f"state.{goal.state}"))
            told = now
        if deliveries and there == len(deliveries):
            return
        if seat.node.clock.now() >= ends:
            raise NotYet(
                f"{document_id}: {now} recipients are {goal.state} after {goal.within}",
                hint=f"it goes on by itself while the node runs (gateway serve); look with: "
                f"gateway outbox show {document_id}",
            )
        await seat.node.clock.sleep(_LOOK_S)


def _reached(delivery: Delivery, state: str) -> bool:
    return delivery.state in _ORDER and _ORDER.index(delivery.state) >= _ORDER.index(state)


def _stopped(deliveries: Sequence[Delivery]) -> None:
    for each in deliveries:
        if each.state == "rejected":
            raise Clash(f"{each.recipient.code} refused the document; read why with: gateway outbox show")
        if each.state == "failed":
            raise BrokerRefused(f"the document could not be sent to {each.recipient.code}")
