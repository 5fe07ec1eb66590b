"""Witnesses of the sealed log (C2SP: tlog-witness) and the letters of nodes to each other. In: a checkpoint with
the proof that its log grew; the checkpoint that a witness holds. Out: whether the log grew, stood still, shrank or shows
another history; letters and requests as text, read strictly. Pure: `witnessing` sends, signs and stores.

A letter is signed with an agency's exchange key, so the registry says which node wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from gateway.domain.notes import (
    Checkpoint,
    NoteKey,
    SignedCheckpoint,
    read_checkpoint,
    read_hash,
    read_key,
    to_base64,
)
from gateway.domain.sealed_log import MOST_LEVELS, proves_prefix
from gateway.errors import InvalidProof

LETTER_TAG = "lienthong-letter/1"
MOST_LETTER = 1024 * 1024
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_HEAD = re.compile(
    LETTER_TAG + r"\nkind (?P<kind>[a-z]{1,20})\nnode (?P<node>\S{1,100})\nto (?P<to>\S{1,100})\n"
    r"code (?P<code>\S{1,40})\nat (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n\n"
)
_SEAL = re.compile(
    r"— (?P<certificate>[0-9a-f]{64}) (?P<algorithm>[a-z0-9-]{1,30}) (?P<signature>[A-Za-z0-9+/=]{8,2048})\n"
)
_OLD = re.compile(r"old (0|[1-9][0-9]{0,17})")


class LetterKind(StrEnum):
    """Subject of a letter between nodes."""

    CHECKPOINT = "checkpoint"
    COSIGNATURE = "cosignature"
    LATEST = "held"
    COUNTS = "counts"
    COUNTED = "counted"
    STATES = "states"
    STATED = "stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Letter of one node to another. `code` is the agency whose exchange key signs it."""

    kind: LetterKind
    node: str
    to: str
    code: str
    at: datetime
    body: str

    def to_text(self) -> str:
        """Return the text that is signed."""
        return (
            f"{LETTER_TAG}\nkind {self.kind}\nnode {self.node}\nto {self.to}\ncode {self.code}\n"
            f"at {self.at.strftime(_TIME)}\n\n{self.body}"
        )


class LetterSeal(NamedTuple):
    """Signature below a letter; `certificate` is the SHA-256 of the signer's certificate."""

    certificate: str
    algorithm: str
    signature: str

    def to_text(self) -> str:
        return f"— {self.certificate} {self.algorithm} {self.signature}\n"


def read_letter(raw: bytes) -> tuple[Letter, LetterSeal]:
    """Parse a letter and its seal, which is not verified here. InvalidProof for anything else."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as cause:
        raise InvalidProof("a letter between nodes is text") from cause
    body, mark, last = text.rpartition("\n— ")
    head, seal = _HEAD.match(text), _SEAL.fullmatch(f"— {last}")
    if len(raw) > MOST_LETTER or not mark or head is None or seal is None or head.end() > len(body) + 1:
        raise InvalidProof("this is no letter between nodes")
    if head["kind"] not in tuple(LetterKind):
        raise InvalidProof(f"letters of the kind {head['kind']} are not known here")
    letter = Letter(
        kind=LetterKind(head["kind"]),
        node=head["node"],
        to=head["to"],
        code=head["code"],
        at=_moment(head["at"]),
        body=f"{body}\n"[head.end() :],
    )
    return letter, LetterSeal(seal["certificate"], seal["algorithm"], seal["signature"])


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as cause:
        raise InvalidProof(f"{text} is no moment") from cause


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRequest:
    """Checkpoint for a witness, with the proof that its log grew from its first `old_size` leaves."""

    old_size: int
    proof: tuple[bytes, ...]
    signed: SignedCheckpoint

    def to_text(self) -> str:
        proof = "".join(f"{to_base64(hash)}\n" for hash in self.proof)
        return f"old {self.old_size}\n{proof}\n{self.signed.to_text()}"


def read_request(text: str) -> WitnessRequest:
    """Parse a request. InvalidProof for any other text."""
    head, blank, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or not blank or len(lines) > MOST_LEVELS:
        raise InvalidProof("this is no request for a cosignature")
    signed = read_checkpoint(note)
    if int(old[1]) > signed.checkpoint.size:
        raise InvalidProof("the old size is larger than the checkpoint's")
    proof = tuple(read_hash(line, "a line of the proof that the log grew") for line in lines)
    if proof and old[1] == "0":
        raise InvalidProof("a log that was never cosigned needs no proof that it grew")
    return WitnessRequest(old_size=int(old[1]), proof=proof, signed=signed)


class Growth(StrEnum):
    """Relation of a request's checkpoint to the one that a witness holds. OTHER_START: its proof begins at another size."""

    GREW = "grew"
    SAME = "same"
    OTHER_START = "other_start"
    SHRANK = "shrank"
    FORKED = "forked"

    @property
    def is_other_history(self) -> bool:
        """Tell whether both checkpoints cannot be of one log that only grew."""
        return self in (Growth.SHRANK, Growth.FORKED)


