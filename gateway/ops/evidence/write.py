"""Writes an evidence pack as a stream. In: parts that can be opened twice, what the manifest says, and a key. Out: the size
known beforehand, and the bytes piece by piece: no member is ever held whole. The same parts, words and key always give
the same bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO, Protocol

from gateway.domain import evidence_zip as container
from gateway.domain.evidence import (
    MANIFEST,
    MOST_BYTES,
    MOST_MANIFEST,
    MOST_MEMBERS,
    SIGNATURE,
    Manifest,
    Member,
    PackSignature,
    signed_bytes,
)
from gateway.errors import Clash, StoreFailure

PIECE = 256 * 1024


class PackSigner(Protocol):
    """The key that answers for packs."""

    @property
    def public_key(self) -> bytes:
        """As it stands in a certificate request: SubjectPublicKeyInfo, DER."""

    def sign(self, data: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file to put into a pack."""

    name: str
    media: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A pack whose every byte is decided. `pieces` may be asked for again; each time it reads the parts anew."""

    size: int
    manifest: Manifest
    digest: str
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    part: Part
    entry: container.Entry
    sha256: str


def part_of(name: str, media: str, content: bytes) -> Part:
    """A part whose bytes are at hand."""
    return Part(name=name, media=media, open=lambda: BytesIO(content))


def prepare(parts: Sequence[Part], words: Manifest, signer: PackSigner) -> Ready:
    """Reads every part once, and signs. Clash when the pack would be larger than one can be."""
    if len(parts) > MOST_MEMBERS:
        raise too_large(f"it would have {len(parts)} files")
    weighed = [_weigh(each) for each in parts]
    members = tuple(
        Member(name=each.part.name, size=each.entry.size, sha256=each.sha256, media=each.part.media)
        for each in weighed
    )
    manifest = replace(words, members=members)
    raw = manifest.to_bytes()
    if len(raw) > MOST_MANIFEST:
        raise too_large("its list of files would be too long")
    Manifest.from_bytes(raw)  # what no reader would take is never written
    signature = PackSignature(
        public_key=signer.public_key, signature=signer.sign(signed_bytes(raw))
    ).to_bytes()
    head = [
        _weigh(part_of(MANIFEST, "application/json", raw)),
        _weigh(part_of(SIGNATURE, "application/json", signature)),
    ]
    whole = [*head, *weighed]
    size = container.total_size([each.entry for each in whole])
    if size > MOST_BYTES:
        raise too_large(f"it would have {size} bytes")
    return Ready(
        size=size,
        manifest=manifest,
        digest=hashlib.sha256(raw).hexdigest(),
        pieces=lambda: _pieces(whole),
    )


def too_large(why: str) -> Clash:
    """What could be made and could not be read."""
    return Clash(
        f"no evidence pack can be made: {why}",
        code="GW-EVIDENCE-SIZE",
        hint="make packs of its updates and recalls one by one",
    )


def _weigh(part: Part) -> _Weighed:
    hasher, crc, size = hashlib.sha256(), 0, 0
    with part.open() as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            crc = zlib.crc32(piece, crc)
            size += len(piece)
    return _Weighed(
        part=part, entry=container.Entry(name=part.name, size=size, crc=crc), sha256=hasher.hexdigest()
    )


def _pieces(whole: Sequence[_Weighed]) -> Iterator[bytes]:
    for each in whole:
        yield container.local_header(each.entry)
        yield from _content(each)
    offset = 0
    for each in whole:
        yield container.central_header(each.entry, offset)
        offset += each.entry.footprint
    yield container.end_record([each.entry for each in whole])


def _content(weighed: _Weighed) -> Iterator[bytes]:
    """What is not what was weighed would make a pack that fails everywhere: better none than that."""
    hasher = hashlib.sha256()
    with weighed.part.open() as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            yield piece
    if hasher.hexdigest() != weighed.sha256:
        raise StoreFailure(f"{weighed.part.name} was changed while the pack was written; make it again")
