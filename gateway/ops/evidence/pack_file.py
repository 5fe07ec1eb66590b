"""An evidence pack as a file: written, opened again, and signed. In: parts that can be opened twice, the words of the
manifest and a key; or the path of a pack. Out: a stream of bytes; a `Pack`, or `SpoiledPack` with the member's name.

What is written has a size that is known beforehand, no member is ever held whole, and the same parts, words and key
always give the same bytes. A file that is opened may have been changed by anybody: it is a `Pack` once every byte is
the one that the manifest makes (E5), found in one pass and in bounded memory; what the pack says is judged elsewhere.
The key that answers for packs is used for nothing else; its public half lies beside it in PEM, to be handed to
whoever checks packs. It is Ed25519, so that the same pack has the same signature."""

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
from gateway.whole_files import write_private

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPart:
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

    @property
    def id(self) -> str:
        return self.manifest.pack

    @property
    def name(self) -> str:
        return file_name(self.id)


def file_name(pack: str) -> str:
    """How the file of that pack is called."""
    return f"{pack.lower()}.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    part: PackPart
    entry: evidence.ZipEntry
    sha256: str


def part_of(name: str, media: str, content: bytes) -> PackPart:
    """A part whose bytes are at hand."""
    return PackPart(name=name, media=media, open=lambda: BytesIO(content))


def prepare(parts: Sequence[PackPart], words: Manifest, signer: EvidenceKey) -> Ready:
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
    size = evidence.total_size([each.entry for each in whole])
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


def _weigh(part: PackPart) -> _Weighed:
    hasher, crc, size = hashlib.sha256(), 0, 0
    with part.open() as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            crc = zlib.crc32(piece, crc)
            size += len(piece)
    return _Weighed(
        part=part, entry=evidence.ZipEntry(name=part.name, size=size, crc=crc), sha256=hasher.hexdigest()
    )


def _pieces(whole: Sequence[_Weighed]) -> Iterator[bytes]:
    for each in whole:
        yield evidence.local_header(each.entry)
        yield from _weighed_content(each)
    offset = 0
    for each in whole:
        yield evidence.central_header(each.entry, offset)
        offset += each.entry.footprint
    yield evidence.end_record([each.entry for each in whole])


def _weighed_content(weighed: _Weighed) -> Iterator[bytes]:
    """What is not what was weighed would make a pack that fails everywhere: better none than that."""
    hasher = hashlib.sha256()
    with weighed.part.open() as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
            yield piece
    if hasher.hexdigest() != weighed.sha256:
        raise StoreFailure(f"{weighed.part.name} was changed while the pack was written; make it again")


# Members that are read whole, never envelopes; and all of one kind together, because a reader holds them.
MOST_READ = 16 * 1024 * 1024
MOST_TOGETHER = 64 * 1024 * 1024
_DIRECTORY = "the directory of the ZIP file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack whose bytes are those of its manifest. `signature` is read, not verified."""

    path: Path
    manifest: Manifest
    manifest_bytes: bytes
    signature: PackSignature
    offsets: Mapping[str, int]

    def member(self, name: str) -> Member:
        """SpoiledPack when the manifest names none of that name."""
        for each in self.manifest.members:
            if each.name == name:
                return each
        raise SpoiledPack(name, "the pack has no such member")

    def under(self, folder: str) -> list[Member]:
        return [each for each in self.manifest.members if each.name.startswith(folder)]

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, from its place in the file."""
        left = self.member(name).size
        with opened_pack(self.path) as file:
            file.seek(self.offsets[name])
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def read(self, name: str, most: int = MOST_READ) -> bytes:
        """A small member, whole; SpoiledPack when it is larger than such a one can be."""
        if self.member(name).size > most:
            raise SpoiledPack(name, f"it is larger than the {most} bytes that such a member can have")
        return b"".join(self.pieces(name))


def within(folder: str, members: Sequence[Member]) -> None:
    """SpoiledPack where a reader would have to hold more of one kind than a pack needs."""
    if sum(each.size for each in members) > MOST_TOGETHER:
        raise SpoiledPack(folder, f"its members are larger than {MOST_TOGETHER} bytes together")


@contextmanager
def opened_pack(path: Path) -> Iterator[BinaryIO]:
    """NotFound, with why, when there is nothing to read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as cause:
        raise NotFound(
            f"the evidence pack {path} cannot be read: {cause.strerror or cause}",
            hint="give the path of one ZIP file that gateway evidence make wrote",
        ) from cause


