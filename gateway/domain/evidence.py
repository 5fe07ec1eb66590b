"""What an evidence pack is (E4): one ZIP with a manifest of every member, and the maker's signature over the manifest. In:
members, or the bytes of a manifest and its signature. Out: the bytes, exactly one form for each value; what has
another form, a name that is none, or a name twice is `SpoiledPack`, with the member's name. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.errors import InvalidProof

FORMAT = "gateway-evidence-1"
MANIFEST, SIGNATURE, PAGE, STORY = "manifest.json", "manifest.sig", "index.html", "story.json"
LEAVES, CONSISTENCY, SEALS = "log/leaves.jsonl", "log/consistency.jsonl", "log/seals/"
PACKETS, CERTIFICATES, REVOCATION = "packets/", "certificates/", "revocation/"

# A document for 500 recipients who say four things each has some 3,000 members.
MOST_MEMBERS = 10_000
MOST_MANIFEST = 8 * 1024 * 1024
MOST_SIGNATURE = 16 * 1024
# Without the extension for larger files, which would give one pack two forms.
MOST_BYTES = 0xFFFF_FFFE

ALGORITHM = "ed25519"
# K6, threat 120: what is signed begins with what it is, so that a signature never fits anything else.
_TAG = b"gateway-evidence-manifest/1\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(/[a-z0-9][a-z0-9._-]{0,99}){0,3}")
_HEX = re.compile(r"[0-9a-f]{64}")
_MEDIA = re.compile(r"[a-z]+/[a-z0-9.+-]+(; charset=utf-8)?")


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
    """One file of a pack, as the manifest has it."""

    name: str
    size: int
    sha256: str
    media: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Every member but the manifest and its signature, in the order in which they stand; and who made the pack, when, of
    which document. `about` is {"direction", "id", "code", "document_id"}."""

    pack: str
    made_at: str
    node: str
    agency: str
    software: str
    about: dict[str, str]
    members: tuple[Member, ...] = field(default_factory=tuple)

    def to_bytes(self) -> bytes:
        """The one form: sorted keys, UTF-8, a line feed at the end."""
        return canonical({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Manifest:
        """SpoiledPack for whatever is not exactly what `to_bytes` writes."""
        told = parsed(raw, MANIFEST)
        try:
            members = tuple(Member(**each) for each in told["members"])
            rest = {key: told[key] for key in ("pack", "made_at", "node", "agency", "software", "about")}
            found = cls(members=members, **rest)
        except (KeyError, TypeError) as cause:
            raise SpoiledPack(MANIFEST, "it lacks a field or has one that is not known") from cause
        _check(found)
        if found.to_bytes() != raw:
            raise SpoiledPack(MANIFEST, "it is not written in the one form that a manifest has")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSignature:
    """The maker's key and signature. The key is only named here: whether to believe it is for the reader (E5)."""

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
        told = parsed(raw, SIGNATURE)
        try:
            found = cls(
                public_key=base64.b64decode(told["public_key"], validate=True),
                signature=base64.b64decode(told["signature"], validate=True),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as cause:
            raise SpoiledPack(SIGNATURE, "it names no key or no signature") from cause
        if found.to_bytes() != raw:
            raise SpoiledPack(SIGNATURE, "it is not written in the one form that a signature has")
        return found


def signed_bytes(manifest: bytes) -> bytes:
    """What the maker's key signs."""
    return _TAG + manifest


def canonical(value: object) -> bytes:
    """JSON in one form."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def parsed(raw: bytes, member: str) -> dict[str, Any]:
    """A member that is one JSON object."""
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as cause:
        raise SpoiledPack(member, "it is not JSON in UTF-8") from cause
    if not isinstance(told, dict):
        raise SpoiledPack(member, "it is no JSON object")
    return told


def _check(manifest: Manifest) -> None:
    """Names that no unpacking program takes for another file or another place."""
    texts = (manifest.pack, manifest.made_at, manifest.node, manifest.agency, manifest.software)
    if not all(isinstance(each, str) for each in (*texts, *manifest.about, *manifest.about.values())):
        raise SpoiledPack(MANIFEST, "a field that should be text is not")
    if len(manifest.members) > MOST_MEMBERS:
        raise SpoiledPack(MANIFEST, f"it names more than {MOST_MEMBERS} members")
    seen = {MANIFEST, SIGNATURE}
    for each in manifest.members:
        _check_member(each)
        if each.name in seen:
            raise SpoiledPack(each.name, "the manifest names it twice")
        seen.add(each.name)
    if sum(each.size for each in manifest.members) > MOST_BYTES:
        raise SpoiledPack(MANIFEST, f"its members have more than the {MOST_BYTES} bytes that a pack can have")


def _check_member(member: Member) -> None:
    shown = member.name if isinstance(member.name, str) else MANIFEST
    if not isinstance(member.name, str) or not _NAME.fullmatch(member.name):
        raise SpoiledPack(shown[:120], "no member of a pack can have this name")
    if type(member.size) is not int or not 0 <= member.size <= MOST_BYTES:
        raise SpoiledPack(shown, "the manifest gives it no size that a member can have")
    if not isinstance(member.sha256, str) or not _HEX.fullmatch(member.sha256):
        raise SpoiledPack(shown, "the manifest gives it no SHA-256")
    if not isinstance(member.media, str) or not _MEDIA.fullmatch(member.media):
        raise SpoiledPack(shown, "the manifest gives it no media type")
