"""What an evidence pack tells beside its proofs: which document, who took part, which packets went which way, and what
the maker's node had found about each. In: nothing. Out: frozen values, kept as `story.json`. It is the maker's word,
signed with the manifest; whoever checks a pack compares it with what the packets themselves say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    """As the pack's maker sees it."""

    OUT = "out"
    IN = "in"


class Part(StrEnum):
    """What a packet is to the document of the pack."""

    DOCUMENT = "document"
    CHANGE = "change"
    REQUEST = "request"
    RECEIPT = "receipt"


class Absent(StrEnum):
    """Why a packet's bytes are not in the pack: its digest stands for it."""

    RECALLED = "recalled"
    SEALED = "sealed"
    PURGED = "purged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency by its code, and the name that the registry gave it when the pack was made."""

    code: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One to whom the document was sent; `state` is a key of the states' words."""

    party: Party
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One step of verification, as the node noted it."""

    n: int
    ok: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the maker's node says of a packet's signature for the time `at`: `noted` when it came, or found anew when the
    pack was made."""

    word: str
    at: datetime
    noted: bool = False
    code: str | None = None
    steps: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTold:
    """One signed packet. `member` is empty where only its digest is kept (`absent`). `at` is the node's own time: when it
    was packed here, or arrived here. `status` is the code of a status, `answers` the packet id that it answers."""

    part: Part
    direction: Direction
    kind: str
    packet_id: str
    sender: Party
    to: tuple[Party, ...]
    at: datetime
    sha256: str
    size: int
    body_sha256: str | None = None
    member: str = ""
    absent: Absent | None = None
    status: str | None = None
    answers: str | None = None
    certificate: str | None = None
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTold:
    """One file that the document carries; it lies inside the packet, and here only its digest stands."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealTold:
    """One seal of the log, and the trusted time over it, as the maker has it. `published` says that it left the node."""

    number: int
    size: int
    at: datetime
    stamped_at: datetime | None = None
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTold:
    """One event of the log whose leaf is in the pack, and the seal that first covers it with a trusted time, or at all.
    `names` are the digests of packets that it names."""

    kind: str
    at: datetime
    subject: str
    leaf: int
    seal: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The whole. `policy` are the limits and graces in force at the maker, by name."""

    pack: str
    made_at: datetime
    made_by: Party
    node: str
    software: str
    direction: Direction
    id: str
    document_id: str
    code: str
    issued_on: str
    type_name: str
    subject: str
    state: str
    packets: tuple[PacketTold, ...]
    files: tuple[FileTold, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    absent: Absent | None = None
    seals: tuple[SealTold, ...] = ()
    events: tuple[EventTold, ...] = ()
    policy: tuple[tuple[str, str], ...] = ()
