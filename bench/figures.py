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
from pathlib import Path

from sqlalchemy import text

from gateway.clock import SystemClock
from gateway.domain.account import HostedAgency
from gateway.domain.figures import DAY, IN, MEASURES, MONTH, OUT, Dimension
from gateway.office.book import reports
from gateway.office.policy.reports import REPORTS, Question
from gateway.office.store.store import SqlOfficeStore
from gateway.store import migrate
from gateway.store.figures import list_units

AGENCY = "agy_bench"
LAST = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
PARTNERS, UNITS, TYPES, PERSONS_OF_UNIT, DUE_DAYS = 500, 20, 30, 5, 10
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


async def fill(store: SqlOfficeStore, documents: int, years: int) -> int:
    """Write the cells of so many documents on the working days of so many years; return how many cells."""
    first = date(LAST.year - years, LAST.month, 1)
    days = [first + timedelta(days=n) for n in range((LAST - first).days + 1)]
    working = [day for day in days if day.weekday() < 5]
    months = sorted({day.replace(day=1) for day in days})
    spans = [(DAY, day) for day in working] + [(MONTH, month) for month in months]
    of_day = max(1, documents // (2 * len(working)))
    cells = 0
    for side in (IN, OUT):
        for unit in ("", *(f"Phong {n:02}" for n in range(UNITS))):
            keys = list(dimensions(unit))
            cells += len(keys) * len(spans)
            async with store.writing() as tx:
                await tx.connection.execute(text("CREATE TEMPORARY TABLE spans (span VARCHAR, day DATE)"))
                await tx.connection.execute(
                    text("CREATE TEMPORARY TABLE cells (dimension VARCHAR, key VARCHAR)")
                )
                await tx.connection.execute(
                    text("INSERT INTO spans VALUES (:span, :day)"),
                    [{"span": span, "day": day} for span, day in spans],
                )
                await tx.connection.execute(
                    text("INSERT INTO cells VALUES (:dimension, :key)"),
                    [{"dimension": str(dimension), "key": key} for dimension, key in keys],
                )
                n = max(1, of_day // (20 if unit else 1))
                figures = ", ".join(f"{n}" for _ in MEASURES)
                await tx.connection.execute(
                    text(
                        f"INSERT INTO figure_day (agency_id, side, dimension, unit, span, day, key, {', '.join(MEASURES)}) "  # noqa: S608 - names and numbers of our own
                        f"SELECT :agency, :side, dimension, :unit, span, day, key, {figures} FROM spans CROSS JOIN cells "
                        "ORDER BY dimension, span, day, key"
                    ),
                    {"agency": AGENCY, "side": side, "unit": unit},
                )
                await tx.connection.execute(text("DROP TABLE spans"))
                await tx.connection.execute(text("DROP TABLE cells"))
                await tx.commit()
    return cells


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
                until = LAST - timedelta(days=9) if name == "odd year" else LAST
                yield (
                    f"{report.key} by {by}, {name}",
                    Question(report=report, by=by, since=since, until=until),
                )


def _months_before(months: int) -> date:
    index = LAST.year * 12 + LAST.month - months
    return date(index // 12, index % 12 + 1, 1)


async def measure(store: SqlOfficeStore, years: int) -> list[tuple[float, str]]:
    """Time each question several times, with the choice of units that the page has beside it; the slowest first."""
    asked = list(questions(years))
    times = []
    for _ in range(_ROUNDS):
        for name, question in asked:
            began = time.perf_counter()
            await reports.make(store, [AGENCY], question, LAST)
            async with store.reading() as tx:
                await list_units(tx, AGENCY)
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
    for share in (50, 95, 99):
        print(f"p{share}: {times[int(len(times) * (100 - share) / 100)][0]:.0f} ms")
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
