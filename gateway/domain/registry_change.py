"""Values about changes of the registry: the rows an import would write, problems of a file, the plan shown before
anything changes, the record kept afterwards; and the life of a code over time with the effect of a reform on it. In:
lives before, and a reform. Out: lives after, or the agency behind a code on a day. Frozen values, pure;
`registry.importing` makes the imports, and `policy.reform` has checked a reform before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.domain.identity import Digest
from gateway.domain.registry import AgencyColumns, RowSource
from gateway.domain.registry_reform import Reform, ReformKind, Target

SOURCE_FIELD = "source"  # shown in a change where a starter row becomes an imported one
HOST_FIELDS = frozenset({"host", "next_host", "next_host_from"})
SPEAKING_FIELDS = ("alias", "valid_from", "valid_to", "successor", "host", "next_host", "next_host_from")
"""Fields of an agency on which it depends who speaks for its code."""
LONGEST_CHAIN = 50  # successors or parents followed; a real chain has a few links
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOnImport:
    """Dependents of an import, which undoing it would break, by their kind."""

    begun: Sequence[str] = ()
    """Codes that the import added."""
    changed: Sequence[str] = ()
    """Codes of the import that were changed since, or could not be restored."""
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRecord(AgencyColumns):
    """Agency as an import writes it: exactly the columns of the file."""

    def moved_by(self, on: date) -> AgencyRecord:
        """Return the record with a planned move of its host done, where its day has come."""
        if self.next_host_from is None or self.next_host_from > on:
            return self
        return replace(self, host=self.next_host, next_host=None, next_host_from=None)

    def begins_by(self, on: date) -> bool:
        return self.valid_from is None or self.valid_from <= on


RECORD_FIELDS = tuple(field.name for field in fields(AgencyRecord))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Reason why a line cannot be imported, with advice. `found` is the cell's text, shortened."""

    line: int
    column: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: found {self.found!r}; {self.advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """Agency that would change: each changed field with its old and new text."""

    code: str
    name: str
    fields: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Effects of applying a file to the registry that it was planned on. Agencies missing from the file are not touched,
    nor are bindings of certificates. A plan with problems cannot be applied; a person looks at `doubts`."""

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
        """Changed or closed rows that rewrite a known agency. A starter row is none, and the host of a code is not part
        of its identity."""
        return tuple(change for change in (*self.changed, *self.closed) if _is_rewrite(change))

    @property
    def effect(self) -> Digest:
        """Digest of the effects, equal for plans with the same effects on any registry."""
        changes = [sorted((c.code, sorted(c.fields.items())) for c in (*self.changed, *self.closed))]
        return Digest(hashlib.sha256(repr((self.added, changes)).encode()).hexdigest())


def _is_rewrite(change: RowChange) -> bool:
    was_starter = change.fields.get(SOURCE_FIELD, (None, None))[0] == RowSource.STARTER.value
    return not was_starter and not set(change.fields) <= HOST_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """Record of an applied import, and whether it was undone as a whole. `first_codes` are some of the added ones."""

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
    """Record of an applied change, kept for ever."""

    id: str
    at: datetime
    by: str
    source_digest: Digest
    summary: Mapping[str, object]

    @property
    def is_import(self) -> bool:
        """True for an import of codes. Summaries of reforms, feeds and undoing changes have a key of their own, and that
        of the starter list has no codes."""
        return "codes" in self.summary and not {"reform", "feed", "undid"} & set(self.summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """Name and parent of an agency up to and including one day."""

    until: date
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Life of a code: its latest record, and its former names, oldest first."""

    record: AgencyRecord
    source: RowSource = RowSource.IMPORTED
    former: tuple[Former, ...] = ()

    def at(self, on: date) -> AgencyRecord:
        """Return the record with the name and parent of that day, even if it was not in force then."""
        for former in self.former:
            if on <= former.until:
                return replace(self.record, name=former.name, parent=former.parent)
        return self.record

    def in_force(self, on: date) -> bool:
        """Tell whether the code is in force on that day; its first and last day count."""
        first, last = self.record.valid_from, self.record.valid_to
        return (first is None or first <= on) and (last is None or on <= last)

    @property
    def last_turn(self) -> date | None:
        """First day of its present name and parent; None if it never had others."""
        return self.former[-1].until + _DAY if self.former else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryView:
    """Part of the registry around a reform: the life of each code that it names, of all their parents, and of all their
    successors. `aliases` maps each old code in use to its agency's; `below` has the units directly under a code;
    `same_name` maps a new or renamed code to a sibling with the same name."""

    lives: Mapping[str, Life]
    aliases: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)
    same_name: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, int] = field(default_factory=dict)
    queued: Mapping[str, int] = field(default_factory=dict)
    open_documents: Mapping[str, int] = field(default_factory=dict)
    hosted: frozenset[str] = frozenset()
    """Codes that this node speaks for."""


