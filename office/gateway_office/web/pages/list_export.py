"""A list that leaves the page: as a workbook or text, on paper, or as the evidence packs of its documents. In: rows that
were ticked, or all that the list finds. Out: a file, or a page to print: real dates, plain words. Everything is limited,
and made in a scratch file, away from the event loop and a piece at a time: no more than one piece is in memory."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from aiohttp import web

from gateway.domain.book import Cell
from gateway.errors import Clash, Denied, NotFound
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.book import table_files
from gateway_office.book.table_files import Piece, XlsxColumn
from gateway_office.domain.listing import ListLine, Side, Tag
from gateway_office.domain.roles import Manner, Right
from gateway_office.web.dates import cell_text, moment_text
from gateway_office.web.listing import list_rows
from gateway_office.web.listing.asking import PATHS, Column, ListQuery, chosen_columns
from gateway_office.web.listing.list_rows import ArrivalCheck, BulkAct, RowRenderer, ShownLine
from gateway_office.web.listing.search_field import filter_words
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import content
from gateway_office.web.pages.lists import MENU, SEE, acts_of, read_list_query
from gateway_office.web.routes import Needs, get, post

WIDTHS: Mapping[str, int] = {
    "trich-yeu": 60,
    "noi-nhan": 36,
    "noi-gui": 36,
    "trang-thai": 28,
    "ma-van-ban": 34,
}
WIDTH = 18
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
MOST_ROWS = 10_000
MOST_PRINTED = 1_000
MOST_PACKS = 20
MOST_BYTES = 300 * 1024 * 1024
_FORMS = ("xlsx", "csv")


def cells_of(row: ShownLine, columns: tuple[Column, ...], lang: str, tags: Sequence[Tag] = ()) -> list[Cell]:
    """Return the cells of a row; `tags` are the agency's own labels on it."""
    line, card = row.line, row.line.card
    party, source = _party_text(line), f"listing.source.{line.origin}"
    cells: Mapping[str, Cell] = {
        "so": row.number,
        "ngay-vb": line.issued_on,
        "trich-yeu": row.subject,
        "loai": card.type_name,
        "khan": labels.say(f"urgency.{line.urgency.key}", lang),
        "noi-nhan": party,
        "noi-gui": party,
        "trang-thai": f"{row.state}; {row.summary}" if row.summary else row.state,
        "gui-luc": moment_text(line.sent_at),
        "gan-nhat": moment_text(line.latest_at),
        "den-luc": moment_text(line.at),
        "con-lai": row.time_left,
        "kiem-tra": "; ".join(_check_text(check, lang) for check in row.checks),
        "so-den": card.arrival_no,
        "nguoi-ky": card.signer,
        "don-vi": card.unit,
        "han-tra-loi": card.reply_due,
        "ma-qlvb": card.external_id,
        "so-trang": card.pages,
        "ma-van-ban": card.document_id,
        "nhan": "; ".join(tag.name for tag in tags),
        "nguon": labels.say(source, lang) if line.origin else "",
    }
    return [cells[column.key] for column in columns]


def _party_text(line: ListLine) -> str:
    card = line.card
    name = f"{card.party} ({card.party_code})" if card.party else card.party_code
    return f"{name} +{card.parties - 1}" if line.side is Side.OUT and card.parties > 1 else name


def _check_text(check: ArrivalCheck, lang: str) -> str:
    verdict = labels.say_or(f"checked.{check.verdict}", check.verdict, lang)
    return f"{labels.say(f'listing.check.{check.key}', lang)}: {verdict}"


async def ask_export(request: PageRequest, side: Side, act: BulkAct) -> web.StreamResponse:
    """Show the page that asks for the form, or the list on paper at once."""
    if act == "in":
        return await print_list(request, side)
    question = read_list_query(request, side)
    if act == BulkAct.PACK:
        return await request.page(
            "lists/packs.html",
            title=request.say("listing.act.ho-so"),
            chosen=await list_rows.load_chosen(request, question, act, most=MOST_PACKS),
            most=MOST_PACKS,
        )
    ids, count = await list_rows.count_chosen(request, question, most=MOST_ROWS)
    return await request.page(
        "lists/export.html",
        title=request.say(f"listing.act.{act}"),
        asked=question,
        ids=ids,
        count=count,
        most=MOST_ROWS,
        every=request.ask("tat-ca") == "1",
    )


