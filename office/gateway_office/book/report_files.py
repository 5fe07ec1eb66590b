"""A report as a file: a workbook, text for tables, or a PDF to be signed, which has the heading of an office letter as
decree 30/2020 lays it out, title, period and unit, the table with its titles on each sheet, "page x of y", and places for
signatures. In: a report with its figures, who issues it, a file to write to. Out: the file, written away from the event
loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import IO, BinaryIO

from gateway.domain.agency_profile import Letterhead
from gateway.domain.wall_clock import day_text
from gateway.ports.services import Pool
from gateway.words import labels
from gateway_office.book import reports, table_files
from gateway_office.book.reports import Names
from gateway_office.book.table_files import Piece, XlsxColumn, clean_text
from gateway_office.pdf_sheets import Align, PdfSheets, SheetColumn
from gateway_office.policy.reports import Figure, ReportTable

# A table with more columns lies across.
_MOST_UPRIGHT = 7
_FIRST_SHARE = 3.2


async def write(
    pool: Pool,
    out: BinaryIO,
    form: str,
    table: ReportTable,
    names: Names,
    issuer: Letterhead,
    today: date,
    lang: str,
) -> None:
    """Write a report as `xlsx`, `csv` or `pdf`: its lines, then the total and that of the period before."""
    question = table.question
    if form == "pdf":
        await pool.run(partial(_write_pdf, table, names, issuer, today, lang, out))
        return
    columns = [XlsxColumn(title=title, width=14) for title in reports.titles(question, lang)]
    columns[0] = replace(columns[0], width=44)

    def rows() -> list[tuple[Sequence[str | int | date | None], bool]]:
        lines = [(reports.label(question.by, line.key, lang, names), line.figures) for line in table.lines]
        lines += [(labels.say("report.total", lang), table.total)]
        lines += [(reports.before_text(question, lang), table.before)]
        return [([name, *(_cell(value, lang) for value in figures)], False) for name, figures in lines]

    async def pieces() -> AsyncIterator[Piece]:
        yield rows

    heading = reports.heading_of(question, issuer.agency, lang)
    await table_files.write(pool, out, form, heading, columns, pieces())


def _cell(value: Figure, lang: str) -> str | int | None:
    return reports.figure_text(value, lang) if isinstance(value, float) else value


def _write_pdf(
    table: ReportTable, names: Names, issuer: Letterhead, today: date, lang: str, out: IO[bytes]
) -> None:
    question, say = table.question, partial(labels.say, lang=lang)
    sheets = PdfSheets(
        out,
        reports.heading_of(question, issuer.agency, lang),
        issuer.agency,
        lang=lang,
        across=len(question.columns) >= _MOST_UPRIGHT,
    )
    _head(sheets, table, issuer, today, lang)
    _add_table(sheets, table, names, lang)
    if table.also is not None:
        sheets.space(6)
        _add_table(sheets, table.also, names, lang)
    sheets.space(8)
    sheets.side_by_side(
        [say("report.signed.writer"), say("book.closing.sign")],
        [say("book.closing.head"), say("book.closing.seal")],
    )
    sheets.close()


def _add_table(sheets: PdfSheets, table: ReportTable, names: Names, lang: str) -> None:
    question, titles = table.question, reports.titles(table.question, lang)
    columns = [SheetColumn(title=title, share=1, centred=True) for title in titles[1:]]
    sheets.table([SheetColumn(title=titles[0], share=_FIRST_SHARE), *columns])
    for line in table.lines:
        name = clean_text(reports.label(question.by, line.key, lang, names))
        sheets.row([name, *(reports.figure_text(value, lang) for value in line.figures)])
    total = labels.say("report.total", lang)
    for title, figures in ((total, table.total), (reports.before_text(question, lang), table.before)):
        cells = [title, *(reports.figure_text(value, lang) for value in figures)]
        sheets.row(cells, bold=figures is table.total)
    sheets.row([labels.say("report.change", lang), *reports.change_texts(table, lang)])
    sheets.end_table()


def _head(sheets: PdfSheets, table: ReportTable, issuer: Letterhead, today: date, lang: str) -> None:
    question, say = table.question, partial(labels.say, lang=lang)
    sheets.letterhead(issuer, today, below=(say("account_form.number", number="……"),))
    sheets.space(8)
    sheets.line(say("report.title"), size=14, bold=True, align=Align.CENTRE)
    sheets.line(say(f"report.{question.report.key}"), size=13, bold=True, align=Align.CENTRE)
    days = {"since": day_text(question.since), "until": day_text(question.until)}
    sheets.line(say("report.days", **days), align=Align.CENTRE)
    if units := reports.unit_names(question):
        sheets.line(say("report.of_units", units=", ".join(units)), align=Align.CENTRE)
    if choice := reports.choice_text(question, lang):
        sheets.line(choice, align=Align.CENTRE)
    sheets.space(4)