def read_pack(path: Path) -> Pack:
    """Compares the whole file with what its manifest makes."""
    with opened_pack(path) as file:
        walk = _PackWalk(file)
        raw = walk.small(MANIFEST, MOST_MANIFEST)
        manifest = Manifest.from_bytes(raw)
        signature = PackSignature.from_bytes(walk.small(SIGNATURE, MOST_SIGNATURE))
        for each in manifest.members:
            walk.member(each)
        walk.end()
    return Pack(path=path, manifest=manifest, manifest_bytes=raw, signature=signature, offsets=walk.offsets)


class _PackWalk:
    """One pass over the file, from its first byte to its last."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[evidence.ZipEntry] = []
        self.offsets: dict[str, int] = {}

    def small(self, name: str, most: int) -> bytes:
        """The first two members tell their own size, because nothing before them could."""
        header = self._header(name)
        size = evidence.size_told(header)
        if size > most:
            raise SpoiledPack(name, f"it is larger than the {most} bytes that it can have")
        content = self._file.read(size)
        self._passed(name, header, size, zlib.crc32(content), len(content))
        return content

    def member(self, told: Member) -> None:
        header = self._header(told.name)
        hasher, crc, left = hashlib.sha256(), 0, told.size
        while left and (piece := self._file.read(min(PIECE, left))):
            hasher.update(piece)
            crc = zlib.crc32(piece, crc)
            left -= len(piece)
        if left or hasher.hexdigest() != told.sha256:
            raise SpoiledPack(told.name, "its bytes are not those that the manifest names")
        self._passed(told.name, header, told.size, crc, told.size)

    def end(self) -> None:
        if evidence.total_size(self._entries) > MOST_BYTES:
            raise SpoiledPack(_DIRECTORY, f"the pack has more than the {MOST_BYTES} bytes that one can have")
        offset = 0
        for each in self._entries:
            expected = evidence.central_header(each, offset)
            if self._file.read(len(expected)) != expected:
                raise SpoiledPack(each.name, f"{_DIRECTORY} does not list it as the manifest makes it")
            offset += each.footprint
        expected = evidence.end_record(self._entries)
        if self._file.read(len(expected)) != expected:
            raise SpoiledPack(_DIRECTORY, "its last record is not the one that the manifest makes")
        if self._file.read(1):
            raise SpoiledPack(_DIRECTORY, "bytes follow the end of the pack")

    def _header(self, name: str) -> bytes:
        size = evidence.LOCAL_SIZE + len(name)
        header = self._file.read(size)
        if len(header) < size:
            raise SpoiledPack(name, "the file ends before it")
        self.offsets[name] = self._file.tell()
        return header

    def _passed(self, name: str, header: bytes, size: int, crc: int, found: int) -> None:
        entry = evidence.ZipEntry(name=name, size=size, crc=crc)
        if found != size or header != evidence.local_header(entry):
            raise SpoiledPack(name, "what stands before its bytes is not what the manifest makes")
        self._entries.append(entry)


# Below the exchange keys, with a name that no agency has.
KEY_FOLDER, KEY_FILE, PUBLIC_KEY_FILE = "_evidence", "pack.key.pem", "pack.pub.pem"


class EvidenceKey:
    """Signs manifests of packs. Safe to share between threads."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = spki(key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def open_key(keys_folder: Path, password: bytes | None) -> EvidenceKey:
    """The node's key, made when there is none yet. Misconfigured when it does not open."""
    path = keys_folder / KEY_FOLDER / KEY_FILE
    key = own_key(path, password, Ed25519PrivateKey.generate, "of evidence packs")
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"the key of evidence packs must be an Ed25519 key: {path}")
    public = path.with_name(PUBLIC_KEY_FILE)
    if not public.is_file():
        write_private(public, public_pem(key.public_key()))
    return EvidenceKey(key)


def check_signature(signature: PackSignature, manifest: bytes) -> None:
    """SpoiledPack unless the key that is named made it. Whose key that is, the caller asks."""
    try:
        key = load_der_public_key(signature.public_key)
        if not isinstance(key, Ed25519PublicKey) or spki(key) != signature.public_key:
            raise ValueError
        key.verify(signature.signature, signed_bytes(manifest))
    except (ValueError, UnsupportedAlgorithm) as why:
        raise SpoiledPack(SIGNATURE, "the key that it names is none that signs packs") from why
    except InvalidSignature as why:
        raise SpoiledPack(SIGNATURE, "the key that it names did not sign this manifest") from why
