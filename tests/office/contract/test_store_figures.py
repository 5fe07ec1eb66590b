"""Figures are kept by a loop over numbered events: each event is counted once, whatever dies between, and a new count of
the log finds what was changed behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from gateway.domain import figure_cells
from gateway.domain.document import URGENCY_KEYS, OutState
from gateway.domain.event import Event, EventKind
from gateway.domain.figures import DAY, IN, MEASURES, OUT, PAIRS, Dimension
from gateway.pool import ThreadPool
from gateway.store import figures, figures_check, log_reading
from gateway.store.tables_figures import FigureDayRow, FigureFrozenRow
from gateway_office.book import reports
from gateway_office.domain.listing import Side
from gateway_office.policy.reports import BY_TIME, REPORTS, By, Question
from gateway_office.store.store import SqlOfficeStore
from gateway_office.web.listing.asking import PATHS, figure_address, read_address
from gateway_office.web.pages.reports import list_path
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.office_year import AGENCIES, Counts, OfficeYear, count
from tests.support.sealed import Book
from tests.support.stores import NORTH, committing, outgoing


async def write(store: SqlOfficeStore, events: Sequence[Event]) -> None:
    """Write the events as units of work do, each in its agency's name, and number them."""
    for event in events:
        scope = replace(NORTH, agency_id=event.agency_id or "", principal_id=event.principal_id)
        async with committing(store, scope) as work:
            await work.events.append(event.kind, event.subject_id, event.at, event.data)
    while await store.number_events():
        pass


async def counted(store: SqlOfficeStore, limit: int = 50) -> int:
    total = 0
    while read := await figures.fold_next(store, limit):
        total += read
    return total


async def stored(store: SqlOfficeStore) -> dict[tuple[str, ...], dict[str, int]]:
    is_counted = (col(FigureDayRow.span) == DAY) | col(FigureDayRow.dimension).in_(PAIRS.values())
    async with store.reading() as tx:
        rows = await tx.rows(FigureDayRow, select(FigureDayRow).where(is_counted))
    cells = {
        (row.agency_id, row.side, row.unit, row.dimension, row.key, str(row.day)): {
            name: getattr(row, name) for name in MEASURES if getattr(row, name)
        }
        for row in rows
    }
    return {key: values for key, values in cells.items() if values}


async def test_stored_figures_are_those_of_an_independent_count(store: SqlOfficeStore) -> None:
    """R128 (accesses are counted)."""
    events = OfficeYear(7, 40, days=20).events()
    await write(store, events)

    assert await counted(store, 37) == len(events)
    assert await stored(store) == count(events)
    assert await figures_check.check(store) == (len(events), [])


@pytest.mark.parametrize(("step", "lines_least"), [(4, 50), pytest.param(1, 300, marks=pytest.mark.long)])
async def test_a_report_of_one_value_is_that_of_an_independent_count(
    store: SqlOfficeStore, step: int, lines_least: int
) -> None:
    """Reports of each partner, type, urgency and unit, or of some of them, by all that is known of it; a pair is of whole
    months."""
    events = OfficeYear(11, 120, days=80).events()
    await write(store, events)
    await counted(store)
    counts, compared = count(events), 0
    values = {
        (dimension, value)
        for _, _, place, dimension, value, _ in counts
        if not place and dimension in (By.PARTNER, By.TYPE)
    }
    values |= {(By.URGENCY, word) for word in URGENCY_KEYS.values()}
    values |= {(By.UNIT, place) for _, _, place, dimension, *_ in counts if place and not dimension}

    kinds = groupby(sorted(values), lambda choice: choice[0])
    some = [choice for _, choices in kinds for choice in list(choices)[::step]]

    for report in (REPORTS["incoming"], REPORTS["outgoing"]):
        for choice, value in some:
            for by in report.lines_of(By(choice)):
                question = reports.ask(
                    report,
                    by=by,
                    since=date(2026, 1, 10),
                    until=date(2026, 2, 20),
                    only={choice: value},
                )
                assert question.by is by
                table = await reports.make(store, [AGENCIES[0]], question, date(2026, 3, 1))
                keys = [column.key for column in question.columns]
                place = keys.index("recipients" if report.side == OUT else "documents")
                lines = {line.key: n for line in table.lines if (n := line.figures[place])}
                assert lines == lines_of(counts, question, choice, value), f"{report.key} of {value} by {by}"
                compared += len(lines)
    assert compared > lines_least, compared


