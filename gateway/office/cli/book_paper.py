"""The paper dispatch list at the command line: what somebody has to carry to whom, what was handed over in some days, and a
letter handed over. In: days, or a document with day and means. Out: lines; or the lines closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import finding, output, shapes
from gateway.cli.command import Call, verb
from gateway.cli.node import run
from gateway.office.cli.book_acts import day
from gateway.office.cli.seat import at_desk
from gateway.policy.paper import HandedOver, Means

if TYPE_CHECKING:
    from gateway.outgoing.paper import PaperLine

_COLUMNS = (
    ("cli.column.number", ""),
    ("cli.column.recipient", ""),
    ("book.column.subject", ""),
    ("cli.column.printed", ""),
    ("cli.column.handed_over", ""),
)


def register(group: typer.Typer) -> None:
    """Adds the list to the group of `gateway book`."""
    verb(
        group,
        "paper",
        examples=("gateway book paper", "gateway book paper --from 01/11/2026 --to 30/11/2026 -o json"),
    )(paper)
    verb(
        group,
        "hand-over",
        examples=(
            "gateway book hand-over 15/UBND-VP --means post --note 'RR 123 456 789 VN'",
            "gateway book hand-over msg_01J… --means hand --to Z91.02 --on 20/11/2026 --yes",
        ),
        writes=True,
    )(hand_over)


def paper(
    call: Call,
    since: Annotated[str | None, typer.Option("--from", help="Show what was handed over since.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day of that; default: today.")] = None,
) -> None:
    """Show what has to go on paper; with --from, what was handed over."""
    run(_paper(call, since, until))


async def _paper(call: Call, since: str | None, until: str | None) -> None:
    from gateway.outgoing import paper as listing

    async with at_desk(call) as seat:
        today = output.today(seat.node.clock.now())
        first, last = day(since) if since else today, day(until) if until else today
        async with seat.node.store.read(seat.scope) as work:
            found = await listing.handed(work, first, last) if since or until else await listing.waiting(work)
    output.rows(call, [_record(each) for each in found], _COLUMNS, ([*_cells(call, each)] for each in found))


def hand_over(
    call: Call,
    document: Annotated[str, typer.Argument(help="Id, or number/symbol.")],
    means: Annotated[Means, typer.Option(help="How it went.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Code of a recipient (repeat); default: all that wait.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="The day; default: today.")] = None,
    note: Annotated[str, typer.Option(help="Number of the receipt, or who took it.")] = "",
) -> None:
    """Note that a document was handed over on paper, when and how."""
    run(_hand_over(call, document, means, to or [], on, note))


async def _hand_over(call: Call, text: str, means: Means, to: list[str], on: str | None, note: str) -> None:
    from gateway.outgoing import paper as closing

    async with at_desk(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            found = await finding.outgoing(work, text)
        gone_on = day(on) if on else output.today(seat.node.clock.now())
        said = HandedOver(on=gone_on, means=means, note=note)
        name = output.plain(shapes.numbered(found.draft.number, found.draft.symbol) or found.id)
        if not call.agrees("cli.ask.hand_over", document=name, day=output.day(gone_on)):
            return
        done = await closing.close(seat.node.out, seat.scope, found.id, said, to)
    output.record(call, {"id": done.id, "on": gone_on.isoformat(), "means": means.value, "note": note})
    call.say("cli.handed_over", document=name)


def _record(line: PaperLine) -> dict[str, Any]:
    draft, part = line.document.draft, line.part
    return {
        "id": line.document.id,
        "number": draft.code,
        "date": draft.issued_on.isoformat() if draft.issued_on else None,
        "subject": "" if line.document.is_sealed else draft.subject,
        "to": line.delivery.recipient.code,
        "name": line.delivery.recipient.name,
        "delivery_mode": draft.delivery_mode,
        "copies": draft.copies,
        "printed": [each.name for each in line.printed],
        "handed_over": part.handed_over.isoformat() if part.handed_over else None,
        "means": part.means,
        "note": part.note,
    }


def _cells(call: Call, line: PaperLine) -> list[str]:
    told, part = _record(line), line.part
    gone = ""
    if part.handed_over is not None:
        gone = f"{output.day(part.handed_over)} {call.word(f'paper.means.{part.means}')}"
    to = told["name"] or told["to"]
    return [output.plain(str(each)) for each in (told["number"], to, told["subject"])] + [
        output.plain(", ".join(told["printed"])),
        gone,
    ]
