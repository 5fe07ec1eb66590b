"""List of agencies that a foreign axis gave, and the outcome of taking it into the registry. In and out: frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AxisListState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    """Nothing of it waits for a person."""
    WAITING = "waiting"
    """Lines wait for people: they change known agencies, or the list adds more at once than may be taken unseen."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisList:
    """One list and its outcome. `waiting` counts lines that people decide about, `conflicts` those that contradict the
    registry or each other, `left_out` entries that are no agency's. `problems` are the first conflicts, each with its code,
    name, column, the cell, and advice. `is_large`: new agencies wait too, because they are too many to be taken unseen."""

    id: str
    axis: str
    at: datetime
    state: AxisListState
    added: int = 0
    waiting: int = 0
    conflicts: int = 0
    left_out: int = 0
    is_large: bool = False
    problems: Sequence[Mapping[str, str]] = ()
    fault: str = ""
