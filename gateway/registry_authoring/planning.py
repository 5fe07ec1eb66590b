"""Compares a registry file with the registry. In: the present rows, the lines of the file. Out: a `Plan` with everything
that would change, or every problem at once; and doubts, which a person should look at although the file may be applied:
names that are not written by the rule (R84), two agencies of one name under one parent, names that differ only by accents
or need the name of the superior body, codes below a missing one, codes that begin or end without a decision. Pure:
`importing` applies the plan. A starter row counts as empty: an imported row of the same code replaces it wholly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Any

from gateway.domain.identity import Digest
from gateway.domain.registry import DEFAULT_SCHEME, PENDING_SCHEME, AgencyCode, RowSource
from gateway.domain.registry_change import (
    RECORD_FIELDS,
    SOURCE_FIELD,
    AgencyRecord,
    Plan,
    RowChange,
    RowProblem,
)
from gateway.domain.text import fold
from gateway.registry_authoring.csv_file import Cell, CsvLine, printable
from gateway.words.reading import NAME_JOINTS, SHORT_NAMES

MAX_DOUBTS = 50
_OF_STATE = (DEFAULT_SCHEME, PENDING_SCHEME)  # schemes of the agencies that the rule of names is for


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Registry as a plan saw it, by code; `digest` changes with any row. `starters`: codes of rows that count as empty.
    `reserved`: by code and field, the reform to come that has set the field."""

    records: Mapping[str, AgencyRecord]
    starters: frozenset[str] = frozenset()
    digest: Digest
    reserved: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plan(base: Base, read: Iterable[CsvLine | RowProblem], source_digest: Digest) -> Plan:
    """Plan the import of a file, with its problems in the order of the lines."""
    lines, changes, problems, name_doubts = _collect(base, read)
    problems += [
        *_dates(changes, lines),
        *_schemes(base, changes, lines),
        *_unknown(base, changes, lines),
        *_circles(base, changes, lines),
        *_shared_aliases(base, changes, lines),
        *_crossing(base, changes, lines),
    ]
    problems.sort(key=lambda problem: problem.line)
    # A bad line does not hide the others: all changes are listed, though nothing is written.
    faulty = {problem.line for problem in problems}
    _drop(changes, [code for code in changes if lines[code] in faulty])
    compared = replace(
        _compare(base, changes, source_digest),
        unchanged=sum(line not in faulty for line in lines.values()) - len(changes),
    )
    if problems:
        return replace(compared, rows=(), problems=tuple(problems))
    return replace(compared, doubts=doubts(base.records, changes, lines, name_doubts))


def standing_against(base: Base, records: Mapping[str, AgencyRecord]) -> list[str]:
    """Return the codes that keep these records out of this registry: circles, missing parents or successors, shared
    aliases."""
    lines = dict.fromkeys(records, 0)
    problems = [
        *_unknown(base, records, lines),
        *_circles(base, records, lines),
        *_shared_aliases(base, records, lines),
    ]
    return sorted({problem.found for problem in problems})


def _collect(
    base: Base, read: Iterable[CsvLine | RowProblem]
) -> tuple[dict[str, int], dict[str, AgencyRecord], list[RowProblem], dict[str, tuple[RowProblem, ...]]]:
    """Return the line of each code, the records that would change, the problems of single lines, and the doubts of how
    names were typed, by code."""
    lines: dict[str, int] = {}
    changes: dict[str, AgencyRecord] = {}
    problems: list[RowProblem] = []
    name_doubts: dict[str, tuple[RowProblem, ...]] = {}
    for parsed in read:
        if isinstance(parsed, RowProblem):
            problems.append(parsed)
        elif parsed.code in lines:
            advice = f"this code stands on line {lines[parsed.code]} already; keep one of them"
            problems.append(RowProblem(line=parsed.line, column="code", found=parsed.code, advice=advice))
        else:
            agency = _record_after(base, parsed)
            lines[agency.code] = parsed.line
            if parsed.doubts:
                name_doubts[agency.code] = parsed.doubts
            if agency.parent is None or _differs(base, agency):
                changes[agency.code] = agency
    for code, agency in changes.items():
        parent = _code_above(agency) if agency.parent is None else None
        if parent is not None and (parent in lines or parent in base.records):
            changes[code] = _shared_record(base, replace(agency, parent=parent))
    _drop(changes, [code for code, agency in changes.items() if not _differs(base, agency)])
    return lines, changes, problems, name_doubts


