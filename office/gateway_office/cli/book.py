"""`gateway book`: the register books, mail that a clerk enters in them by hand, and the paper dispatch list. In: a book, a
year and days; the fields of a letter on paper, and its scan; a document with day and means. Out: lines of a book and
whether numbers are missing, or a file of it; the line entered or struck through, with its number; paper that has to be
carried, or that was handed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import documents, output, typed_times
from gateway.cli.command import Invocation, Limit, noun
from gateway.domain.book import Book, BookForm, BookLine, PaperLetter, RegisterEntry, Span, Summary
from gateway.domain.document import Source
from gateway.domain.wall_clock import cell_text, day_text
from gateway.incoming import by_hand
from gateway.outgoing import manage
from gateway.policy.outgoing import Handover, Means
from gateway_office.book import book_lines, books, file_lists
from gateway_office.cli import OfficeCommandContext, whole_file

if TYPE_CHECKING:
    from gateway.incoming.by_hand import Attached
    from gateway.outgoing.manage import PaperLine

Which = Annotated[Book, typer.Argument(help="The book.")]
Year = Annotated[int | None, typer.Option(min=1900, max=9998, help="Default: this year.")]
Since = Annotated[str | None, typer.Option("--from", help="First day: 2026-11-01 or 01/11/2026.")]
LastDay = Annotated[str | None, typer.Option("--to", help="Last day.")]
Columns = Annotated[BookForm, typer.Option(help="Columns of decree 30/2020, or of circular 07/2012.")]
_PIECE = 256 * 1024

Sender = Annotated[str, typer.Option(help="Its author.")]
Subject = Annotated[str, typer.Option(help="The abstract.")]
Number = Annotated[str, typer.Option(help="Number of the letter.")]
Symbol = Annotated[str, typer.Option(help="Its notation.")]
Issued = Annotated[str | None, typer.Option("--date", help="Date of the letter.")]
TypeName = Annotated[str | None, typer.Option("--type", help="Type of document, in words.")]
Pages = Annotated[int | None, typer.Option(min=1, max=99_999)]
Unit = Annotated[str | None, typer.Option(help="Unit or person that it goes to.")]
ScanFile = Annotated[Path | None, typer.Option("--scan", exists=True, dir_okay=False, help="Its scan.")]
From = Annotated[Source, typer.Option("--source", help="paper, email or other-system.")]
ArrivalNumber = Annotated[str | None, typer.Option(help="Arrival number, if this node does not give it.")]
Copy = Annotated[
    bool,
    typer.Option("--copy", help="Enter it although the same document came over the axis."),
]
Why = Annotated[str, typer.Option(help="Reason; it is shown in the book.")]
verb = noun("book").verb
_PAPER_COLUMNS = (
    *output.columns("number recipient"),
    output.Column("book.column.subject", field="subject"),
    *output.columns("printed handed_over"),
)


class FileKind(StrEnum):
    """Formats of a file that `export` writes."""

    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"
    PDF = "pdf"


@verb("incoming", "outgoing --from 01/11/2026 --to 30/11/2026 -o json")
async def show(
    call: Invocation,
    context: OfficeCommandContext,
    book: Which,
    year: Year = None,
    since: Since = None,
    last_day: LastDay = None,
    form: Columns = BookForm.DECREE_30,
    limit: Limit = 50,
    last: Annotated[
        str | None, typer.Option("--after", help="Continue after the line with this number (incoming books).")
    ] = None,
) -> None:
    """Show lines of a book in their order, and whether numbers are missing."""
    span, lang = _span(context, year, since, last_day), call.lang.value
    columns = books.Ask(book=book, span=span, form=form).columns
    services = context.node.book
    async with services.store.read(context.scope) as work:
        summary = await books.summary_of(work, book, span, series_by_type=services.series_by_type)
        page = await books.read_page(work, book, span, limit=limit, cursor=last, lang=lang)
    output.rows(
        call,
        [_record(line) for line in page.lines],
        [output.Column(f"book.column.{column}") for column in columns],
        ([cell_text(line.cells.get(column)) for column in columns] for line in page.lines),
        extra={"summary": _summary(summary)},
    )
    for run in summary.runs:
        call.tell(book_lines.gaps_sentence(run, lang))
    if isinstance(page.next_cursor, str):
        call.say("cli.more", command=f"--after {page.next_cursor}")
    elif page.next_cursor is not None:
        call.say("cli.more", command="--from")


@verb("incoming so-den-2026.xlsx", "outgoing so-di.pdf --year 2026 --volume 2", local=True)
async def export(
    call: Invocation,
    context: OfficeCommandContext,
    book: Which,
    file: Annotated[Path, typer.Argument(help="The file to write; an existing file is not overwritten.")],
    kind: Annotated[FileKind | None, typer.Option("--as", help="Default: by the file's ending.")] = None,
    year: Year = None,
    since: Since = None,
    last_day: LastDay = None,
    form: Columns = BookForm.DECREE_30,
    volume: Annotated[int, typer.Option(min=1, max=999, help="Number of the volume on the cover.")] = 1,
) -> None:
    """Write a book to a file: a workbook, text for tables, a page to print, or a PDF to be bound and signed."""
    from gateway_office.book import book_pdf
    from gateway_office.web import book_page

    writers: Mapping[FileKind, Callable[..., Awaitable[Summary]]] = {
        FileKind.XLSX: partial(books.write_table, form=books.BookFormat.XLSX),
        FileKind.CSV: partial(books.write_table, form=books.BookFormat.CSV),
        FileKind.HTML: book_page.write,
        FileKind.PDF: book_pdf.write,
    }
    write = writers[kind or _kind_of(file)]
    span = _span(context, year, since, last_day)
    ask = books.Ask(book=book, span=span, form=form, volume=volume, lang=call.lang.value)
    with whole_file(file) as out:
        summary = await write(context.node.book, context.scope, ask, out)
    output.record(call, {"id": str(file), **_summary(summary)})
    call.say("cli.book.exported", lines=summary.lines, file=file)


@verb("", "--year 2025 -o json")
async def files(call: Invocation, context: OfficeCommandContext, year: Year = None) -> None:
    """List the files of records that documents of the outgoing book state."""
    of_year = year or output.today(context.node.clock.now()).year
    record_files = await file_lists.list_files(context.node.book, context.scope, of_year)
    output.rows(
        call,
        [output.fields(file, "documents first last id=code") for file in record_files],
        [output.Column("book.file_list.column.code"), output.Column("book.file_list.column.note")],
        ([file.code, file_lists.note_text(file, call.lang.value)] for file in record_files),
    )


@verb("danh-muc-ho-so.pdf", "muc-luc.xlsx --code Z91.07.2026.15.TH", local=True)
async def file_list(
    call: Invocation,
    context: OfficeCommandContext,
    file: Annotated[Path, typer.Argument(help="The file to write, .pdf or .xlsx; no existing file.")],
    year: Year = None,
    code: Annotated[str, typer.Option(help="Code of a file: then the documents in it.")] = "",
) -> None:
    """Write the list of a year's files of records, or of the documents in one."""
    form = file.suffix.lstrip(".").lower()
    if form not in file_lists.FORMS:
        raise typer.BadParameter(f"{file.name!r} ends in none of .pdf, .xlsx")
    of_year = year or output.today(context.node.clock.now()).year
    with whole_file(file) as out:
        lines = await file_lists.write(
            context.node.book, context.scope, of_year, code, form, call.lang.value, out
        )
    output.record(call, {"id": str(file), "lines": lines})


