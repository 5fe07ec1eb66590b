"""The checks of which an examination of the sealed log is made. In: leaves with their events' rows, seals, published
seals. Out: a frozen report with what was removed, changed, moved or added; as many findings are named as a person can
look at, all are counted. Each leaf is held against its own hash, its place and its event's row; each seal against the
tree of the leaves, the seal before it, its key and its timestamp; published seals against the log."""

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
from gateway.store.log_reading import LeafBeside, SealBeside
from gateway.trust import seals

MOST_NAMED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One thing that does not hold. `code` is a label key below `audit.`, `where` the leaf, event, seal or file."""

    code: str
    where: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that could not be checked, or that a reader must know. `code` is a label key below `audit.note.`."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The whole. `holds` says that nothing was found wrong, `anchored` that this was held against a seal which had left the
    node: without one, somebody who made the whole history anew is not found."""

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
    """Names the first, counts all."""

    def __init__(self) -> None:
        self.named: list[AuditFinding] = []
        self.count = 0

    def add(self, code: str, where: object, **params: object) -> None:
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(AuditFinding(code=code, where=str(where), params=params))


_MOST_RESTORES = 20
# Below every number that a row can have.
NO_SEQ = -(2**63)


@dataclass(slots=True, kw_only=True)
class LeafCheck:
    """One pass over the leaves. `tree` is None from the first gap on: no root can be made any more. `last_seq` is the
    greatest number that a leaf gives its event. `kept` are the nodes that the store must hold for proofs, since they were
    last taken."""

    findings: Findings
    tree: GrowingTree | None
    next_index: int
    last_seq: int
    erased: int = 0
    restores: list[tuple[int, str]] = field(default_factory=list)
    kept: dict[TreeNode, bytes] = field(default_factory=dict)

    def take(self, each: LeafBeside, recorded: Collection[tuple[str, str]]) -> None:
        """One leaf; `recorded` are the deletions of texts that events tell of."""
        if each.index != self.next_index:
            self.findings.add("leaf_missing", f"leaf {self.next_index}", upto=each.index - 1)
            self.tree = None
        self.next_index = each.index + 1
        if sealed_log.leaf_hash(each.body) != each.hash:
            self.findings.add("leaf_changed", f"leaf {each.index}", event=_event_id(each))
        self._grow(each.hash)
        self.last_seq = max(self.last_seq, _seq(each))
        self._beside(each, recorded)

    def _grow(self, hashed: bytes) -> None:
        if self.tree is not None:
            for node, made in self.tree.add(hashed):
                if node.level and node.level % EVERY_LEVEL == 0:
                    self.kept[node] = made

    def _beside(self, each: LeafBeside, recorded: Collection[tuple[str, str]]) -> None:
        """The row that people see is the one that was sealed."""
        event = each.event
        if event is None:
            self.findings.add("event_removed", _event_id(each), leaf=each.index)
            return
        try:
            found = sealed_log.compare_leaf(each.body, event, each.salts)
        except (ValueError, TypeError, RecursionError):
            self.findings.add("leaf_unreadable", f"leaf {each.index}", event=event.id)
            return
        if "seq" in found.changed:
            self.findings.add("event_moved", event.id, leaf=each.index)
        elif found.changed:
            self.findings.add("event_changed", event.id, leaf=each.index, fields=", ".join(found.changed))
        if found.texts:
            self.findings.add("text_changed", event.id, leaf=each.index, fields=", ".join(found.texts))
        silent = [name for name in found.erased if (event.id, name) not in recorded]
        if silent:
            self.findings.add("text_erased", event.id, leaf=each.index, fields=", ".join(silent))
        self.erased += len(found.erased) - len(silent)
        if event.kind == EventKind.NODE_RESTORED and len(self.restores) < _MOST_RESTORES:
            self.restores.append((each.index, str(event.data.get("copied_at"))))


def may_be_erased(batch: Sequence[LeafBeside]) -> list[sealed_log.Logged]:
    """The events of which the record of a deletion must be looked for."""
    return [
        each.event
        for each in batch
        if each.event is not None and b'"personal":{}' not in each.body and _lacks_text(each)
    ]


def _lacks_text(each: LeafBeside) -> bool:
    try:
        names = sealed_log.read_leaf(each.body)["personal"]
    except (ValueError, RecursionError):
        return False
    return any(name not in each.salts for name in names)


def _seq(each: LeafBeside) -> int:
    """As the leaf tells it: the row's may have been changed."""
    try:
        return int(sealed_log.read_leaf(each.body)["seq"])
    except (ValueError, RecursionError):
        return NO_SEQ