def _record_after(base: Base, line: CsvLine) -> AgencyRecord:
    """Return the record after the import: the registry's own, overwritten by the cells of the file."""
    agency = AgencyRecord(code=line.code, name="")
    if line.code not in base.starters:
        agency = base.records.get(line.code, agency)
    # Any: `csv_file` gives each column the type of its field.
    cells: dict[str, Any] = {name: cell for name, cell in line.cells.items() if name != "code"}
    return _shared_record(base, replace(agency, **cells))


def _shared_record(base: Base, agency: AgencyRecord) -> AgencyRecord:
    """Return the registry's own object for a record that the file does not change, so that `is` tells them apart."""
    present = base.records.get(agency.code)
    return present if present == agency else agency


def _differs(base: Base, agency: AgencyRecord) -> bool:
    """Tell whether a record that went through `_shared_record` changes the registry."""
    return agency is not base.records.get(agency.code) or agency.code in base.starters


def _drop(changes: dict[str, AgencyRecord], codes: Collection[str]) -> None:
    for code in codes:
        del changes[code]


def _dates(changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]) -> Iterator[RowProblem]:
    """Yield a problem for every record that ends before it begins, or moves on no day."""
    for code, agency in changes.items():
        if agency.valid_from and agency.valid_to and agency.valid_to < agency.valid_from:
            advice = f"the last day is before the first, {agency.valid_from}; correct one of them"
            yield RowProblem(line=lines[code], column="valid_to", found=str(agency.valid_to), advice=advice)
        if agency.next_host is not None and agency.next_host_from is None:
            advice = "the day of the move is missing; fill in next_host_from"
            yield RowProblem(line=lines[code], column="next_host", found=agency.next_host, advice=advice)


