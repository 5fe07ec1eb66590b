"""Write, open and sign an evidence pack as a file. In: parts that can be opened twice, the texts of the manifest and a key;
or the path of a pack. Out: a stream of bytes; a `Pack`, or `SpoiledPack` with the member's name. The size of a pack is
known before it is written, no member is ever held whole, and equal parts, texts and key give equal bytes. An opened file is
untrusted: it is a `Pack` once every byte is compared with the manifest (E5, offline check), in one pass and in bounded
memory; its contents are judged elsewhere. The signing key is used for packs only; its public key is stored beside it in
PEM, for people who check packs. It is Ed25519, so that the same pack has the same signature."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.atomic_files import write_private
from gateway.domain import evidence
from gateway.domain.evidence import (
    MANIFEST,
    MOST_BYTES,
    MOST_MANIFEST,
    MOST_MEMBERS,
    MOST_SIGNATURE,
    SIGNATURE,
    Manifest,
    Member,
    PackSignature,
    SpoiledPack,
    signed_bytes,
)
from gateway.errors import Clash, Misconfigured, NotFound, StoreFailure
from gateway.trust.key_material import public_pem, spki
from gateway.trust.keys import own_key

PIECE = 256 * 1024
# Most bytes of a member that is read whole, which envelopes are not, and of all such members of one kind together.
MOST_READ = 16 * 1024 * 1024
MOST_TOGETHER = 64 * 1024 * 1024
_DIRECTORY = "the directory of the ZIP file"
# The key's folder is in the folder of the exchange keys, with a name that no agency has.
KEY_FOLDER, KEY_FILE, PUBLIC_KEY_FILE = "_evidence", "pack.key.pem", "pack.pub.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPart:
    """A file to put into a pack; `open` may be called several times."""

    name: str
    media: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPack:
    """A pack ready to be written. `pieces` yields its bytes; each call reads the parts again."""

    size: int
    manifest: Manifest
    digest: str
    pieces: Callable[[], Iterator[bytes]]

    @property
    def id(self) -> str:
        return self.manifest.pack

    @property
    def name(self) -> str:
        return file_name(self.id)


def file_name(pack: str) -> str:
    """Return the file name of the pack with this id."""
    return f"{pack.lower()}.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeasuredPart:
    part: PackPart
    entry: evidence.ZipEntry
    sha256: str


def part_of(name: str, media: str, content: bytes) -> PackPart:
    """Return a part whose content is in memory."""
    return PackPart(name=name, media=media, open=lambda: BytesIO(content))


def prepare(parts: Sequence[PackPart], words: Manifest, signer: EvidenceKey) -> PreparedPack:
    """Measure and hash every part, complete the manifest `words` with the members, and sign it. Clash when the pack would
    be too large."""
    if len(parts) > MOST_MEMBERS:
        raise too_large(f"it would have {len(parts)} files")
    measured_parts = [_measure(part) for part in parts]
    members = tuple(
        Member(name=m.part.name, size=m.entry.size, sha256=m.sha256, media=m.part.media)
        for m in measured_parts
    )
    manifest = replace(words, members=members)
    raw = manifest.to_bytes()
    if len(raw) > MOST_MANIFEST:
        raise too_large("its list of files would be too long")
    Manifest.from_bytes(raw)  # a manifest that no reader would accept is never written
    signature = PackSignature(
        public_key=signer.public_key, signature=signer.sign(signed_bytes(raw))
    ).to_bytes()
    head = [
        _measure(part_of(MANIFEST, "application/json", raw)),
        _measure(part_of(SIGNATURE, "application/json", signature)),
    ]
    all_parts = [*head, *measured_parts]
    size = evidence.total_size([w.entry for w in all_parts])
    if size > MOST_BYTES:
        raise too_large(f"it would have {size} bytes")
    return PreparedPack(
        size=size,
        manifest=manifest,
        digest=hashlib.sha256(raw).hexdigest(),
        pieces=lambda: _pieces(all_parts),
    )


def too_large(reason: str) -> Clash:
    """Return the error for a pack that readers would refuse as too large."""
    return Clash(
        f"no evidence pack can be made: {reason}",
        code="GW-EVIDENCE-SIZE",
        hint="make packs of its updates and recalls one by one",
    )


def _measure(part: PackPart) -> _MeasuredPart:
    hasher, crc, size = hashlib.sha256(), 0, 0
    with part.open() as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            crc = zlib.crc32(piece, crc)
            size += len(piece)
    return _MeasuredPart(
        part=part, entry=evidence.ZipEntry(name=part.name, size=size, crc=crc), sha256=hasher.hexdigest()
    )


def _pieces(parts: Sequence[_MeasuredPart]) -> Iterator[bytes]:
    for part in parts:
        yield evidence.local_header(part.entry)
        yield from _measured_content(part)
    offset = 0
    for part in parts:
        yield evidence.central_header(part.entry, offset)
        offset += part.entry.footprint
    yield evidence.end_record([part.entry for part in parts])


def _measured_content(measured: _MeasuredPart) -> Iterator[bytes]:
    """Yield the bytes of a part. StoreFailure when it has changed since it was measured."""
    hasher = hashlib.sha256()
    with measured.part.open() as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            yield piece
    if hasher.hexdigest() != measured.sha256:
        raise StoreFailure(f"{measured.part.name} was changed while the pack was written; make it again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """An opened pack, whose bytes are as its manifest says. `signature` is parsed, but not verified."""

    path: Path
    manifest: Manifest
    manifest_bytes: bytes
    signature: PackSignature
    offsets: Mapping[str, int]

    def member(self, name: str) -> Member:
        """Return a member by its name. SpoiledPack when the pack has none of that name."""
        for member in self.manifest.members:
            if member.name == name:
                return member
        raise SpoiledPack(name, "the pack has no such member")

    def under(self, folder: str) -> list[Member]:
        return [m for m in self.manifest.members if m.name.startswith(folder)]

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a member in pieces."""
        remaining = self.member(name).size
        with open_pack(self.path) as file:
            file.seek(self.offsets[name])
            while remaining and (piece := file.read(min(PIECE, remaining))):
                remaining -= len(piece)
                yield piece

    def read(self, name: str, most: int = MOST_READ) -> bytes:
        """Return the bytes of a small member. SpoiledPack when it is larger than `most`."""
        if self.member(name).size > most:
            raise SpoiledPack(name, f"it is larger than the {most} bytes that such a member can have")
        return b"".join(self.pieces(name))


