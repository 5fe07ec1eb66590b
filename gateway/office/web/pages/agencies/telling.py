"""What the pages of agencies show of a change: each code before and after, cell by cell, and remarks as sentences.
In: lives of codes, remarks. Out: rows of text. Pure but for the words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.domain.registry_change import AgencyRecord
from gateway.domain.registry_life import Life
from gateway.domain.registry_reform import Remark
from gateway.office.web.visit import Visit
from gateway.words import labels

_SHOWN = ("name", "parent", "valid_from", "valid_to", "successor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One field of an agency: what stood there, and what will. Nothing is empty text."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One code that changes, begins or ends."""

    code: str
    name: str
    is_new: bool
    cells: tuple[Cell, ...]


def lines(before: Mapping[str, Life | None], after: Mapping[str, Life | None]) -> list[Line]:
    """One for each code; fields that stay are left out."""
    made = []
    for code, life in after.items():
        if life is None:
            continue
        was = before.get(code)
        cells = [
            Cell(
                field=name,
                old=_text(was.record, name) if was is not None else "",
                new=_text(life.record, name),
            )
            for name in _SHOWN
        ]
        made.append(
            Line(
                code=code,
                name=life.record.name,
                is_new=was is None,
                cells=tuple(each for each in cells if each.old != each.new),
            )
        )
    return made


def said(visit: Visit, remarks: Iterable[Remark]) -> list[str]:
    """Each as a sentence that begins like one."""
    found = (labels.remark_text(each.key, each.params, visit.lang) for each in remarks)
    return [text[:1].upper() + text[1:] for text in found]


def _text(record: AgencyRecord, name: str) -> str:
    value: object = getattr(record, name)
    if value is None:
        return ""
    return value.strftime("%d/%m/%Y") if isinstance(value, date) else str(value)
