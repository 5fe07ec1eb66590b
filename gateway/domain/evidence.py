"""The evidence pack (E4): one ZIP with a manifest of every member, the maker's signature over the manifest, and a story
beside the proofs. In: members, or the bytes of a manifest and its signature; names, sizes, CRCs. Out: the bytes, exactly
one form for each value; any other form, an invalid name or a repeated name raises `SpoiledPack` with the member's name.
Pure.

The story (`story.json`) is the maker's account, signed with the manifest; a checker of the pack compares it with the
packets themselves. The ZIP has only one possible form: stored, in order, no times, no extra fields, no comments, nothing
before, between or after the members, so that a reader can make the bytes around the members again and compare (E5). This
module writes it itself, because no library gives exactly these bytes."""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.domain.signatures import FileVerdict
from gateway.errors import InvalidProof

FORMAT = "gateway-evidence-1"
MANIFEST, SIGNATURE, PAGE, STORY = "manifest.json", "manifest.sig", "index.html", "story.json"
SUBJECT = "evidence"  # of the events of an agency's packs
LEAVES, CONSISTENCY, SEALS = "log/leaves.jsonl", "log/consistency.jsonl", "log/seals/"
PACKETS, CERTIFICATES, REVOCATION = "packets/", "certificates/", "revocation/"

# A document for 500 recipients with four statuses each has about 3,000 members.
MOST_MEMBERS = 10_000
MOST_MANIFEST = 8 * 1024 * 1024
MOST_SIGNATURE = 16 * 1024
# The ZIP extension for larger files is not used, since it would give one pack two forms.
MOST_BYTES = 0xFFFF_FFFE

ALGORITHM = "ed25519"
# The signed bytes begin with their purpose, so that the signature never fits anything else.
_TAG = b"gateway-evidence-manifest/1\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(/[a-z0-9][a-z0-9._-]{0,99}){0,3}")
_HEX = re.compile(r"[0-9a-f]{64}")
_MEDIA = re.compile(r"[a-z]+/[a-z0-9.+-]+(; charset=utf-8)?")
# The x are fields that are zero in every pack: flags, method, time, extra field, comment, disk, attributes.
_LOCAL = struct.Struct("<4sH6xH3IH2x")
_CENTRAL = struct.Struct("<4s2H6xH3IH12xI")
_END = struct.Struct("<4s4H2IH")
LOCAL_SIZE, CENTRAL_SIZE, END_SIZE = _LOCAL.size, _CENTRAL.size, _END.size
_NEEDS = 20  # version 2.0 of the format, which every unpacking program of the last thirty years reads
_DAY = 0x21  # 1 January 1980, the first day that the format can express


