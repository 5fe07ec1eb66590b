"""The sealed log in the forms that other programs read (C2SP: signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof,
tlog-policy). In: a log's origin, size and root; keys, signatures; a leaf and its path. Out: checkpoints, the bytes that are
signed over them, proofs and policies as text; the same read from text, strictly. Pure: `trust.note_keys` signs and
verifies. `docs/proofs.md` says what a proof shows.

A checkpoint may carry any signatures; those of unknown keys are ignored, so that logs can change their keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from gateway.domain.sealed_log import MOST_LEVELS, PublishedSeal, leaf_hash, proves_inclusion
from gateway.errors import InvalidProof

PROOF_TAG = "c2sp.org/tlog-proof@v1"
ORIGIN, WITNESS = "lienthong/log/", "lienthong/witness/"
# A checkpoint with a hundred cosignatures that withstand quantum computers has some 330,000 characters.
MOST_NOTE = 512 * 1024
MOST_PROOF = MOST_NOTE + 512 * 1024
MOST_POLICY = 256 * 1024
_KEY_ID = 4
_TIME = 8
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]{1,300}) (?P<value>[A-Za-z0-9+/]{8,10000}={0,2})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_SUBTREE = b"subtree/v1\n\0"
# An origin or a name is at most this long where ML-DSA signs it.
_MOST_NAME = 255


class NoteKind(IntEnum):
    """Kind of a key of notes, with its number in keys and signatures."""

    ED25519 = 0x01
    COSIGNATURE = 0x04
    ML_DSA_44 = 0x06

    @property
    def key_bytes(self) -> int:
        return 1312 if self is NoteKind.ML_DSA_44 else 32

    @property
    def has_time(self) -> bool:
        """Tell whether its signatures say when they were made."""
        return self is not NoteKind.ED25519

    @property
    def signature_bytes(self) -> int:
        return (2420 if self is NoteKind.ML_DSA_44 else 64) + (_TIME if self.has_time else 0)


@dataclass(frozen=True, slots=True)
class NoteKey:
    """Public key of a log or a witness with its name."""

    name: str
    kind: NoteKind
    material: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(f"{self.name}\n".encode() + bytes((self.kind,)) + self.material).digest()[
            :_KEY_ID
        ]

    def __str__(self) -> str:
        """Return the key as one word: its name, its id and its material."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes((self.kind,)) + self.material)}"


def read_key(text: str) -> NoteKey:
    """Parse a key from its word. InvalidProof for anything else, also a kind that is unknown here."""
    name, _, id_and_key = text.partition("+")
    id, _, encoded = id_and_key.partition("+")
    try:
        content = base64.b64decode(encoded, validate=True)
        key = NoteKey(name, NoteKind(content[0]), content[1:])
    except (ValueError, IndexError, binascii.Error) as cause:
        raise InvalidProof("this is no key of a log or a witness that is known here") from cause
    if not name or len(key.material) != key.kind.key_bytes or key.id.hex() != id:
        raise InvalidProof(f"the key of {name or 'a log'} does not fit its own id")
    return key


def read_keys(words: str) -> tuple[NoteKey, ...]:
    """Parse keys, a line each."""
    return tuple(read_key(word) for word in words.split("\n") if word)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """Signature below a checkpoint. Its id says which key made it."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {to_base64(self.key_id + self.signature)}\n"

    def fits(self, key: NoteKey) -> bool:
        """Tell whether it claims to be of this key."""
        return (self.name, self.key_id) == (key.name, key.id)

    def time(self, key: NoteKey) -> int:
        """Return when it was made, in seconds since 1970; 0 where its kind does not say so."""
        return int.from_bytes(self.signature[:_TIME], "big") if key.kind.has_time else 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Statement that the first `size` leaves of the log `origin` have this root. `more` holds lines that other logs add."""

    origin: str
    size: int
    root: bytes
    more: str = ""

    def to_text(self) -> str:
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n{self.more}"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    def to_text(self) -> str:
        return f"{self.checkpoint.to_text()}\n{''.join(map(str, self.signatures))}"


def checkpoint_of(seal: PublishedSeal) -> Checkpoint:
    """Return what a seal states in the form that other programs read."""
    sealed = seal.signed.seal
    return Checkpoint(f"{ORIGIN}{sealed.log_id}", sealed.tree_size, sealed.root)


def read_checkpoint(text: str) -> SignedCheckpoint:
    """Parse a signed checkpoint. InvalidProof for any other text."""
    body, blank, below = text.rpartition("\n\n")
    lines = f"{body}\n".split("\n")[:-1]
    if len(text) > MOST_NOTE or not blank or len(lines) < 3 or not all(lines) or not below.endswith("\n"):
        raise InvalidProof("this is no signed checkpoint of a log")
    if not _NUMBER.fullmatch(lines[1]):
        raise InvalidProof("the checkpoint's second line is not the number of its leaves")
    more = "".join(f"{line}\n" for line in lines[3:])
    checkpoint = Checkpoint(lines[0], int(lines[1]), read_hash(lines[2], "the checkpoint's third line"), more)
    return SignedCheckpoint(checkpoint, tuple(_read_signature(line) for line in below[:-1].split("\n")))


