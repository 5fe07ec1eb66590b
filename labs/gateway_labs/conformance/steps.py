"""The steps, in order: a key for the words of each, its function, and the step that it depends on. The number of a step is
its place; one that only finds a fault does not stop the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway_labs.conformance import changing, otherways, receiving, sending, statuses
from gateway_labs.conformance.kit import Kit
from gateway_labs.conformance.score import Check

Does = Callable[[Kit, Check], Awaitable[None]]


class OptionalInput(StrEnum):
    """Inputs that not every run has: a system's secret for the compatibility door, a hot folder."""

    SYSTEM = "system"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `needs` is the step that it depends on; `needs_input` the input that the run must have for it."""

    n: int
    key: str
    does: Does
    needs: str = ""
    needs_input: OptionalInput | None = None


_TABLE: tuple[tuple[str, Does, str], ...] = (
    ("accept", sending.accept, ""),
    ("faults", sending.faults, ""),
    ("refused", sending.refused, ""),
    ("idempotent", sending.idempotent, "accept"),
    ("external_id", sending.external_id, "accept"),
    ("packet", sending.packet, "accept"),
    ("fields", sending.fields, "packet"),
    ("urgent", sending.urgent, "packet"),
    ("attachments", sending.attachments, "packet"),
    ("arrived", statuses.arrived, "packet"),
    ("rejected", statuses.rejected, "packet"),
    ("handled", statuses.handled, "packet"),
    ("status_doubled", statuses.doubled, "packet"),
    ("status_unordered", statuses.unordered, "packet"),
    ("status_forged", statuses.forged, "packet"),
    ("status_unknown", statuses.unknown, "packet"),
    ("admitted", receiving.admitted, ""),
    ("receipt", receiving.receipt, ""),
    ("doubled", receiving.doubled, "admitted"),
    ("conflicting", receiving.conflicting, "admitted"),
    ("forged", receiving.forged, ""),
    ("misdirected", receiving.misdirected, ""),
    ("broken", receiving.broken, ""),
    ("answered", receiving.answered, "admitted"),
    ("worked_on", receiving.worked_on, "admitted"),
    ("recalled", changing.recalled, "admitted"),
    ("changed", changing.changed, "admitted"),
    ("followed", changing.followed, "packet"),
    ("replied", changing.replied, "packet"),
    ("in_time", changing.in_time, "admitted"),
    ("library", otherways.library, ""),
    ("folder", otherways.folder, ""),
)
_INPUTS = {"library": OptionalInput.SYSTEM, "folder": OptionalInput.FOLDER}
STEPS = tuple(
    Step(n=n, key=key, does=does, needs=needs, needs_input=_INPUTS.get(key))
    for n, (key, does, needs) in enumerate(_TABLE, 1)
)
