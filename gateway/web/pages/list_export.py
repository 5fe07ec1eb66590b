"""A list that leaves the page: as a workbook or text, on paper, or as the evidence packs of its documents. In: rows that
were ticked, or all that the list finds. Out: a file, or a page to print. Everything is bounded, and made in a scratch
file."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import BinaryIO

from aiohttp import web

from gateway import labels
from gateway.accounts import reading
from gateway.book import csv_text
from gateway.book.xlsx import XlsxColumn, XlsxWriter
from gateway.domain.book import Cell
from gateway.domain.listing import Line, Side
from gateway.domain.right import Manner, Right
from gateway.errors import Clash, Denied, NotFound
from gateway.web import streaming
from gateway.web.listing import choosing, sees, sources
from gateway.web.listing.asking import PATHS, Asked
from gateway.web.listing.cells import WIDTH, WIDTHS, cells, moment
from gateway.web.listing.choosing import Chosen
from gateway.web.listing.columns import Column, chosen
from gateway.web.listing.rows import Row, Teller
from gateway.web.pages.lists import SEE, acts_of, asked_of, filter_words
from gateway.web.routes import Needs, get, post
from gateway.web.visit import Visit

READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
MOST_ROWS = 10_000
MOST_PRINTED = 1_000
MOST_PACKS = 20
MOST_BYTES = 300 * 1024 * 1024
_PIECE = 256 * 1024
_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


async def asked(visit: Visit, side: Side, named: str) -> web.StreamResponse:
    """The page that asks in which form, or the list on paper at once."""
    wanted = _question(visit, side)
    if named == "in":
        return await _printed(visit, wanted)
    found = await choosing.chosen(visit, wanted, named, most=MOST_PACKS if named == "ho-so" else MOST_ROWS)
    return await visit.page(
        f"lists/{'packs' if named == 'ho-so' else 'export'}.html",
        title=visit.say(f"listing.act.{named}"),
        chosen=found,
        most=MOST_PACKS if named == "ho-so" else MOST_ROWS,
        every=visit.ask("tat-ca") == "1",
    )


async def outgoing_file(visit: Visit) -> web.StreamResponse:
    return await _file(visit, Side.OUT)


async def incoming_file(visit: Visit) -> web.StreamResponse:
    return await _file(visit, Side.IN)


async def outgoing_print(visit: Visit) -> web.StreamResponse:
    return await _printed(visit, _question(visit, Side.OUT))


async def incoming_print(visit: Visit) -> web.StreamResponse:
    return await _printed(visit, _question(visit, Side.IN))


def _question(visit: Visit, side: Side) -> Asked:
    return asked_of(visit, side, choosing.query_of(visit), sees.of(visit))


async def _rows(visit: Visit, wanted: Asked, most: int) -> tuple[list[Row], Chosen]:
    """Of the whole list unless some rows are named."""
    office = await visit.deps.todo.office() if wanted.side is Side.IN else None
    teller = Teller(
        lang=visit.lang, now=visit.deps.clock.now(), office=office, content=sees.of(visit).content
    )
    found = await choosing.chosen(visit, wanted, "xuat", most=most, whole=True)
    return [teller.row(each.row.line) for each in found.choices], found


async def _file(visit: Visit, side: Side) -> web.StreamResponse:
    form = visit.ask("dang")
    if form not in _TYPES:
        raise NotFound("a list is written as xlsx or csv")
    wanted = _question(visit, side)
    rows, _ = await _rows(visit, wanted, MOST_ROWS)
    columns = chosen(side, wanted.columns, content=sees.of(visit).content)
    known = await sources.of(visit, [each.line for each in rows]) if _names_source(columns) else {}
    table = [cells(each, columns, visit.lang, known) for each in rows]
    titles = [visit.say(f"listing.column.{each.key}") for each in columns]
    name = f"{PATHS[side].lstrip('/')}-{visit.deps.clock.now():%Y%m%d-%H%M}.{form}"
    with visit.deps.blobs.scratch() as scratch:
        if form == "xlsx":
            title = visit.say(f"listing.caption.{side}")
            await visit.deps.pool.run(partial(_xlsx, scratch.file, title, titles, columns, table))
        else:
            await visit.deps.pool.run(partial(_csv, scratch.file, titles, table))
        return await _sent(visit, scratch.file, name, _TYPES[form])


def _names_source(columns: Sequence[Column]) -> bool:
    return any(each.key == "nguon" for each in columns)


def _xlsx(
    out: BinaryIO, title: str, titles: list[str], columns: Sequence[Column], table: list[list[Cell]]
) -> None:
    named = zip(titles, columns, strict=True)
    heads = [XlsxColumn(title=name, width=WIDTHS.get(each.key, WIDTH)) for name, each in named]
    with XlsxWriter(out, title, heads) as writer:
        for row in table:
            writer.add(row)
        writer.close()


def _csv(out: BinaryIO, titles: list[str], table: list[list[Cell]]) -> None:
    out.write(csv_text.first_line(titles))
    for row in table:
        out.write(csv_text.line(row))


async def _printed(visit: Visit, wanted: Asked) -> web.StreamResponse:
    rows, found = await _rows(visit, wanted, MOST_PRINTED)
    columns = chosen(wanted.side, wanted.columns, content=sees.of(visit).content)
    known = await sources.of(visit, [each.line for each in rows]) if _names_source(columns) else {}
    return await visit.page(
        "lists/print.html",
        title=visit.say(f"listing.caption.{wanted.side}"),
        rows=[[_written(cell) for cell in cells(each, columns, visit.lang, known)] for each in rows],
        columns=columns,
        asked=wanted,
        words=filter_words(visit, wanted),
        cut=found.cut,
        most=MOST_PRINTED,
        made_at=moment(visit.deps.clock.now()),
        tab=_tab_word(wanted, visit.lang),
    )


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell.strftime("%d/%m/%Y") if hasattr(cell, "strftime") else str(cell)


def _tab_word(wanted: Asked, lang: str) -> str:
    keys = (f"tab.{wanted.side}.{wanted.tab}", f"tab.{wanted.tab}", f"tile.{wanted.tab}")
    return next((labels.say(key, lang) for key in keys if labels.has(key)), "")


async def packs(visit: Visit) -> web.StreamResponse:
    """One file with the evidence pack of each: content leaves here, so that every reading is written down first."""
    if "ho-so" not in acts_of(visit, Side.OUT):
        raise Denied("this person may not do that here", code="GW-RIGHT")
    found = await choosing.chosen(visit, _question(visit, Side.OUT), "ho-so", most=MOST_PACKS)
    lines = [each.row.line for each in found.choices]
    if not lines:
        raise NotFound("nothing was chosen")
    with visit.deps.blobs.scratch() as scratch:
        with zipfile.ZipFile(scratch.file, "w", zipfile.ZIP_STORED) as packed:
            for line in lines:
                await _add(visit, packed, line)
        name = f"ho-so-chung-cu-{visit.deps.clock.now():%Y%m%d-%H%M}.zip"
        return await _sent(visit, scratch.file, name, "application/zip")


async def _add(visit: Visit, packed: zipfile.ZipFile, line: Line) -> None:
    await reading.read(visit.deps.accounts, visit.person, line.id, file="evidence", assigned=True)
    pack = await visit.deps.packets.pack(visit.scope(), line.id)
    if packed.fp is not None and packed.fp.tell() + pack.size > MOST_BYTES:
        raise Clash("these packs are too large for one file; choose fewer documents", code="GW-PACKS")
    with packed.open(pack.name, "w", force_zip64=True) as member:
        async for piece in pack.pieces:
            await visit.deps.pool.run(partial(member.write, piece))


async def _sent(visit: Visit, file: BinaryIO, name: str, content_type: str) -> web.StreamResponse:
    size = file.seek(0, 2)
    file.seek(0)
    what = streaming.File(name=name, content_type=content_type.partition(";")[0], size=size)
    return await streaming.send(visit, what, _pieces(visit, file))


async def _pieces(visit: Visit, file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await visit.deps.pool.run(partial(file.read, _PIECE)):
        yield piece


ROUTES = (
    get("/danh-sach/van-ban-di/tep", "outgoing_list_file", outgoing_file, needs=SEE, key="outgoing"),
    get("/danh-sach/van-ban-den/tep", "incoming_list_file", incoming_file, needs=SEE, key="incoming"),
    get("/danh-sach/van-ban-di/in", "outgoing_list_print", outgoing_print, needs=SEE, key="outgoing"),
    get("/danh-sach/van-ban-den/in", "incoming_list_print", incoming_print, needs=SEE, key="incoming"),
    post("/danh-sach/van-ban-di/ho-so", "outgoing_packs", packs, needs=READS, key="outgoing"),
)
