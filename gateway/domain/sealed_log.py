"""The sealed log: events as leaves (E1), the tree over them (RFC 6962), and seals that attest its size at a time (E3).
In: an event's row and salts; hashes of 32 bytes; size and root of the tree, and the previous seal. Out: bytes to hash or
sign, and their values again; differences between stored bytes and a row; roots; proofs that a leaf is in the tree, or
that it only grew, and their verdicts. Pure: the caller loads the tree's nodes. `docs/log.md` fixes the forms of leaf and
seal.

Texts that people wrote are not in the leaf, which holds a salted digest of each: so a text can be deleted, and the log
stays whole. A value that is no machine's word counts as such a text, whatever its name.

Only one form of a seal is accepted, so that one seal has one digest. `trust.seals` verifies signatures and timestamps."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from gateway.errors import InvalidProof

# With different first bytes, a leaf is never taken for a node.
_LEAF, _NODE = b"\x00", b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()
# Levels of the tree, which limit the leaves of a log and the hashes of a proof.
MOST_LEVELS = 63
LEAF_VERSION = 1
SALT_BYTES = 32
# Names of data that people write or that name people, however short their values are.
PERSONAL = frozenset(
    {
        "reason",
        "why",
        "note",
        "detail",
        "assignment",
        "answered_by",
        "name",
        "person",
        "title",
        "confirmed_by",
        "approved_by",
        "proposed_by",
        "withdrawn_by",
        "email",
        "phone",
        "staff",
        "file",
    }
)
# Codes, ids, digests, times and states: without blanks, in ASCII, and no e-mail address.
_MACHINE_WORD = re.compile(r"(?!.{201})@?[!-?A-~]*")
# A digest names no person.
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CANONICAL = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
SEAL_TAG = "gateway-log-seal/1"
# Previous digest of the first seal of a log.
NO_SEAL = bytes(32)
# A timestamp with its chain has some thousands of bytes; more are refused.
MOST_STAMP = 64 * 1024
MOST_SEAL_BYTES = 2 * MOST_STAMP
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SEAL_FORM = re.compile(
    rf"{re.escape(SEAL_TAG)}\n"
    r"log (?P<log>[0-9a-f]{32})\n"
    r"number (?P<number>[1-9][0-9]{0,17})\n"
    r"size (?P<size>[1-9][0-9]{0,17})\n"
    r"root (?P<root>[0-9a-f]{64})\n"
    r"previous (?P<previous>[0-9a-f]{64})\n"
    r"at (?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n"
    r"key (?P<key>[A-Za-z0-9+/]{1,1000}={0,2})\n"
    r"signature (?P<signature>[A-Za-z0-9+/]{1,1000}={0,2})\n"
    r"(?:timestamp (?P<stamp>[A-Za-z0-9+/]{1,90000}={0,2})\n)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """State of the log. `seal` is the newest seal, `stamped` the newest with a timestamp. `unsealed_since` is the time of
    the oldest event that no seal covers, `unstamped_since` that of the oldest event or seal that no timestamp covers;
    `published_at` is when a seal last left the node."""

    log_id: str = ""
    size: int = 0
    root: bytes = b""
    seal: PublishedSeal | None = None
    stamped: PublishedSeal | None = None
    unsealed_since: datetime | None = None
    unstamped_since: datetime | None = None
    published_at: datetime | None = None


class TreeNode(NamedTuple):
    """Complete subtree of `1 << level` leaves, from leaf `place << level` on."""

    level: int
    place: int


# Each event needs several nodes, and this is the fastest way to make one.
_node = partial(tuple.__new__, TreeNode)


class LeafSpan(NamedTuple):
    """Leaves from `start` up to, but not including, `end`."""

    start: int
    end: int


def leaf_hash(body: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ the leaf's bytes)."""
    return hashlib.sha256(_LEAF + body).digest()


