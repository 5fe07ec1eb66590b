"""The checks that make up an examination of the sealed log. In: leaves with their events' rows, seals, published seals.
Out: findings about leaves, events and seals that were removed, changed, moved or added; the first ones by name, and the
number of all. Each leaf is compared with its hash, its place and its event's row; each seal with the tree of the leaves,
the seal before it, its key and its timestamp; published seals with the log."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from gateway.domain import sealed_log
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import NO_SEAL, GrowingTree, PublishedSeal, SignedSeal, TreeNode
from gateway.errors import InvalidProof
from gateway.store.log import EVERY_LEVEL
from gateway.store.log_reading import LeafWithEvent, UnreadSeal
from gateway.trust import seals

MOST_NAMED = 200
# A timestamp this long after its seal needed many attempts; it proves only its own time.
LATE = timedelta(hours=2)
# Allowed difference between the clocks of node and authority.
CLOCK_ERROR = timedelta(minutes=10)
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One failed check. `code` is a label key below `audit.`, `place` the leaf, event, seal or file."""

    code: str
    place: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A check that was not possible, or a fact to be known. `code` is a label key below `audit.note.`."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """Result of an examination. `holds`: there is no finding. `anchored`: the log was compared with a published seal,
    without which a history that was rewritten as a whole is not detected."""

    log_id: str
    leaves: int
    seals: int
    stamps: int
    root: bytes
    keys: Sequence[str]
    first_at: datetime | None
    last_at: datetime | None
    findings: Sequence[AuditFinding]
    count: int
    notes: Sequence[Note]
    anchored: bool

    @property
    def holds(self) -> bool:
        return self.count == 0


class Findings:
    """Collector that keeps the first findings and counts all."""

    def __init__(self) -> None:
        self.named: list[AuditFinding] = []
        self.count = 0

    def add(self, code: str, place: object, **params: object) -> None:
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(AuditFinding(code=code, place=str(place), params=params))


_MOST_RESTORES = 20
# Less than any number that a row can have.
NO_SEQ = -(2**63)


@dataclass(slots=True, kw_only=True)
class LeafCheck:
    """One pass over the leaves in order. `tree` is None from the first gap on, because no root can be computed then.
    `last_seq` is the greatest event number in a leaf so far. `stored_nodes` are the computed tree nodes that the store must
    have and that are still to be compared."""

    findings: Findings
    tree: GrowingTree | None
    next_index: int
    last_seq: int
    erased: int = 0
    restores: list[tuple[int, str]] = field(default_factory=list)
    stored_nodes: dict[TreeNode, bytes] = field(default_factory=dict)

    def check(self, leaf: LeafWithEvent, recorded: Collection[tuple[str, str]]) -> None:
        """Check the next leaf, and add it to the tree. `recorded` are the deletions of texts that events record, as pairs
        of event id and text name."""
        if leaf.index != self.next_index:
            self.findings.add("leaf_missing", f"leaf {self.next_index}", upto=leaf.index - 1)
            self.tree = None
        self.next_index = leaf.index + 1
        if sealed_log.leaf_hash(leaf.body) != leaf.hash:
            self.findings.add("leaf_changed", f"leaf {leaf.index}", event=_event_id(leaf))
        self._grow(leaf.hash)
        self.last_seq = max(self.last_seq, _seq(leaf))
        self._check_event(leaf, recorded)

    def _grow(self, leaf_hash: bytes) -> None:
        if self.tree is not None:
            for node, node_hash in self.tree.add(leaf_hash):
                if node.level and node.level % EVERY_LEVEL == 0:
                    self.stored_nodes[node] = node_hash

    def _check_event(self, leaf: LeafWithEvent, recorded: Collection[tuple[str, str]]) -> None:
        """Compare the event's row, which people see, with its sealed leaf."""
        event = leaf.event
        if event is None:
            self.findings.add("event_removed", _event_id(leaf), leaf=leaf.index)
            return
        try:
            diff = sealed_log.compare_leaf(leaf.body, event, leaf.salts)
        except (ValueError, TypeError, RecursionError):
            self.findings.add("leaf_unreadable", f"leaf {leaf.index}", event=event.id)
            return
        if "seq" in diff.changed:
            self.findings.add("event_moved", event.id, leaf=leaf.index)
        elif diff.changed:
            self.findings.add("event_changed", event.id, leaf=leaf.index, fields=", ".join(diff.changed))
        if diff.texts:
            self.findings.add("text_changed", event.id, leaf=leaf.index, fields=", ".join(diff.texts))
        silent = [name for name in diff.erased if (event.id, name) not in recorded]
        if silent:
            self.findings.add("text_erased", event.id, leaf=leaf.index, fields=", ".join(silent))
        self.erased += len(diff.erased) - len(silent)
        if event.kind == EventKind.NODE_RESTORED and len(self.restores) < _MOST_RESTORES:
            self.restores.append((leaf.index, str(event.data.get("copied_at"))))