def _schemes(
    base: Base, changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield a problem for every code that would go to another scheme (R76, a code and its scheme never part), and for an
    address of a body that waits for its code (R79)."""
    for code in [code for code in changes if code in base.records]:
        present = base.records[code].scheme
        if changes[code].scheme != present:
            advice = (
                f"this code belongs to the scheme {present}; a code stays in its scheme, correct one of them"
            )
            yield RowProblem(line=lines[code], column="scheme", found=changes[code].scheme, advice=advice)
    for code, agency in changes.items():
        for column in ("host", "alias") if agency.scheme == PENDING_SCHEME else ():
            if (cell := getattr(agency, column)) is not None:
                advice = "a body without a code receives nothing; leave this empty until it has its code"
                yield RowProblem(line=lines[code], column=column, found=printable(cell), advice=advice)


def _code_above(agency: AgencyRecord) -> str | None:
    """Return the code one group shorter; None for the top, an old form, and codes of other schemes."""
    above = AgencyCode.parse(agency.code).parent if agency.scheme == DEFAULT_SCHEME else None
    return None if above is None else str(above)


def _unknown(
    base: Base, changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield a problem for every parent or successor that no agency has."""
    for code, agency in changes.items():
        for column in ("parent", "successor"):
            linked: str | None = getattr(agency, column)
            if linked is not None and linked not in changes and linked not in base.records:
                advice = f"no agency has this code; add a line for it or correct the {column}"
                yield RowProblem(line=lines[code], column=column, found=linked, advice=advice)


def _circles(
    base: Base, changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield a problem for every changed line on a circle of parents or successors."""
    for column in ("parent", "successor"):
        follow = partial(_linked_code, base, changes, column)
        for code in sorted(on_circles(changes, follow) & lines.keys()):
            advice = f"following each {column} from {code} leads back to it; correct the {column}"
            yield RowProblem(line=lines[code], column=column, found=follow(code) or "", advice=advice)


def _linked_code(base: Base, changes: Mapping[str, AgencyRecord], column: str, code: str) -> str | None:
    """Return the parent or successor (`column`) that a code will have after the import."""
    agency = changes.get(code) or base.records.get(code)
    return getattr(agency, column, None)


def _shared_aliases(
    base: Base, changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield a problem for every alias that leads to two agencies, or equals a code in use."""
    claimed: dict[str, str] = {}
    for code, agency in changes.items():
        if (alias := agency.alias) is not None:
            is_code = alias in base.records or alias in changes
            owner = alias if is_code else claimed.setdefault(alias, code)
            if owner != code or alias == code:
                yield _alias_problem(lines[code], alias, owner)
    for code, agency in base.records.items():
        if (alias := agency.alias) is None or code in changes:
            continue
        if alias in claimed:
            yield _alias_problem(lines[claimed[alias]], alias, code)
        elif alias in changes and alias not in base.records:
            advice = f"{code} has this code as its older form; take it away there or correct the code"
            yield RowProblem(line=lines[alias], column="code", found=alias, advice=advice)


def _alias_problem(line: int, alias: str, owner: str) -> RowProblem:
    advice = f"this alias leads to {owner} already; give it to one agency"
    return RowProblem(line=line, column="alias", found=printable(alias), advice=advice)


def _crossing(
    base: Base, changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield a problem for every field that an approved reform has set and the file would change."""
    for code in [code for code in changes if code in base.reserved and code in base.records]:
        old, new = base.records[code], changes[code]
        for column, reform in base.reserved[code].items():
            cell: Cell = getattr(new, column)
            if cell != getattr(old, column):
                advice = (
                    f"the approved reform {reform} sets this; leave it as it is, or undo the reform first"
                )
                yield RowProblem(
                    line=lines[code], column=column, found=printable(_text(cell) or ""), advice=advice
                )


def on_circles(starts: Iterable[str], follow: Callable[[str], str | None]) -> set[str]:
    """Return the nodes on circles that are reachable from the starts; `follow` returns the next node."""
    visited: set[str] = set()
    on_circle: set[str] = set()
    for start in starts:
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in visited and at not in path:
            path[at] = None
            at = follow(at)
        if at in path:
            steps = list(path)
            on_circle.update(steps[steps.index(at) :])
        visited.update(path)
    return on_circle


def _compare(base: Base, changes: Mapping[str, AgencyRecord], source_digest: Digest) -> Plan:
    """Return the plan without problems and doubts: added, changed and closed rows."""
    added: list[AgencyRecord] = []
    changed: list[RowChange] = []
    closed: list[RowChange] = []
    for code in sorted(changes):
        agency, present = changes[code], base.records.get(code)
        if present is None:
            added.append(agency)
        else:
            differences = _differences(present, agency, is_starter=code in base.starters)
            closing = present.valid_to is None and agency.valid_to is not None
            (closed if closing else changed).append(
                RowChange(code=code, name=agency.name, fields=differences)
            )
    codes = sorted(change.code for change in (*changed, *closed))
    return Plan(
        source_digest=source_digest,
        base_digest=base.digest,
        added=tuple(added),
        changed=tuple(changed),
        closed=tuple(closed),
        rows=(*added, *(changes[code] for code in codes)),
    )


def _differences(
    present: AgencyRecord, agency: AgencyRecord, *, is_starter: bool
) -> dict[str, tuple[str | None, str | None]]:
    differences = {
        name: (_text(getattr(present, name)), _text(getattr(agency, name)))
        for name in RECORD_FIELDS
        if getattr(present, name) != getattr(agency, name)
    }
    if is_starter:
        differences[SOURCE_FIELD] = (RowSource.STARTER.value, RowSource.IMPORTED.value)
    return differences


def _text(cell: Cell) -> str | None:
    return None if cell is None else str(cell)


def doubts(
    present: Mapping[str, AgencyRecord],
    changes: Mapping[str, AgencyRecord],
    lines: Mapping[str, int],
    name_doubts: Mapping[str, Sequence[RowProblem]],
) -> tuple[RowProblem, ...]:
    """Return doubts about a file, for a person. `present`: every row of the registry; `changes`: those that the file
    changes; `lines`: line by code; `name_doubts`: by code, doubts of how its name was typed."""
    renamed = {
        code: agency
        for code, agency in changes.items()
        if agency.valid_to is None and _is_renamed(present.get(code), agency)
    }
    problems = [
        *(doubt for code in name_doubts if code in changes for doubt in name_doubts[code]),
        *_oddly_named(renamed, lines),
        *_ambiguous(present, changes, renamed, lines),
        *_alike(present, changes, renamed, lines),
        *_orphans(present, changes, lines),
        *_undecided(present, changes, lines),
    ]
    return tuple(sorted(problems, key=lambda p: p.line)[:MAX_DOUBTS])


def _oddly_named(renamed: Mapping[str, AgencyRecord], lines: Mapping[str, int]) -> Iterator[RowProblem]:
    """Yield a doubt for names that are abbreviated, without accents, or not in the letter case of a decision (R84, names of
    agencies)."""
    for code, agency in renamed.items():
        if agency.scheme not in _OF_STATE:
            continue
        words = agency.name.split()
        if short := next((word for word in words if word in SHORT_NAMES), None):
            advice = f"the name has the short form {short}; write it in full, {SHORT_NAMES[short]}"
        elif len(words) > 1 and agency.name.isupper():
            advice = "the name is in capitals; write it as in a sentence"
        elif agency.name[:1].islower():
            advice = "the name begins with a small letter; write it as the decision does"
        elif joint := next((word for word in words[1:] if word in NAME_JOINTS), None):
            advice = f"the name has the word {joint} with a capital; write it as the decision does"
        elif len(words) > 2 and agency.name.isascii():
            advice = "the name has no accents; write it in full Vietnamese"
        else:
            continue
        yield RowProblem(line=lines[code], column="name", found=agency.name, advice=advice)


def _is_renamed(present: AgencyRecord | None, agency: AgencyRecord) -> bool:
    return present is None or (present.name, present.parent) != (agency.name, agency.parent)


def _alike(
    present: Mapping[str, AgencyRecord],
    changes: Mapping[str, AgencyRecord],
    renamed: Mapping[str, AgencyRecord],
    lines: Mapping[str, int],
) -> Iterator[RowProblem]:
    """Yield a doubt for each new name that another agency under the same parent has, accents and case ignored."""
    siblings: dict[str | None, list[AgencyRecord]] = {agency.parent: [] for agency in renamed.values()}
    for agency in (*(r for code, r in present.items() if code not in changes), *changes.values()):
        if agency.valid_to is None and agency.parent in siblings:
            siblings[agency.parent].append(agency)
    # Parent by parent, so that the folded names of the whole country are not in memory at once.
    for parent, records in siblings.items():
        groups: dict[str, list[AgencyRecord]] = defaultdict(list)
        for agency in records:
            groups[fold(agency.name)].append(agency)
        for group in groups.values():
            yield from _alike_in(group, parent, renamed, lines)


def _alike_in(
    group: Sequence[AgencyRecord],
    parent: str | None,
    renamed: Mapping[str, AgencyRecord],
    lines: Mapping[str, int],
) -> Iterator[RowProblem]:
    for agency in group if len(group) > 1 else ():
        if agency.code not in renamed or renamed[agency.code].parent != parent:
            continue
        # Where the file sets both names, the later line is reported.
        namesakes = (r for r in group if r.code != agency.code)
        other = next(
            (r for r in namesakes if r.code not in renamed or lines[r.code] < lines[agency.code]), None
        )
        if other is not None:
            same = " ".join(other.name.split()) == " ".join(agency.name.split())
            how = "has the same name" if same else "has a name that differs by accents or case alone"
            advice = f"{other.code} under the same parent {how}; look whether both are meant"
            yield RowProblem(line=lines[agency.code], column="name", found=agency.name, advice=advice)


def _ambiguous(
    present: Mapping[str, AgencyRecord],
    changes: Mapping[str, AgencyRecord],
    named: Mapping[str, AgencyRecord],
    lines: Mapping[str, int],
) -> Iterator[RowProblem]:
    """Yield one doubt for all new names that an agency under another parent has too, because a list of short names has one
    on nearly every line."""
    # Sorted and not kept by name, because a list of the whole country has more than a hundred thousand names.
    unchanged = (agency for code, agency in present.items() if code not in changes)
    alive = [a for a in chain(unchanged, changes.values()) if a.valid_to is None and a.scheme in _OF_STATE]
    alive.sort(key=attrgetter("name"))
    count = 0
    first: AgencyRecord | None = None
    other = ""
    for _, group in groupby(alive, key=attrgetter("name")):
        namesakes = list(group)
        if len({agency.parent for agency in namesakes}) == 1:
            continue
        for agency in namesakes:
            if agency.code not in named:
                continue
            count += 1
            if first is None or lines[agency.code] < lines[first.code]:
                first = agency
                other = next(a.code for a in namesakes if a.parent != agency.parent)
    if first is not None:
        advice = (
            f"{count} agencies have the name of one under another parent, as {other};"
            " write the superior body's name with it"
        )
        yield RowProblem(line=lines[first.code], column="name", found=first.name, advice=advice)


def _orphans(
    present: Mapping[str, AgencyRecord], changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield a doubt for new codes below a missing one: without a parent they are at the top, and easily overlooked."""
    orphans = (
        code
        for code, agency in changes.items()
        if agency.parent is None and "." in code and code not in present
    )
    for code in islice(orphans, MAX_DOUBTS):
        if (above := _code_above(changes[code])) is not None:
            advice = f"there is no agency {above} above it; add a line for it, or name the parent"
            yield RowProblem(line=lines[code], column="parent", found=code, advice=advice)


def _undecided(
    present: Mapping[str, AgencyRecord], changes: Mapping[str, AgencyRecord], lines: Mapping[str, int]
) -> Iterator[RowProblem]:
    """Yield one doubt for all codes without a decision, because a list without that column would have one per line."""
    codes = [
        code
        for code, agency in changes.items()
        if agency.decision is None
        and (code not in present or (present[code].valid_to is None and agency.valid_to is not None))
    ]
    if codes:
        advice = f"{len(codes)} agencies begin or end without a decision; add its number"
        yield RowProblem(line=lines[codes[0]], column="decision", found=codes[0], advice=advice)
