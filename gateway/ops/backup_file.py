"""The file of a backup: what lies in it under which name, and how it is sealed. In: members, or the file and its
passphrase. Out: one tar stream, written or read one member at a time in bounded memory: first what it is about, last
the manifest with every count and digest.

The stream is sealed with the passphrase, piece by piece, so that nothing of it is readable and no changed, missing,
added or exchanged byte goes unseen. The key is scrypt of the passphrase and a salt of this file alone; each piece is
AES-256-GCM over its place in the file."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import TypeAdapter, ValidationError

from gateway import errors
from gateway.store.dump import Sum, TableShape
from gateway.trust.hold_seal import nonce, opened_piece

MAGIC = b"LTGWBAK1"
PIECE = 1024 * 1024
SHORTEST_PASSPHRASE = 12
# 128 MiB and a third of a second for each guess at the passphrase.
COST_LOG2 = 17
# What a file may ask of us before a byte of it is proved: 1 GiB.
_MOST_COST_LOG2 = 20
_SALT = 16
_TAG = 16
_HEADER = struct.Struct(f">8sB{_SALT}s")
_LENGTH = struct.Struct(">I")


class Damaged(errors.GatewayError):
    """The backup is not what was written, or the passphrase is another one."""

    code = "GW-B-001"
    label_key = "error.damaged_backup"


class SealedWriter:
    """Takes bytes and writes sealed pieces. `close` writes the last one, without which the file counts as cut off; the
    file below stays open."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        salt = os.urandom(_SALT)
        self._file = file
        self._header = _HEADER.pack(MAGIC, COST_LOG2, salt)
        self._key = AESGCM(_key(passphrase, salt, COST_LOG2))
        self._count = 0
        self._held = bytearray()
        file.write(self._header)

    def write(self, data: bytes) -> int:
        self._held += data
        while len(self._held) > PIECE:
            self._seal(bytes(self._held[:PIECE]), last=False)
            del self._held[:PIECE]
        return len(data)

    def close(self) -> None:
        self._seal(bytes(self._held), last=True)
        self._held.clear()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        sealed = self._key.encrypt(nonce(self._count, last), piece, self._header)
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)
        self._count += 1


class SealedReader:
    """Gives back what was sealed, and nothing that is not proved. Damaged names the byte where the proof fails."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._file = file
        self._header = file.read(_HEADER.size)
        if len(self._header) < _HEADER.size or not self._header.startswith(MAGIC):
            raise Damaged("this is no backup of this program, or its first bytes are damaged")
        _, cost, salt = _HEADER.unpack(self._header)
        if not 1 <= cost <= _MOST_COST_LOG2:
            raise Damaged("the first bytes of the backup are damaged")
        self._key = AESGCM(_key(passphrase, salt, cost))
        self._count = 0
        self._at = _HEADER.size
        self._over = False
        self._held = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end only."""
        parts, wanted = [], size
        while wanted and (self._held or self._next()):
            # Views, not copies: a member's head is 512 bytes, and a piece holds two thousand of those.
            part, self._held = self._held[:wanted], self._held[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def finish(self) -> None:
        """Reads on to the end of the file: a byte after the last piece is damage too."""
        while not self._over:
            self._next()
        if self._file.read(1):
            raise self._damage("there are bytes after its end")

    def _next(self) -> bool:
        if self._over:
            return False
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if not _TAG <= length <= PIECE + _TAG:
            raise self._damage("a length is wrong")
        self._held = memoryview(self._opened(self._exactly(length)))
        self._at += _LENGTH.size + length
        self._count += 1
        return True

    def _opened(self, sealed: bytes) -> bytes:
        opened = opened_piece(self._key, sealed, self._count, self._header)
        if opened is not None:
            piece, self._over = opened
            return piece
        if self._count == 0:
            raise Damaged(
                "the passphrase does not open this backup, or its first million bytes are damaged",
                hint="try the passphrase that was in force when the backup was made, then another copy of the file",
                code="GW-B-002",
            )
        raise self._damage("a piece is not what was written")

    def _exactly(self, size: int) -> bytes:
        found = self._file.read(size)
        if len(found) < size:
            raise self._damage("it ends too early")
        return found

    def _damage(self, what: str) -> Damaged:
        return Damaged(
            f"the backup is damaged from byte {self._at} on: {what}",
            hint="use another copy of the file, or the backup before it",
        )


def _key(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase)


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
    shapes: tuple[TableShape, ...]


@dataclass(slots=True, kw_only=True)
class BackupManifest:
    """What must be found again; filled while the copy is made. `lacks` are digests that rows refer to and whose bytes
    were gone or damaged already; `files` are the digests of keys, trust and settings by their names here."""

    tables: dict[str, Sum]
    contents: int
    content_bytes: int
    lacks: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def see(self, digest: str, size: int, lack: str | None) -> None:
        """One content that was copied, or what became of it."""
        if lack is not None:
            self.lacks[digest] = lack
        else:
            self.contents += 1
            self.content_bytes += size

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
MANIFEST_JSON = TypeAdapter(BackupManifest)


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


class BackupReader:
    """Reads members in the order in which they were written. Damage is told with the member it lies in or behind."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._sealed = SealedReader(file, passphrase)
        self._name = "its beginning"

    def next(self) -> tarfile.TarInfo | None:
        """The next member, to be read before the one after it; None at the proved end of the file."""
        with self._named():
            head = self._sealed.read(tarfile.BLOCKSIZE)
            if not head.strip(b"\0"):
                self._sealed.finish()
                return None
            found = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
        self._name = found.name
        return found

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        left = member.size
        with self._named():
            while left:
                piece = self._sealed.read(min(AT_ONCE, left))
                if not piece:
                    raise Damaged("the backup ends too early")
                left -= len(piece)
                yield piece
            self._sealed.read(-member.size % tarfile.BLOCKSIZE)

    def whole(self, member: tarfile.TarInfo) -> bytes:
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
            f"the passphrase in {file} has {len(text)} characters; its first line needs {SHORTEST_PASSPHRASE} or more",
            code="GW-B-005",
        )
    return text.encode()
