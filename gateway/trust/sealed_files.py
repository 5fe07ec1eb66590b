"""Sealed files in the age format (age-encryption.org), which any age tool opens. In: a stream, and a key or a passphrase.
Out: its sealed form, or the bytes again, each proved before it is given out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Literal, Protocol, TypeAlias

import pyrage

AGE = b"age-encryption.org/v1\n"
# Work for each guess at a passphrase, as a power of two: 4 GiB, which is the most that age's own tool spends as well.
_MOST_WORK = 22
_LOCKED = re.compile(rb"age-encryption\.org/v1\n-> scrypt \S{22} (\d{1,2})\n")

Identity: TypeAlias = pyrage.x25519.Identity
Recipient: TypeAlias = pyrage.x25519.Recipient


class ByteTarget(Protocol):
    def write(self, data: bytes, /) -> int: ...


class ByteSource(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; fewer at the end only."""


class NotOpened(Exception):
    """The key or passphrase is another one, or the first bytes are damaged. Nothing was given out."""


class Broken(Exception):
    """The sealed form was changed or cut off. What was given out before that place is as it was sealed."""


def seal(source: ByteSource, target: ByteTarget, recipient: Recipient) -> None:
    try:
        pyrage.encrypt_io(source, target, [recipient])
    except pyrage.EncryptError as cause:  # so the library tells what `target` raised at its first bytes
        raise OSError(str(cause)) from cause


def unseal(source: ByteSource, target: ByteTarget, identity: Identity) -> None:
    try:
        pyrage.decrypt_io(source, target, [identity])
    except pyrage.DecryptError as cause:
        raise NotOpened(str(cause)) from cause
    except OSError as cause:
        # The library's own faults are of this type as well, and have no number.
        if cause.errno is not None:
            raise
        raise Broken("it is not what was sealed, or it ends too early") from cause


def lock(identity: Identity, passphrase: bytes) -> bytes:
    """A key as a file that the passphrase opens. It takes a second, and up to 1 GiB of memory."""
    locked: bytes = pyrage.passphrase.encrypt(f"{identity}\n".encode(), passphrase.decode())
    return locked


def unlock(locked: bytes, passphrase: bytes) -> bytes:
    """NotOpened for another passphrase, and for a file that asks for more work than a tool of age would spend."""
    head = _LOCKED.match(locked)
    if head is None or int(head[1]) > _MOST_WORK:
        raise NotOpened("it is no file that a passphrase opens")
    try:
        unlocked: bytes = pyrage.passphrase.decrypt(locked, passphrase.decode())
    except (pyrage.DecryptError, UnicodeDecodeError) as cause:
        raise NotOpened(str(cause)) from cause
    return unlocked


def identity_in(text: bytes) -> Identity:
    """The one private key of age in a file; NotOpened when there is none."""
    try:
        return pyrage.x25519.Identity.from_str(_line(text, "AGE-SECRET-KEY-1"))
    except (ValueError, pyrage.IdentityError) as cause:
        raise NotOpened(f"it holds no private key: {cause}") from cause


def recipient_in(text: bytes) -> Recipient:
    """The one public key of age in a file; ValueError when there is none."""
    try:
        return pyrage.x25519.Recipient.from_str(_line(text, "age1"))
    except pyrage.RecipientError as cause:
        raise ValueError(f"it holds no public key: {cause}") from cause


def _line(text: bytes, start: str) -> str:
    lines = [line.strip() for line in text.decode("ascii").splitlines() if line.startswith(start)]
    if len(lines) != 1:
        raise ValueError(f"it has {len(lines)} lines that begin with {start}; one is expected")
    return lines[0]


class Piped:
    """A stream that a function reads, or writes, whole, in a thread of its own, and that is written, or read, here piece by
    piece. The function's error is raised by `write`, by `close` after writing, and by `read` behind its last byte."""

    def __init__(self, work: Callable[[IO[bytes]], None], mode: Literal["rb", "wb"]) -> None:
        reading, writing = os.pipe()
        self._is_read = mode == "rb"
        mine, other = (reading, writing) if self._is_read else (writing, reading)
        self._file, end = os.fdopen(mine, mode), os.fdopen(other, "wb" if self._is_read else "rb")

        def run() -> None:
            with end:
                work(end)

        with_one = ThreadPoolExecutor(1, thread_name_prefix="sealed-file")
        self._work = with_one.submit(run)
        with_one.shutdown(wait=False)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end only."""
        data = self._file.read(size)
        if len(data) < size:
            self._work.result()
        return data

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except BrokenPipeError:
            self._work.result()
            raise

    def close(self) -> None:
        """A function that still writes is not waited for: its next write fails."""
        with suppress(BrokenPipeError):
            self._file.close()
        if not self._is_read:
            self._work.result()
