"""Figures are sums over facts: however events are cut into batches, the cells are those of one pass, and those of an
independent count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import figure_cells, figures
from gateway.domain.event import Event
from gateway.domain.figures import DAY, MEASURES, MONTH, PAIRS, Cell, Facts
from gateway.store.figures import fact_from_json, fact_to_json
from tests.support.amounts import examples
from tests.support.office_year import OfficeYear, count

Rows = Mapping[Cell, Sequence[int]]


def rows_of(events: Sequence[Event], sizes: Sequence[int]) -> dict[Cell, list[int]]:
    """Fold the events in batches of these sizes, over and over, as a store would: facts between batches are text."""
    stored: dict[tuple[str, str], str] = {}
    cells: dict[Cell, list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    at, turn = 0, 0
    while at < len(events):
        batch = events[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(batch), turn + 1
        keys, parents = figures.keys_of(batch)
        stored_facts: Facts = {key: fact_from_json(text) for key, text in stored.items()}
        old_facts = {
            key: fact
            for key, fact in stored_facts.items()
            if key in keys or (fact.parent and (key[0], fact.parent) in parents)
        }
        new_facts = figures.fold(old_facts, batch)
        stored |= {key: fact_to_json(fact) for key, fact in new_facts.items()}
        for cell, values in figure_cells.changes_of(old_facts, new_facts).items():
            cells[cell] = [a + b for a, b in zip(cells[cell], values, strict=True)]
    return {cell: values for cell, values in cells.items() if any(values)}


# `tests/long/unit/domain/test_figures_of_many.py` counts more.
@settings(max_examples=examples(40))
@given(st.integers(0, 2**32), st.integers(1, 40), st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_any_batches_give_the_cells_of_one_pass(seed: int, documents: int, sizes: list[int]) -> None:
    events = OfficeYear(seed, documents, days=40).events()

    assert rows_of(events, sizes) == rows_of(events, [len(events) or 1])


@settings(max_examples=examples(40))
@given(st.integers(0, 2**32))
def test_cells_are_those_of_an_independent_count(seed: int) -> None:
    events = OfficeYear(seed, 60, days=40).events()
    rows = rows_of(events, [50])

    assert in_words(rows) == count(events)
    assert months_of(rows, DAY) == months_of(rows, MONTH)


def in_words(rows: Rows) -> dict[tuple[str, ...], dict[str, int]]:
    return {
        (cell.agency_id, cell.side, cell.unit, str(cell.dimension), cell.key, str(cell.day)): {
            name: n for name, n in zip(MEASURES, values, strict=True) if n
        }
        for cell, values in rows.items()
        if cell.span == DAY or cell.dimension in PAIRS.values()
    }


def months_of(rows: Rows, span: str) -> dict[Cell, list[int]]:
    months: dict[Cell, list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    for cell, values in rows.items():
        if cell.span == span and cell.dimension not in PAIRS.values():
            month = cell._replace(span=MONTH, day=cell.day.replace(day=1))
            months[month] = [a + b for a, b in zip(months[month], values, strict=True)]
    return dict(months)
