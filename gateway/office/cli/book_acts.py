"""What a clerk enters in the books by hand, and the paper dispatch list: mail on paper, what is made up for after a
stop, lines struck through; what somebody has to carry to whom, what was handed over in some days, and a letter
handed over. In: what the letter says, and its scan; days, or a document with day and means. Out: the line with its
number; lines of the list; or the lines closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import documents, output
from gateway.cli.command import Group, Invocation
from gateway.domain.document import Source
from gateway.office.cli.seat import at_desk
from gateway.policy.outgoing import HandedOver, Means

if TYPE_CHECKING:
    from gateway.domain.book import PaperLetter
    from gateway.incoming.by_hand import Attached, TypedMail
    from gateway.outgoing.manage import PaperLine
    from gateway.ports.queues import RegisterEntry

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


def register(group: Group) -> None:
    """Adds the acts and the dispatch list to the group of `gateway book`."""
    group.verb(
        enter,
        "--sender 'Farm One' --subject 'Asks for a road' --scan letter.pdf",
        "--sender 'Farm One' --subject 'Asks' --number 12 --symbol HTX --date 20/11/2026",
        writes=True,
    )
    group.verb(
        catch_up,
        "--sender 'Farm One' --subject 'Asks' --received 18/11/2026 --why 'Power off'",
        "--sender 'Farm One' --subject 'Asks' --received 18/11/2026 --why 'Fire' --yes",
        writes=True,
    )
    group.verb(
        sent,
        "--number 15 --symbol UBND-VP --date 20/11/2026 --type 'Letter' --subject 'Answer' "
        "--signer 'A. Head' --to 'Farm One'",
        "--number 16 --symbol UBND-VP --date 18/11/2026 --type 'Letter' --subject 'Answer' "
        "--signer 'A. Head' --to 'Farm One' --catch-up 'Power off'",
        writes=True,
    )
    group.verb(strike, "inb_01J… --why 'Entered twice'", "ppr_01J… --why 'Never sent' --yes", writes=True)
    group.verb(paper, "", "--from 01/11/2026 --to 30/11/2026 -o json")
    group.verb(
        hand_over,
        "15/UBND-VP --means post --note 'RR 123 456 789 VN'",
        "msg_01J… --means hand --to Z91.02 --on 20/11/2026 --yes",
        writes=True,
    )


async def enter(
    call: Invocation,
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
    await _enter(call, said | more, issued, received, scan)


async def catch_up(
    call: Invocation,
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
    await _enter(call, said | more, issued, received, scan)


async def _enter(
    call: Invocation, said: dict[str, Any], issued: str | None, received: str | None, scan: Path | None
) -> None:
    from gateway.incoming import by_hand

    async with at_desk(call) as (office, scope):
        today = output.today(office.clock.now())
        letter: TypedMail = by_hand.TypedMail(
            received_on=day(received) if received else today,
            issued_on=day(issued) if issued else None,
            **said,
        )
        call.ask("cli.ask.book_enter", sender=letter.sender, subject=letter.subject)
        attached = _attached(scan) if scan is not None else None
        done = await by_hand.enter(office.inn, scope, letter, attached)
    output.record(call, _entry(done.document.id, done.entry))
    call.say("cli.register_no", number=done.entry.number)


def _attached(scan: Path) -> Attached:
    from gateway.incoming.by_hand import Attached

    async def pieces() -> AsyncIterator[bytes]:
        with scan.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    return Attached(name=scan.name, chunks=pieces())


async def sent(
    call: Invocation,
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
    from gateway.office.book import books

    said = books.Sent(
        number=number,
        symbol=symbol,
        issued_on=day(issued),
        type_name=type_name,
        subject=subject,
        signer=signer,
        recipients="; ".join(to),
        copy_holder=copy_holder,
        copies=copies,
        dispatched_on=day(dispatched) if dispatched else None,
        note=note,
        catch_up=catch_up,
    )
    async with at_desk(call) as (office, scope):
        call.ask("cli.ask.book_sent", number=f"{number}/{symbol}", subject=subject)
        output.record(call, _letter(await books.enter(office.book, scope, said)))


async def strike(
    call: Invocation,
    line: Annotated[str, typer.Argument(help="Id of the line, from: gateway book show -q")],
    why: Why,
) -> None:
    """Strike a line through that was entered by hand; its number stays and is never given again."""
    from gateway.incoming import by_hand
    from gateway.office.book import books

    async with at_desk(call) as (office, scope):
        call.ask("cli.ask.book_strike", document=output.plain(line))
        if line.startswith("ppr_"):
            output.record(call, _letter(await books.strike(office.book, scope, line, why)))
        else:
            done = await by_hand.strike(office.inn, scope, line, why)
            output.record(call, _entry(line, done.entry))
    call.say("cli.book.struck")


def day(text: str) -> date:
    """A day in either way of writing it."""
    from gateway.cli.send import day as iso

    return date.fromisoformat(iso(text))


def _entry(id: str, entry: RegisterEntry) -> dict[str, Any]:
    return _line(entry, id=id, book=entry.book, year=entry.year, number=entry.number)


def _letter(letter: PaperLetter) -> dict[str, Any]:
    return _line(letter, id=letter.id, book="outgoing", year=letter.issued_on.year, number=letter.code)


def _line(line: RegisterEntry | PaperLetter, **named: object) -> dict[str, Any]:
    return named | output.fields(line, "entered_at catch_up struck_at struck_reason")


_PAPER_COLUMNS = (
    *output.columns("number", "recipient"),
    output.Column("book.column.subject", field="subject"),
    *output.columns("printed", "handed_over"),
)


async def paper(
    call: Invocation,
    since: Annotated[str | None, typer.Option("--from", help="Show what was handed over since.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day of that; default: today.")] = None,
) -> None:
    """Show what has to go on paper; with --from, what was handed over."""
    from gateway.outgoing import manage

    async with at_desk(call) as (office, scope):
        today = output.today(office.clock.now())
        first, last = day(since) if since else today, day(until) if until else today
        async with office.store.read(scope) as work:
            found = (
                await manage.paper_handed_over(work, first, last)
                if since or until
                else await manage.paper_waiting(work)
            )
    output.rows(
        call,
        [_paper_record(each) for each in found],
        _PAPER_COLUMNS,
        (_paper_cells(call, each) for each in found),
    )


async def hand_over(
    call: Invocation,
    document: Annotated[str, typer.Argument(help="Id, or number/symbol.")],
    means: Annotated[Means, typer.Option(help="How it went.")],
    to: Annotated[
        list[str] | None, typer.Option("--to", help="Code of a recipient (repeat); default: all that wait.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="The day; default: today.")] = None,
    note: Annotated[str, typer.Option(help="Number of the receipt, or who took it.")] = "",
) -> None:
    """Note that a document was handed over on paper, when and how."""
    from gateway.outgoing import manage

    async with at_desk(call) as (office, scope):
        async with office.store.read(scope) as work:
            found = await documents.find_outgoing(work, document)
        gone_on = day(on) if on else output.today(office.clock.now())
        said = HandedOver(on=gone_on, means=means, note=note)
        name = output.plain(documents.numbered(found.draft.number, found.draft.symbol) or found.id)
        call.ask("cli.ask.hand_over", document=name, day=output.day(gone_on))
        done = await manage.close_paper(office.out, scope, found.id, said, to or [])
    output.record(call, {"id": done.id, "on": gone_on.isoformat(), "means": means.value, "note": note})
    call.say("cli.handed_over", document=name)


def _paper_record(line: PaperLine) -> dict[str, Any]:
    draft, recipient = line.document.draft, line.delivery.recipient
    return output.fields(
        line.part,
        "id number date subject to name delivery_mode copies printed handed_over means note",
        id=line.document.id,
        number=draft.code,
        date=draft.issued_on,
        subject="" if line.document.is_sealed else draft.subject,
        to=recipient.code,
        name=recipient.name,
        delivery_mode=draft.delivery_mode,
        copies=draft.copies,
        printed=[each.name for each in line.printed],
    )


def _paper_cells(call: Invocation, line: PaperLine) -> dict[str, str]:
    recipient, part = line.delivery.recipient, line.part
    how = call.word(f"paper.means.{part.means}") if part.handed_over else ""
    return {
        "recipient": recipient.name or recipient.code,
        "printed": ", ".join(each.name for each in line.printed),
        "handed_over": f"{output.day(part.handed_over)} {how}".strip(),
    }
