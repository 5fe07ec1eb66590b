"""The file of a backup: its members and its encryption. In: members, or the file and its passphrase. Out: one tar stream,
written or read one member at a time in bounded memory: first the description, last the manifest with every count and
digest. The file is a tar of two age files (`trust.sealed_files`): a key for this file alone, which the passphrase decrypts,
and the stream, which that key decrypts. So nothing of it is readable, every changed, missing, added or exchanged byte is
detected, and tar and any age tool open it without this program."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyrage
from pydantic import TypeAdapter, ValidationError

from gateway import errors
from gateway.ports.services import Readable
from gateway.store.dump import Sum, TableShape
from gateway.trust import sealed_files
from gateway.trust.sealed_files import Broken, NotOpened, Piped

SHORTEST_PASSPHRASE = 12
KEY, STREAM = "key.age", "backup.tar.age"
_LONGEST_KEY = 4096


class Damaged(errors.GatewayError):
    """The backup is not what was written, or the passphrase is another one."""

    code = "GW-B-001"
    label_key = "error.damaged_backup"


# The format of a backup in one file, and of one whose tables and content lie in pieces beside it (`ops.backup_store`).
FORMAT, IN_PIECES = 1, 2
DESCRIPTION, MANIFEST, SETTINGS = "about.json", "manifest.json", "settings.toml"
TABLES, CONTENT, KEYS, TRUST = "tables/", "content/", "keys/", "trust/"
AT_ONCE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupDescription:
    """First member of a backup: the facts that a reader must know before the first row."""

    format: int
    at: datetime
    node: str
    program: str
    database: str
    revision: str
    shapes: tuple[TableShape, ...]


@dataclass(slots=True, kw_only=True)
class BackupManifest:
    """Last member of a backup: the counts and digests that a restore must find. `lacks` has the reason by digest for
    content that rows refer to and whose bytes were missing or damaged; `files` has the digests of keys, trust and settings
    by their names here. `new_bytes`: what a backup in pieces added to its folder."""

    tables: dict[str, Sum]
    contents: int
    content_bytes: int
    lacks: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    new_bytes: int = 0

    def count(self, digest: str, size: int, lack: str | None) -> None:
        """Count one copied content, or record the reason `lack` why its bytes are not in the backup."""
        if lack is not None:
            self.lacks[digest] = lack
        else:
            self.contents += 1
            self.content_bytes += size

    @property
    def rows(self) -> int:
        return sum(table_sum.rows for table_sum in self.tables.values())


ABOUT_JSON = TypeAdapter(BackupDescription)
MANIFEST_JSON = TypeAdapter(BackupManifest)


class BackupWriter:
    """Writer of members into one encrypted file. `finish` completes the file; `close` ends the work in any case."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        identity = pyrage.x25519.Identity.generate()
        locked = sealed_files.lock(identity, passphrase)
        file.write(_head(KEY, len(locked)) + locked + _padding(len(locked)))
        self._file, self._head_at = file, file.tell()
        file.write(bytes(tarfile.BLOCKSIZE))  # until its size is known
        self._sealed = Piped(partial(sealed_files.seal, target=file, recipient=identity.to_public()), "wb")
        self.close = self._sealed.close
        self.new_bytes = 0  # of pieces: a backup in one file has none

    def write(self, name: str, data: bytes) -> None:
        self._add(name, len(data), io.BytesIO(data))

    def copy(self, name: str, path: Readable, size: int) -> str:
        """Copy a file that should have `size` bytes. Return its digest; empty when its size differs, in which case the copy
        is cut off or padded. FileNotFoundError, with nothing written, when it does not exist."""
        with path.open("rb") as file:
            reader = Measured(file, size)
            self._add(name, size, reader)
            return reader.digest

    def finish(self) -> None:
        self._sealed.write(_END)
        self.close()
        size = self._file.tell() - self._head_at - tarfile.BLOCKSIZE
        self._file.write(_padding(size) + _END)
        self._file.seek(self._head_at)
        self._file.write(_head(STREAM, size))

    def _add(self, name: str, size: int, content: io.BytesIO | Measured) -> None:
        if len(name.encode()) > tarfile.LENGTH_NAME:
            raise errors.StoreFailure(
                f"the name {name} is too long for a backup; give the file a shorter one"
            )
        self._sealed.write(_head(name, size))
        while piece := content.read(AT_ONCE):
            self._sealed.write(piece)
        self._sealed.write(_padding(size))


_END = bytes(2 * tarfile.BLOCKSIZE)


def _head(name: str, size: int) -> bytes:
    head = tarfile.TarInfo(name)
    head.size, head.mode = size, 0o600
    return head.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