class SpoiledPack(InvalidProof):
    """The pack is not whole, or is not as its manifest says."""

    code = "EVIDENCE-SPOILED"
    label_key = "evidence.spoiled"

    def __init__(self, member: str, why: str) -> None:
        super().__init__(f"{member}: {why}")
        self.member = member
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """File of a pack, as the manifest lists it."""

    name: str
    size: int
    sha256: str
    media: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """List of every member but the manifest and its signature, in order, with the pack's maker, time and document.
    `about` is {"direction", "id", "code", "document_id"}."""

    pack: str
    made_at: str
    node: str
    agency: str
    software: str
    about: dict[str, str]
    members: tuple[Member, ...] = field(default_factory=tuple)

    def to_bytes(self) -> bytes:
        """Return the manifest in its one form: sorted keys, UTF-8, a line feed at the end."""
        return canonical({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Manifest:
        """Parse the form that `to_bytes` writes; SpoiledPack for any other bytes."""
        content = parsed(raw, MANIFEST)
        try:
            members = tuple(Member(**m) for m in content["members"])
            header = {key: content[key] for key in ("pack", "made_at", "node", "agency", "software", "about")}
            manifest = cls(members=members, **header)
        except (KeyError, TypeError) as cause:
            raise SpoiledPack(MANIFEST, "it lacks a field or has one that is not known") from cause
        _check_manifest(manifest)
        if manifest.to_bytes() != raw:
            raise SpoiledPack(MANIFEST, "it is not written in the one form that a manifest has")
        return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSignature:
    """Key and signature of the pack's maker. The key is only stated here: the reader decides whether to trust it (E5)."""

    public_key: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        return canonical(
            {
                "algorithm": ALGORITHM,
                "public_key": base64.b64encode(self.public_key).decode("ascii"),
                "signature": base64.b64encode(self.signature).decode("ascii"),
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> PackSignature:
        content = parsed(raw, SIGNATURE)
        try:
            pack_signature = cls(
                public_key=base64.b64decode(content["public_key"], validate=True),
                signature=base64.b64decode(content["signature"], validate=True),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as cause:
            raise SpoiledPack(SIGNATURE, "it names no key or no signature") from cause
        if pack_signature.to_bytes() != raw:
            raise SpoiledPack(SIGNATURE, "it is not written in the one form that a signature has")
        return pack_signature


def signed_bytes(manifest: bytes) -> bytes:
    """Return the bytes that the maker's key signs."""
    return _TAG + manifest


def canonical(value: object) -> bytes:
    """Encode a value as JSON in one form."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def parsed(raw: bytes, member: str) -> dict[str, Any]:
    """Parse a member that is one JSON object; SpoiledPack for any other bytes."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as cause:
        raise SpoiledPack(member, "it is not JSON in UTF-8") from cause
    if not isinstance(content, dict):
        raise SpoiledPack(member, "it is no JSON object")
    return content


def _check_manifest(manifest: Manifest) -> None:
    """Check types, names and sizes. A name that an unpacking program could take for another file or place is refused."""
    texts = (manifest.pack, manifest.made_at, manifest.node, manifest.agency, manifest.software)
    if not all(isinstance(t, str) for t in (*texts, *manifest.about, *manifest.about.values())):
        raise SpoiledPack(MANIFEST, "a field that should be text is not")
    if len(manifest.members) > MOST_MEMBERS:
        raise SpoiledPack(MANIFEST, f"it names more than {MOST_MEMBERS} members")
    names = {MANIFEST, SIGNATURE}
    for member in manifest.members:
        _check_member(member)
        if member.name in names:
            raise SpoiledPack(member.name, "the manifest names it twice")
        names.add(member.name)
    if sum(member.size for member in manifest.members) > MOST_BYTES:
        raise SpoiledPack(MANIFEST, f"its members have more than the {MOST_BYTES} bytes that a pack can have")


def _check_member(member: Member) -> None:
    label = member.name if isinstance(member.name, str) else MANIFEST
    if not isinstance(member.name, str) or not _NAME.fullmatch(member.name):
        raise SpoiledPack(label[:120], "no member of a pack can have this name")
    if type(member.size) is not int or not 0 <= member.size <= MOST_BYTES:
        raise SpoiledPack(label, "the manifest gives it no size that a member can have")
    if not isinstance(member.sha256, str) or not _HEX.fullmatch(member.sha256):
        raise SpoiledPack(label, "the manifest gives it no SHA-256")
    if not isinstance(member.media, str) or not _MEDIA.fullmatch(member.media):
        raise SpoiledPack(label, "the manifest gives it no media type")


class Direction(StrEnum):
    """Direction of a packet, as seen by the pack's maker."""

    OUT = "out"
    IN = "in"


class PacketRole(StrEnum):
    """Role of a packet for the document of the pack."""

    DOCUMENT = "document"
    CHANGE = "change"
    REQUEST = "request"
    RECEIPT = "receipt"
    HANDED = "handed"
    """The document or a change of it, in the unsigned form that an axis was given."""


class Absent(StrEnum):
    """Reason why a packet's bytes are not in the pack, which has only their digest."""

    RECALLED = "recalled"
    SEALED = "sealed"
    PURGED = "purged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Agency by its code, with its name in the registry when the pack was made."""

    code: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRecipient:
    """Recipient of the document; `state` is a key of the states' words."""

    party: Party
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedStep:
    """Step of verification, as the node recorded it."""

    n: int
    ok: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketVerdict:
    """Verdict of the maker's node on a packet's signature for the time `at`: recorded on arrival (`noted`), or computed
    for the pack."""

    word: str
    at: datetime
    noted: bool = False
    code: str | None = None
    steps: tuple[NotedStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryPacket:
    """Signed packet. `member` is empty where only its digest is in the pack (`absent`). `at` is the node's own time of
    packing or arrival. `status` is the code of a status, `answers` the packet id that it answers. `form` and `made_of`,
    the digest of the standard file, describe a file that was handed over in another form. `heir_by` names the decision that
    let its sender answer in place of an ended recipient."""

    part: PacketRole
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
    verdicts: tuple[PacketVerdict, ...] = ()
    form: str | None = None
    made_of: str | None = None
    heir_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryFile:
    """File of the document, which is inside a packet; the story has only its digest. `verdict` is the node's verdict on
    the signatures inside a PDF, `conclusion` the same in the words of ETSI EN 319 102-1, `answers` the digests of the
    authorities' answers that it rests on."""

    name: str
    size: int
    sha256: str
    verdict: str = ""
    conclusion: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySeal:
    """Seal of the maker's log, with the trusted time over it. `published`: it has left the node."""

    number: int
    size: int
    at: datetime
    stamped_at: datetime | None = None
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEvent:
    """Event of the log whose leaf is in the pack. `seal` is the first seal that covers it with a trusted time, or at all;
    `names` are digests of packets that the event names."""

    kind: str
    at: datetime
    subject: str
    leaf: int
    seal: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Account of a document and its packets. `policy` are the limits and graces in force at the maker, by name;
    `signatures` are its node's verdicts on the PDFs: what holds, whose seals they are, and the version of the rule."""

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
    packets: tuple[StoryPacket, ...]
    files: tuple[StoryFile, ...] = ()
    recipients: tuple[StoryRecipient, ...] = ()
    absent: Absent | None = None
    seals: tuple[StorySeal, ...] = ()
    events: tuple[StoryEvent, ...] = ()
    policy: tuple[tuple[str, str], ...] = ()
    legal_value: str | None = None
    signatures: tuple[FileVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """Member of the container. Its name is ASCII."""

    name: str
    size: int
    crc: int

    @property
    def footprint(self) -> int:
        """Size of the member with its local header."""
        return LOCAL_SIZE + len(self.name) + self.size


def local_header(entry: ZipEntry) -> bytes:
    """Return the header before a member's bytes."""
    name = entry.name.encode("ascii")
    return _LOCAL.pack(b"PK\x03\x04", _NEEDS, _DAY, *_header_fields(entry)) + name


def read_size(header: bytes) -> int:
    """Read the size from a local header. It is untrusted: the reader limits it, and compares it later."""
    return int.from_bytes(header[22:26], "little")


def central_header(entry: ZipEntry, offset: int) -> bytes:
    """Return the member's entry in the directory at the end."""
    name = entry.name.encode("ascii")
    return _CENTRAL.pack(b"PK\x01\x02", _NEEDS, _NEEDS, _DAY, *_header_fields(entry), offset) + name


def _header_fields(entry: ZipEntry) -> tuple[int, int, int, int]:
    """Return the fields that both headers share; the two sizes are equal, since nothing is compressed."""
    return entry.crc, entry.size, entry.size, len(entry.name)


def end_record(entries: Sequence[ZipEntry]) -> bytes:
    """Return the last bytes of the file."""
    count = len(entries)
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, directory_size(entries), directory_offset(entries), 0)


def directory_offset(entries: Sequence[ZipEntry]) -> int:
    return sum(e.footprint for e in entries)


def directory_size(entries: Sequence[ZipEntry]) -> int:
    return sum(CENTRAL_SIZE + len(e.name) for e in entries)


def total_size(entries: Sequence[ZipEntry]) -> int:
    """Return the size of the whole file."""
    return directory_offset(entries) + directory_size(entries) + END_SIZE