def may_be_erased(batch: Sequence[LeafWithEvent]) -> list[sealed_log.Logged]:
    """Return the events of a batch that lack a text, for which a recorded deletion must be looked up."""
    return [
        leaf.event
        for leaf in batch
        if leaf.event is not None and b'"personal":{}' not in leaf.body and _lacks_text(leaf)
    ]


def _lacks_text(leaf: LeafWithEvent) -> bool:
    try:
        names = sealed_log.read_leaf(leaf.body)["personal"]
    except (ValueError, RecursionError):
        return False
    return any(name not in leaf.salts for name in names)


def _seq(leaf: LeafWithEvent) -> int:
    """Return the event's number from the leaf, because that in the row may have been changed; `NO_SEQ` if unreadable."""
    try:
        return int(sealed_log.read_leaf(leaf.body)["seq"])
    except (ValueError, RecursionError):
        return NO_SEQ


def _event_id(leaf: LeafWithEvent) -> str:
    """Return the event's id from its row, else from the leaf, else the leaf's place."""
    if leaf.event is not None:
        return leaf.event.id
    try:
        return str(json.loads(leaf.body)["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"leaf {leaf.index}"


@dataclass(slots=True, kw_only=True)
class SealCheck:
    """One pass over the seals in order. `published` are seals from outside the node, ordered by the size of their tree;
    `roots` are the authorities trusted for time."""

    findings: Findings
    log_id: str
    published: deque[PublishedSeal]
    roots: Sequence[x509.Certificate] = ()
    previous: SignedSeal | None = None
    waiting: deque[tuple[int, UnreadSeal]] = field(default_factory=deque)
    number: int = 0
    fetched: int = 0
    sealed: int = 0
    count: int = 0
    stamps: int = 0
    unchecked_stamps: int = 0
    late: int = 0
    stamped_number: int = 0
    compared: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    keys: list[str] = field(default_factory=list)
    _root_differs: bool = False
    _leaves: int = 0
    _published_by_number: dict[int, PublishedSeal] = field(default_factory=dict)

    @property
    def next_stop(self) -> int | None:
        """The tree size at which the next seal or published seal must be compared; None when none waits."""
        sizes = [self._next_size] if self.waiting else []
        sizes += [self.published[0].signed.seal.tree_size] if self.published else []
        return min(sizes, default=None)

    def expect(self, rows: Sequence[UnreadSeal], leaves: int) -> None:
        """Queue the next seals in order, to be checked by `check_up_to`; `leaves` is the log's number of leaves."""
        self._leaves = leaves
        for row in rows:
            try:
                size = sealed_log.read_seal(row.body).signed.seal.tree_size
            except InvalidProof:
                size = row.tree_size if isinstance(row.tree_size, int) else 0
            self.waiting.append((size, row))

    @property
    def _next_size(self) -> int:
        """The tree size at which to check the next seal; 0, which means at once, for a seal over more leaves than exist."""
        size, _ = self.waiting[0]
        return size if size <= self._leaves else 0

    def check_up_to(self, tree: GrowingTree | None, size: int) -> None:
        """Check the waiting seals and published seals that cover at most the first `size` leaves, whose tree is `tree`."""
        while self.waiting and self._next_size <= size:
            seal_size, row = self.waiting.popleft()
            self._check_seal(row, seal_size, tree, size)
        while self.published and self.published[0].signed.seal.tree_size <= size:
            seal = self.published.popleft().signed.seal
            if seal.tree_size == size and tree is not None:
                self.compared += 1
                if seal.root != tree.root():
                    self.findings.add("published_differs", f"seal {seal.number}", size=seal.tree_size)
            else:
                self.findings.add("published_unreached", f"seal {seal.number}", size=seal.tree_size)

    def check_end(self, size: int) -> None:
        """Report published seals that cover more leaves than there are, or have a number after the last seal's."""
        for published in self.published:
            seal = published.signed.seal
            self.findings.add("published_beyond", f"seal {seal.number}", size=seal.tree_size, leaves=size)
        last = max(self._published_by_number, default=0)
        if last > self.number and not self.published:
            self.findings.add("seal_missing", f"seal {self.number + 1}", upto=last)

    def check_published(self, published: Sequence[PublishedSeal]) -> None:
        """Check the signature, the log's id and the timestamp of each published seal."""
        for published_seal in published:
            seal, seal_name = published_seal.signed.seal, f"seal {published_seal.signed.seal.number}"
            try:
                seals.check_seal(published_seal.signed)
            except InvalidProof as error:
                self.findings.add("published_signature", seal_name, detail=error.detail)
            if seal.log_id != self.log_id:
                self.findings.add("published_log", seal_name, log=seal.log_id)
                continue
            self._published_by_number[seal.number] = published_seal
            if published_seal.stamp is not None and self.roots:
                try:
                    seals.check_stamp(published_seal.stamp, published_seal.signed.to_bytes(), self.roots)
                except InvalidProof as error:
                    self.findings.add("stamp_wrong", seal_name, detail=error.detail)

    def _check_seal(self, row: UnreadSeal, seal_size: int, tree: GrowingTree | None, size: int) -> None:
        seal_name = f"seal {row.number}"
        if row.number != self.number + 1:
            self.findings.add("seal_missing", f"seal {self.number + 1}", upto=row.number - 1)
            self.previous = None
        self.number = row.number
        if seal_size > self._leaves:
            self.findings.add("seal_beyond", seal_name, size=seal_size, leaves=self._leaves)
            self.previous = None
            return
        try:
            signed = sealed_log.read_seal(row.body).signed
            seals.check_seal(signed)
        except InvalidProof as error:
            self.findings.add("seal_signature", seal_name, detail=error.detail)
            self.previous = None
            return
        published = self._published_by_number.get(row.number)
        if published is not None and published.signed.digest != signed.digest:
            self.findings.add("published_differs", seal_name, size=signed.seal.tree_size)
        if published is not None and published.stamp is not None and row.stamp is None:
            self.findings.add("stamp_missing", seal_name)
        self._check_order(seal_name, row, signed)
        self._check_root(seal_name, signed, tree, size)
        self._check_key(seal_name, signed)
        self._check_stamp(seal_name, row, signed)
        self.previous, self.sealed, self.count = signed, signed.seal.tree_size, self.count + 1
        self.first_at, self.last_at = self.first_at or signed.seal.at, signed.seal.at

    def _check_order(self, seal_name: str, row: UnreadSeal, signed: SignedSeal) -> None:
        seal, previous = signed.seal, self.previous
        if (seal.number, seal.tree_size, seal.log_id) != (row.number, row.tree_size, self.log_id):
            self.findings.add("seal_other", seal_name, log=seal.log_id, size=seal.tree_size)
        if previous is not None and (seal.tree_size <= previous.seal.tree_size or seal.at < previous.seal.at):
            self.findings.add("seal_order", seal_name)
        expected = previous.digest if previous is not None else NO_SEAL
        if (previous is not None or row.number == 1) and seal.previous != expected:
            self.findings.add("seal_previous", seal_name)

    def _check_root(self, seal_name: str, signed: SignedSeal, tree: GrowingTree | None, size: int) -> None:
        """Compare a seal's root with the tree's. Only the first difference is reported, because later roots contain it."""
        if tree is None or self._root_differs:
            return
        if signed.seal.tree_size != size or signed.seal.root != tree.root():
            self._root_differs = True
            self.findings.add("seal_root", seal_name, after=self.sealed, upto=signed.seal.tree_size - 1)

    def _check_key(self, seal_name: str, signed: SignedSeal) -> None:
        if self.keys and signed.key_id != self.keys[-1]:
            self.findings.add("seal_key", seal_name, fingerprint=signed.key_id)
        if (not self.keys or signed.key_id != self.keys[-1]) and len(self.keys) < _MOST_KEYS:
            self.keys.append(signed.key_id)

    def _check_stamp(self, seal_name: str, row: UnreadSeal, signed: SignedSeal) -> None:
        if row.stamp is None:
            return
        self.stamped_number = row.number
        if not self.roots:
            self.unchecked_stamps += 1
            return
        try:
            proved = seals.check_stamp(row.stamp, signed.to_bytes(), self.roots)
        except InvalidProof as why:
            self.findings.add("stamp_wrong", seal_name, detail=why.detail)
            return
        self.stamps += 1
        if proved.at - signed.seal.at > LATE:
            self.late += 1
        if signed.seal.at - proved.at > CLOCK_ERROR:
            self.findings.add(
                "stamp_before", seal_name, at=proved.at.isoformat(), said=signed.seal.at.isoformat()
            )
