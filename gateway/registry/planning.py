"""Compares a registry file with the registry. In: the rows there are, the lines of the file. Out: the `Plan` with
everything that would change, or every problem at once; and doubts, which a person should look at though the file may be
applied: two agencies of one name under one parent, names that differ by accents alone, codes below one that nobody has,
codes that begin or end without a decision. Pure: applying is `importing`'s work. A starter row counts as empty: an
imported row of the same code replaces it whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from gateway.domain.identity import Digest
from gateway.domain.registry import AgencyCode, RowSource
from gateway.domain.registry_change import (
    RECORD_FIELDS,
    SOURCE_FIELD,
    AgencyRecord,
    Plan,
    RowChange,
    RowProblem,
)
from gateway.domain.text import fold
from gateway.registry.csv_file import Cell, CsvLine, shown
from gateway.words.reading import SHORT_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The registry as a plan saw it, by code; `digest` changes with any of it. `starters`: codes of rows that count as
    empty. `held`: by code and field, the reform to come that has said what stands there."""

    records: Mapping[str, AgencyRecord]
    starters: frozenset[str] = frozenset()
    digest: Digest
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plan(base: Base, read: Iterable[CsvLine | RowProblem], source_digest: Digest) -> Plan:
    """What the file would do. Its problems come in the order of the lines."""
    lines, wanted, problems = _collected(base, read)
    problems += [
        *_dates(wanted, lines),
        *_unknown(base, wanted, lines),
        *_circles(base, wanted, lines),
        *_shared_aliases(base, wanted, lines),
        *_crossing(base, wanted, lines),
    ]
    problems.sort(key=lambda problem: problem.line)
    # One bad line hides none of the others: they are told, though nothing is written while there is a problem.
    faulty = {problem.line for problem in problems}
    _drop(wanted, [code for code in wanted if lines[code] in faulty])
    compared = replace(
        _compared(base, wanted, source_digest),
        unchanged=sum(line not in faulty for line in lines.values()) - len(wanted),
    )
    if problems:
        return replace(compared, rows=(), problems=tuple(problems))
    return replace(compared, doubts=doubts(base.records, wanted, lines))


def standing_against(base: Base, records: Mapping[str, AgencyRecord]) -> list[str]:
    """What of these records cannot stand in this registry: a circle, nobody above or after them, a shared old form."""
    lines = dict.fromkeys(records, 0)
    problems = [
        *_unknown(base, records, lines),
        *_circles(base, records, lines),
        *_shared_aliases(base, records, lines),
    ]
    return sorted({problem.found for problem in problems})


def _collected(
    base: Base, read: Iterable[CsvLine | RowProblem]
) -> tuple[dict[str, int], dict[str, AgencyRecord], list[RowProblem]]:
    """The line of each code, the records that would not stay as they are, and what is wrong with single lines."""
    lines: dict[str, int] = {}
    wanted: dict[str, AgencyRecord] = {}
    problems: list[RowProblem] = []
    for each in read:
        if isinstance(each, RowProblem):
            problems.append(each)
        elif each.code in lines:
            advice = f"this code stands on line {lines[each.code]} already; keep one of them"
            problems.append(RowProblem(line=each.line, column="code", found=each.code, advice=advice))
        else:
            record = _wanted(base, each)
            lines[record.code] = each.line
            if record.parent is None or _differs(base, record):
                wanted[record.code] = record
    for code, record in wanted.items():
        if record.parent is None and (above := AgencyCode.parse(code).parent) is not None:
            parent = str(above)
            if parent in lines or parent in base.records:
                wanted[code] = _once(base, replace(record, parent=parent))
    _drop(wanted, [code for code, record in wanted.items() if not _differs(base, record)])
    return lines, wanted, problems


def _wanted(base: Base, line: CsvLine) -> AgencyRecord:
    """The record after the import: the registry's own, overwritten by the cells of the file."""
    record = AgencyRecord(code=line.code, name="")
    if line.code not in base.starters:
        record = base.records.get(line.code, record)
    # Any: `csv_file` gives each column the type that the field of its name has.
    cells: dict[str, Any] = {name: cell for name, cell in line.cells.items() if name != "code"}
    return _once(base, replace(record, **cells))


def _once(base: Base, record: AgencyRecord) -> AgencyRecord:
    """What the file says as the registry does is kept once."""
    known = base.records.get(record.code)
    return known if known == record else record


def _differs(base: Base, record: AgencyRecord) -> bool:
    """Of a record that went through `_once`."""
    return record is not base.records.get(record.code) or record.code in base.starters


