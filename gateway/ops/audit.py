"""Examine the whole sealed log of a node, or of a copy of its database (E3, unbroken history), and export a part of it. In:
a store, published seals, the authorities trusted for time. Out: an `AuditReport`. It reads in batches, so that memory does
not grow with the log; it changes nothing. `export` yields all that a checker without this node needs, as JSON lines: first
the seal, then each leaf as hashed, with its proof of inclusion in that seal; texts only on request, each with its salt."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cryptography import x509

from gateway.domain.notes import read_checkpoint
from gateway.domain.sealed_log import GrowingTree, PublishedSeal
from gateway.domain.wall_clock import moment_text
from gateway.errors import NotFound
from gateway.ops.audit_checks import (
    NO_SEQ,
    AuditFinding,
    AuditReport,
    Findings,
    LeafCheck,
    Note,
    SealCheck,
    may_be_erased,
)
from gateway.ops.witness_view import Anchoring
from gateway.ports.services import Pool
from gateway.store import log_reading
from gateway.store.log_reading import EventFilter, LeafWithEvent, LogStanding, Prover, StoredLeaf, search_log
from gateway.store.store import SqlStore

READ_AT_ONCE = 1000
_STRAYS = 100
LEAVES_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs of an examination. `published` are seals from outside the node; `since` is a published seal up to which the
    log was examined before, so that this examination begins after it; `roots` are the authorities trusted for time; `tell`
    is called with the number of checked leaves and of all."""

    published: Sequence[PublishedSeal] = ()
    since: PublishedSeal | None = None
    roots: Sequence[x509.Certificate] = ()
    tell: Callable[[int, int], None] = field(default=lambda checked, total: None)


async def verify(store: SqlStore, inputs: Inputs, pool: Pool) -> AuditReport:
    """Examine all leaves and seals that are in the log now, and return the report."""
    standing = await log_reading.standing(store)
    if inputs.since is not None and inputs.since.signed.seal.tree_size > standing.leaves:
        # The log ends before that seal, so all of it is examined, with the seal as one more published seal.
        inputs = replace(inputs, published=[*inputs.published, inputs.since], since=None)
    findings = Findings()
    seals = SealCheck(
        findings=findings,
        log_id=standing.log_id,
        roots=inputs.roots,
        published=deque(sorted(inputs.published, key=lambda published: published.signed.seal.tree_size)),
    )
    if standing.log_id:
        seals.check_published([*inputs.published, *([inputs.since] if inputs.since else [])])
    leaves = await _begin(store, inputs.since, seals, findings)
    await _check_all_leaves(store, standing, leaves, seals, inputs, pool)
    _check_end(standing, leaves, seals, findings)
    return _report(standing, leaves, seals, inputs)


async def _begin(
    store: SqlStore, since: PublishedSeal | None, seals: SealCheck, findings: Findings
) -> LeafCheck:
    """Return the check of leaves, set to begin at the first leaf, or after those that the seal `since` covers. In that case
    the stored tree nodes must give the seal's root."""
    if since is None:
        return LeafCheck(findings=findings, tree=GrowingTree(), next_index=0, last_seq=NO_SEQ)
    seal = since.signed.seal
    tree: GrowingTree | None = None
    try:
        tree = GrowingTree(size=seal.tree_size, peaks=await log_reading.peaks(store, seal.tree_size))
    except NotFound:
        findings.add("published_unreached", f"seal {seal.number}", size=seal.tree_size)
    if tree is not None and tree.root() != seal.root:
        findings.add("published_differs", f"seal {seal.number}", size=seal.tree_size)
        tree = None
    seals.number = seals.fetched = seal.number
    seals.previous, seals.sealed = since.signed, seal.tree_size
    seals.keys.append(since.signed.key_id)
    # The numbers of earlier events were examined before, so this examination goes on from that of the seal's last leaf.
    last_leaf = await log_reading.leaves(store, seal.tree_size - 1, 1)
    seq = last_leaf[0].event.node_seq if last_leaf and last_leaf[0].event is not None else 0
    return LeafCheck(findings=findings, tree=tree, next_index=seal.tree_size, last_seq=seq)


