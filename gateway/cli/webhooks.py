"""`gateway webhooks`: addresses of an agency's programs that are told of events. In: an address, types, an id. Out: the
webhooks with how they go; a secret, printed once; what became of each event; or one that is told no more."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation
from gateway.cli.node import Seat, at_agency

if TYPE_CHECKING:
    from gateway.domain.webhook import Delivery, Endpoint, EndpointFigures, Try

_COLUMNS = output.columns("id", "address", "state", "count", "at", "detail")
_LOG_COLUMNS = output.columns("sequence", "event", "state", "tries", "at", "reason", "detail")
Id = Annotated[str, typer.Argument(help="Id of the webhook (whk_…), from: gateway webhooks list")]


def register(app: Group) -> None:
    group = app.noun("webhooks")
    group.verb(list_, "", "-o json")
    group.verb(
        add,
        "https://qlvb.example.gov.vn/events",
        "https://qlvb.example.gov.vn/events --type 'message.*' --type inbox.received --after 0",
        writes=True,
    )
    group.verb(show, "whk_01K", "whk_01K -o json")
    group.verb(test, "whk_01K", "whk_01K -o json")
    group.verb(rotate, "whk_01K", "whk_01K --overlap 0h --yes", writes=True)
    group.verb(pause, "whk_01K", "whk_01K --yes", writes=True)
    group.verb(resume, "whk_01K", "whk_01K --yes", writes=True)
    group.verb(remove, "whk_01K", "whk_01K --yes", writes=True)
    group.verb(log, "whk_01K", "whk_01K --state failed -o ndjson")
    group.verb(redeliver, "whk_01K evt_01K-1523", "whk_01K --failed --yes", writes=True)


async def list_(call: Invocation) -> None:
    """List the agency's webhooks, and how they go; a secret can never be shown again."""
    async with at_agency(call) as seat:
        found = await seat.node.webhooks.listed(seat.agency.id)
        figures = await seat.node.webhooks.rows.figures(seat.agency.id, [each.id for each in found])
    output.rows(
        call,
        [_shown(each, figures[each.id]) for each in found],
        _COLUMNS,
        [_cells(call, each, figures[each.id]) for each in found],
    )


async def add(
    call: Invocation,
    url: Annotated[str, typer.Argument(help="Where events are sent: https://…")],
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="A type of events, or the beginning of some as message.* (repeat); default: all."
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Which program it is, for people.")] = "",
    after: Annotated[
        int | None,
        typer.Option(min=0, help="Begin behind this event; 0 for everything. Default: what happens next."),
    ] = None,
) -> None:
    """Have events sent to an address. The secret that signs them is printed once, now."""
    from gateway.webhooks import WantedEndpoint

    async with at_agency(call) as seat:
        if not call.agrees("webhook.ask.add", url=output.plain(url), code=seat.agency.code):
            return
        wanted = WantedEndpoint(url=url, types=tuple(type_ or ()), note=note, after=after)
        secret, endpoint = await seat.node.webhooks.add(seat.scope, wanted)
        _told_secret(call, await _record(seat, endpoint), secret)


async def show(call: Invocation, webhook: Id) -> None:
    """Show one webhook, and how it goes."""
    async with at_agency(call) as seat:
        output.record(call, await _record(seat, await seat.node.webhooks.one(seat.agency.id, webhook)))


async def test(call: Invocation, webhook: Id) -> None:
    """Send a body that is no event, now, and say what came of it; exit 6 when it did not come through."""
    async with at_agency(call) as seat:
        done = await seat.node.webhooks.test(seat.scope, webhook, seat.agency.code)
    output.record(call, _try(done) | {"says": call.word(f"webhook.code.{done.code}")})
    if not done.is_good:
        raise typer.Exit(output.NETWORK)


async def rotate(
    call: Invocation,
    webhook: Id,
    overlap: Annotated[
        str, typer.Option(help="How long the one before is good too: 24h, 7d; 0h for not at all.")
    ] = "24h",
) -> None:
    """Give it another secret, printed once, now. Bodies are signed with both until the overlap is over."""
    from gateway.cli.send import span

    length: timedelta = span(overlap)
    async with at_agency(call) as seat:
        if call.agrees("webhook.ask.rotate", id=webhook):
            secret, endpoint = await seat.node.webhooks.rotate(seat.scope, webhook, length)
            _told_secret(call, await _record(seat, endpoint), secret)


async def pause(call: Invocation, webhook: Id) -> None:
    """Send nothing more until it goes on; what happens meanwhile is told then."""
    async with at_agency(call) as seat:
        if call.agrees("webhook.ask.pause", id=webhook):
            output.record(call, await _record(seat, await seat.node.webhooks.pause(seat.scope, webhook)))


