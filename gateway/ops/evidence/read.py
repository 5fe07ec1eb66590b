"""Opens an evidence pack that anybody may have changed. In: a file. Out: `Pack`, once every byte of the file is the one
that the manifest makes (E5); else `SpoiledPack` with the member's name. One pass, bounded memory: members are read later
from their place, and only small ones whole. What the pack says is judged elsewhere."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.domain import evidence_zip as container
from gateway.domain.evidence import (
    MANIFEST,
    MOST_BYTES,
    MOST_MANIFEST,
    MOST_SIGNATURE,
    SIGNATURE,
    Manifest,
    Member,
    PackSignature,
    SpoiledPack,
)
from gateway.errors import NotFound

PIECE = 256 * 1024
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
        with opened(self.path) as file:
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
def opened(path: Path) -> Iterator[BinaryIO]:
    """NotFound, with why, when there is nothing to read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as cause:
        raise NotFound(
            f"the evidence pack {path} cannot be read: {cause.strerror or cause}",
            hint="give the path of one ZIP file that gateway evidence make wrote",
        ) from cause


def read(path: Path) -> Pack:
    """Compares the whole file with what its manifest makes."""
    with opened(path) as file:
        walk = _Walk(file)
        raw = walk.small(MANIFEST, MOST_MANIFEST)
        manifest = Manifest.from_bytes(raw)
        signature = PackSignature.from_bytes(walk.small(SIGNATURE, MOST_SIGNATURE))
        for each in manifest.members:
            walk.member(each)
        walk.end()
    return Pack(path=path, manifest=manifest, manifest_bytes=raw, signature=signature, offsets=walk.offsets)


class _Walk:
    """One pass over the file, from its first byte to its last."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[container.Entry] = []
        self.offsets: dict[str, int] = {}

    def small(self, name: str, most: int) -> bytes:
        """The first two members tell their own size, because nothing before them could."""
        header = self._header(name)
        size = container.size_told(header)
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
        if container.total_size(self._entries) > MOST_BYTES:
            raise SpoiledPack(_DIRECTORY, f"the pack has more than the {MOST_BYTES} bytes that one can have")
        offset = 0
        for each in self._entries:
            expected = container.central_header(each, offset)
            if self._file.read(len(expected)) != expected:
                raise SpoiledPack(each.name, f"{_DIRECTORY} does not list it as the manifest makes it")
            offset += each.footprint
        expected = container.end_record(self._entries)
        if self._file.read(len(expected)) != expected:
            raise SpoiledPack(_DIRECTORY, "its last record is not the one that the manifest makes")
        if self._file.read(1):
            raise SpoiledPack(_DIRECTORY, "bytes follow the end of the pack")

    def _header(self, name: str) -> bytes:
        size = container.LOCAL_SIZE + len(name)
        header = self._file.read(size)
        if len(header) < size:
            raise SpoiledPack(name, "the file ends before it")
        self.offsets[name] = self._file.tell()
        return header

    def _passed(self, name: str, header: bytes, size: int, crc: int, found: int) -> None:
        entry = container.Entry(name=name, size=size, crc=crc)
        if found != size or header != container.local_header(entry):
            raise SpoiledPack(name, "what stands before its bytes is not what the manifest makes")
        self._entries.append(entry)