async def _check_all_leaves(
    store: SqlStore, standing: LogStanding, leaves: LeafCheck, seals: SealCheck, inputs: Inputs, pool: Pool
) -> None:
    """Check the leaves and seals that the log had when the examination began; the node goes on writing meanwhile."""
    while leaves.next_index < standing.leaves:
        batch = await log_reading.leaves(
            store, leaves.next_index, min(READ_AT_ONCE, standing.leaves - leaves.next_index)
        )
        if not batch:
            break
        await _fetch_seals(store, standing, seals)
        lacking = may_be_erased(batch)
        recorded = await log_reading.erasures(store, lacking) if lacking else set()
        previous_seq = leaves.last_seq
        await pool.run(partial(_check_batch, batch, recorded, leaves, seals))
        await _check_strays(store, leaves, previous_seq, leaves.last_seq)
        await _check_nodes(store, leaves)
        inputs.tell(leaves.next_index, standing.leaves)
    # The log's row may be set past events that never became leaves.
    await _check_strays(store, leaves, leaves.last_seq, standing.last_seq)
    while await _fetch_seals(store, standing, seals):
        seals.check_up_to(leaves.tree, leaves.next_index)


async def _check_strays(store: SqlStore, leaves: LeafCheck, first_seq: int, upto: int) -> None:
    """Report events without a leaf whose number is after `first_seq` and at most `upto`, which the log has passed."""
    for seq, id in await log_reading.strays(store, first_seq, upto, _STRAYS):
        leaves.findings.add("event_added", id, number=seq)


async def _fetch_seals(store: SqlStore, standing: LogStanding, seals: SealCheck) -> bool:
    """Fetch the next seals unless enough are waiting; return whether any were fetched."""
    if seals.fetched >= standing.seals or len(seals.waiting) > READ_AT_ONCE:
        return False
    rows = await log_reading.seals(store, seals.fetched, min(READ_AT_ONCE, standing.seals - seals.fetched))
    seals.fetched = rows[-1].number if rows else standing.seals
    seals.expect([row for row in rows if row.number <= standing.seals], standing.leaves)
    return True


def _check_batch(
    batch: Sequence[LeafWithEvent], recorded: set[tuple[str, str]], leaves: LeafCheck, seals: SealCheck
) -> None:
    stop = seals.next_stop
    for leaf in batch:
        leaves.check(leaf, recorded)
        while stop is not None and stop <= leaves.next_index:
            seals.check_up_to(leaves.tree, leaves.next_index)
            stop = seals.next_stop


async def _check_nodes(store: SqlStore, leaves: LeafCheck) -> None:
    """Compare stored tree nodes with computed ones. A wrong node changes no verdict on leaves, but breaks proofs."""
    computed, leaves.stored_nodes = leaves.stored_nodes, {}
    stored = await log_reading.nodes(store, list(computed)) if computed else {}
    for node, node_hash in computed.items():
        if stored.get(node) != node_hash:
            leaves.findings.add("node_changed", f"node {node.level}/{node.place}")


def _check_end(standing: LogStanding, leaves: LeafCheck, seals: SealCheck, findings: Findings) -> None:
    size = leaves.next_index
    seals.check_up_to(leaves.tree, size)
    seals.check_end(size)
    if standing.size != size:
        findings.add("log_size", "log", said=standing.size, leaves=size)
        return
    if leaves.tree is not None and standing.root != leaves.tree.root():
        findings.add("log_peaks", "log")
    if size and standing.last_seq != leaves.last_seq:
        findings.add("log_place", "log", said=standing.last_seq, number=leaves.last_seq)