@pytest.mark.parametrize(
    ("documents", "cells_least"), [(20, 200), pytest.param(70, 500, marks=pytest.mark.long)]
)
async def test_each_figure_that_leads_to_a_list_is_the_number_of_what_that_list_shows(
    store: SqlOfficeStore, cases: Cases, documents: int, cells_least: int
) -> None:
    """Every cell of every report of a generated month: its address is read back as the same filter, which counts it."""
    events = OfficeYear(13, documents, days=40).events()
    await write(store, events)
    await counted(store)
    today, first_day, last_day = date(2026, 3, 1), date(2026, 1, 1), date(2026, 1, 31)
    compared = 0
    for report in [r for r in REPORTS.values() if r.side in (IN, OUT)]:
        choices: list[dict[str, str]] = [{}]
        choices += [{by.value: value} for by, value in CHOSEN.items() if by in report.lines]
        for only in choices:
            for by in report.lines_of(By(next(iter(only))) if only else None):
                question = reports.ask(report, by=by, only=only, since=first_day, until=last_day)
                table = await reports.make(store, [AGENCIES[0]], question, today)
                rows = [(None, table.total), *((line.key, line.figures) for line in table.lines)]
                for key, row in rows:
                    for column, value in zip(question.columns, row, strict=True):
                        if address := list_path(question, column, key) if value else "":
                            with cases.case((report.key, by, only, key, column.key)):
                                assert len(await behind(store, address, today)) == value
                            compared += 1
    assert compared > cells_least, compared


CHOSEN = {By.TYPE: "Công văn", By.URGENCY: "khan", By.PARTNER: "Z91.05"}


async def behind(store: SqlOfficeStore, address: str, today: date) -> Sequence[str]:
    """Return what the list behind the address counts."""
    path, _, query = address.partition("?")
    side = next(side for side in Side if PATHS[side] == path)
    figure = read_address(side, dict(parse_qsl(query)), today).criteria.figure
    assert figure is not None
    assert figure_address(figure) == address
    async with store.reading() as tx:
        return await figures.find_counted(tx, AGENCIES[0], figure)


def lines_of(counts: Counts, question: Question, choice: str, value: str) -> dict[str, int]:
    """Make the lines of one value by a plain loop over the independent count."""
    lines: dict[str, int] = defaultdict(int)
    key = {word: str(n) for n, word in enumerate(URGENCY_KEYS.values())}.get(value, value)
    name, by = "recipients" if question.report.side == OUT else "documents", question.by
    for (agency, side, place, dimension, second, day), measures in counts.items():
        if (agency, side) != (AGENCIES[0], question.report.side):
            continue
        if not question.since <= date.fromisoformat(day) <= question.until:
            continue
        if dimension == f"{choice}/{by}":
            lines[second] += measures.get(name, 0) if place == key else 0
        elif choice == By.UNIT:
            is_line = place == key and dimension == ("" if by in (*BY_TIME, By.UNIT) else by)
            lines[key if by is By.UNIT else line(by, second, day)] += measures.get(name, 0) if is_line else 0
        elif (dimension, second) == (choice, key) and bool(place) == (by is By.UNIT):
            lines[line(by, place, day)] += measures.get(name, 0) if by in (*BY_TIME, By.UNIT) else 0
    return {key: n for key, n in lines.items() if n}


def line(by: By, key: str, day: str) -> str:
    quarter = f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"
    return {By.DAY: day, By.MONTH: day[:7], By.QUARTER: quarter}.get(by, key)


