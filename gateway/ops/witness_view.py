"""How the log is anchored by its witnesses. In: the cosignatures that the node stored, and the log itself. Out: how many
witnesses saw it up to which leaf, which cosignatures the log contradicts, and the cosigned checkpoint for a proof. Each
signature is verified anew, over the root that the log has now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway.bootstrap.witnesses import addresses
from gateway.domain.notes import Checkpoint, NoteKey, NoteSignature, checkpoint_of, read_checkpoint, read_keys
from gateway.domain.sealed_log import LeafSpan
from gateway.domain.witness import best_cosigned, needed
from gateway.errors import InvalidProof, NotFound
from gateway.ports.services import Pool
from gateway.settings import Settings
from gateway.store import log_reading, witnesses
from gateway.store.log_reading import Prover
from gateway.store.store import SqlStore
from gateway.store.witnesses import Cosignature, Witness
from gateway.trust.note_keys import signing_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """The witnesses of a log, `of` in number. The log up to `size` was valid by the `cosigners`, the last of them that was
    `need`ed at `at`; 0 and None where too few saw any of it. `contradicted`: witnesses whose cosignature, with its size, is
    not over this log. `histories`: witnesses that hold another history of it."""

    need: int = 0
    count: int = 0
    size: int = 0
    at: datetime | None = None
    cosigners: tuple[str, ...] = ()
    contradicted: tuple[tuple[str, int], ...] = ()
    histories: tuple[Witness, ...] = ()


@dataclass(frozen=True, slots=True)
class CosignedCheckpoint:
    """Checkpoint of this log with the cosignatures of its witnesses."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]


async def read_anchoring(store: SqlStore, settings: Settings, pool: Pool) -> Anchoring:
    """Return how far the witnesses of the settings saw the log."""
    by_name = {witness.name: witness for witness in await witnesses.list_witnesses(store)}
    names = [address.name for address in addresses(settings)]
    need = needed(settings.log.witnesses_needed, len(names))
    valid: list[Cosignature] = []
    contradicted = []
    for cosignature in await witnesses.newest_cosignatures(store):
        if cosignature.witness not in names:
            continue
        holds = await _holds(store, pool, cosignature, read_keys(by_name[cosignature.witness].keys))
        if holds:
            valid.append(cosignature)
        else:
            contradicted.append((cosignature.witness, cosignature.tree_size))
    histories = tuple(by_name[name] for name in names if name in by_name and by_name[name].other_history)
    anchoring = Anchoring(need=need, count=len(names), contradicted=tuple(contradicted), histories=histories)
    if not need or len(valid) < need:
        return anchoring
    size = sorted((cosignature.tree_size for cosignature in valid), reverse=True)[need - 1]
    cosigners = [cosignature for cosignature in valid if cosignature.tree_size >= size]
    return Anchoring(
        need=need,
        count=len(names),
        size=size,
        at=max(cosignature.at for cosignature in cosigners),
        cosigners=tuple(cosignature.witness for cosignature in cosigners),
        contradicted=tuple(contradicted),
        histories=histories,
    )


async def cosigned_checkpoint(store: SqlStore, settings: Settings, index: int) -> CosignedCheckpoint | None:
    """Return the first checkpoint over this leaf that enough witnesses cosigned, or that most did; None without one."""
    names = {address.name for address in addresses(settings)}
    by_size: defaultdict[int, list[Cosignature]] = defaultdict(list)
    for cosignature in await witnesses.list_cosignatures(store, index + 1):
        if cosignature.witness in names:
            by_size[cosignature.tree_size].append(cosignature)
    seen_by = [(size, frozenset(c.witness for c in group)) for size, group in by_size.items()]
    size = best_cosigned(seen_by, index + 1, needed(settings.log.witnesses_needed, len(names)))
    if size is None:
        return None
    checkpoint = await _checkpoint(store, size)
    lines = "".join(cosignature.body for cosignature in by_size[size])
    return CosignedCheckpoint(checkpoint, read_checkpoint(f"{checkpoint.to_text()}\n{lines}").signatures)


async def witness_keys(store: SqlStore, settings: Settings) -> dict[str, tuple[NoteKey, ...]]:
    """Return the keys of the witnesses that cosigned once, by the witness's name."""
    names: Collection[str] = {address.name for address in addresses(settings)}
    return {
        w.name: read_keys(w.keys) for w in await witnesses.list_witnesses(store) if w.name in names and w.keys
    }


async def _checkpoint(store: SqlStore, size: int) -> Checkpoint:
    """Return the checkpoint over the first `size` leaves as the log has them now. NotFound where it has fewer."""
    origin = checkpoint_of(await log_reading.seal_numbered(store)).origin
    (root,) = await Prover(store).hashes([LeafSpan(0, size)])
    return Checkpoint(origin, size, root)


async def _holds(store: SqlStore, pool: Pool, cosignature: Cosignature, keys: Sequence[NoteKey]) -> bool:
    try:
        checkpoint = await _checkpoint(store, cosignature.tree_size)
        signed = read_checkpoint(f"{checkpoint.to_text()}\n{cosignature.body}")
        return bool(await pool.run(partial(signing_keys, signed, keys)))
    except (NotFound, InvalidProof):
        return False