def _kind_of(file: Path) -> FileKind:
    ending = file.suffix.lstrip(".").lower()
    if ending not in {*FileKind}:
        raise typer.BadParameter(f"{file.name!r} ends in none of .xlsx, .csv, .html, .pdf; add --as")
    return FileKind(ending)


def _span(context: OfficeCommandContext, year: int | None, since: str | None, last_day: str | None) -> Span:
    first, last = (day(text) if text else None for text in (since, last_day))
    base_day = first or last or output.today(context.node.clock.now())
    return Span(year=year or base_day.year, since=first, until=last)


def _record(line: BookLine) -> dict[str, Any]:
    cells = {
        key: value.isoformat() if isinstance(value, date) else value for key, value in line.cells.items()
    }
    return {"id": line.subject_id, "number": line.number, "struck": line.struck, **cells}


def _summary(summary: Summary) -> dict[str, Any]:
    return output.fields(
        summary,
        "lines struck first last since until",
        missing=sum(run.missing for run in summary.runs),
        gaps=[{"series": run.series, **asdict(gap)} for run in summary.runs for gap in run.gaps],
        doubled=[{"series": run.series, "number": number} for run in summary.runs for number in run.doubled],
        **({"digest": summary.digest} if summary.digest else {}),
    )


@verb(
    "--sender 'Farm One' --subject 'Asks for a road' --scan letter.pdf",
    "--sender 'Farm One' --subject 'Asks' --number 12 --symbol HTX --date 20/11/2026",
    writes=True,
    local=True,
)
async def enter(
    call: Invocation,
    context: OfficeCommandContext,
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
    register_no: ArrivalNumber = None,
    copy: Copy = False,
    scan: ScanFile = None,
) -> None:
    """Enter mail that did not come over the axis; it gets its number from the same run."""
    mail = {"sender": sender, "subject": subject, "number": number, "symbol": symbol, "type_name": type_name}
    more = {"pages": pages, "unit": unit, "source": source, "register_no": register_no, "copy_known": copy}
    await _enter(call, context, mail | more, issued, received, scan)


