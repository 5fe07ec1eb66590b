"""Waiting for what becomes of a sent document. In: the document and a goal. Out: nothing, once every recipient has reached
the goal, with progress on stderr; a refusal, a failure or a timeout is the error whose exit code a script acts on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import typer

from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext
from gateway.cli.typed_times import span
from gateway.domain.document import Delivery, OutState
from gateway.domain.states import CODES, HAS_IT, IN_QUEUE, State
from gateway.errors import BrokerRefused, Clash, Waiting

_ORDER = (*IN_QUEUE, State.SENT, *(row.key for row in CODES.values() if row.key in HAS_IT))
_GOALS = (State.SENT, State.DELIVERED, State.ACCEPTED, State.DONE)
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """State that every recipient should reach, and the time for it."""

    state: str
    within: timedelta


class NotYet(Waiting):
    """The time given was not enough; nothing is lost, and it goes on without us."""

    code = "GW-NOT-YET"
    label_key = "cli.not_yet"


def parse_goal(wait: str | None, timeout: str) -> Goal | None:
    """Make the goal of --wait and --timeout; a usage error lists the states."""
    if wait is None:
        return None
    if wait not in _GOALS:
        raise typer.BadParameter(f"--wait {wait!r}: expected one of {', '.join(_GOALS)}")
    return Goal(state=wait, within=span(timeout))


async def wait_until(call: Invocation, context: CommandContext, document_id: str, goal: Goal) -> None:
    """Return when all recipients have reached the goal; raise Clash if refused, BrokerRefused if unsent, or Waiting."""
    ends = context.node.clock.now() + goal.within
    last_text = ""
    while True:
        async with context.node.store.read(context.scope) as work:
            document = await work.outgoing.get(document_id)
            deliveries = await work.deliveries.of_document(document_id)
        if document.state in (OutState.BLOCKED, OutState.CANCELLED):
            raise Clash(
                f"{document_id} is {document.state}: {document.state_reason or 'it will not be sent'}"
            )
        if document.state is OutState.PAPER:
            raise Clash(f"{document_id} goes on paper and never over the axis: there is nothing to wait for")
        _raise_if_stopped(deliveries)
        reached_count = sum(_reached(d, goal.state) for d in deliveries)
        progress = f"{reached_count}/{len(deliveries)}"
        if progress != last_text:
            call.say("cli.waiting", there=progress, state=call.word(f"state.{goal.state}"))
            last_text = progress
        if deliveries and reached_count == len(deliveries):
            return
        if context.node.clock.now() >= ends:
            raise NotYet(
                f"{document_id}: {progress} recipients are {goal.state} after {goal.within}",
                hint=f"it goes on by itself while the node runs (gateway serve); look with: "
                f"gateway outbox show {document_id}",
            )
        await context.node.clock.sleep(_LOOK_S)


def _reached(delivery: Delivery, state: str) -> bool:
    return delivery.state in _ORDER and _ORDER.index(delivery.state) >= _ORDER.index(state)


def _raise_if_stopped(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        if delivery.state == State.REJECTED:
            raise Clash(f"{delivery.recipient.code} refused the document; read why with: gateway outbox show")
        if delivery.state == State.FAILED:
            raise BrokerRefused(f"the document could not be sent to {delivery.recipient.code}")
