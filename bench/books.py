"""Times the register books of agencies with many lines: `python -m bench.books [--rows N] [--agencies A] [--years Y]
[--database URL]`. In: an empty database, whose documents and lines are copied in SQL from one of each sort, half of them in
each book. Out: times of what the page of a book asks, of the first lines, of lines further on and of a month, as it makes
them of any agency. A time is never judged."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    literal,
    select,
    text,
)

from bench.lists_fill import TYPES, Spread, arrived, sent
from gateway.clock import SystemClock
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import Book, PaperLetter, Span
from gateway.domain.wall_clock import midnight
from gateway.store import migrate
from gateway.store.row import Moment, Row, to_json
from gateway.store.tables import DeliveryRow, IncomingRow, OutgoingRow, PaperOutgoingRow, RegisterEntryRow
from gateway_office.book import books
from gateway_office.store.store import OfficeWork, SqlOfficeStore

YEAR = datetime.now(UTC).year - 1
_ROUNDS, _LIMIT, _AT_ONCE = 40, 50, 5_000
# One line of a hundred of the outgoing book is a letter on paper.
_ON_PAPER = 100
_SEED = 20261127
_DAY = date(1111, 1, 11)
_MARKS = {"number": "@number", "type_name": "@type", "issued_on": _DAY.isoformat()}

# The lines of one agency and book, the same for all: each has its number, day and id.
_LINES = Table(
    "bench_line",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("number", String),
    Column("year", Integer),
    Column("day", Date),
    Column("day_text", String),
    Column("at", Moment),
    Column("type_name", String),
    Column("paper", Integer),
)
_L = _LINES.c


def lines(many: int, years: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of one agency's book: numbers begin anew each year and follow the days."""
    of_year = many // years
    for n in range(many):
        year, place = YEAR - n // of_year, n % of_year
        day = date(year, 1, 1) + timedelta(days=365 * place // of_year)
        yield {
            "id": f"{n:08}",
            "number": str(place + 1),
            "year": year,
            "day": day,
            "day_text": day.isoformat(),
            "at": midnight(day) + timedelta(hours=9),
            "type_name": TYPES[n % len(TYPES)],
            "paper": int(n % _ON_PAPER == 0),
        }


def models() -> Mapping[type[Row], Row]:
    """Make one row of each sort; its body has words that each copy replaces."""
    spread = Spread(rng=random.Random(_SEED))
    rows = {type(row): row for row in (*sent(spread, 0), *arrived(spread, 0))}
    letter = PaperLetter(
        id="ppr",
        number="",
        symbol="UBND-VP",
        issued_on=_DAY,
        type_name="",
        subject="Ve viec cu ho so",
        signer="Nguyen Van A",
        recipients="So Noi vu",
        entered_at=datetime.now(UTC),
        entered_by="prn_bench",
    )
    rows[PaperOutgoingRow] = PaperOutgoingRow.from_value(
        letter, agency_id="", year=YEAR, body=to_json(PaperLetter, letter)
    )
    rows[RegisterEntryRow] = RegisterEntryRow(
        agency_id="", incoming_id="", book="incoming", year=YEAR, number="", entered_at=datetime.now(UTC)
    )
    return rows


def _copy(row: Row, agency_id: str, changed: Mapping[str, Any], paper: int | None = None) -> Any:
    """Return the statement that copies a row for each line; its body says the line's number, day and type."""
    table: Table = type(row).__table__
    columns: dict[str, ColumnElement[Any]] = {}
    for column in table.columns:
        value: Any = {"agency_id": agency_id, **changed}.get(column.name, getattr(row, column.name, None))
        if column.name == "body":
            value = _body(value)
        is_made = isinstance(value, ColumnElement)
        columns[column.name] = value if is_made else literal(value, type_=column.type)
    query = select(*(value.label(name) for name, value in columns.items())).select_from(_LINES)
    return insert(table).from_select(
        list(columns), query if paper is None else query.where(_L.paper == paper)
    )


def _body(body: str) -> Any:
    """Return the expression of a body that says the id, number, day and type of each line."""
    value = json.loads(body)
    value["id"] = f"{value['id'][:3]}_@id"
    for part in (value, value.get("draft", {})):
        part |= {name: mark for name, mark in _MARKS.items() if name in part}
    marked: Any = literal(json.dumps(value, ensure_ascii=False))
    words = {"@id": _L.id, **dict(zip(_MARKS.values(), (_L.number, _L.type_name, _L.day_text), strict=True))}
    for word, column in words.items():
        marked = func.replace(marked, word, column)
    return marked


async def fill(store: SqlOfficeStore, rows: int, agencies: int, years: int) -> int:
    """Write the lines of so many agencies, half of them in each book; return how many lines."""
    many, statements = years * max(1, rows // (2 * agencies * years)), models()
    for n in range(agencies):
        await store.accounts.add_hosted(HostedAgency(id=_agency(n), code=f"Z91.{n:02}", name=f"Agency {n}"))
    async with store.writing() as tx:
        await tx.connection.run_sync(_LINES.create)
        of_book = lines(many, years)
        while part := list(islice(of_book, _AT_ONCE)):
            await tx.connection.execute(insert(_LINES), part)
        await tx.commit()
    as_sent = {"document_id": _L.id, "packet_id": _L.id, "number": _L.number}
    copies: Sequence[tuple[type[Row], Mapping[str, Any], int | None]] = (
        (IncomingRow, {**as_sent, "id": "inb_" + _L.id, "inbox_id": _L.id, "arrived_at": _L.at}, None),
        (
            RegisterEntryRow,
            {"incoming_id": "inb_" + _L.id, "number": _L.number, "year": _L.year, "entered_at": _L.at},
            None,
        ),
        (
            OutgoingRow,
            {
                **as_sent,
                "id": "msg_" + _L.id,
                "issued_on": _L.day,
                "created_at": _L.at,
                "type_name": _L.type_name,
            },
            0,
        ),
        (DeliveryRow, {"id": "dlv_" + _L.id, "document_id": "msg_" + _L.id, "updated_at": _L.at}, 0),
        (
            PaperOutgoingRow,
            {"id": "ppr_" + _L.id, "number": _L.number, "issued_on": _L.day, "year": _L.year},
            1,
        ),
    )
    for n in range(agencies):
        async with store.writing() as tx:
            for kind, changed, paper in copies:
                await tx.connection.execute(_copy(statements[kind], _agency(n), changed, paper))
            await tx.commit()
    return 2 * many * agencies


def _agency(n: int) -> str:
    return f"agy_{n:02}"


def questions(of_year: int) -> Mapping[str, Callable[[OfficeWork], Awaitable[object]]]:
    """Return what pages ask, by name."""
    year, month = Span(year=YEAR), Span(year=YEAR, since=date(YEAR, 6, 1), until=date(YEAR, 6, 30))

    def load_page(book: Book, span: Span, last: str = "") -> Callable[[OfficeWork], Awaitable[object]]:
        async def ask(work: OfficeWork) -> None:
            cursor = await books.line_named(work, book, last) if last else None
            await books.read_page(work, book, span, limit=_LIMIT, cursor=cursor)

        return ask

    def closing(book: Book) -> Callable[[OfficeWork], Awaitable[object]]:
        return lambda work: books.summary_of(work, book, year)

    middle = {
        Book.INCOMING: str(of_year // 2),
        Book.OUTGOING: f"msg_{of_year // 2 // _ON_PAPER * _ON_PAPER + 1:08}",
    }
    calls: dict[str, Callable[[OfficeWork], Awaitable[object]]] = {}
    for book, last in middle.items():
        calls[f"{book}, first lines of a year"] = load_page(book, year)
        calls[f"{book}, lines further on"] = load_page(book, year, last)
        calls[f"{book}, lines of a month"] = load_page(book, month)
        calls[f"{book}, closing lines of a year"] = closing(book)
    return calls


async def measure(store: SqlOfficeStore, agencies: int, of_year: int) -> dict[str, list[float]]:
    """Ask each question of any agency several times; return milliseconds by question."""
    rng, calls = random.Random(_SEED), questions(of_year)
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, ask in calls.items():
            scope = AgencyScope(agency_id=_agency(rng.randrange(agencies)), principal_id="prn_bench")
            began = time.perf_counter()
            async with store.read(scope) as work:
                await ask(work)
            took[name].append(1000 * (time.perf_counter() - began))
    return took


async def run(url: str, options: argparse.Namespace) -> None:
    await migrate.up(url)
    store = SqlOfficeStore(url, SystemClock())
    await store.open()
    try:
        began = time.perf_counter()
        count = await fill(store, options.rows, options.agencies, options.years)
        if store.journal is None:
            async with store.writing() as tx:
                await tx.connection.execute(text("ANALYZE"))
                await tx.commit()
        of_year = max(1, count // (2 * options.agencies * options.years))
        print(
            f"{count:,} lines, {of_year:,} in each book and year of {options.agencies} agencies, "
            f"in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        took = await measure(store, options.agencies, of_year)
    finally:
        await store.close()
    every = sorted(n for times in took.values() for n in times)
    for name, times in (*took.items(), ("all", every)):
        at = sorted(times)
        figures = (f"p{share} {at[(len(at) - 1) * share // 100]:6.0f} ms" for share in (50, 95, 100))
        print(f"{name:<36} {'  '.join(figures)}")


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.books", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--agencies", type=int, default=20)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--database", help="address of an empty database; default: a file of SQLite")
    parser.add_argument("--folder", type=Path, help="where the file goes")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="bench-books-", dir=options.folder) as folder:
        asyncio.run(run(options.database or f"sqlite:///{Path(folder) / 'node.db'}", options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
