"""A folder of backups that keeps each content and each piece of a table once. In: the members of one backup. Out: one small
sealed file for each backup, in the form of `ops.backup_file`, that names what it consists of; the pieces beside it, sealed
one by one. What no kept backup names is deleted when older backups are.

`key.age` is the key of the folder, which the passphrase opens; `pieces/` has the pieces, each an age file for that key. The
name of a piece is a keyed digest of its content: who sees the folder cannot tell whether a document that he has is in it.
`NODE-TIME.pieces` beside a backup has the names of its pieces, 32 bytes each, so that deleting needs no passphrase."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import hmac
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyrage

from gateway import errors
from gateway.atomic_files import make_private, new_file, write_private
from gateway.domain.identity import Digest
from gateway.ops import backup_file as form
from gateway.ops.backup_file import BackupReader, BackupWriter, Damaged
from gateway.ports.services import Readable
from gateway.store.data_folder import SNAPSHOT_SUFFIX
from gateway.trust import sealed_files
from gateway.trust.sealed_files import Broken, NotOpened, Piped

NAMES_SUFFIX = ".pieces"
# Member of a backup that lists content: lines of a digest and a size.
LISTS = "content-lists/"
PIECES = "pieces"
# Names of files that were deleted here and not yet in the copy of the folder (`ops.backup_copy`).
DELETED = ".deleted"
_KEY, _LOCK = "key.age", ".lock"
_NAME_BYTES = 32
_LINES_AT_ONCE = 8192
_DIGITS = 64


class BackupStore:
    """The pieces of one folder, opened with its key; a new folder gets a key."""

    def __init__(self, folder: Path, identity: sealed_files.Identity) -> None:
        self.folder = folder
        self._identity, self._recipient = identity, identity.to_public()
        self._name_key = hashlib.sha256(b"names of pieces " + str(identity).encode()).digest()

    @classmethod
    def open(cls, folder: Path, passphrase: bytes, *, make: bool = False) -> BackupStore:
        """Open the folder. Damaged for another passphrase or a key that is not there; `make` gives a new folder its key."""
        file = folder / _KEY
        if make and not file.exists():
            if any(folder.glob(f"{PIECES}/*/*")):
                raise Damaged(
                    f"{file} is missing, and there are pieces that it opens; put it back from a copy"
                )
            write_private(file, sealed_files.lock(pyrage.x25519.Identity.generate(), passphrase))
        try:
            return cls(folder, sealed_files.identity_in(sealed_files.unlock(file.read_bytes(), passphrase)))
        except FileNotFoundError as cause:
            raise Damaged(
                f"{file} is missing; without it the backups beside it do not open",
                hint="copy the folder of backups as a whole",
            ) from cause
        except NotOpened as cause:
            raise Damaged(
                f"the passphrase does not open {file}, or it is damaged",
                hint="try the passphrase with which the folder was begun",
                code="GW-B-002",
            ) from cause

    def name_of(self, digest: str) -> bytes:
        return hmac.digest(self._name_key, digest.encode("ascii"), "sha256")

    def has(self, digest: str) -> bool:
        return self._path(digest).exists()

    def stat(self, digest: str) -> os.stat_result:
        try:
            return self._path(digest).stat()
        except FileNotFoundError as cause:
            raise self._missing(digest) from cause

    def keep(self, digest: str, source: BinaryIO, size: int) -> bool:
        """Keep `size` bytes as the piece of that digest, durably. Return whether they have it; nothing is kept if not."""
        path, measured = self._path(digest), form.Measured(source, size)
        make_private(path.parent)
        try:
            with new_file(path, 0o600) as file:
                sealed_files.seal(measured, file, self._recipient)
                if measured.digest != digest:
                    raise _OtherBytes
        except _OtherBytes:
            return False
        return True

    @contextmanager
    def reading(self, digest: str) -> Iterator[Piped]:
        """Yield the content of a piece. Damaged, at the latest at its end, if it is missing or was changed."""
        try:
            with (
                self._path(digest).open("rb") as file,
                closing(Piped(partial(sealed_files.unseal, file, identity=self._identity), "rb")) as piece,
            ):
                yield piece
        except FileNotFoundError as cause:
            raise self._missing(digest) from cause
        except (NotOpened, Broken) as cause:
            raise Damaged(
                f"the piece {self.name_of(digest).hex()} of the backup is damaged: {cause}", hint=_OTHER_COPY
            ) from cause

    def _missing(self, digest: str) -> Damaged:
        return Damaged(f"the piece {self.name_of(digest).hex()} of the backup is missing", hint=_OTHER_COPY)

    def _path(self, digest: str) -> Path:
        return _path_of(self.folder, self.name_of(digest))


_OTHER_COPY = "use another copy of the folder, or the backup before it"


class _OtherBytes(Exception):
    """The bytes of a piece do not have its digest."""


class StoreWriter:
    """Writer of one backup into a store, with the interface of `BackupWriter`: tables and content go into pieces that are
    kept once, and into the backup their digests."""

    def __init__(self, store: BackupStore, writer: BackupWriter, names: BinaryIO) -> None:
        self._store, self._writer, self._names = store, writer, names
        self._lines: list[bytes] = []
        self._lists = 0
        self.new_bytes = 0
        self.close = writer.close

    def write(self, name: str, data: bytes) -> None:
        if name.startswith(form.TABLES):
            data = self._keep(data).encode("ascii")
        self._write_list()
        self._writer.write(name, data)

    def copy(self, name: str, path: Readable, size: int) -> str:
        """Copy as `BackupWriter` does; content that the store has is not read again."""
        if not name.startswith(form.CONTENT):
            self._write_list()
            return self._writer.copy(name, path, size)
        digest = name.removeprefix(form.CONTENT)
        if not self._store.has(digest):
            with path.open("rb") as file:
                if not self._store.keep(digest, file, size):
                    return ""
            self.new_bytes += size
        self._names.write(self._store.name_of(digest))
        self._lines.append(f"{digest} {size}\n".encode())
        if len(self._lines) == _LINES_AT_ONCE:
            self._write_list()
        return digest

    def finish(self) -> None:
        self._writer.finish()

    def _write_list(self) -> None:
        """Write the pending lines of the list of content as a member, if there are any."""
        if self._lines:
            packed = gzip.compress(b"".join(self._lines), compresslevel=1, mtime=0)
            self._writer.write(f"{LISTS}{self._lists:06}", self._keep(packed).encode("ascii"))
            self._lines, self._lists = [], self._lists + 1

    def _keep(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        if not self._store.has(digest):
            self._store.keep(digest, io.BytesIO(data), len(data))
            self.new_bytes += len(data)
        self._names.write(self._store.name_of(digest))
        return digest


class StoreReader:
    """Reader of a backup in a store, with the interface of `BackupReader`: the members are those that a backup in one file
    would have."""

    def __init__(self, store: BackupStore, reader: BackupReader) -> None:
        self._store, self._reader = store, reader
        self._listed: Iterator[tarfile.TarInfo] = iter(())
        # Digest of the piece that the member to read next is.
        self.piece: str | None = None

    def next(self) -> tarfile.TarInfo | None:
        if (listed := next(self._listed, None)) is not None:
            self.piece = listed.name.removeprefix(form.CONTENT)
            return listed
        member = self._reader.next()
        self.piece = None
        if member is not None and member.name.startswith((form.TABLES, LISTS)):
            self.piece = Digest(self._reader.read(member).decode("ascii"))
            if member.name.startswith(LISTS):
                self._listed = _listed(gzip.decompress(self.read(member)))
                return self.next()
        return member

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        if self.piece is None:
            yield from self._reader.pieces(member)
            return
        with self._store.reading(self.piece) as file:
            while piece := file.read(form.AT_ONCE):
                yield piece

    def read(self, member: tarfile.TarInfo) -> bytes:
        return b"".join(self.pieces(member))

    def stat_piece(self) -> os.stat_result:
        """Return what the file system says of the member's piece. Damaged if it is missing."""
        return self._store.stat(self.piece or "")

    def skip(self, member: tarfile.TarInfo) -> None:
        """Go past a member; a piece of its own is not read."""
        if self.piece is None:
            self._reader.skip(member)