def node_hash(left_hash: bytes, right_hash: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(_NODE + left_hash + right_hash).digest()


@dataclass(slots=True)
class GrowingTree:
    """Append-only tree, stored by its peaks alone: at most one hash for each power of two."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> list[tuple[TreeNode, bytes]]:
        """Add one leaf hash; return every subtree that it completes with its hash, the leaf first."""
        node = _node((0, self.size))
        completed = [(node, leaf)]
        while self.size >> node.level & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            node = _node((node.level + 1, node.place >> 1))
            completed.append((node, leaf))
        self.peaks.append(leaf)
        self.size += 1
        return completed

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.add(leaf)

    def root(self) -> bytes:
        return joined_root(self.peaks) if self.peaks else EMPTY_ROOT


def complete_subtrees(span: LeafSpan) -> tuple[TreeNode, ...]:
    """Split a span into complete subtrees, left to right. The start of the span must fit its largest subtree, as in spans
    of proofs and those from 0 on."""
    subtrees, start = [], span.start
    while start < span.end:
        level = (span.end - start).bit_length() - 1
        subtrees.append(TreeNode(level, start >> level))
        start += 1 << level
    return tuple(subtrees)


def joined_root(hashes: Sequence[bytes]) -> bytes:
    """Compute the root of a span from the hashes of its complete subtrees, left to right."""
    root = hashes[-1]
    for subtree_hash in reversed(hashes[:-1]):
        root = node_hash(subtree_hash, root)
    return root


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Compute the root over these leaf hashes; for logs that fit into memory."""
    tree = GrowingTree()
    tree.extend(leaves)
    return tree.root()


def inclusion_spans(index: int, size: int) -> tuple[LeafSpan, ...]:
    """List the spans whose roots prove leaf `index` in the tree of `size` leaves, in this order."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    spans, span = [], LeafSpan(0, size)
    while span.end - span.start > 1:
        middle = span.start + _left_size(span.end - span.start)
        left_span, right_span = LeafSpan(span.start, middle), LeafSpan(middle, span.end)
        span, sibling = (left_span, right_span) if index < middle else (right_span, left_span)
        spans.append(sibling)
    return tuple(reversed(spans))


def consistency_spans(old: int, new: int) -> tuple[LeafSpan, ...]:
    """List the spans whose roots prove that the tree of `new` leaves begins with the one of `old` leaves."""
    if not 0 <= old <= new:
        raise ValueError(f"a log of {new} leaves cannot begin with {old}")
    spans, span, is_subtree = [], LeafSpan(0, new), True
    if old in (0, new):
        return ()
    while span.end != old:
        middle = span.start + _left_size(span.end - span.start)
        left_span, right_span = LeafSpan(span.start, middle), LeafSpan(middle, span.end)
        if old <= middle:
            span, sibling = left_span, right_span
        else:
            span, sibling, is_subtree = right_span, left_span, False
        spans.append(sibling)
    # The verifier already has the old root where the old tree is one subtree of the new one.
    return tuple(reversed(spans if is_subtree else [*spans, span]))


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Verify that this leaf hash is at `index` in the tree with that size and root."""
    if not 0 <= index < size or size >> MOST_LEVELS or not _are_hashes(leaf, expected, *proof):
        return False
    spans = inclusion_spans(index, size)
    if len(spans) != len(proof):
        return False
    for span, sibling in zip(spans, proof, strict=True):
        leaf = node_hash(sibling, leaf) if span.end <= index else node_hash(leaf, sibling)
    return leaf == expected


def proves_prefix(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Verify that the tree of `new` leaves begins with the tree of `old` leaves."""
    if not 0 <= old <= new or new >> MOST_LEVELS or not _are_hashes(old_root, new_root, *proof):
        return False
    spans = consistency_spans(old, new)
    if len(spans) != len(proof):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT
    # Where the old tree is one subtree of the new one, both computations start from its root.
    steps = list(zip(spans, proof, strict=True))
    is_subtree = not steps or steps[0][0].start >= old
    computed_old = computed_new = old_root if is_subtree else steps.pop(0)[1]
    for span, sibling in steps:
        if span.end <= old:
            computed_old = node_hash(sibling, computed_old)
            computed_new = node_hash(sibling, computed_new)
        else:
            computed_new = node_hash(computed_new, sibling)
    return computed_old == old_root and computed_new == new_root


def _left_size(size: int) -> int:
    """Return the number of leaves in the left subtree: the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(h) == hashlib.sha256().digest_size for h in hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Event as its row has it. `kind` is plain text: a newer node may have written one that is unknown here."""

    id: str
    kind: str
    at: datetime
    agency_id: str
    subject_id: str
    principal_id: str
    data: Mapping[str, Any]
    node_seq: int
    agency_seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Bytes of one leaf, with the salts of the texts outside it, by name."""

    body: bytes
    salts: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> bytes:
        return leaf_hash(self.body)


def write_leaf(event: Logged, salt: Callable[[], bytes]) -> Leaf:
    """Make the leaf of an event. `salt` returns SALT_BYTES fresh random bytes, for each text outside it."""
    # Most values are machine words: no function is called for those, as this runs for each event.
    doubtful = [
        name
        for name, value in event.data.items()
        if name in PERSONAL or value.__class__ is not str or not _MACHINE_WORD.fullmatch(value)
    ]
    personal = sorted([name for name in doubtful if is_personal(name, event.data[name])]) if doubtful else []
    salts, data, digests = dict[str, str](), dict(event.data), dict[str, str]()
    for name in personal:
        salts[name] = salt().hex()
        digests[name] = text_digest(salts[name], data.pop(name))
    content = _leaf_header(event) | {"data": data, "personal": digests, "v": LEAF_VERSION}
    return Leaf(body=_canonical_json(content), salts=salts)


def is_personal(name: str, value: object) -> bool:
    """Tell whether a value stays outside its leaf, because a person wrote it or it names one."""
    if name not in PERSONAL:
        return not _is_machine_value(value)
    if isinstance(value, str):
        return _DIGEST.fullmatch(value) is None
    return not (value is None or isinstance(value, int))


def text_digest(salt: str, value: object) -> str:
    """Return the leaf's digest of a text: SHA-256(salt ‖ the value as canonical JSON), in hexadecimal digits."""
    return hashlib.sha256(bytes.fromhex(salt) + _canonical_json(value)).hexdigest()


def read_leaf(body: bytes) -> dict[str, Any]:
    """Parse a leaf. ValueError for bytes that are no leaf."""
    leaf = json.loads(body)
    if (
        not isinstance(leaf, dict)
        or leaf.get("v") != LEAF_VERSION
        or not isinstance(leaf.get("personal"), dict)
        or not isinstance(leaf.get("data"), dict)
        or type(leaf.get("seq")) is not int
    ):
        raise ValueError("these bytes are no leaf of a version that is known here")
    return leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLeaf:
    """Differences between a leaf and its row. `changed` are fields that differ, `erased` texts that were deleted with
    their salt, `texts` those that do not match their salted digest."""

    changed: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def compare_leaf(body: bytes, event: Logged, salts: Mapping[str, str]) -> ComparedLeaf:
    """Compare a leaf with its row. ValueError for bytes that are no leaf."""
    leaf = read_leaf(body)
    plain = {name: value for name, value in event.data.items() if name not in leaf["personal"]}
    changed = _differing_names(_leaf_header(event), leaf, "")
    changed += _differing_names(plain, leaf["data"], "data.") + _differing_names(leaf["data"], plain, "data.")
    erased, texts = [], []
    for name, digest in leaf["personal"].items():
        if name not in event.data and name not in salts:
            erased.append(name)
        elif name not in event.data or name not in salts or not _opens(salts[name], event.data[name], digest):
            texts.append(name)
    return ComparedLeaf(changed=tuple(dict.fromkeys(changed)), erased=tuple(erased), texts=tuple(texts))


def _differing_names(expected: Mapping[str, Any], actual: Mapping[str, Any], prefix: str) -> list[str]:
    """Return the names of values of `expected` that `actual` lacks or has differently."""
    return [
        f"{prefix}{name}"
        for name, value in expected.items()
        if name not in actual or not _are_equal(value, actual[name])
    ]


def _are_equal(first: Any, second: Any) -> bool:
    """Compare two values as JSON, where true is not 1."""
    if type(first) is not type(second) or first != second:
        return False
    return not isinstance(first, dict | list) or _canonical_json(first) == _canonical_json(second)


def _opens(salt: str, value: object, digest: str) -> bool:
    try:
        return text_digest(salt, value) == digest
    except ValueError:
        return False


def _leaf_header(event: Logged) -> dict[str, Any]:
    return {
        "agency": event.agency_id,
        "at": event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "id": event.id,
        "kind": event.kind,
        "own": event.agency_seq,
        "principal": event.principal_id,
        "seq": event.node_seq,
        "subject": event.subject_id,
    }


def _is_machine_value(value: object) -> bool:
    if isinstance(value, str):
        return _MACHINE_WORD.fullmatch(value) is not None
    if isinstance(value, dict):
        return PERSONAL.isdisjoint(value) and all(map(_is_machine_value, value.values()))
    if isinstance(value, list):
        return all(map(_is_machine_value, value))
    return value is None or isinstance(value, int)


def _canonical_json(value: object) -> bytes:
    """Encode canonical JSON: names sorted, no blanks, everything beyond ASCII escaped."""
    return _CANONICAL.encode(value).encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Statement that the first `tree_size` leaves of the log have this root. `previous` is the digest of the seal
    before."""

    log_id: str
    number: int
    tree_size: int
    root: bytes
    previous: bytes
    at: datetime

    def to_bytes(self) -> bytes:
        """Return the signed form: seven lines of ASCII, the first naming the format, each ending with a line feed."""
        lines = (
            SEAL_TAG,
            f"log {self.log_id}",
            f"number {self.number}",
            f"size {self.tree_size}",
            f"root {self.root.hex()}",
            f"previous {self.previous.hex()}",
            f"at {self.at.astimezone(UTC).strftime(_TIME)}",
        )
        return "".join(f"{line}\n" for line in lines).encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSeal:
    """Seal with its signature: ECDSA on P-256 with SHA-256, r ‖ s of 32 bytes each, s in the lower half. `key` is the
    public key in DER (SubjectPublicKeyInfo)."""

    seal: Seal
    key: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """Return the form that digest and timestamp cover: the seal's lines, then key and signature."""
        return self.seal.to_bytes() + _seal_line("key", self.key) + _seal_line("signature", self.signature)

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def key_id(self) -> str:
        return key_id(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSeal:
    """Signed seal as it leaves the node, with the RFC 3161 token (DER) over it, if any."""

    signed: SignedSeal
    stamp: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the whole file."""
        return self.signed.to_bytes() + (stamp_line(self.stamp) if self.stamp is not None else b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Statement of a timestamp: the signed seal existed at that time, by this authority. `chain` has the SHA-256 of the
    certificates in the token, the authority's first; that one ends at `ends_at`."""

    at: datetime
    ends_at: datetime
    authority: str
    policy: str
    serial: str
    chain: tuple[str, ...]


def read_seal(data: bytes) -> PublishedSeal:
    """Parse a published seal; InvalidProof for any form but the one that `to_bytes` writes."""
    match = _SEAL_FORM.fullmatch(data.decode("latin-1")) if len(data) <= MOST_SEAL_BYTES else None
    seal = _parse_seal(match) if match is not None else None
    if seal is None or seal.to_bytes() != data:
        raise InvalidProof("this is no seal of an event log: it does not have the one form that seals have")
    return seal


def key_id(key: bytes) -> str:
    """Return the name of a public key: SHA-256 of its DER form."""
    return hashlib.sha256(key).hexdigest()


def stamp_line(token: bytes) -> bytes:
    """Return the last line of a published seal, with its timestamp."""
    return _seal_line("timestamp", token)


def _parse_seal(match: re.Match[str]) -> PublishedSeal | None:
    try:
        seal = Seal(
            log_id=match["log"],
            number=int(match["number"]),
            tree_size=int(match["size"]),
            root=bytes.fromhex(match["root"]),
            previous=bytes.fromhex(match["previous"]),
            at=datetime.strptime(match["at"], _TIME).replace(tzinfo=UTC),
        )
        key, signature = base64.b64decode(match["key"]), base64.b64decode(match["signature"])
        stamp = base64.b64decode(match["stamp"]) if match["stamp"] is not None else None
    except ValueError:
        return None
    return PublishedSeal(signed=SignedSeal(seal=seal, key=key, signature=signature), stamp=stamp)


def _seal_line(name: str, value: bytes) -> bytes:
    return b"%s %s\n" % (name.encode("ascii"), base64.b64encode(value))