def _report(standing: LogStanding, leaves: LeafCheck, seals: SealCheck, inputs: Inputs) -> AuditReport:
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
        notes=tuple(_notes(standing, leaves, seals, inputs)),
        anchored=bool(seals.compared) or inputs.since is not None,
    )


def _notes(standing: LogStanding, leaves: LeafCheck, seals: SealCheck, inputs: Inputs) -> list[Note]:
    codes: list[tuple[str, dict[str, object]]] = []
    if not seals.compared and inputs.since is None:
        codes.append(("unanchored", {}))
    if inputs.since is not None:
        codes.append(("earlier", {"leaves": inputs.since.signed.seal.tree_size}))
    if (fresh := standing.fresh + leaves.next_index - seals.sealed) > 0:
        codes.append(("unsealed", {"count": fresh}))
    if seals.unchecked_stamps:
        codes.append(("stamps_unchecked", {"count": seals.unchecked_stamps}))
    if seals.number > seals.stamped_number:
        codes.append(("unstamped", {"first": seals.stamped_number + 1, "last": seals.number}))
    if seals.late:
        codes.append(("stamps_late", {"count": seals.late}))
    if leaves.erased:
        codes.append(("erased", {"count": leaves.erased}))
    codes += [("restored", {"leaf": index, "copied_at": at}) for index, at in leaves.restores]
    return [Note(code=code, params=params) for code, params in codes]


def with_witnesses(report: AuditReport, anchoring: Anchoring) -> AuditReport:
    """Return the report with what the witnesses of the log saw. A log that contradicts a cosignature does not hold."""
    findings, notes = list(report.findings), list(report.notes)
    for witness, size in anchoring.contradicted:
        findings.append(AuditFinding(code="cosigned_differs", place=witness, params={"size": size}))
    for witness_row in anchoring.histories:
        size = read_checkpoint(witness_row.other_history).checkpoint.size
        findings.append(AuditFinding(code="histories", place=witness_row.name, params={"size": size}))
    params: dict[str, object] = {
        "seen": len(anchoring.cosigners),
        "of": anchoring.count,
        "size": anchoring.size,
    }
    if anchoring.at is not None:
        notes = [note for note in notes if note.code != "unanchored"]
        params |= {"names": ", ".join(anchoring.cosigners), "at": moment_text(anchoring.at)}
        notes.append(Note(code="witnessed", params=params))
    elif anchoring.count:
        notes.append(Note(code="unwitnessed", params=params))
    return replace(
        report,
        findings=tuple(findings),
        count=report.count + len(findings) - len(report.findings),
        notes=tuple(notes),
        anchored=report.anchored or anchoring.at is not None,
    )


async def export(
    store: SqlStore, search: EventFilter, seal: PublishedSeal, *, texts: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """Yield the seal and then the events that it covers and the filter matches, in the log's order, each with its proof."""
    yield {"seal": seal.to_bytes().decode("ascii")}
    size, next_index, prover = seal.signed.seal.tree_size, 0, Prover(store)
    while hits := await search_log(
        store, search, limit=LEAVES_AT_ONCE, after_position=next_index, sealed=size
    ):
        indexes = [hit.leaf for hit in hits if hit.leaf is not None]
        next_index = indexes[-1] + 1
        leaves = await log_reading.leaves_at(store, indexes)
        proofs = await prover.inclusions([leaf.index for leaf in leaves], size)
        for leaf, proof in zip(leaves, proofs, strict=True):
            yield _leaf_line(leaf, proof, texts=texts)


def _leaf_line(leaf: StoredLeaf, proof: tuple[bytes, ...], *, texts: bool) -> dict[str, Any]:
    line: dict[str, Any] = {
        "index": leaf.index,
        "leaf": leaf.body.decode("ascii", "replace"),
        "proof": [h.hex() for h in proof],
    }
    if texts:
        line["texts"] = {name: {"value": text, "salt": leaf.salts[name]} for name, text in leaf.texts.items()}
    return line
