"""Reads a table of old and new codes, and makes the steps of one decision from it. In: the table as CSV in UTF-8, as
`code_file` opens it; the codes that exist. Out: steps in an order in which each can be planned; BadForm with every line
that cannot be read. Pure.

A new code with one old code is a recode; several old codes of one new code are consolidated; where the new code exists
already, or is one of the old ones, the others are merged into it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.registry import AgencyCode, BadCode
from gateway.domain.registry_reform import Reform, ReformKind, Target
from gateway.domain.text import fold, nfc
from gateway.errors import BadForm
from gateway.policy.code_file import CODE, guess_delimiter

MOST_LINES = 10_000
_MOST_FAULTS = 20
# The headings that offices write, folded, per column.
_HEADINGS: Mapping[str, tuple[str, ...]] = {
    "old": ("old", "old code", "ma cu", "ma dinh danh cu"),
    "new": ("new", "new code", "ma moi", "ma dinh danh moi"),
    "parent": ("parent", "co quan chu quan", "ma co quan chu quan", "ma cap tren"),
    "name": ("name", "ten", "ten moi", "ten co quan", "ten don vi"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePair:
    """One line: an old code, the new one, and where they are stated, the new one's parent and name."""

    old: str
    new: str
    parent: str | None = None
    name: str | None = None


def read_pairs(table: bytes) -> tuple[CodePair, ...]:
    """Read the pairs of a table whose first line names its columns: `old`, `new`, and perhaps `parent` and `name`."""
    try:
        text = table.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        raise BadForm("the table of codes is not UTF-8; save it as CSV UTF-8", code=CODE) from why
    faults: list[str] = []
    pairs: dict[str, CodePair] = {}
    try:
        for line, cells in _lines(text):
            pair = _read_pair(cells, line, faults)
            if pair.old in pairs:
                faults.append(f"line {line}: {pair.old} stands above already")
            pairs[pair.old] = pair
            if len(pairs) > MOST_LINES:
                raise BadForm(f"a table of old and new codes has at most {MOST_LINES} lines", code=CODE)
    except csv.Error as why:
        raise BadForm(f"the table of codes cannot be read: {why}", code=CODE) from why
    if faults:
        hidden = len(faults) - _MOST_FAULTS
        more = f"; and {hidden} more" if hidden > 0 else ""
        raise BadForm("; ".join(faults[:_MOST_FAULTS]) + more, code=CODE)
    if not pairs:
        raise BadForm("the table of codes has no line", code=CODE)
    return tuple(pairs.values())


def make_steps(pairs: Sequence[CodePair], existing: Collection[str], decision: Reform) -> list[Reform]:
    """Make the steps of the pairs, parents before their units. `existing`: those of the new codes that the registry has.
    Each step has the decision, the day and the rule for waiting mail of `decision`."""
    by_new: dict[str, list[CodePair]] = {}
    for pair in pairs:
        by_new.setdefault(pair.new, []).append(pair)
    common = replace(decision, sources=(), targets=(), steps=(), name=None, parent=None)
    # A shorter code stands above a longer one, so that a parent that begins is there when its units begin.
    codes = sorted(by_new, key=lambda code: code.count("."))
    return [step for code in codes if (step := _make_step(code, by_new[code], existing, common)) is not None]


def _make_step(
    new: str, pairs: Sequence[CodePair], existing: Collection[str], common: Reform
) -> Reform | None:
    """Make the step of one new code; None for a code that does not change."""
    olds = tuple(pair.old for pair in pairs if pair.old != new)
    if not olds:
        return None
    if new in existing or len(olds) < len(pairs):
        return replace(common, kind=ReformKind.MERGE, sources=olds, targets=(Target(code=new),))
    parent = next((pair.parent for pair in pairs if pair.parent), None)
    name = next((pair.name for pair in pairs if pair.name), None)
    kind = ReformKind.RECODE if len(olds) == 1 else ReformKind.CONSOLIDATE
    return replace(common, kind=kind, sources=olds, targets=(Target(code=new, name=name, parent=parent),))


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines with a cell, each with its number and its cells by column."""
    reader = csv.reader(io.StringIO(text), delimiter=guess_delimiter(text), strict=True)
    columns = [_column_of(cell) for cell in next(reader, [])]
    missing = {"old", "new"} - set(columns)
    if missing:
        raise BadForm(
            f"the first line must name the columns old and new; {', '.join(sorted(missing))} is missing",
            code=CODE,
        )
    for cells in reader:
        by_column = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if column}
        if any(by_column.values()):
            yield reader.line_num, by_column


def _column_of(heading: str) -> str:
    plain = " ".join(fold(heading).replace("_", " ").split())
    return next((column for column, headings in _HEADINGS.items() if plain in headings), "")


def _read_pair(cells: Mapping[str, str], line: int, faults: list[str]) -> CodePair:
    codes: dict[str, str] = {}
    for column in ("old", "new", "parent"):
        cell = cells.get(column, "")
        try:
            codes[column] = str(AgencyCode.parse(cell)) if cell or column != "parent" else ""
        except BadCode as why:
            faults.append(f"line {line}, column {column}: {why}")
            codes[column] = cell
    return CodePair(
        old=codes["old"],
        new=codes["new"],
        parent=codes["parent"] or None,
        name=nfc(cells.get("name", "")) or None,
    )