Lives = Mapping[str, Life]


def lives_after(reform: Reform, lives: Lives) -> dict[str, Life]:
    """Return the new life of every code that the reform changes or begins."""
    changed: dict[str, Life] = {}
    by, on = str(reform.decision), reform.effective_on
    for code in reform.sources:
        if reform.kind is ReformKind.RENAME:
            changed[code] = _change_life(lives[code], on, by, name=reform.name or "")
        elif reform.kind is ReformKind.MOVE:
            changed[code] = _change_life(lives[code], on, by, parent=reform.parent)
    for code in reform.ended:
        record = replace(lives[code].record, valid_to=on - _DAY, successor=reform.successor, decision=by)
        if record.valid_from == on:
            # A body that gets its code on its first day had no day without it.
            record = replace(record, valid_from=None)
        changed[code] = replace(lives[code], record=record, source=_vouched_source(lives[code].source))
    for target in reform.targets:
        if target.code not in lives:
            changed[target.code] = _begin_life(target, reform, lives)
    return changed


def successors(lives: Lives, code: str) -> Iterator[str]:
    """Yield the chain of successors of this code, until it would repeat or reaches an unknown code."""
    visited = {code}
    at: str | None = code
    while at is not None and at in lives and len(visited) <= LONGEST_CHAIN:
        at = lives[at].record.successor
        if at is None or at in visited:
            return
        visited.add(at)
        yield at


def heir_on(lives: Lives, code: str, on: date) -> str | None:
    """Return the first successor in the chain that is in force on that day, else the last one."""
    last: str | None = None
    for last in successors(lives, code):
        if last in lives and lives[last].in_force(on):
            return last
    return last


def parents_of(lives: Lives, code: str, on: date) -> Iterator[str]:
    """Yield the agencies above this code on that day, nearest first. On a cycle, the repeated one is yielded last."""
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
    """Return that day, and each later one on which a life gets another name or parent."""
    turns = {f.until + _DAY for life in lives.values() for f in life.former}
    return [since, *sorted(day for day in turns if day > since)]


def lives_digest(lives: Mapping[str, Life | None]) -> str:
    """Return a digest of the lives, which differs where any of them does."""
    records = {code: asdict(life) if life else None for code, life in lives.items()}
    return hashlib.sha256(json.dumps(records, sort_keys=True, default=str).encode()).hexdigest()


def _change_life(life: Life, on: date, by: str, **to: Any) -> Life:
    """Return the life with another name or parent from that day on, and the old ones as former ones."""
    former = Former(until=on - _DAY, name=life.record.name, parent=life.record.parent)
    # On a second change on the same day, the name before that day is recorded already.
    is_second_change = life.last_turn == on
    return Life(
        record=replace(life.record, decision=by, **to),
        source=_vouched_source(life.source),
        former=life.former if is_second_change else (*life.former, former),
    )


def _begin_life(target: Target, reform: Reform, lives: Lives) -> Life:
    """Begin the life of a new code. If only the code of an agency is new, missing fields come from its old one."""
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
            contact=old_record.contact,
            next_host=old_record.next_host,
            next_host_from=old_record.next_host_from,
        )
    )


def _vouched_source(source: RowSource) -> RowSource:
    """Return the source after a reform: a starter row becomes an imported one, which may refuse and redirect, since two
    people have approved it."""
    return RowSource.IMPORTED if source is RowSource.STARTER else source
