"""Sums of the facts of figures: the measures of one fact, the daily and monthly cells that count it, and the facts that one
figure counts. In: facts (`domain.figures`). Out: what each cell changes by; whether a fact is behind a figure. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from gateway.domain.figures import (
    DAY,
    IN,
    MEASURES,
    MONTH,
    OF_DOCUMENT,
    OF_USE,
    OUT,
    PAIRS,
    READ,
    USE,
    Cell,
    Dimension,
    FactKey,
    FigureFact,
)
from gateway.domain.wall_clock import local

_PLACE = {name: n for n, name in enumerate(MEASURES)}
_OF_MODE = {"electronic": "electronic", "both": "with_paper", "paper": "paper"}
_DAY_S = 86_400
# Each change makes many cells, and this is the fastest way to make one.
_cell = partial(tuple.__new__, Cell)
_place_of = attrgetter(
    "side",
    "day",
    "type_name",
    "urgency",
    "unit",
    "person",
    "partner",
    "reason",
    "due",
    "reply_by",
    "done",
    "replied",
    "refused",
    "recalled",
    "failed",
    "asks",
)
"""Everything that the cells of a fact depend on."""


class FigureFilter(NamedTuple):
    """The facts that a figure counts: those of one side and period that add to `measure`, and have these values."""

    side: str
    measure: str
    since: date
    until: date
    values: tuple[tuple[Dimension, str], ...] = ()

    @property
    def is_of_deliveries(self) -> bool:
        """Tell whether a sent document counts once for each recipient."""
        return self.side == OUT and self.measure not in OF_DOCUMENT

    def counts(self, fact: FigureFact) -> bool:
        if fact.day is None or fact.side != self.side or not self.since <= fact.day <= self.until:
            return False
        return bool(measure(fact)[self.measure]) and set(self.values) <= set(values_of(fact).items())


def values_of(fact: FigureFact) -> dict[Dimension, str]:
    """Return the values of a document or delivery that pairs are counted by. A sent document has no partner."""
    return {
        Dimension.PARTNER: fact.partner,
        Dimension.TYPE: fact.type_name,
        Dimension.URGENCY: str(fact.urgency),
        Dimension.UNIT: fact.unit,
    }


# --- from facts to cells --------------------------------------------------------------------------------------------


def changes_of(
    old_facts: Mapping[FactKey, FigureFact], new_facts: Mapping[FactKey, FigureFact]
) -> dict[Cell, list[int]]:
    """Return by how much the measures of each cell change when these facts change; cells that stay are left out."""
    changed: dict[Cell, list[int]] = {}
    for key, fact in new_facts.items():
        old = old_facts.get(key)
        cells, counted = _cells_of(key[0], fact), measure(fact)
        if old is not None:
            counted_before = measure(old)
            # Mostly a fact stays in its cells, and only what it counts there changes.
            if _place_of(old) == _place_of(fact):
                counted = {name: n - counted_before[name] for name, n in counted.items()}
            else:
                _add(changed, _cells_of(key[0], old), {name: -n for name, n in counted_before.items()})
        _add(changed, cells, counted)
    return {cell: values for cell, values in changed.items() if any(values)}


def _add(cells: dict[Cell, list[int]], of_fact: Sequence[Cell], counted: Mapping[str, int]) -> None:
    added = [(_PLACE[name], n) for name, n in counted.items() if n]
    if not added:
        return
    for cell in of_fact:
        values = cells.setdefault(cell, [0] * len(MEASURES))
        for place, n in added:
            values[place] += n


def measure(fact: FigureFact) -> dict[str, int]:
    """Return what a fact adds to its cells, by measure."""
    measures = dict.fromkeys(MEASURES, 0)
    if fact.side in (READ, USE):
        return measures | {name: getattr(fact, name) for name in OF_USE}
    if fact.side == OUT and not fact.parent:
        measures["documents"] = 1
        measures[_OF_MODE[fact.mode]] = 1
        measures["unsigned"] = int(fact.unsigned)
        measures["replacements"] = int(fact.replaces)
        return measures
    if fact.side == OUT:
        measures["recipients"] = 1
        measures["failed"] = int(fact.failed)
        measures["handed"] = int(fact.handed)
        _add_lag(measures, "delivered", fact.began, fact.delivered)
    else:
        measures["documents"] = 1
        measures[_OF_MODE[fact.mode]] = 1
        measures["unsigned"] = int(fact.unsigned)
        measures["replacements"] = int(fact.replaces)
        _add_punctuality(measures, fact)
    _add_lag(measures, "taken", fact.began, fact.taken)
    _add_lag(measures, "done", fact.began, fact.done)
    measures["refused"] = int(fact.refused)
    measures["recalled"] = int(fact.recalled)
    if fact.asks:
        measures["asked"] = 1
        measures["replied"] = int(fact.replied is not None)
        is_late = fact.replied is not None and fact.reply_by is not None and fact.replied > fact.reply_by
        measures["replied_late"] = int(is_late)
        measures["owed"] = int(_owes(fact))
    return measures


def _is_over(fact: FigureFact) -> bool:
    return fact.refused or fact.recalled or fact.failed


def _owes(fact: FigureFact) -> bool:
    return fact.asks and fact.replied is None and not _is_over(fact)


def _add_lag(measures: dict[str, int], name: str, began: datetime | None, end: datetime | None) -> None:
    if end is not None:
        measures[name] = 1
        measures[f"{name}_s"] = max(0, int((end - began).total_seconds())) if began is not None else 0


def _add_punctuality(measures: dict[str, int], fact: FigureFact) -> None:
    if fact.due is None or _is_over(fact):
        return
    measures["due"] = 1
    if fact.done is None:
        measures["open_due"] = 1
        return
    late = (local(fact.done).date() - fact.due).days
    measures["late" if late > 0 else "on_time"] = 1
    measures["late_s"] = max(0, late) * _DAY_S


def _cells_of(agency_id: str, fact: FigureFact) -> list[Cell]:
    """List the cells that count a fact, by day and by month; none for a draft or a cancelled document."""
    if (day := fact.day) is None:
        return []
    keys = [(Dimension.ALL, ""), *([(Dimension.ROLE, fact.role)] if fact.role else [])]
    if fact.side in (IN, OUT):
        keys += [(Dimension.TYPE, fact.type_name), (Dimension.URGENCY, str(fact.urgency))]
    if fact.person:
        keys.append((Dimension.PERSON, fact.person))
    if fact.due is not None and fact.side == IN and fact.done is None and not _is_over(fact):
        keys.append((Dimension.DUE, str(fact.due)))
    if fact.reply_by is not None and _owes(fact):
        keys.append((Dimension.REPLY_DUE, str(fact.reply_by)))
    of_agency = [(Dimension.PARTNER, fact.partner)] if fact.partner else []
    if fact.reason:
        of_agency.append((Dimension.REASON, fact.reason))
    month = day.replace(day=1)
    cells: list[Cell] = []
    for unit, dimensions in (("", (*keys, *of_agency)), (fact.unit, keys)):
        for dimension, key in dimensions:
            cells.append(_cell((agency_id, fact.side, dimension, unit, DAY, day, key)))
            cells.append(_cell((agency_id, fact.side, dimension, unit, MONTH, month, key)))
    if fact.side in (IN, OUT):
        values = values_of(fact)
        for (first, second), name in PAIRS.items():
            value, key = values[first], values[second]
            # A sent document has no partner, its deliveries have one. A type may be unknown.
            if value and (key or second is Dimension.TYPE):
                cells.append(_cell((agency_id, fact.side, name, value, MONTH, month, key)))
    return cells
