"""`gateway inbox`: incoming documents and packets that did not become one. In: an id or a number. Out: lists, one
document with its checks, or files in a folder. What a clerk does with them is in `inbox_acts`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import finding, inbox_acts, output, shapes
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import at_agency, run
from gateway.cli.nouns import NOUNS
from gateway.domain.document import InState
from gateway.domain.status import fold_incoming

if TYPE_CHECKING:
    from gateway.ports import InboxItem

Which = Annotated[str, typer.Argument(help="Id, or number/symbol.")]

_COLUMNS = (
    ("cli.column.id", "dim"),
    ("cli.column.kind", ""),
    ("cli.column.from", ""),
    ("cli.column.number", ""),
    ("cli.column.date", ""),
    ("cli.column.subject", ""),
    ("cli.column.state", ""),
    ("cli.column.register_no", ""),
    ("cli.column.arrived", ""),
)
_PACKET_COLUMNS = (
    ("cli.column.id", "dim"),
    ("cli.column.state", ""),
    ("cli.column.finding", ""),
    ("cli.column.from", ""),
    ("cli.column.reason", ""),
    ("cli.column.arrived", ""),
)
_QUARANTINE = ("waiting", "held", "quarantined", "malformed", "sealed")
_PACKET_STATES = (*_QUARANTINE, "landed", "done", "released", "returned", "discarded", "dropped")


def register(app: typer.Typer) -> None:
    group = noun("inbox", NOUNS["inbox"])
    verb(
        group, "list", examples=("gateway inbox list --state new", "gateway inbox list --quarantine -o json")
    )(list_)
    verb(group, "show", examples=("gateway inbox show 88/SNV-VP", "gateway inbox show inb_01J… -o json"))(
        show
    )
    verb(
        group,
        "pull",
        examples=(
            "gateway inbox pull /srv/qlvb/in",
            "gateway inbox pull /srv/qlvb/in --limit 100 --keep -o ndjson",
        ),
        writes=True,
    )(pull)
    inbox_acts.register(group)
    app.add_typer(group)


def list_(
    call: Call,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (repeat for more).")] = None,
    query: Annotated[str | None, typer.Option(help="Number, sender or words of the subject.")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Packets that wait, are held, or were set aside.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
) -> None:
    """List incoming documents, newest first; or packets in quarantine."""
    if quarantine:
        run(_packets(call, finding.states(state or [], _PACKET_STATES), limit, cursor))
    else:
        run(_list(call, finding.states(state or [], [*InState]), query, limit, cursor))


async def _list(call: Call, states: list[str], query: str | None, limit: int, cursor: str | None) -> None:
    from gateway.incoming import around

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.incoming.page(limit=limit, cursor=cursor, states=states, query=query)
        beside = await around.look(work, page.items, await seat.node.inn.office())
        aside = await work.inbox.page(limit=1, states=("held", "quarantined", "malformed"))
    output.rows(
        call,
        [shapes.incoming(call, *each) for each in zip(page.items, beside, strict=True)],
        _COLUMNS,
        [shapes.incoming_cells(call, each) for each in page.items],
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )
    _more(call, page.next_cursor)
    if aside.items and call.output is Format.TABLE:
        call.say("cli.quarantine_waits")


async def _packets(call: Call, states: list[str], limit: int, cursor: str | None) -> None:
    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        page = await work.inbox.page(limit=limit, cursor=cursor, states=states or _QUARANTINE)
    output.rows(
        call,
        [shapes.packet(call, each) for each in page.items],
        _PACKET_COLUMNS,
        [_packet_cells(call, each) for each in page.items],
        extra={"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None},
    )
    _more(call, page.next_cursor)


def _packet_cells(call: Call, item: InboxItem) -> tuple[str, ...]:
    sender = item.sender_code or item.transport_sender
    state = call.word(f"packet.{item.state}")
    return item.id, state, item.code or "", sender, shapes.why(call, item), output.clock(item.received_at)


def _more(call: Call, cursor: str | None) -> None:
    if cursor and call.output is Format.TABLE:
        call.say("cli.more", command=f"--cursor {cursor}")


def show(call: Call, document: Which) -> None:
    """Show one document: what it is, what was checked, its files, and what we told the sender."""
    run(_show(call, document))


async def _show(call: Call, text: str) -> None:
    from gateway.cli import story_in
    from gateway.incoming import around

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        if text.startswith("inx_"):
            item = await work.inbox.get(text)
            if call.output is Format.TABLE and not call.quiet:
                output.lines(story_in.packet(call, item))
            else:
                output.record(call, shapes.packet(call, item))
            return
        found = await finding.incoming(work, text)
        facts = await work.facts.of(found.id)
        beside = await around.of(work, found, await seat.node.inn.office())
    standing = fold_incoming(facts)
    shown = shapes.incoming(call, found, beside) | {"shown": standing.shown}
    if call.output is Format.TABLE and not call.quiet:
        output.lines(story_in.incoming(call, found, standing.shown, facts, beside))
        return
    output.record(call, shown | {"facts": [shapes.fact(each) for each in facts]})


def pull(
    call: Call,
    folder: Annotated[
        Path, typer.Argument(help="Each document gets a folder of its own in here.", file_okay=False)
    ],
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    client: Annotated[str, typer.Option(help="Whose hand-over this is.")] = "cli",
    keep: Annotated[bool, typer.Option("--keep", help="Do not acknowledge; they are offered again.")] = False,
) -> None:
    """Write documents that were not handed over yet into a folder, then acknowledge each."""
    from gateway.cli import pulling

    run(pulling.pull(call, folder, limit, client, keep))
