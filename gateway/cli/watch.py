"""`gateway watch`: the live feed of one agency's events, a line each, as they are numbered. In: where to begin, perhaps
one document. Out: a stream that ends with Ctrl+C, or after --once with what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import output, shapes
from gateway.cli.command import Call, Format, verb
from gateway.cli.node import Seat, at_agency, run
from gateway.domain.event import Event

_PAGE = 200
# Events of other processes ring no bell here, so the feed looks by itself.
_LOOK_S = 0.5


def register(app: typer.Typer) -> None:
    verb(app, "watch", examples=("gateway watch", "gateway watch --id msg_01J… -o ndjson"))(watch)


def watch(
    call: Call,
    id: Annotated[
        str | None, typer.Option("--id", help="Only what concerns this document or packet.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this number; 0 for everything.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print what is there and end.")] = False,
) -> None:
    """Print events as they happen, oldest first. Ctrl+C ends it."""
    run(_watch(call, id, after, once))


async def _watch(call: Call, id: str | None, after: int | None, once: bool) -> None:
    async with at_agency(call) as seat:
        seq = after if after is not None else (0 if id or once else await _end(seat))
        while True:
            found = await seat.node.store.events_after(seat.agency.id, seq, _PAGE)
            for each in found:
                seq = each.agency_seq or seq
                if id is None or id in (each.subject_id, *map(str, each.data.values())):
                    _print(call, each)
            if once and len(found) < _PAGE:
                return
            if not found:
                await seat.node.clock.sleep(_LOOK_S)


async def _end(seat: Seat) -> int:
    """The number of the newest event now."""
    seq = 0
    while found := await seat.node.store.events_after(seat.agency.id, seq, _PAGE):
        seq = found[-1].agency_seq or seq
    return seq


def _print(call: Call, event: Event) -> None:
    if call.quiet:
        print(event.subject_id, flush=True)
    elif call.output is Format.TABLE:
        line = f"{output.clock(event.at)}  {event.kind:<26}  {event.subject_id}  {shapes.detail(event)}"
        print(output.plain(line).rstrip(), flush=True)
    else:
        output.stream(shapes.event(event))
