"""What a file of codes does, row by row, as the pages show it. In: a plan, or what an import changed. Out: lines with a
word, a code, and each cell before and after; how many there are of each word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.registry_change import AgencyRecord, Plan, RowChange
from gateway.office.web.pages.agencies import import_words
from gateway.office.web.visit import Visit

_FIELDS = ("alias", "parent", "valid_from", "valid_to", "successor", "decision", "host")


class Word(StrEnum):
    """What a file does with one row."""

    ERROR = "error"
    CLOSE = "close"
    CHANGE = "change"
    ADD = "add"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the preview: cells as field, old and new text. A problem has the line of the file."""

    word: Word
    code: str
    name: str = ""
    cells: tuple[tuple[str, str, str], ...] = ()
    line: int = 0
    advice: str = ""


def of_plan(visit: Visit, plan: Plan) -> list[Line]:
    """Problems; then what ends, what changes, what is new: the order in which a person looks."""
    made = [
        Line(
            word=Word.ERROR,
            code=each.found,
            name=visit.say(f"reforms.column.{each.column}"),
            line=each.line,
            advice=import_words.advice(each.advice, visit.lang),
        )
        for each in plan.problems
    ]
    made += [_changed(Word.CLOSE, each) for each in plan.closed]
    made += [_changed(Word.CHANGE, each) for each in plan.changed]
    return made + [_added(each) for each in plan.added]


def doubts(visit: Visit, plan: Plan) -> list[str]:
    """What a person should look at before, as sentences."""
    return [
        visit.say(
            "reforms.import.doubt",
            line=each.line,
            found=each.found,
            advice=import_words.advice(each.advice, visit.lang),
        )
        for each in plan.doubts
    ]


def counted(lines: list[Line], plan: Plan) -> dict[Word, int]:
    counts = {word: sum(each.word is word for each in lines) for word in Word}
    return counts | {Word.SAME: plan.unchanged}


def of_import(
    lines: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]], fields: tuple[str, ...]
) -> list[Line]:
    """What an applied import changed, and what stands there now."""
    return [
        Line(
            word=Word.CHANGE,
            code=code,
            name=now.get("name", before.get("name", "")),
            cells=tuple(
                (name, before.get(name, ""), now.get(name, ""))
                for name in fields
                if before.get(name, "") != now.get(name, "")
            ),
        )
        for code, (before, now) in lines.items()
    ]


def _changed(word: Word, row: RowChange) -> Line:
    cells = tuple((name, old or "", new or "") for name, (old, new) in row.fields.items())
    return Line(word=word, code=row.code, name=row.name, cells=cells)


def _added(record: AgencyRecord) -> Line:
    cells = tuple((name, "", str(value)) for name in _FIELDS if (value := getattr(record, name)) is not None)
    return Line(word=Word.ADD, code=record.code, name=record.name, cells=cells)
