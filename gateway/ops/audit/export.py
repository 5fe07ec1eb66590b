"""Takes a part of the log out, with all that somebody without this node needs to check it. In: what to look for. Out: lines
of JSON: the seal first, then each leaf as it was hashed, with its proof into that seal; texts beside it only when asked
for, each with the salt that opens its digest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway.domain.seal import PublishedSeal
from gateway.store import log_proofs
from gateway.store.log_proofs import Prover, StoredLeaf
from gateway.store.log_search import Wanted, search
from gateway.store.store import SqlStore

BATCH = 200


async def export(
    store: SqlStore, wanted: Wanted, seal: PublishedSeal, *, texts: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """What that seal covers, in the log's order."""
    yield {"seal": seal.to_bytes().decode("ascii")}
    size, after, prover = seal.signed.seal.tree_size, 0, Prover(store)
    while hits := await search(store, wanted, limit=BATCH, after=after, sealed=size):
        indexes = [hit.leaf for hit in hits if hit.leaf is not None]
        after = indexes[-1] + 1
        leaves = await log_proofs.leaves_at(store, indexes)
        proofs = await prover.inclusions([each.index for each in leaves], size)
        for each, proof in zip(leaves, proofs, strict=True):
            yield _line(each, proof, texts=texts)


def _line(leaf: StoredLeaf, proof: tuple[bytes, ...], *, texts: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "index": leaf.index,
        "leaf": leaf.body.decode("ascii", "replace"),
        "proof": [each.hex() for each in proof],
    }
    if texts:
        told["texts"] = {
            name: {"value": value, "salt": leaf.salts[name]} for name, value in leaf.texts.items()
        }
    return told
