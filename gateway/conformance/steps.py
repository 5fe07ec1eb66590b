"""The thirty steps, in order: a key, under which the words of each stand, and what does it. The number of a step is its
place; each stands alone, so that one that fails takes none of the others along."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.conformance import changing, receiving, sending, statuses
from gateway.conformance.kit import Kit
from gateway.conformance.score import Check

Does = Callable[[Kit, Check], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    n: int
    key: str
    does: Does


_TABLE: tuple[tuple[str, Does], ...] = (
    ("accept", sending.accept),
    ("faults", sending.faults),
    ("refused", sending.refused),
    ("idempotent", sending.idempotent),
    ("external_id", sending.external_id),
    ("packet", sending.packet),
    ("fields", sending.fields),
    ("urgent", sending.urgent),
    ("attachments", sending.attachments),
    ("arrived", statuses.arrived),
    ("rejected", statuses.rejected),
    ("handled", statuses.handled),
    ("status_doubled", statuses.doubled),
    ("status_unordered", statuses.unordered),
    ("status_forged", statuses.forged),
    ("status_unknown", statuses.unknown),
    ("admitted", receiving.admitted),
    ("receipt", receiving.receipt),
    ("doubled", receiving.doubled),
    ("conflicting", receiving.conflicting),
    ("forged", receiving.forged),
    ("misdirected", receiving.misdirected),
    ("broken", receiving.broken),
    ("answered", receiving.answered),
    ("worked_on", receiving.worked_on),
    ("recalled", changing.recalled),
    ("changed", changing.changed),
    ("followed", changing.followed),
    ("replied", changing.replied),
    ("in_time", changing.in_time),
)
STEPS = tuple(Step(n=n, key=key, does=does) for n, (key, does) in enumerate(_TABLE, 1))
