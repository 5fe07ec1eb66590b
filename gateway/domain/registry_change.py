"""Values of changing the registry: the rows an import would write, what is wrong with a file, the plan shown before
anything changes, and the record kept afterwards. Frozen; made by `registry.importing`, read by whoever shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource

SOURCE_FIELD = "source"  # shown in a change where a starter row becomes an imported one
HOST_FIELD = "host"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Why a line cannot be imported, and what to do. `found` is the cell, shortened."""

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
    """What applying a file would do to the registry it was planned on. Nothing that the file leaves out is touched,
    and no certificate binding ever is. With problems it cannot be applied; `doubts` a person looks at."""

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
        """What it changes or closes of rows that count. A starter row counts as empty; the node that speaks for a code is
        where its mail goes, not who it is."""
        return tuple(each for each in (*self.changed, *self.closed) if _counts(each))

    @property
    def effect(self) -> Digest:
        """The same for two plans that would do the same, to whatever registry each was made on."""
        told = [sorted((each.code, sorted(each.fields.items())) for each in (*self.changed, *self.closed))]
        return Digest(hashlib.sha256(repr((self.added, told)).encode()).hexdigest())


def _counts(change: RowChange) -> bool:
    was_starter = change.fields.get(SOURCE_FIELD, (None, None))[0] == RowSource.STARTER.value
    return not was_starter and set(change.fields) != {HOST_FIELD}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """One import that was applied, and whether it was undone as a whole. `named`: the first of the codes that it added."""

    id: str
    at: datetime
    by: str
    source_digest: Digest
    added: int
    changed: int
    named: tuple[str, ...] = ()
    undone_at: datetime | None = None
    undone_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """One applied change, as kept for ever."""

    id: str
    at: datetime
    by: str
    source_digest: Digest
    summary: Mapping[str, object]

    @property
    def is_import(self) -> bool:
        """Of a file of codes. Reforms, feeds, and what undid another change say so; the starter list names no codes."""
        return "codes" in self.summary and not {"reform", "feed", "undid"} & set(self.summary)
