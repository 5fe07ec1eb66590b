"""A list written as a workbook or as text, away from the event loop and a piece at a time. In: pieces of rows, each made
when it is its turn. Out: the file; no more than one piece is held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import BinaryIO

from gateway.domain.book import Cell
from gateway.office.book import csv_text
from gateway.office.book.xlsx import XlsxColumn, XlsxWriter
from gateway.ports import Pool

# Makes the rows of one piece; called in the pool.
Piece = Callable[[], Sequence[Sequence[Cell]]]


async def xlsx(
    pool: Pool, out: BinaryIO, title: str, heads: Sequence[XlsxColumn], pieces: AsyncIterator[Piece]
) -> None:
    with XlsxWriter(out, title, heads) as writer:
        async for piece in pieces:
            await pool.run(partial(_each, piece, writer.add))
        await pool.run(writer.close)


async def csv(pool: Pool, out: BinaryIO, titles: Sequence[str], pieces: AsyncIterator[Piece]) -> None:
    out.write(csv_text.first_line(titles))
    async for piece in pieces:
        await pool.run(partial(_each, piece, lambda row: out.write(csv_text.line(row))))


def _each(piece: Piece, add: Callable[[Sequence[Cell]], object]) -> None:
    for row in piece():
        add(row)
