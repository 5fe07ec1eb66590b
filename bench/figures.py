"""Times reports over the figures of many documents of one agency: `python -m bench.figures [--documents N] [--years Y]
[--database URL]`. In: an empty database, whose cells are written in SQL as the loop would have left them. Out: times of
each question of each report, over a month, a quarter, a year, all years, and a year that begins and ends within a month.
A time is never judged."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import text

from gateway.clock import SystemClock
from gateway.domain.account import HostedAgency
from gateway.domain.figures import DAY, IN, MEASURES, MONTH, OUT, PAIRS, Dimension
from gateway.store import migrate
from gateway.store.figures import list_types, list_units
from gateway_office.book import reports
from gateway_office.policy.reports import REPORTS, By, Question
from gateway_office.store.store import SqlOfficeStore

AGENCY = "agy_bench"
LAST = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
PARTNERS, UNITS, TYPES, PERSONS_OF_UNIT, DUE_DAYS = 500, 20, 30, 5, 10
UNIT_NAMES = [f"Phong {n:02}" for n in range(UNITS)]
CHOSEN = {"partner": "Z91.007", "type": "7", "urgency": "khan", "unit": UNIT_NAMES[7]}
_ROUNDS = 3


def dimensions(unit: str) -> Iterator[tuple[str, str]]:
    """Yield the cells that a busy day has, of the whole agency or of a unit."""
    yield Dimension.ALL, ""
    for name, many in ((Dimension.TYPE, TYPES), (Dimension.URGENCY, 5)):
        yield from ((name, str(n)) for n in range(many))
    for n in range(DUE_DAYS):
        yield from ((due, f"2026-{1 + n:02}-15") for due in (Dimension.DUE, Dimension.REPLY_DUE))
    if unit:
        yield from ((Dimension.PERSON, f"prn_{unit}_{n}") for n in range(PERSONS_OF_UNIT))
        return
    yield from ((Dimension.PARTNER, f"Z91.{n:03}") for n in range(PARTNERS))
    yield from ((Dimension.REASON, reason) for reason in ("class", "sender", "book"))


def pairs() -> Iterator[list[tuple[str, str, str]]]:
    """Yield the cells of each pair of a busy month: the place of the unit, dimension and key."""
    values = {
        Dimension.PARTNER: [f"Z91.{n:03}" for n in range(PARTNERS)],
        Dimension.TYPE: [str(n) for n in range(TYPES)],
        Dimension.URGENCY: [str(n) for n in range(5)],
        Dimension.UNIT: UNIT_NAMES,
    }
    for (first, second), name in PAIRS.items():
        yield [(value, name, key) for value in values[first] for key in values[second]]


async def fill(store: SqlOfficeStore, documents: int, years: int) -> int:
    """Write the cells of so many documents on the working days of so many years; return how many cells."""
    first = date(LAST.year - years, LAST.month, 1)
    days = [first + timedelta(days=n) for n in range((LAST - first).days + 1)]
    working = [day for day in days if day.weekday() < 5]
    months = [(MONTH, day) for day in sorted({day.replace(day=1) for day in days})]
    spans = [(DAY, day) for day in working] + months
    of_day = max(1, documents // (2 * len(working)))
    cells = 0
    for side in (IN, OUT):
        for unit in ("", *UNIT_NAMES):
            rows = [(unit, str(dimension), key) for dimension, key in dimensions(unit)]
            cells += await _write(store, side, rows, spans, max(1, of_day // (20 if unit else 1)))
        for rows in pairs():
            cells += await _write(store, side, rows, months, 1)
    return cells


async def _write(
    store: SqlOfficeStore,
    side: str,
    rows: Sequence[tuple[str, str, str]],
    spans: Sequence[tuple[str, date]],
    n: int,
) -> int:
    """Write these cells for each day or month, with the same number in every measure."""
    figures = ", ".join(f"{n}" for _ in MEASURES)
    async with store.writing() as tx:
        for statement, values in (
            ("CREATE TEMPORARY TABLE spans (span VARCHAR, day DATE)", None),
            ("CREATE TEMPORARY TABLE cells (place VARCHAR, dimension VARCHAR, key VARCHAR)", None),
            ("INSERT INTO spans VALUES (:span, :day)", [{"span": span, "day": day} for span, day in spans]),
            (
                "INSERT INTO cells VALUES (:place, :dimension, :key)",
                [{"place": place, "dimension": dimension, "key": key} for place, dimension, key in rows],
            ),
            (
                f"INSERT INTO figure_day (agency_id, side, dimension, unit, span, day, key, {', '.join(MEASURES)}) "  # noqa: S608 - names and numbers of our own
                f"SELECT :agency, :side, dimension, place, span, day, key, {figures} FROM spans CROSS JOIN cells "
                "ORDER BY dimension, place, span, day, key",
                {"agency": AGENCY, "side": side},
            ),
            ("DROP TABLE spans", None),
            ("DROP TABLE cells", None),
        ):
            await tx.connection.execute(text(statement), values)
        await tx.commit()
    return len(rows) * len(spans)


def questions(years: int) -> Iterator[tuple[str, Question]]:
    periods = {
        "month": LAST.replace(day=1),
        "quarter": _months_before(3),
        "year": _months_before(12),
        "all years": _months_before(12 * years),
        "odd year": _months_before(12) + timedelta(days=10),
    }
    for report in REPORTS.values():
        for by in report.lines:
            for name, since in periods.items():
                end = LAST - timedelta(days=9) if name == "odd year" else LAST
                yield (
                    f"{report.key} by {by}, {name}",
                    Question(report=report, by=by, since=since, until=end),
                )
        for choice, value in CHOSEN.items():
            for by in report.lines_of(By(choice)) if report.side in (IN, OUT) else ():
                for name, since in periods.items():
                    ask = partial(reports.ask, report, by=by, since=since, until=LAST)
                    yield f"{report.key} of one {choice} by {by}, {name}", ask(only={choice: value})


def _months_before(months: int) -> date:
    index = LAST.year * 12 + LAST.month - months
    return date(index // 12, index % 12 + 1, 1)


async def measure(store: SqlOfficeStore, years: int) -> list[tuple[float, str]]:
    """Time each question several times, with the units and types that the page has beside it; the slowest first."""
    named_questions = list(questions(years))
    times = []
    for _ in range(_ROUNDS):
        for name, question in named_questions:
            began = time.perf_counter()
            await reports.make(store, [AGENCY], question, LAST)
            async with store.reading() as tx:
                await list_units(tx, AGENCY)
                await list_types(tx, AGENCY)
            times.append((1000 * (time.perf_counter() - began), name))
    return sorted(times, reverse=True)


async def run(url: str, documents: int, years: int) -> None:
    await migrate.up(url)
    store = SqlOfficeStore(url, SystemClock())
    await store.open()
    try:
        await store.accounts.add_hosted(HostedAgency(id=AGENCY, code="Z91.01", name="Bench"))
        began = time.perf_counter()
        cells = await fill(store, documents, years)
        print(f"{cells:,} cells of {documents:,} documents in {time.perf_counter() - began:.0f} s")
        if store.journal is None:
            async with store.writing() as tx:
                await tx.connection.execute(text("ANALYZE figure_day"))
                await tx.commit()
        times = await measure(store, years)
    finally:
        await store.close()
    for title, part in (
        ("all", times),
        ("of one value", [time_of for time_of in times if " of one " in time_of[1]]),
    ):
        figures = (f"p{share} {part[len(part) * (100 - share) // 100][0]:.0f} ms" for share in (50, 95, 99))
        print(f"{title}: {', '.join(figures)}")
    for milliseconds, name in times[:10]:
        print(f"{milliseconds:8.0f} ms  {name}")


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.figures", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--documents", type=int, default=5_000_000)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--database", help="address of an empty database; default: a file of SQLite")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="bench-figures-") as folder:
        url = options.database or f"sqlite:///{Path(folder) / 'node.db'}"
        asyncio.run(run(url, options.documents, options.years))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
