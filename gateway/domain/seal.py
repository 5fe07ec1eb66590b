"""A seal over the event log: how far the log went at a time, in bytes that are signed (E3). In: size and root of the tree,
and the seal before. Out: the exact text of a seal, of a signed seal and of a published one, and back. The form is fixed
in docs/log.md; reading takes no other, so that one seal has one digest. Says nothing about whether a signature holds:
that is `trust.seal_key`, and `trust.timestamp` for the stamp beside."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import InvalidProof

TAG = "gateway-log-seal/1"
# Of the first seal of a log.
NO_SEAL = bytes(32)
# A timestamp with its chain has some thousands of bytes; whoever sends more sends something else.
MOST_STAMP = 64 * 1024
MOST_BYTES = 2 * MOST_STAMP
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_FORM = re.compile(
    rf"{re.escape(TAG)}\n"
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
class Seal:
    """The first `tree_size` leaves of the log have this root. `previous` is the digest of the signed seal before."""

    log_id: str
    number: int
    tree_size: int
    root: bytes
    previous: bytes
    at: datetime

    def to_bytes(self) -> bytes:
        """What is signed: seven lines of ASCII, the first names what this is, each ends with a line feed."""
        lines = (
            TAG,
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
    """A seal with its signature: ECDSA on P-256 with SHA-256, r ‖ s of 32 bytes each, s in the lower half. `key` is the
    public key in DER (SubjectPublicKeyInfo)."""

    seal: Seal
    key: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """What the digest and the timestamp are over: the seal's lines, then key and signature."""
        return self.seal.to_bytes() + _line("key", self.key) + _line("signature", self.signature)

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def key_id(self) -> str:
        return key_id(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSeal:
    """A signed seal as it leaves the node, with the RFC 3161 token (DER) over it where there is one."""

    signed: SignedSeal
    stamp: bytes | None = None

    def to_bytes(self) -> bytes:
        """The whole file."""
        return self.signed.to_bytes() + (stamp_line(self.stamp) if self.stamp is not None else b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a timestamp proves: the signed seal was there at that time, says this authority. `chain` are the SHA-256 of the
    certificates in the token, the authority's first."""

    at: datetime
    authority: str
    policy: str
    serial: str
    chain: tuple[str, ...]


def read(data: bytes) -> PublishedSeal:
    """The seal in these bytes, signed; InvalidProof for any other form than the one that `to_bytes` writes."""
    found = _FORM.fullmatch(data.decode("latin-1")) if len(data) <= MOST_BYTES else None
    made = _made(found) if found is not None else None
    if made is None or made.to_bytes() != data:
        raise InvalidProof("this is no seal of an event log: it does not have the one form that seals have")
    return made


def key_id(key: bytes) -> str:
    """The name of a public key: SHA-256 of its DER form."""
    return hashlib.sha256(key).hexdigest()


def stamp_line(token: bytes) -> bytes:
    """The last line of a published seal."""
    return _line("timestamp", token)


def _made(found: re.Match[str]) -> PublishedSeal | None:
    try:
        seal = Seal(
            log_id=found["log"],
            number=int(found["number"]),
            tree_size=int(found["size"]),
            root=bytes.fromhex(found["root"]),
            previous=bytes.fromhex(found["previous"]),
            at=datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC),
        )
        key, signature = base64.b64decode(found["key"]), base64.b64decode(found["signature"])
        stamp = base64.b64decode(found["stamp"]) if found["stamp"] is not None else None
    except ValueError:
        return None
    return PublishedSeal(signed=SignedSeal(seal=seal, key=key, signature=signature), stamp=stamp)


def _line(name: str, value: bytes) -> bytes:
    return b"%s %s\n" % (name.encode("ascii"), base64.b64encode(value))
