"""Examines the whole log of a node, or of a copy of its database, from leaves to seals (E3), and takes a part of it
out. In: a store, seals that had left the node, the authorities trusted for time. Out: an `AuditReport`. It reads
batch by batch, so that its memory does not grow with the log; it changes nothing.

`export` has all that somebody without this node needs to check a part: lines of JSON, the seal first, then each leaf
as it was hashed, with its proof into that seal; texts beside it only when asked for, each with the salt that opens
its digest."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cryptography import x509

from gateway.domain.sealed_log import GrowingTree, PublishedSeal
from gateway.errors import NotFound
from gateway.ops.audit_checks import NO_SEQ, AuditReport, Findings, LeafCheck, Note, SealCheck, may_be_erased
from gateway.ports.services import Pool
from gateway.store import log_reading
from gateway.store.log_reading import LeafBeside, LogStanding, Prover, StoredLeaf, WantedEvents, search_log
from gateway.store.store import SqlStore

READ_AT_ONCE = 1000
_STRAYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the examiner brings. `since` is a seal whose log was examined before: the examination goes on from it."""

    published: Sequence[PublishedSeal] = ()
    since: PublishedSeal | None = None
    roots: Sequence[x509.Certificate] = ()
    tell: Callable[[int, int], None] = field(default=lambda done, of: None)


async def verify(store: SqlStore, given: Given, pool: Pool) -> AuditReport:
    """The report on everything that is in the log now."""
    standing = await log_reading.standing(store)
    if given.since is not None and given.since.signed.seal.tree_size > standing.leaves:
        # Behind an end that is not there nothing goes on: it is one more seal that was published.
        given = replace(given, published=[*given.published, given.since], since=None)
    findings = Findings()
    seals = SealCheck(
        findings=findings,
        log_id=standing.log_id,
        roots=given.roots,
        published=deque(sorted(given.published, key=lambda each: each.signed.seal.tree_size)),
    )
    if standing.log_id:
        seals.known_as([*given.published, *([given.since] if given.since else [])])
    leaves = await _begin(store, given.since, seals, findings)
    await _leaves(store, standing, leaves, seals, given, pool)
    _end(standing, leaves, seals, findings)
    return _report(standing, leaves, seals, given)


async def _begin(
    store: SqlStore, since: PublishedSeal | None, seals: SealCheck, findings: Findings
) -> LeafCheck:
    """At the first leaf, or behind those that a seal covers: the nodes that are kept must give its root."""
    if since is None:
        return LeafCheck(findings=findings, tree=GrowingTree(), next_index=0, last_seq=NO_SEQ)
    about = since.signed.seal
    tree: GrowingTree | None = None
    try:
        tree = GrowingTree(size=about.tree_size, peaks=await log_reading.peaks(store, about.tree_size))
    except NotFound:
        findings.add("published_unreached", f"seal {about.number}", size=about.tree_size)
    if tree is not None and tree.root() != about.root:
        findings.add("published_differs", f"seal {about.number}", size=about.tree_size)
        tree = None
    seals.number = seals.fetched = about.number
    seals.before, seals.sealed = since.signed, about.tree_size
    seals.keys.append(since.signed.key_id)
    # The numbers of earlier events were examined before, from where this seal's last leaf stands.
    before = await log_reading.leaves(store, about.tree_size - 1, 1)
    seq = before[0].event.node_seq if before and before[0].event is not None else 0
    return LeafCheck(findings=findings, tree=tree, next_index=about.tree_size, last_seq=seq)


async def _leaves(
    store: SqlStore, standing: LogStanding, leaves: LeafCheck, seals: SealCheck, given: Given, pool: Pool
) -> None:
    """Up to where the log stood when the examination began; others go on writing."""
    while leaves.next_index < standing.leaves:
        batch = await log_reading.leaves(
            store, leaves.next_index, min(READ_AT_ONCE, standing.leaves - leaves.next_index)
        )
        if not batch:
            break
        await _expect(store, standing, seals)
        lacking = may_be_erased(batch)
        recorded = await log_reading.erasures(store, lacking) if lacking else set()
        after = leaves.last_seq
        await pool.run(partial(_take, batch, recorded, leaves, seals))
        await _strays(store, leaves, after, leaves.last_seq)
        await _nodes(store, leaves)
        given.tell(leaves.next_index, standing.leaves)
    # What the log's row says was passed over, without ever being a leaf.
    await _strays(store, leaves, leaves.last_seq, standing.last_seq)
    while await _expect(store, standing, seals):
        seals.reached(leaves.tree, leaves.next_index)


