"""Tests prove that something is in the log, from all leaf hashes in memory or from a store. In: leaves or a store, places,
sizes. Out: hashes."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain import sealed_log
from gateway.store.log_reading import Prover
from gateway.store.store import SqlStore


def inclusion_of(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree of these leaf hashes."""
    spans = sealed_log.inclusion_spans(index, len(leaves))
    return tuple(sealed_log.tree_root(leaves[span.start : span.end]) for span in spans)


def consistency_of(old: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Prove that the tree of these leaf hashes begins with the one of the first `old` of them."""
    spans = sealed_log.consistency_spans(old, len(leaves))
    return tuple(sealed_log.tree_root(leaves[span.start : span.end]) for span in spans)


async def inclusion(store: SqlStore, index: int, size: int) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree of the first `size` leaves. Raise NotFound when the log is shorter."""
    return await Prover(store).hashes(sealed_log.inclusion_spans(index, size))


async def consistency(store: SqlStore, old: int, new: int) -> tuple[bytes, ...]:
    """Prove that the tree of `new` leaves begins with that of `old` leaves. Raise NotFound when the log is shorter."""
    return await Prover(store).hashes(sealed_log.consistency_spans(old, new))
