"""A list that leaves the page: as a workbook or text, on paper, or as the evidence packs of its documents. In: rows
that were ticked, or all that the list finds. Out: a file, or a page to print: real dates, plain words. Everything is
bounded, and made in a scratch file, away from the event loop and a piece at a time: no more than one piece is held."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from aiohttp import web

from gateway.domain.book import Cell
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import acting
from gateway.office.book import table_files
from gateway.office.book.table_files import Piece, XlsxColumn
from gateway.office.domain.listing import ListLine, Side, Tag
from gateway.office.domain.roles import Manner, Right
from gateway.office.web import answers
from gateway.office.web.dates import cell_text, moment_text
from gateway.office.web.listing import list_rows
from gateway.office.web.listing.asking import PATHS, Column, ListQuestion, chosen_columns
from gateway.office.web.listing.list_rows import ShownLine, Teller
from gateway.office.web.pages import content
from gateway.office.web.pages.lists import MENU, SEE, acts_of, asked_here, filter_words
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visits import Visit
from gateway.words import labels

WIDTHS: Mapping[str, int] = {
    "trich-yeu": 60,
    "noi-nhan": 36,
    "noi-gui": 36,
    "trang-thai": 28,
    "ma-van-ban": 34,
}
WIDTH = 18


def cells_of(row: ShownLine, columns: tuple[Column, ...], lang: str, tags: Sequence[Tag] = ()) -> list[Cell]:
    """`tags` are the agency's own labels on it."""
    return [_cell_of(row, each.key, lang, tags) for each in columns]


def _cell_of(row: ShownLine, key: str, lang: str, tags: Sequence[Tag]) -> Cell:
    line, card = row.line, row.line.card
    plain: Mapping[str, Cell] = {
        "so": row.number,
        "ngay-vb": line.issued_on,
        "trich-yeu": row.subject,
        "loai": card.type_name,
        "khan": labels.say(f"urgency.{line.urgency.key}", lang),
        "gui-luc": moment_text(line.sent_at),
        "gan-nhat": moment_text(line.latest_at),
        "den-luc": moment_text(line.at),
        "con-lai": row.time_left,
        "so-den": card.arrival_no,
        "nguoi-ky": card.signer,
        "don-vi": card.unit,
        "han-tra-loi": card.reply_due,
        "ma-qlvb": card.external_id,
        "so-trang": card.pages,
        "ma-van-ban": card.document_id,
    }
    if key in plain:
        return plain[key]
    if key in ("noi-nhan", "noi-gui"):
        name = f"{card.party} ({card.party_code})" if card.party else card.party_code
        return f"{name} +{card.parties - 1}" if line.side is Side.OUT and card.parties > 1 else name
    if key == "trang-thai":
        return f"{row.state}; {row.summary}" if row.summary else row.state
    if key == "kiem-tra":
        return "; ".join(
            f"{labels.say(f'listing.check.{each.key}', lang)}: "
            + labels.say_or(f"checked.{each.found}", each.found, lang)
            for each in row.checks
        )
    if key == "nhan":
        return "; ".join(each.name for each in tags)
    return labels.say(f"listing.source.{line.origin}", lang) if line.origin else ""


READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
MOST_ROWS = 10_000
MOST_PRINTED = 1_000
MOST_PACKS = 20
MOST_BYTES = 300 * 1024 * 1024
_FORMS = ("xlsx", "csv")


async def asked(visit: Visit, side: Side, named: str) -> web.StreamResponse:
    """The page that asks in which form, or the list on paper at once."""
    if named == "in":
        return await printed(visit, side)
    wanted = asked_here(visit, side)
    if named == "ho-so":
        return await visit.page(
            "lists/packs.html",
            title=visit.say("listing.act.ho-so"),
            chosen=await list_rows.chosen(visit, wanted, named, most=MOST_PACKS),
            most=MOST_PACKS,
        )
    ids, count = await list_rows.counted(visit, wanted, most=MOST_ROWS)
    return await visit.page(
        "lists/export.html",
        title=visit.say(f"listing.act.{named}"),
        asked=wanted,
        ids=ids,
        count=count,
        most=MOST_ROWS,
        every=visit.ask("tat-ca") == "1",
    )


async def file_given(visit: Visit, side: Side) -> web.StreamResponse:
    form = visit.ask("dang")
    if form not in _FORMS:
        raise NotFound("a list is written as xlsx or csv")
    wanted = asked_here(visit, side)
    columns = _columns(visit, wanted)
    heads = [
        XlsxColumn(title=visit.say(f"listing.column.{each.key}"), width=WIDTHS.get(each.key, WIDTH))
        for each in columns
    ]
    name = f"{PATHS[side].lstrip('/')}-{visit.deps.clock.now():%Y%m%d-%H%M}.{form}"
    pool = visit.deps.pool
    with visit.deps.blobs.scratch() as scratch:
        async with aclosing(_pieces_of(visit, wanted, columns)) as pieces:
            title = visit.say(f"listing.caption.{side}")
            await table_files.write(pool, scratch.file, form, title, heads, pieces)
        return await answers.give_file(
            visit.request, await answers.file_content(pool, scratch.file, name, form)
        )


