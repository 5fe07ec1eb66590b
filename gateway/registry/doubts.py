"""What a person should look at before a file of codes is applied, though it may be applied: two agencies of one name under
one parent, names that differ by accents alone, codes below one that nobody has, codes that begin or end without a decision.
In: the registry, the records as they would be, their lines. Out: doubts in the order of the lines. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from gateway.domain.agency_code import AgencyCode
from gateway.domain.registry_change import AgencyRecord, RowProblem
from gateway.domain.text import fold

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
        *_alike(before, after, named, lines),
        *_orphans(before, after, lines),
        *_undecided(before, after, lines),
    ]
    return tuple(sorted(found, key=lambda each: each.line)[:MOST_SAID])


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