@verb(
    "--sender 'Farm One' --subject 'Asks' --received 18/11/2026 --why 'Power off'",
    "--sender 'Farm One' --subject 'Asks' --received 18/11/2026 --why 'Fire' --yes",
    writes=True,
    local=True,
)
async def catch_up(
    call: Invocation,
    context: OfficeCommandContext,
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
    register_no: ArrivalNumber = None,
    copy: Copy = False,
    scan: ScanFile = None,
) -> None:
    """Enter mail that came during a stop: under the day on which it came, with the person who entered it and the
    reason."""
    mail = {"sender": sender, "subject": subject, "number": number, "symbol": symbol, "type_name": type_name}
    more = {"pages": pages, "unit": unit, "source": source, "register_no": register_no}
    more |= {"catch_up": why, "copy_known": copy}
    await _enter(call, context, mail | more, issued, received, scan)


async def _enter(
    call: Invocation,
    context: OfficeCommandContext,
    mail: dict[str, Any],
    issued: str | None,
    received: str | None,
    scan: Path | None,
) -> None:
    today = output.today(context.node.clock.now())
    letter = by_hand.TypedMail(
        received_on=day(received) if received else today,
        issued_on=day(issued) if issued else None,
        **mail,
    )
    call.ask("cli.ask.book_enter", sender=letter.sender, subject=letter.subject)
    attached = _attached(scan) if scan is not None else None
    entered = await by_hand.enter(context.node.inn, context.scope, letter, attached)
    output.record(call, _entry(entered.document.id, entered.entry))
    call.say("cli.register_no", number=entered.entry.number)


def _attached(scan: Path) -> Attached:
    async def pieces() -> AsyncIterator[bytes]:
        with scan.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    return by_hand.Attached(name=scan.name, chunks=pieces())


