"""Seals a stream of bytes with a passphrase, piece by piece, so that nothing of it is readable and no changed, missing,
added or exchanged byte goes unseen. In: a passphrase and a file. Out: something to write to, or to read from. The key
is scrypt of the passphrase and a salt of this file alone; each piece is AES-256-GCM over its place in the file."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway import errors

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
        sealed = self._key.encrypt(_nonce(self._count, last), piece, self._header)
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
        for last in (False, True):
            try:
                piece = self._key.decrypt(_nonce(self._count, last), sealed, self._header)
            except InvalidTag:
                continue
            self._over = last
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


def _nonce(count: int, last: bool) -> bytes:
    """The piece's place. A key serves one file, so a place is never used twice."""
    return struct.pack(">QI", count, int(last))