def _event_id(each: LeafBeside) -> str:
    """Of the row, or as the leaf tells it."""
    if each.event is not None:
        return each.event.id
    try:
        return str(json.loads(each.body)["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"leaf {each.index}"


# A stamp that came this long after its seal was asked for again and again; what it proves is its own time.
LATE = timedelta(hours=2)
# Clocks of a node and of an authority differ.
CLOCK_ERROR = timedelta(minutes=10)
_MOST_KEYS = 100


@dataclass(slots=True, kw_only=True)
class SealCheck:
    """One pass over the seals. `published` are those that had left the node, by the size of their tree; `roots` the
    authorities trusted for time."""

    findings: Findings
    log_id: str
    published: deque[PublishedSeal]
    roots: Sequence[x509.Certificate] = ()
    before: SignedSeal | None = None
    waiting: deque[tuple[int, SealBeside]] = field(default_factory=deque)
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
    _known: dict[int, PublishedSeal] = field(default_factory=dict)

    @property
    def next_stop(self) -> int | None:
        """The size of the tree at which something must be looked at."""
        sizes = [self._next_size] if self.waiting else []
        sizes += [self.published[0].signed.seal.tree_size] if self.published else []
        return min(sizes, default=None)

    def expect(self, rows: Sequence[SealBeside], leaves: int) -> None:
        """The next seals, in order; `leaves` is how many the log has in all."""
        self._leaves = leaves
        for row in rows:
            try:
                size = sealed_log.read_seal(row.body).signed.seal.tree_size
            except InvalidProof:
                size = row.tree_size if isinstance(row.tree_size, int) else 0
            self.waiting.append((size, row))

    @property
    def _next_size(self) -> int:
        """When to look at the next one. One over more leaves than there are holds up none of those behind it."""
        size, _ = self.waiting[0]
        return size if size <= self._leaves else 0

    def reached(self, tree: GrowingTree | None, size: int) -> None:
        """The log goes so far now: every seal and published seal over so much of it is looked at."""
        while self.waiting and self._next_size <= size:
            covers, row = self.waiting.popleft()
            self._seal(row, covers, tree, size)
        while self.published and self.published[0].signed.seal.tree_size <= size:
            given = self.published.popleft().signed.seal
            if given.tree_size == size and tree is not None:
                self.compared += 1
                if given.root != tree.root():
                    self.findings.add("published_differs", f"seal {given.number}", size=given.tree_size)
            else:
                self.findings.add("published_unreached", f"seal {given.number}", size=given.tree_size)

    def ended(self, size: int) -> None:
        """What speaks of more than there is."""
        for given in self.published:
            about = given.signed.seal
            self.findings.add("published_beyond", f"seal {about.number}", size=about.tree_size, leaves=size)
        last = max(self._known, default=0)
        if last > self.number and not self.published:
            self.findings.add("seal_missing", f"seal {self.number + 1}", upto=last)

    def known_as(self, published: Sequence[PublishedSeal]) -> None:
        """Published seals themselves: signed, and of this log."""
        for given in published:
            about, where = given.signed.seal, f"seal {given.signed.seal.number}"
            try:
                seals.check_seal(given.signed)
            except InvalidProof as why:
                self.findings.add("published_signature", where, detail=why.detail)
            if about.log_id != self.log_id:
                self.findings.add("published_log", where, log=about.log_id)
                continue
            self._known[about.number] = given
            if given.stamp is not None and self.roots:
                try:
                    seals.check_stamp(given.stamp, given.signed.to_bytes(), self.roots)
                except InvalidProof as why:
                    self.findings.add("stamp_wrong", where, detail=why.detail)

    def _seal(self, row: SealBeside, covers: int, tree: GrowingTree | None, size: int) -> None:
        where = f"seal {row.number}"
        if row.number != self.number + 1:
            self.findings.add("seal_missing", f"seal {self.number + 1}", upto=row.number - 1)
            self.before = None
        self.number = row.number
        if covers > self._leaves:
            self.findings.add("seal_beyond", where, size=covers, leaves=self._leaves)
            self.before = None
            return
        try:
            signed = sealed_log.read_seal(row.body).signed
            seals.check_seal(signed)
        except InvalidProof as why:
            self.findings.add("seal_signature", where, detail=why.detail)
            self.before = None
            return
        known = self._known.get(row.number)
        if known is not None and known.signed.digest != signed.digest:
            self.findings.add("published_differs", where, size=signed.seal.tree_size)
        if known is not None and known.stamp is not None and row.stamp is None:
            self.findings.add("stamp_missing", where)
        self._order(where, row, signed)
        self._root(where, signed, tree, size)
        self._key(where, signed)
        self._stamp(where, row, signed)
        self.before, self.sealed, self.count = signed, signed.seal.tree_size, self.count + 1
        self.first_at, self.last_at = self.first_at or signed.seal.at, signed.seal.at

    def _order(self, where: str, row: SealBeside, signed: SignedSeal) -> None:
        about, before = signed.seal, self.before
        if (about.number, about.tree_size, about.log_id) != (row.number, row.tree_size, self.log_id):
            self.findings.add("seal_other", where, log=about.log_id, size=about.tree_size)
        if before is not None and (about.tree_size <= before.seal.tree_size or about.at < before.seal.at):
            self.findings.add("seal_order", where)
        expected = before.digest if before is not None else NO_SEAL
        if (before is not None or row.number == 1) and about.previous != expected:
            self.findings.add("seal_previous", where)

    def _root(self, where: str, signed: SignedSeal, tree: GrowingTree | None, size: int) -> None:
        """Once one differs, those behind it differ for the same reason."""
        if tree is None or self._root_differs:
            return
        if signed.seal.tree_size != size or signed.seal.root != tree.root():
            self._root_differs = True
            self.findings.add("seal_root", where, after=self.sealed, upto=signed.seal.tree_size - 1)

    def _key(self, where: str, signed: SignedSeal) -> None:
        if self.keys and signed.key_id != self.keys[-1]:
            self.findings.add("seal_key", where, fingerprint=signed.key_id)
        if (not self.keys or signed.key_id != self.keys[-1]) and len(self.keys) < _MOST_KEYS:
            self.keys.append(signed.key_id)

    def _stamp(self, where: str, row: SealBeside, signed: SignedSeal) -> None:
        if row.stamp is None:
            return
        self.stamped_number = row.number
        if not self.roots:
            self.unchecked_stamps += 1
            return
        try:
            proved = seals.check_stamp(row.stamp, signed.to_bytes(), self.roots)
        except InvalidProof as why:
            self.findings.add("stamp_wrong", where, detail=why.detail)
            return
        self.stamps += 1
        if proved.at - signed.seal.at > LATE:
            self.late += 1
        if signed.seal.at - proved.at > CLOCK_ERROR:
            self.findings.add(
                "stamp_before", where, at=proved.at.isoformat(), said=signed.seal.at.isoformat()
            )
