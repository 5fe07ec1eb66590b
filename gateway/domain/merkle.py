"""The tree over the event log (RFC 6962): hashes, roots, and proofs that a leaf is in it or that it only grew. In: hashes
of 32 bytes. Out: hashes and proofs, or whether a proof holds. Pure: whoever keeps the nodes brings them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# The two marks keep a leaf from ever being taken for a node.
_LEAF, _NODE = b"\x00", b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()
# No log has more leaves, and no proof more hashes.
MOST_LEVELS = 63


class Node(NamedTuple):
    """A complete subtree: over the leaves from `place << level` on, `1 << level` of them."""

    level: int
    place: int


class Span(NamedTuple):
    """The leaves from `start` up to, not including, `end`."""

    start: int
    end: int


def leaf_hash(body: bytes) -> bytes:
    """SHA-256(0x00 ‖ the leaf's bytes)."""
    return hashlib.sha256(_LEAF + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(slots=True)
class Growing:
    """A tree that leaves are added to, held by its peaks alone: at most one hash for each power of two."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Adds one leaf hash; every subtree that it completes, the leaf first."""
        node = Node(0, self.size)
        done = [(node, leaf)]
        while self.size >> node.level & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            node = Node(node.level + 1, node.place >> 1)
            done.append((node, leaf))
        self.peaks.append(leaf)
        self.size += 1
        return done

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Adds leaf hashes in their order."""
        for each in leaves:
            self.add(each)

    def root(self) -> bytes:
        return joined(self.peaks) if self.peaks else EMPTY_ROOT


def complete_subtrees(span: Span) -> tuple[Node, ...]:
    """What a span is made of, left to right. The spans of proofs, and those from 0 on, begin where their largest
    subtree may."""
    found, start = [], span.start
    while start < span.end:
        level = (span.end - start).bit_length() - 1
        found.append(Node(level, start >> level))
        start += 1 << level
    return tuple(found)


def joined(hashes: Sequence[bytes]) -> bytes:
    """The root of a span from the hashes of its complete subtrees, left to right."""
    whole = hashes[-1]
    for each in reversed(hashes[:-1]):
        whole = node_hash(each, whole)
    return whole


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes; for logs that fit into memory."""
    tree = Growing()
    tree.extend(leaves)
    return tree.root()


def inclusion_spans(index: int, size: int) -> tuple[Span, ...]:
    """What the proof of leaf `index` in the tree of `size` leaves is made of: the root of each span, in this order."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    found, span = [], Span(0, size)
    while span.end - span.start > 1:
        middle = span.start + _left_of(span.end - span.start)
        left, right = Span(span.start, middle), Span(middle, span.end)
        span, beside = (left, right) if index < middle else (right, left)
        found.append(beside)
    return tuple(reversed(found))


def consistency_spans(old: int, new: int) -> tuple[Span, ...]:
    """What the proof is made of that the tree of `new` leaves begins with the one of `old` leaves."""
    if not 0 <= old <= new:
        raise ValueError(f"a log of {new} leaves cannot begin with {old}")
    found, span, whole = [], Span(0, new), True
    if old in (0, new):
        return ()
    while span.end != old:
        middle = span.start + _left_of(span.end - span.start)
        left, right = Span(span.start, middle), Span(middle, span.end)
        if old <= middle:
            span, beside = left, right
        else:
            span, beside, whole = right, left, False
        found.append(beside)
    # The verifier knows the old root already where the old tree is one subtree of the new one.
    return tuple(reversed(found if whole else [*found, span]))


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether the proof shows that this leaf hash stands at `index` of the tree with that size and root."""
    if not 0 <= index < size or size >> MOST_LEVELS or not _hashes(leaf, expected, *proof):
        return False
    spans = inclusion_spans(index, size)
    if len(spans) != len(proof):
        return False
    for span, beside in zip(spans, proof, strict=True):
        leaf = node_hash(beside, leaf) if span.end <= index else node_hash(leaf, beside)
    return leaf == expected


def is_prefix(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `new` leaves begins with the tree of `old` leaves."""
    if not 0 <= old <= new or new >> MOST_LEVELS or not _hashes(old_root, new_root, *proof):
        return False
    spans = consistency_spans(old, new)
    if len(spans) != len(proof):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT
    # Where the old tree is one subtree of the new one, its root is where both ways up begin.
    rest = list(zip(spans, proof, strict=True))
    starts_known = not rest or rest[0][0].start >= old
    before = after = old_root if starts_known else rest.pop(0)[1]
    for span, beside in rest:
        if span.end <= old:
            before = node_hash(beside, before)
            after = node_hash(beside, after)
        else:
            after = node_hash(after, beside)
    return before == old_root and after == new_root


def _left_of(size: int) -> int:
    """The largest power of two below `size`: how many leaves the left subtree has."""
    return 1 << ((size - 1).bit_length() - 1)


def _hashes(*given: bytes) -> bool:
    return all(len(each) == hashlib.sha256().digest_size for each in given)