async def _pieces_of(
    visit: Visit, wanted: ListQuestion, columns: tuple[Column, ...]
) -> AsyncGenerator[Piece]:
    """Of the whole list unless some rows are named."""
    teller, tagged = await list_rows.teller_of(visit, wanted.side), any(each.is_tag for each in columns)
    async with aclosing(list_rows.pages(visit, wanted, most=MOST_ROWS, tagged=tagged)) as pages:
        async for lines, tags in pages:
            yield partial(_told, teller, lines, columns, tags)


def _told(
    teller: Teller, lines: Sequence[ListLine], columns: tuple[Column, ...], tags: Mapping[str, Sequence[Tag]]
) -> list[tuple[list[Cell], bool]]:
    """The cells of each row; nothing on a list is struck."""
    return [
        (cells_of(each, columns, teller.lang, tags.get(each.line.id, ())), False)
        for each in teller.rows(lines)
    ]


def _columns(visit: Visit, wanted: ListQuestion) -> tuple[Column, ...]:
    seen = list_rows.seen_by(visit)
    return chosen_columns(wanted.side, wanted.columns, content=seen.content, tags=seen.tags)


async def printed(visit: Visit, side: Side) -> web.StreamResponse:
    wanted, teller = asked_here(visit, side), await list_rows.teller_of(visit, side)
    found = await list_rows.chosen(visit, wanted, "xuat", most=MOST_PRINTED, whole=True)
    columns = _columns(visit, wanted)
    tabs = (f"tab.{wanted.side}.{wanted.tab}", f"tab.{wanted.tab}", f"tile.{wanted.tab}")
    lines = [each.row.line for each in found.choices]
    tags = await list_rows.tags_of_lines(visit, lines) if any(each.is_tag for each in columns) else {}
    return await visit.page(
        "lists/print.html",
        title=visit.say(f"listing.caption.{wanted.side}"),
        rows=[[cell_text(cell) for cell in row] for row, _ in _told(teller, lines, columns, tags)],
        columns=columns,
        asked=wanted,
        words=filter_words(visit, wanted, await list_rows.known_tags(visit)),
        cut=found.cut,
        most=MOST_PRINTED,
        made_at=moment_text(visit.deps.clock.now()),
        tab=next((visit.say(key) for key in tabs if labels.has(key)), ""),
    )


async def packs(visit: Visit) -> web.StreamResponse:
    """One file with the evidence pack of each: content leaves here, so that every reading is written down first."""
    if "ho-so" not in acts_of(visit, Side.OUT):
        raise Denied("this person may not do that here", code="GW-RIGHT")
    found = await list_rows.chosen(visit, asked_here(visit, Side.OUT), "ho-so", most=MOST_PACKS)
    lines = [each.row.line for each in found.choices]
    if not lines:
        raise NotFound("nothing was chosen")
    with visit.deps.blobs.scratch() as scratch:
        with zipfile.ZipFile(scratch.file, "w", zipfile.ZIP_STORED) as packed:
            for line in lines:
                await _add(visit, packed, line)
        name = f"ho-so-chung-cu-{visit.deps.clock.now():%Y%m%d-%H%M}.zip"
        content = await answers.file_content(visit.deps.pool, scratch.file, name, "zip")
        return await answers.give_file(visit.request, content)


async def _add(visit: Visit, packed: zipfile.ZipFile, line: ListLine) -> None:
    await acting.note_reading(visit.deps.accounts, visit.person, line.id, file="evidence", assigned=True)
    pack = await content.pack_of(visit, line.id)
    if packed.fp is not None and packed.fp.tell() + (pack.size or 0) > MOST_BYTES:
        raise Clash("these packs are too large for one file; choose fewer documents", code="GW-PACKS")
    with packed.open(pack.name, "w", force_zip64=True) as member:
        async for piece in pack.pieces:
            await visit.deps.pool.run(partial(member.write, piece))


ROUTES = (
    *(
        get(
            f"/danh-sach{PATHS[side]}/{end}",
            f"{key}_list_{name}",
            partial(handler, side=side),
            needs=SEE,
            key=key,
        )
        for end, name, handler in (("tep", "file", file_given), ("in", "print", printed))
        for side, key in MENU.items()
    ),
    post("/danh-sach/van-ban-di/ho-so", "outgoing_packs", packs, needs=READS, key="outgoing"),
)
