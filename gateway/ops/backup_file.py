"""What lies in a backup, and how it is named there: one tar stream of a few kinds of members, first what it is about, last
the manifest with every count and digest. In: values. Out: members written or read, one at a time, in bounded memory."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter, ValidationError

from gateway import errors
from gateway.ops.backup_seal import SHORTEST_PASSPHRASE, Damaged, SealedReader, SealedWriter
from gateway.store.dump import Shape, Sum

FORMAT = 1
ABOUT, MANIFEST, SETTINGS = "about.json", "manifest.json", "settings.toml"
TABLES, CONTENT, KEYS, TRUST = "tables/", "content/", "keys/", "trust/"
AT_ONCE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a reader must know before the first row."""

    format: int
    at: datetime
    node: str
    program: str
    database: str
    revision: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What must be found again. `lacks` are digests that rows refer to and whose bytes were gone or damaged already;
    `files` are the digests of keys, trust and settings by their names here."""

    tables: dict[str, Sum]
    contents: int
    content_bytes: int
    lacks: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.tables.values())


class Summing:
    """Counts and hashes a table's lines as they pass."""

    def __init__(self) -> None:
        self._rows, self._hashed = 0, hashlib.sha256()

    def add(self, lines: Sequence[bytes]) -> None:
        self._rows += len(lines)
        for line in lines:
            self._hashed.update(line)

    def sum(self) -> Sum:
        return Sum(rows=self._rows, digest=self._hashed.hexdigest())


ABOUT_JSON = TypeAdapter(About)
MANIFEST_JSON = TypeAdapter(Manifest)


class BackupWriter:
    """Writes members into one sealed file. `finish` makes it whole."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._sealed = SealedWriter(file, passphrase)

    def put(self, name: str, data: bytes) -> None:
        self._add(name, len(data), io.BytesIO(data))

    def copy(self, name: str, path: Path, size: int) -> str:
        """Copies a file that should have that size. Its digest, or an empty text when it has another size: then it is
        cut off or filled up. FileNotFoundError, and nothing written, when it is not there."""
        with path.open("rb") as file:
            reader = _Measured(file, size)
            self._add(name, size, reader)
            return reader.digest

    def finish(self) -> None:
        self._sealed.write(bytes(2 * tarfile.BLOCKSIZE))
        self._sealed.close()

    def _add(self, name: str, size: int, content: io.BytesIO | _Measured) -> None:
        if len(name.encode()) > tarfile.LENGTH_NAME:
            raise errors.StoreFailure(
                f"the name {name} is too long for a backup; give the file a shorter one"
            )
        head = tarfile.TarInfo(name)
        head.size, head.mode = size, 0o600
        self._sealed.write(head.tobuf(tarfile.GNU_FORMAT))
        while piece := content.read(AT_ONCE):
            self._sealed.write(piece)
        self._sealed.write(bytes(-size % tarfile.BLOCKSIZE))


class _Measured:
    """Reads exactly `size` bytes, hashing what is there and filling up what is not."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size
        self._hashed = hashlib.sha256()
        self._short = False

    @property
    def digest(self) -> str:
        """Of the file; empty when it was too short or too long."""
        return "" if self._short or self._file.read(1) else self._hashed.hexdigest()

    def read(self, size: int) -> bytes:
        wanted = min(size, self._left)
        found = self._file.read(wanted)
        self._hashed.update(found)
        self._short = self._short or len(found) < wanted
        self._left -= wanted
        return found.ljust(wanted, b"\0")


@dataclass(frozen=True, slots=True)
class Member:
    """One member, at the reader's present place; it must be read before the next one is asked for."""

    name: str
    size: int


class BackupReader:
    """Reads members in the order in which they were written. Damage is told with the member it lies in or behind."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._sealed = SealedReader(file, passphrase)
        self._name = "its beginning"

    def next(self) -> Member | None:
        """The next member; None at the proved end of the file."""
        with self._named():
            head = self._sealed.read(tarfile.BLOCKSIZE)
            if not head.strip(b"\0"):
                self._sealed.finish()
                return None
            found = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
        self._name = found.name
        return Member(found.name, found.size)

    def pieces(self, member: Member) -> Iterator[bytes]:
        left = member.size
        with self._named():
            while left:
                piece = self._sealed.read(min(AT_ONCE, left))
                if not piece:
                    raise Damaged("the backup ends too early")
                left -= len(piece)
                yield piece
            self._sealed.read(-member.size % tarfile.BLOCKSIZE)

    def whole(self, member: Member) -> bytes:
        return b"".join(self.pieces(member))

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Damaged as cause:
            raise Damaged(
                f"{cause.detail} (in or behind {self._name})", code=cause.code, hint=cause.hint
            ) from cause
        except tarfile.TarError as cause:
            raise Damaged(f"the backup holds no readable member behind {self._name}: {cause}") from cause


def read_about(data: bytes) -> About:
    """Misconfigured for a format of another version of the program."""
    try:
        about = ABOUT_JSON.validate_json(data)
    except ValidationError as cause:
        raise Damaged(f"the first member of the backup cannot be read: {cause}") from cause
    if about.format != FORMAT:
        raise errors.Misconfigured(
            f"the backup has format {about.format}, and this version reads {FORMAT}",
            code="GW-B-003",
            hint="restore it with the version of the program that made it",
        )
    return about


def passphrase_of(file: Path) -> bytes:
    """The first line of the file. Misconfigured when it cannot be read or is too short to protect keys."""
    try:
        text = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as why:
        raise errors.Misconfigured(f"the passphrase file {file} cannot be read") from why
    if len(text) < SHORTEST_PASSPHRASE:
        raise errors.Misconfigured(
            f"the passphrase in {file} has {len(text)} characters; its first line needs {SHORTEST_PASSPHRASE} or more"
        )
    return text.encode()
