"""The printable page of a register book: a cover, A4 across, the header on every sheet, a line for each month. In: an
opened book. Out: one HTML document that needs nothing beside it, written piece by piece."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import Letterhead
from gateway.domain.book import BookLine, Summary
from gateway.policy.book import WIDTHS, next_month
from gateway.words import labels
from gateway_office.book import books
from gateway_office.book.books import Ask, BookFormat, OpenBook
from gateway_office.book.table_files import clean_text
from gateway_office.services import BookServices
from gateway_office.web.answers import bare_templates
from gateway_office.web.dates import cell_text, day_text

_PAGES = bare_templates(enable_async=True)
# Pieces of a template are short; written one by one they would cost more than the page.
_PIECE = 64 * 1024


async def write(
    services: BookServices, scope: AgencyScope, ask: Ask, out: BinaryIO, *, nonce: str = ""
) -> Summary:
    """Write the page to `out`; `nonce` is that of the policy under which a server sends it."""
    async with books.open_book(services, scope, ask) as book:
        pieces: list[str] = []
        async for piece in _pieces(book, nonce):
            pieces.append(piece)
            if sum(map(len, pieces)) >= _PIECE:
                await services.pool.run(partial(out.write, "".join(pieces).encode()))
                pieces = []
        await services.pool.run(partial(out.write, "".join(pieces).encode()))
    return await books.record_export(services, scope, ask, BookFormat.HTML, book.summary())


def _pieces(book: OpenBook, nonce: str) -> AsyncIterator[str]:
    ask = book.ask
    total = sum(WIDTHS[column] for column in ask.columns)
    return _PAGES.get_template("book/print.html").generate_async(
        lang=ask.lang,
        nonce=nonce,
        title=labels.say(f"book.{ask.book}", ask.lang),
        cover=book.cover,
        emblem=_emblem_source(book.cover.letterhead, is_served=bool(nonce)),
        titles=ask.titles(),
        shares=[round(100 * WIDTHS[column] / total, 2) for column in ask.columns],
        rows=_rows(book),
        closing=book.closing,
        say=labels.say,
        day=day_text,
    )


def _emblem_source(letterhead: Letterhead, *, is_served: bool) -> str:
    """Return the address of the emblem; in a file that stands alone, the picture itself."""
    if not letterhead.picture:
        return ""
    if is_served:
        return f"/bieu-tuong/{letterhead.emblem}.png"
    return f"data:image/png;base64,{base64.b64encode(letterhead.picture).decode()}"


async def _rows(book: OpenBook) -> AsyncIterator[tuple[date | None, BookLine, list[str]]]:
    latest: date | None = None
    async for lines in book.pages():
        for line in lines:
            latest, heading = next_month(latest, line.on)
            yield heading, line, [clean_text(cell_text(cell)) for cell in book.cells(line)]
