"""What a clerk enters in the books by hand: mail on paper, what is made up for after a stop, and lines struck through.
In: what the letter says, and its scan. Out: the line with its number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, verb
from gateway.cli.node import run
from gateway.domain.document import Source
from gateway.office.cli.seat import at_desk

if TYPE_CHECKING:
    from gateway.domain.letter import PaperLetter
    from gateway.incoming.by_hand import Attached, Letter
    from gateway.ports.rows import RegisterEntry

_PIECE = 256 * 1024

Sender = Annotated[str, typer.Option(help="Who wrote it.")]
Subject = Annotated[str, typer.Option(help="The abstract.")]
Number = Annotated[str, typer.Option(help="Number of the letter.")]
Symbol = Annotated[str, typer.Option(help="Its notation.")]
Issued = Annotated[str | None, typer.Option("--date", help="Date of the letter.")]
TypeName = Annotated[str | None, typer.Option("--type", help="Type of document, in words.")]
Pages = Annotated[int | None, typer.Option(min=1, max=99_999)]
Unit = Annotated[str | None, typer.Option(help="Unit or person that it goes to.")]
ScanFile = Annotated[Path | None, typer.Option("--scan", exists=True, dir_okay=False, help="Its scan.")]
From = Annotated[Source, typer.Option("--source", help="paper, email or other-system.")]
Given = Annotated[str | None, typer.Option(help="Arrival number, where this node does not give it.")]
Copy = Annotated[
    bool,
    typer.Option("--copy", help="Enter it although the same document came over the axis, as you were told."),
]
Why = Annotated[str, typer.Option(help="Why; it stands in the book.")]


def register(group: typer.Typer) -> None:
    """Adds the acts to the group of `gateway book`."""
    verb(
        group,
        "enter",
        examples=(
            "gateway book enter --sender 'Farm One' --subject 'Asks for a road' --scan letter.pdf",
            "gateway book enter --sender 'Farm One' --subject 'Asks' --number 12 --symbol HTX --date 20/11/2026",
        ),
        writes=True,
    )(enter)
    verb(
        group,
        "catch-up",
        examples=(
            "gateway book catch-up --sender 'Farm One' --subject 'Asks' --received 18/11/2026 --why 'Power off'",
            "gateway book catch-up --sender 'Farm One' --subject 'Asks' --received 18/11/2026 --why 'Fire' --yes",
        ),
        writes=True,
    )(catch_up)
    verb(
        group,
        "sent",
        examples=(
            "gateway book sent --number 15 --symbol UBND-VP --date 20/11/2026 --type 'Letter' --subject 'Answer' "
            "--signer 'A. Head' --to 'Farm One'",
            "gateway book sent --number 16 --symbol UBND-VP --date 18/11/2026 --type 'Letter' --subject 'Answer' "
            "--signer 'A. Head' --to 'Farm One' --catch-up 'Power off'",
        ),
        writes=True,
    )(sent)
    verb(
        group,
        "strike",
        examples=(
            "gateway book strike inb_01J… --why 'Entered twice'",
            "gateway book strike ppr_01J… --why 'Never sent' --yes",
        ),
        writes=True,
    )(strike)


def enter(
    call: Call,
    sender: Sender,
    subject: Subject,
    number: Number = "",
    symbol: Symbol = "",
    issued: Issued = None,
    type_name: TypeName = None,
    pages: Pages = None,
    unit: Unit = None,
    received: Annotated[str | None, typer.Option(help="Day of receipt; default: today.")] = None,
    source: From = Source.PAPER,
    register_no: Given = None,
    copy: Copy = False,
    scan: ScanFile = None,
) -> None:
    """Enter mail that did not come over the axis; it takes its number from the same run."""
    said = {"sender": sender, "subject": subject, "number": number, "symbol": symbol, "type_name": type_name}
    more = {"pages": pages, "unit": unit, "source": source, "register_no": register_no, "copy_known": copy}
    run(_enter(call, said | more, issued, received, scan))


def catch_up(
    call: Call,
    sender: Sender,
    subject: Subject,
    received: Annotated[str, typer.Option(help="The day on which it came.")],
    why: Why,
    number: Number = "",
    symbol: Symbol = "",
    issued: Issued = None,
    type_name: TypeName = None,
    pages: Pages = None,
    unit: Unit = None,
    source: From = Source.PAPER,
    register_no: Given = None,
    copy: Copy = False,
    scan: ScanFile = None,
) -> None:
    """Enter what came during a stop: under the day on which it came, and marked with who entered it and why so late."""
    said = {"sender": sender, "subject": subject, "number": number, "symbol": symbol, "type_name": type_name}
    more = {"pages": pages, "unit": unit, "source": source, "register_no": register_no}
    more |= {"catch_up": why, "copy_known": copy}
    run(_enter(call, said | more, issued, received, scan))


async def _enter(
    call: Call, said: dict[str, Any], issued: str | None, received: str | None, scan: Path | None
) -> None:
    from gateway.incoming import by_hand

    async with at_desk(call) as seat:
        today = output.today(seat.node.clock.now())
        letter: Letter = by_hand.Letter(
            received_on=day(received) if received else today,
            issued_on=day(issued) if issued else None,
            **said,
        )
        if not call.agrees("cli.ask.book_enter", sender=letter.sender, subject=letter.subject):
            return
        attached = _attached(scan) if scan is not None else None
        done = await by_hand.enter(seat.node.inn, seat.scope, letter, attached)
    output.record(call, _entry(done.document.id, done.entry))
    call.say("cli.register_no", number=done.entry.number)


def _attached(scan: Path) -> Attached:
    from gateway.incoming.by_hand import Attached

    async def pieces() -> AsyncIterator[bytes]:
        with scan.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    return Attached(name=scan.name, chunks=pieces())


def sent(
    call: Call,
    number: Number,
    symbol: Symbol,
    issued: Annotated[str, typer.Option("--date", help="Date of the letter.")],
    type_name: Annotated[str, typer.Option("--type", help="Type of document, in words.")],
    subject: Subject,
    signer: Annotated[str, typer.Option(help="Who signed it.")],
    to: Annotated[list[str], typer.Option("--to", help="A recipient (repeat).")],
    copy_holder: Annotated[str, typer.Option(help="Who keeps the file copy.")] = "",
    copies: Annotated[int | None, typer.Option(min=1, max=99_999)] = None,
    dispatched: Annotated[str | None, typer.Option(help="Day on which it was handed over.")] = None,
    note: Annotated[str, typer.Option(help="What else the book should say.")] = "",
    catch_up: Annotated[str | None, typer.Option(help="Why it is entered only now, after a stop.")] = None,
) -> None:
    """Enter outgoing mail that went on paper."""
    said = {
        "number": number,
        "symbol": symbol,
        "issued_on": day(issued),
        "type_name": type_name,
        "subject": subject,
        "signer": signer,
        "recipients": "; ".join(to),
        "copy_holder": copy_holder,
        "copies": copies,
        "dispatched_on": day(dispatched) if dispatched else None,
        "note": note,
    }
    run(_sent(call, said | {"catch_up": catch_up}))


async def _sent(call: Call, said: dict[str, Any]) -> None:
    from gateway.office.book import letters

    async with at_desk(call) as seat:
        if call.agrees(
            "cli.ask.book_sent", number=f"{said['number']}/{said['symbol']}", subject=said["subject"]
        ):
            output.record(
                call, _letter(await letters.enter(seat.node.book, seat.scope, letters.Sent(**said)))
            )


def strike(
    call: Call,
    line: Annotated[str, typer.Argument(help="Id of the line, from: gateway book show -q")],
    why: Why,
) -> None:
    """Strike a line through that was entered by hand; its number stays and is never given again."""
    run(_strike(call, line, why))


async def _strike(call: Call, id: str, why: str) -> None:
    from gateway.incoming import by_hand
    from gateway.office.book import letters

    async with at_desk(call) as seat:
        if not call.agrees("cli.ask.book_strike", document=output.plain(id)):
            return
        if id.startswith("ppr_"):
            output.record(call, _letter(await letters.strike(seat.node.book, seat.scope, id, why)))
        else:
            done = await by_hand.strike(seat.node.inn, seat.scope, id, why)
            output.record(call, _entry(id, done.entry))
    call.say("cli.book.struck")


def day(text: str) -> date:
    """A day in either way of writing it."""
    from gateway.cli.send import day as iso

    return date.fromisoformat(iso(text))


def _entry(id: str, entry: RegisterEntry) -> dict[str, Any]:
    return {
        "id": id,
        "book": entry.book,
        "year": entry.year,
        "number": entry.number,
        "entered_at": output.stamp(entry.entered_at),
        "catch_up": entry.catch_up,
        "struck_at": output.stamp(entry.struck_at),
        "struck_reason": entry.struck_reason,
    }


def _letter(letter: PaperLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "book": "outgoing",
        "year": letter.issued_on.year,
        "number": letter.code,
        "entered_at": output.stamp(letter.entered_at),
        "catch_up": letter.catch_up,
        "struck_at": output.stamp(letter.struck_at),
        "struck_reason": letter.struck_reason,
    }