@verb(
    "--number 15 --symbol UBND-VP --date 20/11/2026 --type 'Letter' --subject 'Answer' "
    "--signer 'A. Head' --to 'Farm One'",
    "--number 16 --symbol UBND-VP --date 18/11/2026 --type 'Letter' --subject 'Answer' "
    "--signer 'A. Head' --to 'Farm One' --catch-up 'Power off'",
    writes=True,
)
async def sent(
    call: Invocation,
    context: OfficeCommandContext,
    number: Number,
    symbol: Symbol,
    issued: Annotated[str, typer.Option("--date", help="Date of the letter.")],
    type_name: Annotated[str, typer.Option("--type", help="Type of document, in words.")],
    subject: Subject,
    signer: Annotated[str, typer.Option(help="Its signer.")],
    to: Annotated[list[str], typer.Option("--to", help="A recipient (repeat).")],
    copy_holder: Annotated[str, typer.Option(help="Holder of the file copy.")] = "",
    copies: Annotated[int | None, typer.Option(min=1, max=99_999)] = None,
    dispatched: Annotated[str | None, typer.Option(help="Day on which it was handed over.")] = None,
    note: Annotated[str, typer.Option(help="Note in the book.")] = "",
    catch_up: Annotated[
        str | None, typer.Option(help="Reason for entering it only now, after a stop.")
    ] = None,
) -> None:
    """Enter outgoing mail that went on paper."""
    letter = books.TypedLine(
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
    call.ask("cli.ask.book_sent", number=f"{number}/{symbol}", subject=subject)
    output.record(call, _letter(await books.enter(context.node.book, context.scope, letter)))


@verb("inb_01J… --why 'Entered twice'", "ppr_01J… --why 'Never sent' --yes", writes=True)
async def strike(
    call: Invocation,
    context: OfficeCommandContext,
    line: Annotated[str, typer.Argument(help="Id of the line, from: gateway book show -q")],
    why: Why,
) -> None:
    """Strike through a line that was entered by hand; its number stays and is never given again."""
    call.ask("cli.ask.book_strike", document=output.plain(line))
    if line.startswith("ppr_"):
        output.record(call, _letter(await books.strike(context.node.book, context.scope, line, why)))
    else:
        struck = await by_hand.strike(context.node.inn, context.scope, line, why)
        output.record(call, _entry(line, struck.entry))
    call.say("cli.book.struck")


def day(text: str) -> date:
    """Read a day in either way of writing it."""
    return date.fromisoformat(typed_times.day(text))


def _entry(id: str, entry: RegisterEntry) -> dict[str, Any]:
    return _line(entry, id=id, book=entry.book, year=entry.year, number=entry.number)


def _letter(letter: PaperLetter) -> dict[str, Any]:
    return _line(letter, id=letter.id, book="outgoing", year=letter.issued_on.year, number=letter.code)


def _line(line: RegisterEntry | PaperLetter, **extra: object) -> dict[str, Any]:
    return extra | output.fields(line, "entered_at catch_up struck_at struck_reason")


@verb("", "--from 01/11/2026 --to 30/11/2026 -o json")
async def paper(
    call: Invocation,
    context: OfficeCommandContext,
    since: Annotated[
        str | None, typer.Option("--from", help="Show documents handed over since this day.")
    ] = None,
    last_day: Annotated[str | None, typer.Option("--to", help="Last day; default: today.")] = None,
) -> None:
    """Show the documents to be sent on paper; with --from, those handed over."""
    today = output.today(context.node.clock.now())
    first, last = day(since) if since else today, day(last_day) if last_day else today
    async with context.node.store.read(context.scope) as work:
        lines = (
            await manage.paper_handed_over(work, first, last)
            if since or last_day
            else await manage.paper_waiting(work)
        )
    output.rows(
        call,
        [_paper_record(line) for line in lines],
        _PAPER_COLUMNS,
        (_paper_cells(call, line) for line in lines),
    )


@verb(
    "15/UBND-VP --means post --note 'RR 123 456 789 VN'",
    "msg_01J… --means hand --to Z91.02 --on 20/11/2026 --yes",
    writes=True,
)
async def hand_over(
    call: Invocation,
    context: OfficeCommandContext,
    document: Annotated[str, typer.Argument(help="Id, or number/symbol.")],
    means: Annotated[Means, typer.Option(help="The means.")],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="Code of a recipient (repeat); default: all that still wait."),
    ] = None,
    on: Annotated[str | None, typer.Option(help="The day; default: today.")] = None,
    note: Annotated[str, typer.Option(help="Number of the receipt, or the person who took it.")] = "",
) -> None:
    """Record when and how a document was handed over on paper."""
    outgoing = await documents.find_outgoing_for(context, document)
    handed_on = day(on) if on else output.today(context.node.clock.now())
    handover = Handover(on=handed_on, means=means, note=note)
    name = documents.name_of(outgoing)
    call.ask("cli.ask.hand_over", document=name, day=day_text(handed_on))
    closed = await manage.close_paper(context.node.out, context.scope, outgoing.id, handover, to or [])
    output.record(call, {"id": closed.id, "on": handed_on.isoformat(), "means": means.value, "note": note})
    call.say("cli.handed_over", document=name)


def _paper_record(line: PaperLine) -> dict[str, Any]:
    return output.fields(
        line,
        "id=document.id number=document.draft.code date=document.draft.issued_on subject to=delivery.recipient.code"
        " name=delivery.recipient.name delivery_mode=document.draft.delivery_mode copies=document.draft.copies printed"
        " handed_over=part.handed_over means=part.means note=part.note",
        subject="" if line.document.is_sealed else line.document.draft.subject,
        printed=[file.name for file in line.printed],
    )


def _paper_cells(call: Invocation, line: PaperLine) -> dict[str, str]:
    recipient, part = line.delivery.recipient, line.part
    how = call.word(f"paper.means.{part.means}") if part.handed_over else ""
    return {
        "recipient": recipient.name or recipient.code,
        "printed": ", ".join(file.name for file in line.printed),
        "handed_over": f"{day_text(part.handed_over)} {how}".strip(),
    }