async def resume(call: Invocation, webhook: Id) -> None:
    """Let it go on where it stopped."""
    async with at_agency(call) as seat:
        if call.agrees("webhook.ask.resume", id=webhook):
            output.record(call, await _record(seat, await seat.node.webhooks.resume(seat.scope, webhook)))


async def remove(call: Invocation, webhook: Id) -> None:
    """Remove a webhook, with what is known of its deliveries."""
    async with at_agency(call) as seat:
        if call.agrees("webhook.ask.remove", id=webhook):
            await seat.node.webhooks.remove(seat.scope, webhook)
            output.record(call, {"id": webhook})


async def log(
    call: Invocation,
    webhook: Id,
    state: Annotated[str | None, typer.Option(help="waiting, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    cursor: Annotated[int, typer.Option(min=0, help="Older than this event, as the last page said.")] = 0,
) -> None:
    """List what became of each event, newest first, with its tries."""
    from gateway.domain.webhook import DeliveryState, EndpointState

    if state is not None and state not in {each.value for each in DeliveryState}:
        raise typer.BadParameter(f"{state!r} is no state; expected {', '.join(DeliveryState)}")
    wanted = DeliveryState(state) if state is not None else None
    async with at_agency(call) as seat:
        endpoint = await seat.node.webhooks.one(seat.agency.id, webhook)
        found, has_more = await seat.node.webhooks.log(
            seat.agency.id, webhook, limit, before=cursor, state=wanted
        )
    is_active = endpoint.state is EndpointState.ACTIVE
    following = str(found[-1].sequence) if has_more else None
    records = [_delivery(one, is_active=is_active) for one in found]
    output.page(call, records, _LOG_COLUMNS, [_log_cells(call, each) for each in found], following)


async def redeliver(
    call: Invocation,
    webhook: Id,
    event: Annotated[list[str] | None, typer.Argument(help="Ids of events (evt_…) or their numbers.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every event that was given up.")] = False,
) -> None:
    """Tell events anew, under the same ids."""
    from gateway.webhooks import sequence_in

    if failed == bool(event):
        raise typer.BadParameter("name events, or give --failed")
    these = [sequence_in(each) for each in event] if event else None
    async with at_agency(call) as seat:
        if call.agrees("webhook.ask.redeliver", id=webhook):
            output.record(call, {"count": await seat.node.webhooks.redeliver(seat.scope, webhook, these)})


def _told_secret(call: Invocation, record: dict[str, Any], secret: str) -> None:
    output.record(call, record | {"secret": secret}, id_key="secret")
    call.say("webhook.once")


async def _record(seat: Seat, endpoint: Endpoint) -> dict[str, Any]:
    figures = await seat.node.webhooks.rows.figures(seat.agency.id, [endpoint.id])
    return _shown(endpoint, figures[endpoint.id])


def _shown(endpoint: Endpoint, figures: EndpointFigures) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": output.plain(endpoint.url),
        "types": list(endpoint.types),
        "note": output.plain(endpoint.note),
        "state": endpoint.state.value,
        "paused_why": endpoint.paused_why.value if endpoint.paused_why else None,
        "failing": endpoint.is_failing,
        "sequence": endpoint.cursor,
        **asdict(figures),
        "last_ok_at": output.stamp(endpoint.last_ok_at),
        "last_try_at": output.stamp(endpoint.last_try_at),
        "next_try_at": output.stamp(endpoint.next_try_at),
    }


def _cells(call: Invocation, endpoint: Endpoint, figures: EndpointFigures) -> tuple[str, ...]:
    word = "failing" if endpoint.is_failing else endpoint.state.value
    return (
        endpoint.id,
        endpoint.url,
        call.word(f"webhook.state.{word}"),
        str(figures.waiting + figures.behind),
        output.clock(endpoint.last_ok_at),
        call.word(f"webhook.why.{endpoint.paused_why}") if endpoint.paused_why else " ".join(endpoint.types),
    )


def _try(done: Try) -> dict[str, Any]:
    return {
        "at": output.stamp(done.at),
        "code": done.code.value,
        "status": done.status,
        "took_ms": done.took_ms,
        "answer": done.said,
    }


def _delivery(each: Delivery, *, is_active: bool) -> dict[str, Any]:
    return {
        "id": each.event_id,
        "sequence": each.sequence,
        "type": each.kind,
        "state": each.state.value,
        "attempts": each.attempts,
        "first_at": output.stamp(each.first_at),
        "next_try_at": output.stamp(each.due_at if is_active else None),
        "tries": [_try(one) for one in each.tries],
    }


def _log_cells(call: Invocation, each: Delivery) -> tuple[str, ...]:
    last = each.last
    return (
        str(each.sequence),
        each.kind,
        call.word(f"webhook.delivery.{each.state}"),
        str(each.attempts),
        output.clock(last.at if last else each.first_at),
        call.word(f"webhook.code.{last.code}") if last else "",
        f"{last.status or ''} {last.said}".strip() if last else "",
    )
