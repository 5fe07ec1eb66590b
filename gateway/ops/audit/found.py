"""What an examination of the sealed log found. In: findings and notes one by one. Out: a frozen report; as many findings
are named as a person can look at, all are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

MOST_NAMED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not hold. `code` is a label key below `audit.`, `where` the leaf, event, seal or file."""

    code: str
    where: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that could not be checked, or that a reader must know. `code` is a label key below `audit.note.`."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole. `holds` says that nothing was found wrong, `anchored` that this was held against a seal which had left the
    node: without one, somebody who made the whole history anew is not found."""

    log_id: str
    leaves: int
    seals: int
    stamps: int
    root: bytes
    keys: Sequence[str]
    first_at: datetime | None
    last_at: datetime | None
    findings: Sequence[Finding]
    count: int
    notes: Sequence[Note]
    anchored: bool

    @property
    def holds(self) -> bool:
        return self.count == 0


class Findings:
    """Names the first, counts all."""

    def __init__(self) -> None:
        self.named: list[Finding] = []
        self.count = 0

    def add(self, code: str, where: object, **params: object) -> None:
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(Finding(code=code, where=str(where), params=params))
