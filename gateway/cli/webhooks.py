"""`gateway webhooks`: addresses of an agency's programs that receive events. In: an address, types, an id. Out: the
webhooks with their state; a secret, printed once; the deliveries of events; or a removed webhook. Most commands make calls
of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import documents, output
from gateway.cli.command import Invocation, Overlap, argument, noun, option
from gateway.cli.node import CommandContext
from gateway.cli.operations import Fields, carry_out, makes_call, rows_printer
from gateway.cli.typed_times import span
from gateway.webhooks import parse_sequence

if TYPE_CHECKING:
    from gateway.api.resources.webhooks import DeliveryOut, TryOut, WebhookMade, WebhookOut

_COLUMNS = output.columns("id address=url state count at detail")
_LOG_COLUMNS = output.columns("sequence event=type state:webhook.delivery tries=attempts at reason detail")
Id = Annotated[str, argument("Id of the webhook (whk_…), from: gateway webhooks list")]


def _cells(call: Invocation, hook: WebhookOut) -> dict[str, str]:
    state = "failing" if hook.failing else hook.state
    return {
        "state": call.word(f"webhook.state.{state}"),
        "count": str(hook.waiting + hook.behind),
        "at": output.clock(hook.last_ok_at),
        "detail": call.word(f"webhook.why.{hook.paused_why}") if hook.paused_why else " ".join(hook.types),
    }


def _print_new(call: Invocation, answer: WebhookMade) -> None:
    _print_secret(call, answer, answer.secret or "")


def _print_secret(call: Invocation, answer: WebhookOut, secret: str) -> None:
    output.record(call, documents.as_json(answer) | {"secret": secret}, id_key="secret")
    call.say("webhook.once")


def _print_try(call: Invocation, answer: TryOut) -> None:
    output.record(call, documents.as_json(answer) | {"says": call.word(f"webhook.code.{answer.code}")})
    if answer.code != "ok":
        raise typer.Exit(output.NETWORK)


def _log_cells(call: Invocation, delivery: DeliveryOut) -> dict[str, str]:
    last = delivery.tries[-1] if delivery.tries else None
    return {
        "at": output.clock(last.at if last else delivery.first_at),
        "reason": call.word(f"webhook.code.{last.code}") if last else "",
        "detail": f"{last.status or ''} {last.answer}".strip() if last else "",
    }


verb = noun("webhooks").verb


@verb()
@makes_call("listWebhooks", tell=rows_printer(_COLUMNS, _cells))
def list_() -> Fields:
    """List the agency's webhooks and their states; a secret can never be shown again."""
    return {}


@verb(
    "https://qlvb.example.gov.vn/events",
    "https://qlvb.example.gov.vn/events --type 'message.*' --type inbox.received --after 0",
    writes=True,
)
@makes_call("makeWebhook", ask="webhook.ask.add", tell=_print_new)
def add(
    url: Annotated[str, argument("Where events are sent: https://…")],
    type_: Annotated[
        list[str] | None,
        option("A type of events, or the beginning of some as message.* (repeat); default: all.", "--type"),
    ] = None,
    note: Annotated[str, option("Note for people, such as the name of the program.")] = "",
    after: Annotated[
        int | None, option("Begin after this event; 0 for all events. Default: with the next event.", min=0)
    ] = None,
) -> Fields:
    """Send events to an address. The secret that signs them is printed now and only once."""
    return {"url": url, "types": type_ or [], "note": note, "after": after if after is None else str(after)}


@verb("whk_01K")
@makes_call("readWebhook")
def show(webhook: Id) -> Fields:
    """Show one webhook and its state."""
    return {}


@verb("whk_01K")
@makes_call("testWebhook", tell=_print_try)
def test(webhook: Id) -> Fields:
    """Send a test body now, which is not an event, and show the result; exit 6 if it was not delivered."""
    return {}


@verb("whk_01K", "whk_01K --overlap 0h --yes", writes=True)
async def rotate(call: Invocation, context: CommandContext, webhook: Id, overlap: Overlap = "24h") -> None:
    """Change the secret, printed now and only once. Bodies are signed with both until the overlap is over."""
    length = span(overlap)  # programs give whole hours
    call.ask("webhook.ask.rotate", id=webhook)
    secret, _ = await context.node.webhooks.rotate(context.scope, webhook, length)
    answer = await carry_out(call, context, "readWebhook", id=webhook)
    _print_secret(call, answer, secret)


@verb("whk_01K", writes=True)
async def pause(call: Invocation, context: CommandContext, webhook: Id) -> None:
    """Send nothing until it is resumed; events that happen meanwhile are sent then."""
    await _switch(call, context, webhook, "pause")


@verb("whk_01K", writes=True)
async def resume(call: Invocation, context: CommandContext, webhook: Id) -> None:
    """Continue where it stopped."""
    await _switch(call, context, webhook, "resume")


async def _switch(call: Invocation, context: CommandContext, webhook: str, act: str) -> None:
    """Pause or resume. Raise Clash where it is so already: a program may repeat a call, a person wants to know."""
    call.ask(f"webhook.ask.{act}", id=webhook)
    await getattr(context.node.webhooks, act)(context.scope, webhook)
    output.record(call, documents.as_json(await carry_out(call, context, "readWebhook", id=webhook)))


@verb("whk_01K", writes=True)
@makes_call("removeWebhook", ask="webhook.ask.remove")
def remove(webhook: Id) -> Fields:
    """Remove a webhook with the log of its deliveries."""
    return {}


@verb("whk_01K", "whk_01K --state failed -o ndjson")
@makes_call("listDeliveries", tell=rows_printer(_LOG_COLUMNS, _log_cells, id="event"))
def log(
    webhook: Id,
    state: Annotated[str | None, option("waiting, delivered or failed.")] = None,
    limit: Annotated[int, option("How many.", min=1, max=500)] = 50,
    cursor: Annotated[str | None, option("Continue after the previous page, with its cursor.")] = None,
) -> Fields:
    """List the deliveries of events, newest first, with the outcome and tries of each."""
    return {"state": state, "limit": limit, "cursor": cursor}


@verb("whk_01K evt_01K-1523", "whk_01K --failed --yes", writes=True)
async def redeliver(
    call: Invocation,
    context: CommandContext,
    webhook: Id,
    event: Annotated[list[str] | None, argument("Ids of events (evt_…) or their numbers.")] = None,
    failed: Annotated[bool, option("Every event that was given up.", "--failed")] = False,
) -> None:
    """Send events again, under the same ids."""
    if failed == bool(event):
        raise typer.BadParameter("name events, or give --failed")
    sequences = [parse_sequence(e) for e in event] if event else None
    call.ask("webhook.ask.redeliver", id=webhook)
    output.record(call, {"count": await context.node.webhooks.redeliver(context.scope, webhook, sequences)})