class Measured:
    """Reader that returns exactly `size` bytes of a file and hashes them; it pads a shorter file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._remaining = file, size
        self._hashed = hashlib.sha256()
        self._is_short = False

    @property
    def digest(self) -> str:
        """The digest of the file, once it is read; empty when the file was shorter or longer than `size`."""
        return "" if self._is_short or self._file.read(1) else self._hashed.hexdigest()

    def read(self, size: int) -> bytes:
        length = min(size, self._remaining)
        piece = self._file.read(length)
        self._hashed.update(piece)
        self._is_short = self._is_short or len(piece) < length
        self._remaining -= length
        return piece.ljust(length, b"\0")


class BackupReader:
    """Reader of members in the order of writing, which returns only verified bytes. Damage raises Damaged with the member
    in or after which it is, and the byte before which verification fails. Close the reader at the end."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._file, self._name = file, "its beginning"
        is_earlier = file.read(len(sealed_files.EARLIER_BACKUP)) == sealed_files.EARLIER_BACKUP
        file.seek(0)
        with self._damage_named():
            if is_earlier:
                unseal = partial(sealed_files.unseal_earlier_backup, file, passphrase=passphrase)
            else:
                unseal = _open_stream(file, passphrase)
        self._sealed = Piped(unseal, "rb")
        self.close = self._sealed.close

    def next(self) -> tarfile.TarInfo | None:
        """Return the next member, whose bytes must be read before the next call; None at the verified end of the file."""
        with self._damage_named():
            head = self._sealed.read(tarfile.BLOCKSIZE)
            if head.strip(b"\0"):
                member = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
                self._name = member.name
                return member
            while self._sealed.read(AT_ONCE):
                continue
        return None

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        remaining = member.size
        with self._damage_named():
            while remaining:
                piece = self._sealed.read(min(AT_ONCE, remaining))
                if not piece:
                    raise Broken("it ends too early")
                remaining -= len(piece)
                yield piece
            self._sealed.read(-member.size % tarfile.BLOCKSIZE)

    def read(self, member: tarfile.TarInfo) -> bytes:
        return b"".join(self.pieces(member))

    def skip(self, member: tarfile.TarInfo) -> None:
        """Go past a member: each is read before the next one."""
        for _ in self.pieces(member):
            pass

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except NotOpened as cause:
            raise Damaged(
                "the passphrase does not open this backup, or its first bytes are damaged",
                hint="try the passphrase that was in force when the backup was made, then another copy of the file",
                code="GW-B-002",
            ) from cause
        except (Broken, tarfile.TarError) as cause:
            raise Damaged(
                f"the backup is damaged before byte {self._file.tell()}: {cause} (in or behind {self._name})",
                hint="use another copy of the file, or the backup before it",
            ) from cause


def _open_stream(file: BinaryIO, passphrase: bytes) -> partial[None]:
    """Return the function that decrypts the stream. Broken when the file is not exactly two members and their end."""
    outer = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the caller closes the file
    members = [member for member in (outer.next(), outer.next()) if member is not None and member.isreg()]
    if [member.name for member in members] != [KEY, STREAM]:
        raise Broken("it is no backup of this program")
    for member, end in zip(members, (b"", _END), strict=True):
        file.seek(member.offset)
        head, trailer = file.read(tarfile.BLOCKSIZE), _padding(member.size) + end
        file.seek(member.offset_data + member.size)
        if head != _head(member.name, member.size) or file.read(len(trailer) + bool(end)) != trailer:
            raise Broken(
                "it ends too early, there are bytes after its end, or its frame is not what was written"
            )
    key, stream = (tarfile.ExFileObject(outer, member) for member in members)
    unlocked = sealed_files.unlock(key.read(_LONGEST_KEY), passphrase, sealed_files.MOST_WORK)
    identity = sealed_files.identity_in(unlocked)
    return partial(sealed_files.unseal, stream, identity=identity)


def read_about(data: bytes) -> BackupDescription:
    """Parse the description. Damaged when it is unreadable, Misconfigured for a format of another version."""
    try:
        description = ABOUT_JSON.validate_json(data)
    except ValidationError as cause:
        raise Damaged(f"the first member of the backup cannot be read: {cause}") from cause
    if description.format not in (FORMAT, IN_PIECES):
        raise errors.Misconfigured(
            f"the backup has format {description.format}, and this version reads {FORMAT} and {IN_PIECES}",
            code="GW-B-003",
            hint="restore it with the version of the program that made it",
        )
    return description


def passphrase_of(file: Path) -> bytes:
    """Return the passphrase, the first line of the file. Misconfigured when it is unreadable or too short."""
    try:
        text = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.Misconfigured(f"the passphrase file {file} cannot be read") from error
    if len(text) < SHORTEST_PASSPHRASE:
        raise errors.Misconfigured(
            f"the passphrase in {file} has {len(text)} characters; its first line needs {SHORTEST_PASSPHRASE} or more",
            code="GW-B-005",
        )
    return text.encode()
