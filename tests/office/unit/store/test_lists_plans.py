"""Each question that pages ask of lists finds its rows by one of ten indexes, and has their order from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from gateway.domain.document import Urgency
from gateway.store import drivers
from gateway.store.drivers import Prepared
from gateway_office.domain.listing import Filter, ListOrder, Origin, Side, Tab
from gateway_office.store.lists import SqlLists
from gateway_office.store.lists_query import make_bands
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.stores import with_agencies
from tests.support.cases import Cases
from tests.support.clock import START, ManualClock
from tests.support.stores import NORTH, copied

OUT, IN = Filter(side=Side.OUT), Filter(side=Side.IN)
NEWEST = replace(OUT, sort=ListOrder.NEWEST)
FOUND_BY = (
    (NEWEST, "place"),
    (replace(IN, tab=Tab.ACCEPTED, sort=ListOrder.OLDEST), "place"),
    (replace(NEWEST, state="rejected"), "place"),
    (replace(NEWEST, origin=Origin.HAND), "place"),
    (replace(NEWEST, attached=True), "place"),
    (replace(NEWEST, urgency=Urgency.EXPRESS), "place"),
    (IN, "attention"),
    (OUT, "attention"),
    (replace(OUT, attention=True), "attention"),
    (replace(IN, attention=True), "attention"),
    (replace(IN, overdue=True), "attention"),
    *((replace(NEWEST, tab=tab), "few") for tab in (Tab.QUEUED, Tab.REJECTED, Tab.FAILED, Tab.RECALL, Tab.DRAFT)),
    *((replace(NEWEST, tab=tab), "few") for tab in (Tab.SILENT, Tab.UNSENT)),
    *((replace(IN, tab=tab, sort=ListOrder.NEWEST), "few") for tab in (Tab.NEW, Tab.HELD, Tab.PROCESSING)),
    (replace(IN, tab=Tab.NOT_HANDED, sort=ListOrder.NEWEST), "few"),
    (replace(IN, tab=Tab.NEW, pressing=True, sort=ListOrder.NEWEST), "few"),
    (replace(IN, unread=True, sort=ListOrder.NEWEST), "few"),
    (replace(OUT, sort=ListOrder.NUMBER), "number"),
    (replace(OUT, sort=ListOrder.PARTY_DOWN), "party"),
    (replace(OUT, sort=ListOrder.ISSUED), "issued"),
    (replace(OUT, sort=ListOrder.TYPE), "type"),
    (replace(NEWEST, type_name="Letter"), "type"),
    (replace(NEWEST, book="2026"), "book"),
)  # fmt: skip


Ask = Callable[[SqlLists], Awaitable[object]]


async def plans(store: SqlOfficeStore, ask: Ask) -> Sequence[Sequence[str]]:
    """Return the query plan of each statement that `ask` runs on the lists."""
    statements: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        if "FROM list_row" in statement:
            statements.append((statement, values))

    run = drivers.run_on_sqlite

    def run_and_note(prepared: Prepared, driver: Any, values: Any) -> Any:
        # What a list has prepared goes to the driver past the library.
        note(None, None, prepared.text, prepared.bind(values), None, False)
        return run(prepared, driver, values)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drivers, "run_on_sqlite", run_and_note)
            async with store.read(NORTH) as view:
                await ask(view.office.lists)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    details = []
    async with store.reading() as tx:
        for words, values in statements:
            steps = await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", tuple(values))
            details.append([step.detail for step in steps if not _is_of_the_page(step)])
    return details


def _is_of_the_page(step: Any) -> bool:
    """Tell whether a step only reads the rows of a page that was found, by their keys, or sorts them once more."""
    return step.parent == 0 and ("PRIMARY KEY" in step.detail or "TEMP B-TREE" in step.detail)


async def test_each_question_is_answered_in_the_order_of_an_index(
    blank_database: Path, tmp_path: Path, clock: ManualClock, cases: Cases
) -> None:
    async with with_agencies(copied(blank_database, tmp_path), clock) as store:
        for query, index in FOUND_BY:
            with cases.case(query):
                found_plans = await plans(store, partial(_page, query))
                assert any(f"INDEX ix_list_row_{index} " in step for step in found_plans[0]), found_plans
                assert not any("TEMP B-TREE" in step for steps in found_plans for step in steps), found_plans


async def _page(query: Filter, lists: SqlLists) -> None:
    await lists.page(query, limit=50)


def test_a_server_may_read_the_documents_of_a_register_that_need_a_person_by_the_register() -> None:
    """Those of last year stand behind all of this year in the other index."""
    criteria = replace(OUT, book="2025")
    bands = [
        make_bands(criteria, START, by_statistics=by_statistics)[0].by for by_statistics in (True, False)
    ]

    assert [[order.name for order in by] for by in bands] == [["place"], ["lead", "place"]]


async def test_what_is_counted_and_chosen_from_is_read_in_an_index_alone(
    blank_database: Path, tmp_path: Path, clock: ManualClock
) -> None:
    async def ask(lists: SqlLists) -> None:
        for side in Side:
            await lists.tabs(side)
            await lists.types(side)
            await lists.books(side)
        await lists.day(clock.now().date())

    async with with_agencies(copied(blank_database, tmp_path), clock) as store:
        found_plans = await plans(store, ask)
    steps = [step for steps in found_plans for step in steps if "list_row" in step]
    assert len(steps) > 20
    assert [step for step in steps if "COVERING INDEX" not in step] == []


async def test_a_row_stands_in_ten_indexes_at_most(
    blank_database: Path, tmp_path: Path, clock: ManualClock
) -> None:
    async with with_agencies(copied(blank_database, tmp_path), clock) as store, store.reading() as tx:
        indexes = await tx.connection.exec_driver_sql("SELECT name FROM pragma_index_list('list_row')")
        assert len(indexes.all()) <= 10
