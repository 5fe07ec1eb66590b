"""Writes a register book as PDF in a process of its own, so that a test can measure its memory. In: a database's address, a
file. Out: the memory that the process took at its peak, in KiB, on its output."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.domain.book import Book, Span
from gateway.pool import ThreadPool
from gateway_office.book import book_pdf
from gateway_office.book.books import Ask
from gateway_office.services import BookServices
from tests.office.support.stores import opened
from tests.support.stores import NORTH


async def write(url: str, file: Path) -> None:
    pool = ThreadPool(1)
    try:
        async with opened(url, SystemClock()) as store:
            services = BookServices(store=store, clock=SystemClock(), pool=pool)
            with file.open("wb") as out:
                await book_pdf.write(services, NORTH, Ask(book=Book.OUTGOING, span=Span(year=2026)), out)
    finally:
        pool.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2])))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    print(peak)