def _drop(wanted: dict[str, AgencyRecord], codes: Collection[str]) -> None:
    for code in codes:
        del wanted[code]


def _dates(wanted: Mapping[str, AgencyRecord], lines: Mapping[str, int]) -> Iterator[RowProblem]:
    for code, record in wanted.items():
        if record.valid_from and record.valid_to and record.valid_to < record.valid_from:
            advice = f"the last day is before the first, {record.valid_from}; correct one of them"
            yield RowProblem(line=lines[code], column="valid_to", found=str(record.valid_to), advice=advice)


def _unknown(
    base: Base, wanted: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    for code, record in wanted.items():
        for column in ("parent", "successor"):
            named: str | None = getattr(record, column)
            if named is not None and named not in wanted and named not in base.records:
                advice = f"no agency has this code; add a line for it or correct the {column}"
                yield RowProblem(line=lines[code], column=column, found=named, advice=advice)


def _circles(
    base: Base, wanted: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Each has a line that changes; all lines on them are named."""
    for column in ("parent", "successor"):
        after = partial(_named, base, wanted, column)
        for code in sorted(on_circles(wanted, after) & lines.keys()):
            advice = f"following each {column} from {code} leads back to it; correct the {column}"
            yield RowProblem(line=lines[code], column=column, found=after(code) or "", advice=advice)


def _named(base: Base, wanted: Mapping[str, AgencyRecord], column: str, code: str) -> str | None:
    """Whom that column of the code will name."""
    record = wanted.get(code) or base.records.get(code)
    return getattr(record, column, None)


def _shared_aliases(
    base: Base, wanted: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """An old code must lead to one agency, and must not be hidden by a code in use."""
    claimed: dict[str, str] = {}
    for code, record in wanted.items():
        if (alias := record.alias) is not None:
            is_code = alias in base.records or alias in wanted
            taken = alias if is_code else claimed.setdefault(alias, code)
            if taken != code or alias == code:
                yield _taken(lines[code], alias, taken)
    for code, record in base.records.items():
        if (alias := record.alias) is None or code in wanted:
            continue
        if alias in claimed:
            yield _taken(lines[claimed[alias]], alias, code)
        elif alias in wanted and alias not in base.records:
            advice = f"{code} has this code as its older form; take it away there or correct the code"
            yield RowProblem(line=lines[alias], column="code", found=alias, advice=advice)


def _taken(line: int, alias: str, owner: str) -> RowProblem:
    advice = f"this alias leads to {owner} already; give it to one agency"
    return RowProblem(line=line, column="alias", found=shown(alias), advice=advice)


def _crossing(
    base: Base, wanted: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Two people approved what will stand there; one file does not change it without a word."""
    for code in wanted.keys() & base.held.keys() & base.records.keys():
        before, after = base.records[code], wanted[code]
        for column, reform in base.held[code].items():
            found: Cell = getattr(after, column)
            if found != getattr(before, column):
                advice = (
                    f"the approved reform {reform} sets this; leave it as it is, or undo the reform first"
                )
                yield RowProblem(
                    line=lines[code], column=column, found=shown(_text(found) or ""), advice=advice
                )


def on_circles(starts: Iterable[str], after: Callable[[str], str | None]) -> set[str]:
    """Of all that is met on the ways from the starts, what comes back to itself; `after` tells where one goes next."""
    done: set[str] = set()
    found: set[str] = set()
    for start in starts:
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in done and at not in path:
            path[at] = None
            at = after(at)
        if at in path:
            steps = list(path)
            found.update(steps[steps.index(at) :])
        done.update(path)
    return found


def _compared(base: Base, wanted: Mapping[str, AgencyRecord], source_digest: Digest) -> Plan:
    added: list[AgencyRecord] = []
    changed: list[RowChange] = []
    closed: list[RowChange] = []
    for code in sorted(wanted):
        record, known = wanted[code], base.records.get(code)
        if known is None:
            added.append(record)
        else:
            differences = _differences(known, record, is_starter=code in base.starters)
            closing = known.valid_to is None and record.valid_to is not None
            (closed if closing else changed).append(
                RowChange(code=code, name=record.name, fields=differences)
            )
    written = sorted(change.code for change in (*changed, *closed))
    return Plan(
        source_digest=source_digest,
        base_digest=base.digest,
        added=tuple(added),
        changed=tuple(changed),
        closed=tuple(closed),
        rows=(*added, *(wanted[code] for code in written)),
    )


def _differences(
    known: AgencyRecord, record: AgencyRecord, *, is_starter: bool
) -> dict[str, tuple[str | None, str | None]]:
    found = {
        name: (_text(getattr(known, name)), _text(getattr(record, name)))
        for name in RECORD_FIELDS
        if getattr(known, name) != getattr(record, name)
    }
    if is_starter:
        found[SOURCE_FIELD] = (RowSource.STARTER.value, RowSource.IMPORTED.value)
    return found


def _text(cell: Cell) -> str | None:
    return None if cell is None else str(cell)


MOST_SAID = 50


def doubts(
    before: Mapping[str, AgencyRecord], after: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> tuple[RowProblem, ...]:
    """`before`: every row of the registry; `after`: those that the file changes; `lines`: of every code in it."""
    named = {
        code: record
        for code, record in after.items()
        if record.valid_to is None and _is_renamed(before.get(code), record)
    }
    found = [
        *_oddly_named(named, lines),
        *_alike(before, after, named, lines),
        *_orphans(before, after, lines),
        *_undecided(before, after, lines),
    ]
    return tuple(sorted(found, key=lambda each: each.line)[:MOST_SAID])


def _oddly_named(named: Mapping[str, AgencyRecord], lines: Mapping[str, int]) -> Iterator[RowProblem]:
    """R84: the name in full, with its accents, as its agency writes it in a sentence."""
    for code, record in named.items():
        words = record.name.split()
        if short := next((word for word in words if word in SHORT_NAMES), None):
            advice = f"the name has the short form {short}; write it in full, {SHORT_NAMES[short]}"
        elif len(words) > 1 and record.name.isupper():
            advice = "the name is in capitals; write it as in a sentence"
        elif len(words) > 2 and record.name.isascii():
            advice = "the name has no accents; write it in full Vietnamese"
        else:
            continue
        yield RowProblem(line=lines[code], column="name", found=record.name, advice=advice)


def _is_renamed(known: AgencyRecord | None, record: AgencyRecord) -> bool:
    return known is None or (known.name, known.parent) != (record.name, record.parent)


def _alike(
    before: Mapping[str, AgencyRecord],
    after: Mapping[str, AgencyRecord],
    named: Mapping[str, AgencyRecord],
    lines: Mapping[str, int],
) -> Iterator[RowProblem]:
    siblings: dict[str | None, list[AgencyRecord]] = {record.parent: [] for record in named.values()}
    for record in (*(each for code, each in before.items() if code not in after), *after.values()):
        if record.valid_to is None and record.parent in siblings:
            siblings[record.parent].append(record)
    # Parent by parent: the names of the whole country are not held folded at the same time.
    for parent, records in siblings.items():
        groups: dict[str, list[AgencyRecord]] = defaultdict(list)
        for record in records:
            groups[fold(record.name)].append(record)
        for group in groups.values():
            yield from _alike_in(group, parent, named, lines)


def _alike_in(
    group: Sequence[AgencyRecord],
    parent: str | None,
    named: Mapping[str, AgencyRecord],
    lines: Mapping[str, int],
) -> Iterator[RowProblem]:
    for record in group if len(group) > 1 else ():
        if record.code not in named or named[record.code].parent != parent:
            continue
        # Of two that the file both names anew the later line is told.
        others = (each for each in group if each.code != record.code)
        other = next(
            (each for each in others if each.code not in named or lines[each.code] < lines[record.code]), None
        )
        if other is not None:
            same = " ".join(other.name.split()) == " ".join(record.name.split())
            how = "has the same name" if same else "has a name that differs by accents or case alone"
            advice = f"{other.code} under the same parent {how}; look whether both are meant"
            yield RowProblem(line=lines[record.code], column="name", found=record.name, advice=advice)


def _orphans(
    before: Mapping[str, AgencyRecord], after: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """New codes below one that nobody has: they stand at the top, where nobody looks for them."""
    orphans = (
        code for code, record in after.items() if record.parent is None and "." in code and code not in before
    )
    for code in islice(orphans, MOST_SAID):
        if (above := AgencyCode.parse(code).parent) is not None:
            advice = f"there is no agency {above} above it; add a line for it, or name the parent"
            yield RowProblem(line=lines[code], column="parent", found=code, advice=advice)


def _undecided(
    before: Mapping[str, AgencyRecord], after: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Once for all of them: a list without that column would say it on every line."""
    codes = [
        code
        for code, record in after.items()
        if record.decision is None
        and (code not in before or (before[code].valid_to is None and record.valid_to is not None))
    ]
    if codes:
        advice = f"{len(codes)} agencies begin or end without a decision; add its number"
        yield RowProblem(line=lines[codes[0]], column="decision", found=codes[0], advice=advice)
