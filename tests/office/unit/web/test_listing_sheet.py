"""Lists that leave the page: made in the pool, a piece at a time, and no more than one piece held."""

from __future__ import annotations

import csv
import gc
import io
import threading
import weakref
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from gateway.domain.book import Cell
from gateway.pool import ThreadPool
from gateway_office.book import table_files
from gateway_office.book.table_files import Piece, XlsxColumn

PIECES, ROWS = 100, 100


class Rows(list[tuple[Sequence[Cell], bool]]):
    """A list that can be watched."""


@dataclass
class Counted:
    """Ten thousand rows, and what became of each piece."""

    threads: set[int] = field(default_factory=set)
    alive: list[weakref.ref[Rows]] = field(default_factory=list)
    most_alive: int = 0

    async def pieces(self) -> AsyncIterator[Piece]:
        for n in range(PIECES):
            gc.collect(0)
            self.most_alive = max(self.most_alive, sum(ref() is not None for ref in self.alive))

            def piece(n: int = n) -> Rows:
                self.threads.add(threading.get_ident())
                rows = Rows(([f"{n * ROWS + row}/UBND", "Về việc thử"], False) for row in range(ROWS))
                self.alive.append(weakref.ref(rows))
                return rows

            yield piece


@pytest.mark.parametrize("form", ["xlsx", "csv"])
async def test_ten_thousand_rows_are_made_off_the_loop_a_piece_at_a_time(form: str) -> None:
    out, counted, pool = io.BytesIO(), Counted(), ThreadPool(2)
    heads = [XlsxColumn(title=title, width=18) for title in ("Số", "Trích yếu")]
    await table_files.write(pool, out, form, "Văn bản", heads, counted.pieces())
    if form == "xlsx":
        text = zipfile.ZipFile(out).read("xl/worksheets/sheet1.xml").decode()
        count = text.count("/UBND")
    else:
        count = len(list(csv.reader(io.StringIO(out.getvalue().decode("utf-8-sig"))))) - 1

    assert count == PIECES * ROWS
    assert threading.get_ident() not in counted.threads
    assert len(counted.alive) == PIECES
    assert counted.most_alive <= 1
