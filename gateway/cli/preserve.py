"""`gateway preserve`: preservation orders (R129). In: documents or conditions, reason and decision, the deciding person's
name. Out: the order, all orders, or one that has ended; the first person asks for an end, a second one ends it. Needs the
role `head` or `trust`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from gateway.cli import output, people
from gateway.cli.command import Cursor, Invocation, Limit, Why, argument, noun, option
from gateway.cli.node import CommandContext, StoreContext
from gateway.cli.people import As
from gateway.cli.typed_times import day
from gateway.domain.preservation import Extent, PreservationOrder

_COLUMNS = output.columns("id state:cli.preserve about decision since=begun_at", dim="id")
Id = Annotated[str, argument("Id of the order, from: gateway preserve list")]
Day = Annotated[str | None, option("Day of the document: 2026-11-20.")]

verb = noun("preserve").verb


@verb("", "-o json")
async def list_(call: Invocation, context: StoreContext, limit: Limit = 50, cursor: Cursor = None) -> None:
    """List orders, newest first, with those that have ended."""
    async with context.node.store.read(context.scope) as work:
        page = await work.preservation.page(limit=limit, cursor=cursor)
    output.rows(
        call,
        [_record(call, order) for order in page.items],
        _COLUMNS,
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )


@verb(
    "--document inb_01J… --decision '12/QD-TTr' --why 'Asked for by inspectors' --as 'A. Head'",
    "--partner Z91.12 --since 2026-01-01 --decision '5/CV-CA' --why 'Investigation' --as 'A. Head' --yes",
    ask="cli.ask.preserve",
)
async def add(
    call: Invocation,
    context: CommandContext,
    decision: Annotated[str, option("Number of the paper that asks for it.")],
    why: Why,
    as_: As,
    document: Annotated[list[str] | None, option("Id of a document (repeat for more).")] = None,
    partner: Annotated[str, option("Code of the other agency.")] = "",
    since: Day = None,
    until: Day = None,
    file: Annotated[str, option("Code of the file of records.")] = "",
) -> None:
    """Order that named documents stay, or each that meets all conditions, also later ones."""
    from gateway import preservation

    extent = Extent(
        documents=tuple(document or ()),
        partner=partner.upper(),
        since=date.fromisoformat(day(since)) if since else None,
        until=date.fromisoformat(day(until)) if until else None,
        file_code=file,
    )
    scope = await people.decider(call, context, as_)
    node = context.node
    order = await preservation.begin(node.store, node.clock, scope, extent, why, decision)
    output.record(call, _record(call, order))


@verb("prs_01J… --why 'The conclusion was issued' --as 'A. Head'", writes=True)
async def ask_end(call: Invocation, context: CommandContext, order: Id, why: Why, as_: As) -> None:
    """Ask for the end of an order; it stays in force until a second person ends it."""
    from gateway import preservation

    scope = await people.decider(call, context, as_)
    waiting = await preservation.ask_end(context.node.store, context.node.clock, scope, order, why)
    output.record(call, _record(call, waiting))


@verb("prs_01J… --as 'B. Second'", ask="cli.ask.preserve_end")
async def end(call: Invocation, context: CommandContext, order: Id, as_: As) -> None:
    """End an order as the second person. What was due to go may then go."""
    from gateway import preservation

    scope = await people.decider(call, context, as_)
    ended = await preservation.end(context.node.store, context.node.clock, scope, order)
    output.record(call, _record(call, ended))


def _record(call: Invocation, order: PreservationOrder) -> dict[str, Any]:
    extent = order.extent
    values = {
        "partner": extent.partner,
        "since": extent.since.isoformat() if extent.since else "",
        "until": extent.until.isoformat() if extent.until else "",
        "file": extent.file_code,
    }
    conditions = ", ".join(f"{name} {value}" for name, value in values.items() if value)
    return output.fields(order, "id begun_at by reason decision ended_at ended_by") | {
        "state": "ended" if not order.is_open else "end_asked" if order.asked_end else "open",
        "about": conditions or call.word("cli.preserve.documents", count=len(extent.documents)),
        "documents": list(extent.documents),
        **values,
    }