def check_total_size(folder: str, members: Sequence[Member]) -> None:
    """Check that members of one kind together are not larger than a pack needs; SpoiledPack when they are."""
    if sum(m.size for m in members) > MOST_TOGETHER:
        raise SpoiledPack(folder, f"its members are larger than {MOST_TOGETHER} bytes together")


@contextmanager
def open_pack(path: Path) -> Iterator[BinaryIO]:
    """Open the file of a pack. NotFound, with the reason, when it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as cause:
        raise NotFound(
            f"the evidence pack {path} cannot be read: {cause.strerror or cause}",
            hint="give the path of one ZIP file that gateway evidence make wrote",
        ) from cause


def read_pack(path: Path) -> Pack:
    """Open a pack, comparing every byte of the file with what its manifest requires. SpoiledPack for a difference."""
    with open_pack(path) as file:
        walk = _PackWalk(file)
        raw = walk.small(MANIFEST, MOST_MANIFEST)
        manifest = Manifest.from_bytes(raw)
        signature = PackSignature.from_bytes(walk.small(SIGNATURE, MOST_SIGNATURE))
        for member in manifest.members:
            walk.member(member)
        walk.end()
    return Pack(path=path, manifest=manifest, manifest_bytes=raw, signature=signature, offsets=walk.offsets)


class _PackWalk:
    """One pass over a pack's file from its first byte to its last, which compares every byte and records the offsets."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[evidence.ZipEntry] = []
        self.offsets: dict[str, int] = {}

    def small(self, name: str, most: int) -> bytes:
        """Read and check one of the first two members, manifest and signature, whose size only their own header has."""
        header = self._read_header(name)
        size = evidence.read_size(header)
        if size > most:
            raise SpoiledPack(name, f"it is larger than the {most} bytes that it can have")
        content = self._file.read(size)
        self._check_entry(name, header, size, zlib.crc32(content), len(content))
        return content

    def member(self, member: Member) -> None:
        header = self._read_header(member.name)
        hasher, crc, remaining = hashlib.sha256(), 0, member.size
        while remaining and (piece := self._file.read(min(PIECE, remaining))):
            hasher.update(piece)
            crc = zlib.crc32(piece, crc)
            remaining -= len(piece)
        if remaining or hasher.hexdigest() != member.sha256:
            raise SpoiledPack(member.name, "its bytes are not those that the manifest names")
        self._check_entry(member.name, header, member.size, crc, member.size)

    def end(self) -> None:
        if evidence.total_size(self._entries) > MOST_BYTES:
            raise SpoiledPack(_DIRECTORY, f"the pack has more than the {MOST_BYTES} bytes that one can have")
        offset = 0
        for zip_entry in self._entries:
            expected = evidence.central_header(zip_entry, offset)
            if self._file.read(len(expected)) != expected:
                raise SpoiledPack(zip_entry.name, f"{_DIRECTORY} does not list it as the manifest makes it")
            offset += zip_entry.footprint
        expected = evidence.end_record(self._entries)
        if self._file.read(len(expected)) != expected:
            raise SpoiledPack(_DIRECTORY, "its last record is not the one that the manifest makes")
        if self._file.read(1):
            raise SpoiledPack(_DIRECTORY, "bytes follow the end of the pack")

    def _read_header(self, name: str) -> bytes:
        size = evidence.LOCAL_SIZE + len(name)
        header = self._file.read(size)
        if len(header) < size:
            raise SpoiledPack(name, "the file ends before it")
        self.offsets[name] = self._file.tell()
        return header

    def _check_entry(self, name: str, header: bytes, size: int, crc: int, length: int) -> None:
        entry = evidence.ZipEntry(name=name, size=size, crc=crc)
        if length != size or header != evidence.local_header(entry):
            raise SpoiledPack(name, "what stands before its bytes is not what the manifest makes")
        self._entries.append(entry)


class EvidenceKey:
    """The key that signs the manifests of packs; it can be shared between threads."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = spki(key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def open_key(keys_folder: Path, password: bytes | None) -> EvidenceKey:
    """Open the node's key for packs; create it when there is none. Misconfigured when it cannot be opened."""
    path = keys_folder / KEY_FOLDER / KEY_FILE
    key = own_key(path, password, Ed25519PrivateKey.generate, "of evidence packs")
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"the key of evidence packs must be an Ed25519 key: {path}")
    public = path.with_name(PUBLIC_KEY_FILE)
    if not public.is_file():
        write_private(public, public_pem(key.public_key()))
    return EvidenceKey(key)


def check_signature(signature: PackSignature, signed: bytes) -> None:
    """Check that the key named in the signature signed these bytes; SpoiledPack when not. The caller judges the key."""
    try:
        key = load_der_public_key(signature.public_key)
        if not isinstance(key, Ed25519PublicKey) or spki(key) != signature.public_key:
            raise ValueError
        key.verify(signature.signature, signed)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SpoiledPack(SIGNATURE, "the key that it names is none that signs packs") from error
    except InvalidSignature as error:
        raise SpoiledPack(SIGNATURE, "the key that it names did not sign this manifest") from error
