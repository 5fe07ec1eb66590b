"""`gateway book`: the register books. In: a book, a year and days. Out: its lines and whether numbers are missing, or a
file of it. What is entered in it by hand is in `book_acts`."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation
from gateway.domain.book import Book, BookForm, BookLine, Cell, Span, Summary
from gateway.office.cli import book_acts
from gateway.office.cli.seat import at_desk

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office

Which = Annotated[Book, typer.Argument(help="The book.")]
Year = Annotated[int | None, typer.Option(min=1900, max=9998, help="Default: this year.")]
Since = Annotated[str | None, typer.Option("--from", help="First day: 2026-11-01 or 01/11/2026.")]
Until = Annotated[str | None, typer.Option("--to", help="Last day.")]
Columns = Annotated[BookForm, typer.Option(help="Columns of decree 30/2020, or of circular 07/2012.")]


class FileKind(StrEnum):
    """What `export` writes."""

    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"


def register(app: Group) -> None:
    group = app.noun("book")
    group.verb(show, "incoming", "outgoing --from 01/11/2026 --to 30/11/2026 -o json")
    group.verb(export, "incoming so-den-2026.xlsx", "outgoing so-di.html --year 2026 --volume 2")
    book_acts.register(group)


async def show(
    call: Invocation,
    book: Which,
    year: Year = None,
    since: Since = None,
    until: Until = None,
    form: Columns = BookForm.DECREE_30,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    after: Annotated[
        str | None, typer.Option(help="Go on after the line with this number (incoming books).")
    ] = None,
) -> None:
    """Show lines of a book in their order, and whether numbers are missing."""
    from gateway.office.book import book_lines, books

    async with at_desk(call) as (office, scope):
        span, lang = _span(office, year, since, until), call.lang.value
        columns = books.Ask(book=book, span=span, form=form).columns
        desk = office.book
        async with desk.store.read(scope) as work:
            told = await books.summary_of(work, book, span, series_by_type=desk.series_by_type)
            leaf = await books.leaf(work, book, span, limit=limit, after=after, lang=lang)
    output.rows(
        call,
        [_record(line) for line in leaf.lines],
        [output.Column(f"book.column.{each}") for each in columns],
        ([_cell(line.cells.get(each)) for each in columns] for line in leaf.lines),
        extra={"summary": _summary(told)},
    )
    for run in told.runs:
        call.tell(book_lines.gaps_sentence(run, lang))
    if isinstance(leaf.after, str):
        call.say("cli.more", command=f"--after {leaf.after}")
    elif leaf.after is not None:
        call.say("cli.more", command="--from")


async def export(
    call: Invocation,
    book: Which,
    file: Annotated[Path, typer.Argument(help="What to write; an existing file is not overwritten.")],
    kind: Annotated[FileKind | None, typer.Option("--as", help="Default: by the file's ending.")] = None,
    year: Year = None,
    since: Since = None,
    until: Until = None,
    form: Columns = BookForm.DECREE_30,
    volume: Annotated[int, typer.Option(min=1, max=999, help="Number of the volume on the cover.")] = 1,
) -> None:
    """Write a book to a file: a workbook, text for tables, or a page to print."""
    from gateway.office.book import books
    from gateway.office.web import book_page

    writers = {
        FileKind.XLSX: books.write_xlsx,
        FileKind.CSV: books.write_csv,
        FileKind.HTML: book_page.write,
    }
    write = writers[kind or _kind_of(file)]
    async with at_desk(call) as (office, scope):
        span = _span(office, year, since, until)
        ask = books.Ask(book=book, span=span, form=form, volume=volume, lang=call.lang.value)
        try:
            out = file.open("xb")
        except OSError as cause:
            raise typer.BadParameter(f"{file} cannot be written: {cause.strerror}") from cause
        try:
            with out:
                told = await write(office.book, scope, ask, out)
        except BaseException:
            # Half a book must not lie there looking like a whole one.
            file.unlink(missing_ok=True)
            raise
    output.record(call, {"id": str(file), **_summary(told)})
    call.say("cli.book.exported", lines=told.lines, file=file)


def _kind_of(file: Path) -> FileKind:
    ending = file.suffix.lstrip(".").lower()
    if ending not in {*FileKind}:
        raise typer.BadParameter(f"{file.name!r} ends in none of .xlsx, .csv, .html; add --as")
    return FileKind(ending)


def _span(office: Office, year: int | None, since: str | None, until: str | None) -> Span:
    first, last = (book_acts.day(text) if text else None for text in (since, until))
    known = first or last or output.today(office.clock.now())
    return Span(year=year or known.year, since=first, until=last)


def _record(line: BookLine) -> dict[str, Any]:
    cells = {
        key: value.isoformat() if isinstance(value, date) else value for key, value in line.cells.items()
    }
    return {"id": line.subject_id, "number": line.number, "struck": line.struck, **cells}


def _cell(value: Cell) -> str:
    return output.day(value) if isinstance(value, date) else "" if value is None else str(value)


def _summary(told: Summary) -> dict[str, Any]:
    return {
        "lines": told.lines,
        "struck": told.struck,
        "first": told.first,
        "last": told.last,
        "since": told.since.isoformat() if told.since else None,
        "until": told.until.isoformat() if told.until else None,
        "missing": sum(each.missing for each in told.runs),
        "gaps": [
            {"series": each.series, "first": gap.first, "last": gap.last}
            for each in told.runs
            for gap in each.gaps
        ],
        "doubled": [
            {"series": each.series, "number": number} for each in told.runs for number in each.doubled
        ],
        **({"digest": told.digest} if told.digest else {}),
    }