def _listed(lines: bytes) -> Iterator[tarfile.TarInfo]:
    for line in lines.splitlines():
        member = tarfile.TarInfo(form.CONTENT + Digest(line[:_DIGITS].decode("ascii")))
        member.size = int(line[_DIGITS:])
        yield member


def names_file(backup: Path) -> Path:
    return backup.with_suffix(NAMES_SUFFIX)


def size_of(backup: Path) -> int:
    """Return the bytes that a backup takes with its pieces. Damaged, with their number, if pieces are missing."""
    size, missing = backup.stat().st_size, 0
    for name in sorted(_names_in(names_file(backup))):
        try:
            size += _path_of(backup.parent, name).stat().st_size
        except FileNotFoundError:
            missing += 1
    if missing:
        raise Damaged(f"{missing} pieces of {backup.name} are missing", hint=_OTHER_COPY)
    return size


def delete(folder: Path, backups: list[Path], *, has_copy: bool = False) -> int:
    """Delete these backups and every piece that none of the others names. Return the number of pieces deleted. Damaged,
    with nothing deleted, if the names of one that stays are missing. `has_copy`: the folder is copied to another place,
    where these have to be deleted too."""
    with alone(folder):
        staying = [file for file in folder.glob(f"*{SNAPSHOT_SUFFIX}") if file not in backups]
        needed = {name for file in staying for name in _names_in(names_file(file))}
        with open(folder / DELETED if has_copy else os.devnull, "a", encoding="ascii") as deleted_names:

            def remove(file: Path) -> None:
                # Its name first: what is named and still there is not deleted in the copy.
                print(file.relative_to(folder), file=deleted_names, flush=True)
                file.unlink(missing_ok=True)

            for file in backups:
                remove(file)
                remove(names_file(file))
            deleted = 0
            for piece in folder.glob(f"{PIECES}/*/*"):
                # A name that begins with a dot is that of a half-written file, whose writer was killed.
                if piece.name.startswith(".") or bytes.fromhex(piece.name) not in needed:
                    remove(piece)
                    deleted += 1
    return deleted


def _names_in(file: Path) -> set[bytes]:
    try:
        data = file.read_bytes()
    except FileNotFoundError as cause:
        raise Damaged(
            f"{file} is missing, so nobody can tell which pieces its backup needs: nothing was deleted",
            hint="put the file back from a copy, or move its backup away",
        ) from cause
    return {data[start : start + _NAME_BYTES] for start in range(0, len(data), _NAME_BYTES)}


def _path_of(folder: Path, name: bytes) -> Path:
    text = name.hex()
    return folder / PIECES / text[:2] / text


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other backup into this folder, and every deletion there, from running meanwhile; Clash if one does. Two
    that begin a folder together would each give it a key."""
    make_private(folder)
    with open(folder / _LOCK, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise errors.Clash(
                f"another backup into {folder} is running", hint="wait until it has ended"
            ) from cause
        yield