def judge_growth(latest: Checkpoint | None, request: WitnessRequest) -> Growth:
    """Compare a request with the checkpoint that the witness cosigned last."""
    new = request.signed.checkpoint
    held_size = latest.size if latest is not None else 0
    if new.size < held_size:
        return Growth.SHRANK
    if latest is not None and new.size == held_size:
        return Growth.SAME if new.root == latest.root else Growth.FORKED
    if request.old_size != held_size:
        return Growth.OTHER_START
    if latest is None:
        return Growth.GREW
    grew = proves_prefix(latest.size, latest.root, new.size, new.root, request.proof)
    return Growth.GREW if grew else Growth.FORKED


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedNote:
    """Signed checkpoint with the keys that signed it: of a log that asks, or of a witness that answers."""

    keys: tuple[NoteKey, ...]
    text: str

    def to_text(self) -> str:
        return "".join(f"key {key}\n" for key in self.keys) + f"\n{self.text}"


def read_keyed_note(text: str, prefix: str) -> KeyedNote:
    """Parse keys and the text below them. InvalidProof where a key's name does not begin with `prefix`."""
    head, _, below = text.partition("\n\n")
    lines = head.split("\n")
    if len(lines) > 4 or not all(line.startswith("key ") for line in lines):
        raise InvalidProof("the letter does not begin with keys")
    keys = tuple(read_key(line.removeprefix("key ")) for line in lines)
    if len({key.name for key in keys}) > 1 or not keys[0].name.startswith(prefix):
        raise InvalidProof("the keys are not of one log or witness of a node")
    return KeyedNote(keys=keys, text=below)


class WitnessAddress(NamedTuple):
    """Witness as the settings name it: a node of the axis, or a name with an address and the key of its cosignatures."""

    name: str
    url: str = ""
    key: NoteKey | None = None


def read_witnesses(text: str) -> tuple[WitnessAddress, ...]:
    """Parse the setting: names of nodes, or `NAME=ADDRESS KEY`, separated by commas. InvalidProof for another text."""
    witnesses: list[WitnessAddress] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        place, _, key = part.partition(" ")
        name, _, url = place.partition("=")
        is_address = url.startswith(("https://", "http://"))
        if not name or bool(url) != is_address or is_address != bool(key):
            raise InvalidProof(f"{place}: name a node, or NAME=ADDRESS KEY with a space before the key")
        if name in (witness.name for witness in witnesses):
            raise InvalidProof(f"{name} is named for the second time")
        witnesses.append(WitnessAddress(name, url, read_key(key.strip()) if key else None))
    return tuple(witnesses)


def needed(quorum: int, count: int) -> int:
    """Return how many of `count` witnesses must have cosigned; more than half where the setting says 0."""
    return min(quorum, count) if quorum else count // 2 + 1 if count else 0


def is_rested(last: datetime | None, pause: timedelta, now: datetime) -> bool:
    """Tell whether the pause since the last time is over. A clock that was set back ends it."""
    return last is None or not last <= now < last + pause


def best_cosigned(
    cosigners_by_size: Sequence[tuple[int, frozenset[str]]], least_size: int, need: int
) -> int | None:
    """Return the smallest size of at least `least_size` that enough witnesses cosigned; else the one that most did."""
    fitting = [(size, len(names)) for size, names in cosigners_by_size if size >= least_size and names]
    if not fitting:
        return None
    return min(fitting, key=lambda entry: (-min(entry[1], need), entry[0]))[0]