def signed_bytes(key: NoteKey, checkpoint: Checkpoint, time: int = 0) -> bytes:
    """Return the bytes that a key of this kind signs over a checkpoint."""
    if key.kind is NoteKind.ED25519:
        return checkpoint.to_text().encode()
    if key.kind is NoteKind.COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{checkpoint.to_text()}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    if max(len(name), len(origin)) > _MOST_NAME:
        raise InvalidProof("a name of more than 255 bytes cannot be signed with ML-DSA")
    return b"".join(
        (
            _SUBTREE,
            bytes((len(name),)) + name,
            struct.pack(">Q", time),
            bytes((len(origin),)) + origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafProof:
    """Proof that one leaf is in the tree of a signed checkpoint. `leaf` is its bytes."""

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint

    def to_text(self) -> str:
        """Return the file: its form, the leaf, its index and path, and the checkpoint."""
        path = "".join(f"{to_base64(hash)}\n" for hash in self.path)
        return (
            f"{PROOF_TAG}\nextra {to_base64(self.leaf)}\nindex {self.index}\n{path}\n{self.signed.to_text()}"
        )

    def is_included(self) -> bool:
        checkpoint = self.signed.checkpoint
        return proves_inclusion(leaf_hash(self.leaf), self.index, checkpoint.size, self.path, checkpoint.root)


def read_proof(text: str) -> LeafProof:
    """Parse a proof. InvalidProof for any other text, also one without the leaf."""
    head, blank, note = text.partition("\n\n")
    tag, *lines = head.split("\n")
    if len(text) > MOST_PROOF or tag != PROOF_TAG or not blank:
        raise InvalidProof(f"this is no proof: its first line is not {PROOF_TAG}")
    if len(lines) < 2 or not lines[0].startswith("extra ") or not lines[1].startswith("index "):
        raise InvalidProof("the proof lacks the line of the log or its index")
    index = lines[1].removeprefix("index ")
    if not _NUMBER.fullmatch(index) or len(lines) - 2 > MOST_LEVELS:
        raise InvalidProof("the proof's index or path has another form")
    return LeafProof(
        leaf=_decode(lines[0].removeprefix("extra "), "the proof's second line"),
        index=int(index),
        path=tuple(read_hash(line, "a line of the proof's path") for line in lines[2:]),
        signed=read_checkpoint(note),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """Keys of trusted logs and witnesses, and which witnesses must have seen a checkpoint. `groups` has for
    each group how many of its members are needed."""

    logs: tuple[NoteKey, ...] = ()
    witnesses: Mapping[str, NoteKey] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: str = "none"

    def is_met(self, cosigners: Collection[str]) -> bool:
        """Tell whether these witnesses are enough."""
        return self.quorum == "none" or self._has_seen(self.quorum, cosigners)

    def to_text(self) -> str:
        lines = [f"log {key}" for key in self.logs]
        lines += [f"witness {name} {key}" for name, key in self.witnesses.items()]
        lines += [f"group {name} {need} {' '.join(members)}" for name, (need, members) in self.groups.items()]
        return "".join(f"{line}\n" for line in (*lines, f"quorum {self.quorum}"))

    def _has_seen(self, name: str, cosigners: Collection[str]) -> bool:
        if name not in self.groups:
            return name in cosigners
        need, members = self.groups[name]
        return sum(self._has_seen(member, cosigners) for member in members) >= need


def read_policy(text: str) -> LogPolicy:
    """Parse a policy; addresses are ignored. InvalidProof with the number of the first line that is wrong."""
    logs: list[NoteKey] = []
    witnesses: dict[str, NoteKey] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    used: set[str] = set()
    quorum = ""
    for number, line in enumerate(text[:MOST_POLICY].split("\n"), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        names = witnesses.keys() | groups.keys()
        match words:
            case ["log", key, *rest] if len(rest) <= 1:
                logs.append(_read_new_key(key, [*logs, *witnesses.values()], number))
            case ["witness", name, key, *rest] if len(rest) <= 1 and name not in names | {"none"}:
                witnesses[name] = _read_new_key(key, [*logs, *witnesses.values()], number)
            case ["group", name, need, *members] if (
                members and name not in names | {"none"} and set(members) <= names - used
            ):
                count = {"all": len(members), "any": 1}.get(need) or (int(need) if need.isdecimal() else 0)
                if not 1 <= count <= len(members) or len(set(members)) < len(members):
                    raise InvalidProof(f"line {number} of the policy: a group needs 1 to all of its members")
                groups[name] = (count, tuple(members))
                used.update(members)
            case ["quorum", name] if not quorum and name in names | {"none"}:
                quorum = name
            case _:
                raise InvalidProof(f"line {number} of the policy is not understood: {line[:80]}")
    if not quorum:
        raise InvalidProof("the policy lacks its line `quorum`")
    return LogPolicy(logs=tuple(logs), witnesses=witnesses, groups=groups, quorum=quorum)


def _read_new_key(text: str, earlier_keys: Collection[NoteKey], number: int) -> NoteKey:
    try:
        key = read_key(text)
    except InvalidProof as cause:
        raise InvalidProof(f"line {number} of the policy: {cause.detail}") from cause
    if key.material in {other.material for other in earlier_keys}:
        raise InvalidProof(f"line {number} of the policy names a key for the second time")
    return key


def _read_signature(line: str) -> NoteSignature:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise InvalidProof("a line below the checkpoint is no signature")
    content = _decode(match["value"], "a signature")
    return NoteSignature(match["name"], content[:_KEY_ID], content[_KEY_ID:])


def read_hash(text: str, place: str) -> bytes:
    hash = _decode(text, place)
    if len(hash) != hashlib.sha256().digest_size:
        raise InvalidProof(f"{place} is no hash")
    return hash


def _decode(text: str, place: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as cause:
        raise InvalidProof(f"{place} is not in base64") from cause
    if to_base64(content) != text:
        raise InvalidProof(f"{place} is not in the one form of base64")
    return content


def to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