async def test_each_event_counts_once_when_a_process_dies_or_two_count_at_once(
    store: SqlOfficeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies before its commit has counted nothing; one that comes second finds the place moved."""
    events = OfficeYear(8, 15, days=10).events()
    await write(store, events)
    load = figures.describe

    async def other_was_first(tx: Any, batch: Sequence[Event]) -> Sequence[Event]:
        monkeypatch.setattr(figures, "describe", load)
        assert await figures.fold_next(store, 20) == 20
        return await load(tx, batch)

    def die(*_: object) -> Any:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "describe", other_was_first)
    assert await figures.fold_next(store, 20) == 0
    monkeypatch.setattr(figure_cells, "changes_of", die)
    with pytest.raises(KeyboardInterrupt):
        await figures.fold_next(store, 20)

    await counted(store)
    assert await stored(store) == count(events)


async def test_a_changed_or_missing_figure_is_named_and_counting_anew_heals_it(store: SqlOfficeStore) -> None:
    events = OfficeYear(9, 10, days=5).events()
    await write(store, events)
    await counted(store)
    first_count = await stored(store)
    async with store.writing() as tx:
        totals = (
            col(FigureDayRow.dimension) == "",
            col(FigureDayRow.unit) == "",
            col(FigureDayRow.side) == "in",
        )
        await tx.change(update(FigureDayRow).where(*totals, col(FigureDayRow.span) == DAY).values(taken=77))
        await tx.commit()

    _, differences = await figures_check.check(store)
    assert differences
    assert {d.cell.dimension for d in differences} == {Dimension.ALL}
    assert all(d.stored == {"taken": 77} and d.counted["taken"] != 77 for d in differences)

    await figures.clear(store)
    await counted(store)
    assert await stored(store) == first_count


async def test_figures_stay_where_texts_of_events_are_deleted_and_a_frozen_text_that_changes_is_named(
    store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool
) -> None:
    """Names of types and units are texts of the log. A new count takes those that were deleted from what was frozen then,
    whose digest is in the log."""
    events = OfficeYear(7, 40, days=20).events()
    await write(store, events)
    await counted(store)
    first_count = await stored(store)
    await Book(store=store, clock=clock, pool=pool).seal()
    leaves = [leaf for leaf in await log_reading.leaves(store, 0, 10_000) if leaf.salts]
    erased = set[str]()
    for leaf in leaves:
        assert leaf.event is not None
        for name in sorted(leaf.salts):
            erased |= set(
                await log_reading.erase_texts(store, clock, leaf.event.id, [name], "prn_1", "Đã xóa")
            )
    assert "type" in erased
    await write(store, ())

    assert await figures_check.check(store) == (len(events), [])
    assert await figures_check.altered_texts(store) == []
    await figures.clear(store)
    await counted(store)
    assert await stored(store) == first_count

    async with store.writing() as tx:
        first = await tx.first(FigureFrozenRow, select(FigureFrozenRow))
        assert first is not None
        changed = update(FigureFrozenRow).where(col(FigureFrozenRow.event_id) == first.event_id)
        await tx.change(changed.values(data='{"type": "Khác"}'))
        await tx.commit()
    assert await figures_check.altered_texts(store) == [first.event_id]


async def test_events_of_before_are_described_by_their_documents(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    sent, draft = outgoing(clock), outgoing(clock, state=OutState.DRAFT)
    async with committing(store) as work:
        for document in (sent, draft):
            await work.outgoing.add(document)
            facts = {"kind": document.kind, "document_id": document.document_id, "code": "12/UBND-VP"}
            await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now(), facts)
    await write(store, ())
    await counted(store)

    cells = await stored(store)
    assert {key[3]: values["documents"] for key, values in cells.items() if not key[2]} == {
        "": 1,
        "type": 1,
        "urgency": 1,
    }
    assert await figures_check.check(store) == (2, [])
