"""Values of changing the registry: the rows an import would write, what is wrong with a file, the plan shown before
anything changes, and the record kept afterwards. Frozen; made by `registry.importing`, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.identity import Digest


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
    and no certificate binding ever is. With problems it cannot be applied."""

    source_digest: Digest
    base_digest: Digest
    added: tuple[AgencyRecord, ...] = ()
    changed: tuple[RowChange, ...] = ()
    closed: tuple[RowChange, ...] = ()
    unchanged: int = 0
    problems: tuple[RowProblem, ...] = ()
    rows: tuple[AgencyRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """One applied change, as kept for ever."""

    id: str
    at: datetime
    by: str
    source_digest: Digest
    summary: Mapping[str, object]
