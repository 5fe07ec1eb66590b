"""Holds each seal against the tree, the seal before it, its key and its timestamp; and published seals against the log. In:
seals in the order of their numbers, the tree as it grows. Out: findings, and what the seals prove."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from gateway.domain import seal
from gateway.domain.merkle import Growing
from gateway.domain.seal import NO_SEAL, PublishedSeal, SignedSeal
from gateway.errors import InvalidProof
from gateway.ops.audit.found import Findings
from gateway.store.log_pages import SealBeside
from gateway.trust import seal_key, timestamp

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
                size = seal.read(row.body).signed.seal.tree_size
            except InvalidProof:
                size = row.tree_size if isinstance(row.tree_size, int) else 0
            self.waiting.append((size, row))

    @property
    def _next_size(self) -> int:
        """When to look at the next one. One over more leaves than there are holds up none of those behind it."""
        size, _ = self.waiting[0]
        return size if size <= self._leaves else 0

    def reached(self, tree: Growing | None, size: int) -> None:
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
                seal_key.check(given.signed)
            except InvalidProof as why:
                self.findings.add("published_signature", where, detail=why.detail)
            if about.log_id != self.log_id:
                self.findings.add("published_log", where, log=about.log_id)
                continue
            self._known[about.number] = given
            if given.stamp is not None and self.roots:
                try:
                    timestamp.check(given.stamp, given.signed.to_bytes(), self.roots)
                except InvalidProof as why:
                    self.findings.add("stamp_wrong", where, detail=why.detail)

    def _seal(self, row: SealBeside, covers: int, tree: Growing | None, size: int) -> None:
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
            signed = seal.read(row.body).signed
            seal_key.check(signed)
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

    def _root(self, where: str, signed: SignedSeal, tree: Growing | None, size: int) -> None:
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
            proved = timestamp.check(row.stamp, signed.to_bytes(), self.roots)
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
