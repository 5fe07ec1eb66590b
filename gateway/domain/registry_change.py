"""Values of changing the registry: the rows an import would write, the problems of a file, the plan shown before anything
changes, the record kept afterwards, and the life of a code over time with the effect of a reform on it. Frozen; imports are
made by `registry.importing`. In: lives before, a reform. Out: lives after, or the agency behind a code on a day. Pure;
decides nothing: `policy.reform` has checked before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_reform import Reform, ReformKind, Target

SOURCE_FIELD = "source"  # shown in a change where a starter row becomes an imported one
HOST_FIELD = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOnImport:
    """Dependents of an import: each field names those that undoing it would break."""

    begun: Sequence[str] = ()
    """Codes that came with it."""
    changed: Sequence[str] = ()
    """Its codes that were changed since, or could not be restored."""
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRecord:
    """One agency as an import writes it: the columns of the file and nothing else."""

    code: str
    name: str
    alias: str | None = None
    parent: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    email: str | None = None
    address: str | None = None
    phone: str | None = None
    decision: str | None = None
    host: str | None = None


RECORD_FIELDS = tuple(field.name for field in fields(AgencyRecord))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Reason why a line cannot be imported, and its remedy. `found` is the cell, shortened."""

    line: int
    column: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: found {self.found!r}; {self.advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One agency that would change: each field with its old and new text."""

    code: str
    name: str
    fields: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Effects of applying a file on the registry it was planned on. Agencies missing from the file are not touched, and no
    certificate binding ever is. With problems it cannot be applied; `doubts` are for a person to look at."""

    source_digest: Digest
    base_digest: Digest
    added: tuple[AgencyRecord, ...] = ()
    changed: tuple[RowChange, ...] = ()
    closed: tuple[RowChange, ...] = ()
    unchanged: int = 0
    problems: tuple[RowProblem, ...] = ()
    doubts: tuple[RowProblem, ...] = ()
    rows: tuple[AgencyRecord, ...] = ()

    @property
    def rewrites(self) -> tuple[RowChange, ...]:
        """Changed or closed rows that count. A starter row counts as empty; the node of a code is the destination of its
        mail, not its identity."""
        return tuple(change for change in (*self.changed, *self.closed) if _is_rewrite(change))

    @property
    def effect(self) -> Digest:
        """Digest of the effects, equal for two plans with the same effects on whatever registry."""
        changes = [sorted((c.code, sorted(c.fields.items())) for c in (*self.changed, *self.closed))]
        return Digest(hashlib.sha256(repr((self.added, changes)).encode()).hexdigest())


def _is_rewrite(change: RowChange) -> bool:
    was_starter = change.fields.get(SOURCE_FIELD, (None, None))[0] == RowSource.STARTER.value
    return not was_starter and set(change.fields) != {HOST_FIELD}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """One import that was applied, and whether it was undone as a whole. `first_codes` are some of the added ones."""

    id: str
    at: datetime
    by: str
    source_digest: Digest
    added: int
    changed: int
    first_codes: tuple[str, ...] = ()
    undone_at: datetime | None = None
    undone_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """One applied change, kept for ever."""

    id: str
    at: datetime
    by: str
    source_digest: Digest
    summary: Mapping[str, object]

    @property
    def is_import(self) -> bool:
        """True for a file of codes. Reforms, feeds and undoing changes have their own key; the starter list names no
        codes."""
        return "codes" in self.summary and not {"reform", "feed", "undid"} & set(self.summary)


LONGEST_CHAIN = 50  # successors or parents followed; a real chain has a few links
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """Name and parent of an agency up to and including one day."""

    until: date
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One code: its latest record, and its former names, oldest first."""

    record: AgencyRecord
    source: RowSource = RowSource.IMPORTED
    former: tuple[Former, ...] = ()

    def at(self, on: date) -> AgencyRecord:
        """Return the record with the name and the parent of that day, whether in force then or not."""
        for former in self.former:
            if on <= former.until:
                return replace(self.record, name=former.name, parent=former.parent)
        return self.record

    def in_force(self, on: date) -> bool:
        """Tell whether the code is in force, both end days included."""
        first, last = self.record.valid_from, self.record.valid_to
        return (first is None or first <= on) and (last is None or on <= last)

    @property
    def last_turn(self) -> date | None:
        """The day from which its present name and parent hold."""
        return self.former[-1].until + _DAY if self.former else None


Lives = Mapping[str, Life]


def lives_after(reform: Reform, lives: Lives) -> dict[str, Life]:
    """Return every life that the reform changes or begins, in its new form."""
    changed: dict[str, Life] = {}
    by, on = str(reform.decision), reform.effective_on
    for code in reform.sources:
        if reform.kind is ReformKind.RENAME:
            changed[code] = _change_life(lives[code], on, by, name=reform.name or "")
        elif reform.kind is ReformKind.MOVE:
            changed[code] = _change_life(lives[code], on, by, parent=reform.parent)
    for code in reform.ended:
        record = replace(lives[code].record, valid_to=on - _DAY, successor=reform.successor, decision=by)
        changed[code] = replace(lives[code], record=record, source=_vouched_source(lives[code].source))
    for target in reform.targets:
        if target.code not in lives:
            changed[target.code] = _begin_life(target, reform, lives)
    return changed


def successors(lives: Lives, code: str) -> Iterator[str]:
    """Yield the chain of codes after this one; ends where it would come back, or reaches an unknown code."""
    visited = {code}
    at: str | None = code
    while at is not None and at in lives and len(visited) <= LONGEST_CHAIN:
        at = lives[at].record.successor
        if at is None or at in visited:
            return
        visited.add(at)
        yield at


def heir_on(lives: Lives, code: str, on: date) -> str | None:
    """Return the first code in force along the chain of successors, else its last one."""
    last: str | None = None
    for last in successors(lives, code):
        if last in lives and lives[last].in_force(on):
            return last
    return last


def parents_of(lives: Lives, code: str, on: date) -> Iterator[str]:
    """Yield the agencies above it on that day, nearest first. A repeated one comes once more, as the last."""
    visited = {code}
    at: str | None = code
    while at is not None and at in lives and len(visited) <= LONGEST_CHAIN:
        at = lives[at].at(on).parent
        if at is None:
            return
        yield at
        if at in visited:
            return
        visited.add(at)


def turning_days(lives: Lives, since: date) -> list[date]:
    """List that day, and each later one on which any of them gets another name or parent."""
    turns = {f.until + _DAY for life in lives.values() for f in life.former}
    return [since, *sorted(day for day in turns if day > since)]


def lives_digest(lives: Mapping[str, Life | None]) -> str:
    """Return a digest that changes with any of the lives."""
    records = {code: asdict(life) if life else None for code, life in lives.items()}
    return hashlib.sha256(json.dumps(records, sort_keys=True, default=str).encode()).hexdigest()


def _change_life(life: Life, on: date, by: str, **to: Any) -> Life:
    """Give it another name or parent from that day on; the day before has the old ones."""
    former = Former(until=on - _DAY, name=life.record.name, parent=life.record.parent)
    # A second change on the same day: the name before that day is kept already.
    is_second_change = life.last_turn == on
    return Life(
        record=replace(life.record, decision=by, **to),
        source=_vouched_source(life.source),
        former=life.former if is_second_change else (*life.former, former),
    )


def _begin_life(target: Target, reform: Reform, lives: Lives) -> Life:
    """Begin a new life. Where only the code is new, missing fields come from the old one."""
    source = lives[reform.sources[0]] if reform.kind is ReformKind.RECODE else None
    old_record = source.at(reform.effective_on) if source is not None else AgencyRecord(code="", name="")
    return Life(
        record=AgencyRecord(
            code=target.code,
            name=target.name or old_record.name,
            alias=target.alias,
            parent=target.parent or old_record.parent,
            valid_from=reform.effective_on,
            email=target.email or old_record.email,
            address=old_record.address,
            phone=old_record.phone,
            decision=str(reform.decision),
            host=target.host or old_record.host,
        )
    )


def _vouched_source(source: RowSource) -> RowSource:
    """Mark a starter row as imported: two people now answer for it, so it may refuse and redirect."""
    return RowSource.IMPORTED if source is RowSource.STARTER else source