async def _strays(store: SqlStore, leaves: LeafCheck, after: int, upto: int) -> None:
    """Events in that range of numbers that are no leaf."""
    for seq, id in await log_reading.strays(store, after, upto, _STRAYS):
        leaves.findings.add("event_added", id, number=seq)


async def _expect(store: SqlStore, standing: LogStanding, seals: SealCheck) -> bool:
    """Enough seals for the next batch of leaves; whether there were more."""
    if seals.fetched >= standing.seals or len(seals.waiting) > READ_AT_ONCE:
        return False
    rows = await log_reading.seals(store, seals.fetched, min(READ_AT_ONCE, standing.seals - seals.fetched))
    seals.fetched = rows[-1].number if rows else standing.seals
    seals.expect([row for row in rows if row.number <= standing.seals], standing.leaves)
    return True


def _take(
    batch: Sequence[LeafBeside], recorded: set[tuple[str, str]], leaves: LeafCheck, seals: SealCheck
) -> None:
    stop = seals.next_stop
    for each in batch:
        leaves.take(each, recorded)
        while stop is not None and stop <= leaves.next_index:
            seals.reached(leaves.tree, leaves.next_index)
            stop = seals.next_stop


async def _nodes(store: SqlStore, leaves: LeafCheck) -> None:
    """A wrong node changes no verdict, but makes proofs that nobody believes."""
    made, leaves.kept = leaves.kept, {}
    found = await log_reading.nodes(store, list(made)) if made else {}
    for node, hashed in made.items():
        if found.get(node) != hashed:
            leaves.findings.add("node_changed", f"node {node.level}/{node.place}")


def _end(standing: LogStanding, leaves: LeafCheck, seals: SealCheck, findings: Findings) -> None:
    size = leaves.next_index
    seals.reached(leaves.tree, size)
    seals.ended(size)
    if standing.size != size:
        findings.add("log_size", "log", said=standing.size, leaves=size)
        return
    if leaves.tree is not None and standing.root != leaves.tree.root():
        findings.add("log_peaks", "log")
    if size and standing.last_seq != leaves.last_seq:
        findings.add("log_place", "log", said=standing.last_seq, number=leaves.last_seq)


def _report(standing: LogStanding, leaves: LeafCheck, seals: SealCheck, given: Given) -> AuditReport:
    return AuditReport(
        log_id=standing.log_id,
        leaves=leaves.next_index,
        seals=seals.count,
        stamps=seals.stamps,
        root=leaves.tree.root() if leaves.tree is not None else b"",
        keys=tuple(seals.keys),
        first_at=seals.first_at,
        last_at=seals.last_at,
        findings=tuple(leaves.findings.named),
        count=leaves.findings.count,
        notes=tuple(_notes(standing, leaves, seals, given)),
        anchored=bool(seals.compared) or given.since is not None,
    )


def _notes(standing: LogStanding, leaves: LeafCheck, seals: SealCheck, given: Given) -> list[Note]:
    told: list[tuple[str, dict[str, object]]] = []
    if not seals.compared and given.since is None:
        told.append(("unanchored", {}))
    if given.since is not None:
        told.append(("earlier", {"leaves": given.since.signed.seal.tree_size}))
    if (fresh := standing.fresh + leaves.next_index - seals.sealed) > 0:
        told.append(("unsealed", {"count": fresh}))
    if seals.unchecked_stamps:
        told.append(("stamps_unchecked", {"count": seals.unchecked_stamps}))
    if seals.number > seals.stamped_number:
        told.append(("unstamped", {"first": seals.stamped_number + 1, "last": seals.number}))
    if seals.late:
        told.append(("stamps_late", {"count": seals.late}))
    if leaves.erased:
        told.append(("erased", {"count": leaves.erased}))
    told += [("restored", {"leaf": index, "copied_at": at}) for index, at in leaves.restores]
    return [Note(code=code, params=params) for code, params in told]


LEAVES_AT_ONCE = 200


async def export(
    store: SqlStore, wanted: WantedEvents, seal: PublishedSeal, *, texts: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """What that seal covers, in the log's order."""
    yield {"seal": seal.to_bytes().decode("ascii")}
    size, after, prover = seal.signed.seal.tree_size, 0, Prover(store)
    while hits := await search_log(store, wanted, limit=LEAVES_AT_ONCE, after=after, sealed=size):
        indexes = [hit.leaf for hit in hits if hit.leaf is not None]
        after = indexes[-1] + 1
        leaves = await log_reading.leaves_at(store, indexes)
        proofs = await prover.inclusions([each.index for each in leaves], size)
        for each, proof in zip(leaves, proofs, strict=True):
            yield _leaf_line(each, proof, texts=texts)


def _leaf_line(leaf: StoredLeaf, proof: tuple[bytes, ...], *, texts: bool) -> dict[str, Any]:
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