async def send_file(request: PageRequest, side: Side) -> web.StreamResponse:
    form = request.ask("dang")
    if form not in _FORMS:
        raise NotFound("a list is written as xlsx or csv")
    question = read_list_query(request, side)
    columns = _columns(request, question)
    heads = [
        XlsxColumn(title=request.say(f"listing.column.{column.key}"), width=WIDTHS.get(column.key, WIDTH))
        for column in columns
    ]
    name = f"{PATHS[side].lstrip('/')}-{request.deps.clock.now():%Y%m%d-%H%M}.{form}"
    with request.deps.blobs.scratch() as scratch:
        async with aclosing(_pieces_of(request, question, columns)) as pieces:
            title = request.say(f"listing.caption.{side}")
            await table_files.write(request.deps.pool, scratch.file, form, title, heads, pieces)
        return await request.send_scratch_file(scratch.file, name, form)


async def _pieces_of(
    request: PageRequest, question: ListQuery, columns: tuple[Column, ...]
) -> AsyncGenerator[Piece]:
    """Yield the whole list, unless some rows are named."""
    teller, with_tags = (
        await list_rows.row_renderer(request, question.side),
        any(column.is_tag for column in columns),
    )
    async with aclosing(list_rows.pages(request, question, most=MOST_ROWS, tagged=with_tags)) as pages:
        async for lines, tags in pages:
            yield partial(_cell_rows, teller, lines, columns, tags)


def _cell_rows(
    teller: RowRenderer,
    lines: Sequence[ListLine],
    columns: tuple[Column, ...],
    tags: Mapping[str, Sequence[Tag]],
) -> list[tuple[list[Cell], bool]]:
    """Return the cells of each row; no row of a list is struck."""
    return [
        (cells_of(row, columns, teller.lang, tags.get(row.line.id, ())), False) for row in teller.rows(lines)
    ]


def _columns(request: PageRequest, question: ListQuery) -> tuple[Column, ...]:
    sight = list_rows.seen_by(request)
    return chosen_columns(question.side, question.columns, content=sight.content, tags=sight.tags)


async def print_list(request: PageRequest, side: Side) -> web.StreamResponse:
    question, teller = read_list_query(request, side), await list_rows.row_renderer(request, side)
    chosen = await list_rows.load_chosen(
        request, question, BulkAct.EXPORT, most=MOST_PRINTED, all_if_unnamed=True
    )
    columns = _columns(request, question)
    tabs = (f"tab.{question.side}.{question.tab}", f"tab.{question.tab}", f"tile.{question.tab}")
    lines = [c.row.line for c in chosen.choices]
    tags = await list_rows.tags_of_lines(request, lines) if any(c.is_tag for c in columns) else {}
    return await request.page(
        "lists/print.html",
        title=request.say(f"listing.caption.{question.side}"),
        rows=[[cell_text(cell) for cell in row] for row, _ in _cell_rows(teller, lines, columns, tags)],
        columns=columns,
        asked=question,
        words=filter_words(request, question, await list_rows.known_tags(request)),
        cut=chosen.cut,
        most=MOST_PRINTED,
        made_at=moment_text(request.deps.clock.now()),
        tab=next((request.say(key) for key in tabs if labels.has(key)), ""),
    )


async def packs(request: PageRequest) -> web.StreamResponse:
    """Send one file with the evidence pack of each: content leaves here, so every reading is logged first."""
    if BulkAct.PACK not in acts_of(request, Side.OUT):
        raise Denied("this person may not do that here", code="GW-RIGHT")
    chosen = await list_rows.load_chosen(
        request, read_list_query(request, Side.OUT), BulkAct.PACK, most=MOST_PACKS
    )
    lines = [choice.row.line for choice in chosen.choices]
    if not lines:
        raise NotFound("nothing was chosen")
    with request.deps.blobs.scratch() as scratch:
        with zipfile.ZipFile(scratch.file, "w", zipfile.ZIP_STORED) as packed:
            for line in lines:
                await _add(request, packed, line)
        name = f"ho-so-chung-cu-{request.deps.clock.now():%Y%m%d-%H%M}.zip"
        return await request.send_scratch_file(scratch.file, name, "zip")


async def _add(request: PageRequest, packed: zipfile.ZipFile, line: ListLine) -> None:
    await acting.note_reading(request.deps.accounts, request.person, line.id, file="evidence", assigned=True)
    pack = await content.pack_of(request, line.id)
    if packed.fp is not None and packed.fp.tell() + (pack.size or 0) > MOST_BYTES:
        raise Clash("these packs are too large for one file; choose fewer documents", code="GW-PACKS")
    with packed.open(pack.name, "w", force_zip64=True) as member:
        async for piece in pack.pieces:
            await request.deps.pool.run(partial(member.write, piece))


ROUTES = (
    *(
        get(
            f"/danh-sach{PATHS[side]}/{end}",
            f"{key}_list_{name}",
            partial(handler, side=side),
            needs=SEE,
            key=key,
        )
        for end, name, handler in (("tep", "file", send_file), ("in", "print", print_list))
        for side, key in MENU.items()
    ),
    post("/danh-sach/van-ban-di/ho-so", "outgoing_packs", packs, needs=READS, key="outgoing"),
)
