"""A list that leaves the page: as a workbook or text, on paper, or as the evidence packs of its documents. In: rows that
were ticked, or all that the list finds. Out: a file, or a page to print. Everything is bounded, and made in a scratch
file."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from aiohttp import web

from gateway.domain.book import Cell
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import reading
from gateway.office.book.xlsx import XlsxColumn
from gateway.office.domain.listing import Line, Side
from gateway.office.domain.right import Manner, Right
from gateway.office.domain.tag import Tag
from gateway.office.web import files_out
from gateway.office.web.listing import choosing, sees, sheet
from gateway.office.web.listing import tags as own_tags
from gateway.office.web.listing.asking import PATHS, Asked
from gateway.office.web.listing.cells import WIDTH, WIDTHS, cells
from gateway.office.web.listing.columns import Column, chosen
from gateway.office.web.listing.rows import Teller
from gateway.office.web.listing.sheet import Piece
from gateway.office.web.moments import moment
from gateway.office.web.pages.lists import SEE, acts_of, asked_of, filter_words
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visit import Visit
from gateway.words import labels

READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
MOST_ROWS = 10_000
MOST_PRINTED = 1_000
MOST_PACKS = 20
MOST_BYTES = 300 * 1024 * 1024
_FORMS = ("xlsx", "csv")


async def asked(visit: Visit, side: Side, named: str) -> web.StreamResponse:
    """The page that asks in which form, or the list on paper at once."""
    wanted = _question(visit, side)
    if named == "in":
        return await _printed(visit, wanted)
    if named == "ho-so":
        return await visit.page(
            "lists/packs.html",
            title=visit.say("listing.act.ho-so"),
            chosen=await choosing.chosen(visit, wanted, named, most=MOST_PACKS),
            most=MOST_PACKS,
        )
    ids, count = await choosing.counted(visit, wanted, most=MOST_ROWS)
    return await visit.page(
        "lists/export.html",
        title=visit.say(f"listing.act.{named}"),
        asked=wanted,
        ids=ids,
        count=count,
        most=MOST_ROWS,
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


async def _teller(visit: Visit, side: Side) -> Teller:
    office = await visit.deps.todo.office() if side is Side.IN else None
    return Teller(lang=visit.lang, now=visit.deps.clock.now(), office=office, content=sees.of(visit).content)


async def _file(visit: Visit, side: Side) -> web.StreamResponse:
    form = visit.ask("dang")
    if form not in _FORMS:
        raise NotFound("a list is written as xlsx or csv")
    wanted = _question(visit, side)
    columns = _columns(visit, wanted)
    titles = [visit.say(f"listing.column.{each.key}") for each in columns]
    name = f"{PATHS[side].lstrip('/')}-{visit.deps.clock.now():%Y%m%d-%H%M}.{form}"
    pool = visit.deps.pool
    with visit.deps.blobs.scratch() as scratch:
        async with aclosing(_pieces_of(visit, wanted, columns)) as pieces:
            if form == "xlsx":
                named = zip(titles, columns, strict=True)
                heads = [XlsxColumn(title=title, width=WIDTHS.get(each.key, WIDTH)) for title, each in named]
                await sheet.xlsx(pool, scratch.file, visit.say(f"listing.caption.{side}"), heads, pieces)
            else:
                await sheet.csv(pool, scratch.file, titles, pieces)
        return await files_out.give(visit.request, await files_out.of_file(pool, scratch.file, name, form))


async def _pieces_of(visit: Visit, wanted: Asked, columns: tuple[Column, ...]) -> AsyncGenerator[Piece]:
    """Of the whole list unless some rows are named."""
    teller = await _teller(visit, wanted.side)
    async with aclosing(choosing.pages(visit, wanted, most=MOST_ROWS)) as pages:
        async for lines in pages:
            yield partial(_told, teller, lines, columns, await _tags(visit, lines, columns))


def _told(
    teller: Teller, lines: Sequence[Line], columns: tuple[Column, ...], tags: Mapping[str, Sequence[Tag]]
) -> list[list[Cell]]:
    return [cells(each, columns, teller.lang, tags.get(each.line.id, ())) for each in teller.rows(lines)]


def _columns(visit: Visit, wanted: Asked) -> tuple[Column, ...]:
    seen = sees.of(visit)
    return chosen(wanted.side, wanted.columns, content=seen.content, tags=seen.tags)


async def _tags(
    visit: Visit, lines: Sequence[Line], columns: Sequence[Column]
) -> Mapping[str, Sequence[Tag]]:
    return await own_tags.of_lines(visit, lines) if any(each.is_tag for each in columns) else {}


async def _printed(visit: Visit, wanted: Asked) -> web.StreamResponse:
    teller = await _teller(visit, wanted.side)
    found = await choosing.chosen(visit, wanted, "xuat", most=MOST_PRINTED, whole=True)
    columns = _columns(visit, wanted)
    lines = [each.row.line for each in found.choices]
    tags = await _tags(visit, lines, columns)
    return await visit.page(
        "lists/print.html",
        title=visit.say(f"listing.caption.{wanted.side}"),
        rows=[[_written(cell) for cell in row] for row in _told(teller, lines, columns, tags)],
        columns=columns,
        asked=wanted,
        words=filter_words(visit, wanted, await own_tags.known(visit)),
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
        content = await files_out.of_file(visit.deps.pool, scratch.file, name, "zip")
        return await files_out.give(visit.request, content)


async def _add(visit: Visit, packed: zipfile.ZipFile, line: Line) -> None:
    await reading.read(visit.deps.accounts, visit.person, line.id, file="evidence", assigned=True)
    pack = await visit.deps.packets.pack(visit.scope(), line.id)
    if packed.fp is not None and packed.fp.tell() + pack.size > MOST_BYTES:
        raise Clash("these packs are too large for one file; choose fewer documents", code="GW-PACKS")
    with packed.open(pack.name, "w", force_zip64=True) as member:
        async for piece in pack.pieces:
            await visit.deps.pool.run(partial(member.write, piece))


ROUTES = (
    get("/danh-sach/van-ban-di/tep", "outgoing_list_file", outgoing_file, needs=SEE, key="outgoing"),
    get("/danh-sach/van-ban-den/tep", "incoming_list_file", incoming_file, needs=SEE, key="incoming"),
    get("/danh-sach/van-ban-di/in", "outgoing_list_print", outgoing_print, needs=SEE, key="outgoing"),
    get("/danh-sach/van-ban-den/in", "incoming_list_print", incoming_print, needs=SEE, key="incoming"),
    post("/danh-sach/van-ban-di/ho-so", "outgoing_packs", packs, needs=READS, key="outgoing"),
)
