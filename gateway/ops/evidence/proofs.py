"""Collects what the sealed log proves about a document. In: the subjects that its events are about, and whose certificates
signed. Out: `LogProofs`: each leaf with its way to the first seal with a trusted time that covers it (or the first at all),
and those seals joined to each other, to the newest published and to the newest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gateway.domain import merkle
from gateway.domain.binding_history import subject_of
from gateway.domain.seal import PublishedSeal
from gateway.errors import InvalidProof, NotFound
from gateway.ops.evidence.log import Joined, LogProofs, ProvedLeaf
from gateway.store import log_proofs
from gateway.store.events import NODE
from gateway.store.log_proofs import StoredLeaf
from gateway.store.store import SqlStore
from gateway.trust import timestamp
from gateway.trust.evidence import certificates_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose events: of one agency about these subjects, and of the node about these agencies' certificates."""

    agency_id: str
    subjects: Sequence[str]
    senders: Iterable[str]


async def of(store: SqlStore, wanted: Wanted) -> LogProofs:
    """What is sealed by now; events that no seal covers yet are left out."""
    seals: dict[int, PublishedSeal] = {}
    proved: list[ProvedLeaf] = []
    prover = log_proofs.Prover(store)
    covering: PublishedSeal | None = None
    for each in await _leaves(store, wanted):
        # The first seal over one leaf is the first over every later one that it covers.
        if covering is None or covering.signed.seal.tree_size <= each.index:
            covering = await _covering(store, each.index)
        if covering is None:
            break
        sealed = covering.signed.seal
        seals[sealed.number] = covering
        (path,) = await prover.inclusions([each.index], sealed.tree_size)
        proved.append(ProvedLeaf(index=each.index, body=each.body, seal=sealed.number, path=path))
    published = await log_proofs.seal_published(store)
    for more in (published, await _newest(store)):
        if more is not None:
            seals[more.signed.seal.number] = more
    ordered = [seals[number] for number in sorted(seals)]
    return LogProofs(
        seals=tuple(ordered),
        leaves=tuple(proved),
        joined=tuple([await _joined(prover, old, new) for old, new in itertools.pairwise(ordered)]),
        published=frozenset({published.signed.seal.number} if published is not None else ()),
    )


def with_times(found: LogProofs, folder: Path) -> LogProofs:
    """With the times of those timestamps that the node's own trust folder vouches for; they are told, not believed."""
    roots = [each for path in sorted((folder / "tsa").glob("*.pem")) for each in certificates_in(path)]
    times: dict[int, datetime] = {}
    for each in found.seals if roots else ():
        if each.stamp is not None:
            with suppress(InvalidProof):
                proved = timestamp.check(each.stamp, each.signed.to_bytes(), roots)
                times[each.signed.seal.number] = proved.at
    return replace(found, stamped=times)


async def _leaves(store: SqlStore, wanted: Wanted) -> list[StoredLeaf]:
    found: dict[int, StoredLeaf] = {}
    asked = [(wanted.agency_id, subject) for subject in wanted.subjects]
    asked += [(NODE, subject_of(code)) for code in sorted(set(wanted.senders))]
    for agency_id, subject in asked:
        for each in await log_proofs.leaves_of(store, agency_id, subject):
            found[each.index] = each
    return [found[index] for index in sorted(found)]


async def _covering(store: SqlStore, index: int) -> PublishedSeal | None:
    stamped = await log_proofs.seal_covering(store, index, stamped=True)
    return stamped or await log_proofs.seal_covering(store, index)


async def _newest(store: SqlStore) -> PublishedSeal | None:
    try:
        return await log_proofs.seal_numbered(store)
    except NotFound:
        return None


async def _joined(prover: log_proofs.Prover, old: PublishedSeal, new: PublishedSeal) -> Joined:
    before, after = old.signed.seal, new.signed.seal
    path = await prover.hashes(merkle.consistency_spans(before.tree_size, after.tree_size))
    return Joined(old=before.number, new=after.number, path=path)
