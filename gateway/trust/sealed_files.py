"""Encrypts files in the age format (age-encryption.org), which any age tool decrypts; also decrypts our earlier formats.
The library encrypts for keys; a passphrase is applied here, because the library chooses its work by the machine's speed.
In: a stream, and a key or a passphrase. Out: the encrypted form, or the bytes, each authenticated before it is written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Literal, Protocol, TypeAlias

import pyrage
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway import random_source

AGE = b"age-encryption.org/v1\n"
# Work of a passphrase, as a power of two: of what we lock; the most in a process that serves; and the most for copies that
# this program locked before, whose work was chosen by the speed of the machine (4 GiB, the limit of age's own tool too).
WORK, WORK_IN_SERVICE, MOST_WORK = 17, 18, 22
# One scrypt stanza alone, and a content of one piece, as the specification of age has them.
_LOCKED = re.compile(
    rb"(age-encryption\.org/v1\n-> scrypt (\S{22}) ([1-9]\d?)\n(\S{43})\n---) (\S{43})\n(.{16})(.{16,65552})",
    re.DOTALL,
)
# Nonce of the first piece that is also the last one.
_ONLY = bytes(11) + b"\x01"

Identity: TypeAlias = pyrage.x25519.Identity
Recipient: TypeAlias = pyrage.x25519.Recipient
# Earlier formats, of backups under a passphrase and of content on hold. They are only decrypted.
EARLIER_BACKUP, EARLIER_HOLD = b"LTGWBAK1", b"LTHOLD01"
PemKey = X25519PrivateKey | rsa.RSAPrivateKey
_BACKUP_HEADER = struct.Struct(">8sB16s")
# Work that a file may demand before any of it is authenticated: 1 GiB.
_MOST_COST_LOG2 = 20
_LENGTH = struct.Struct(">I")
_LONGEST_HEADER = 8192
_LONGEST_PIECE = 1024 * 1024 + 16
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class ByteTarget(Protocol):
    def write(self, data: bytes, /) -> int: ...


class ByteSource(Protocol):
    def read(self, size: int, /) -> bytes:
        """Return `size` bytes; fewer only at the end."""


class NotOpened(Exception):
    """Error for a wrong key or passphrase, or damaged first bytes. Nothing was written."""


class Broken(Exception):
    """Error for an encrypted form that was changed or cut off. The bytes written before that place are right."""


def seal(source: ByteSource, target: ByteTarget, recipient: Recipient) -> None:
    try:
        pyrage.encrypt_io(source, target, [recipient])
    # The library reports errors of `target` at its first bytes in this way.
    except pyrage.EncryptError as cause:
        raise OSError(str(cause)) from cause


def unseal(source: ByteSource, target: ByteTarget, identity: Identity) -> None:
    try:
        pyrage.decrypt_io(source, target, [identity])
    except pyrage.DecryptError as cause:
        raise NotOpened(str(cause)) from cause
    except OSError as cause:
        # The library's own errors are OSErrors too, but have no number.
        if cause.errno is not None:
            raise
        raise Broken("it is not what was sealed, or it ends too early") from cause


def lock(identity: Identity, passphrase: bytes) -> bytes:
    """Return a key as an age file under the passphrase. It takes a third of a second and 128 MB; other threads run."""
    salt, nonce, file_key = (
        random_source.token_bytes(16),
        random_source.token_bytes(16),
        random_source.token_bytes(16),
    )
    wrapped = ChaCha20Poly1305(_wrap_key(passphrase, salt, WORK)).encrypt(bytes(12), file_key, None)
    head = b"%s-> scrypt %s %d\n%s\n---" % (AGE, _base64(salt), WORK, _base64(wrapped))
    sealed = ChaCha20Poly1305(_derive(file_key, nonce, b"payload")).encrypt(
        _ONLY, f"{identity}\n".encode(), None
    )
    return head + b" " + _base64(_mac(file_key, head)) + b"\n" + nonce + sealed


def unlock(locked: bytes, passphrase: bytes, most_work: int = WORK_IN_SERVICE) -> bytes:
    """Return the content of a small age file under a passphrase. Raise NotOpened for a wrong passphrase, a damaged file,
    and one that demands more work than `most_work`."""
    match = _LOCKED.fullmatch(locked)
    if match is None:
        raise NotOpened("it is no file that a passphrase opens")
    head, salt, work, wrapped, mac, nonce, sealed = match.groups()
    if int(work) > most_work:
        raise NotOpened(
            f"opening it takes more work (2^{int(work)}) than the 2^{most_work} that is allowed here"
        )
    try:
        key = _wrap_key(passphrase, _from_base64(salt), int(work))
        file_key = ChaCha20Poly1305(key).decrypt(bytes(12), _from_base64(wrapped), None)
        if not hmac.compare_digest(_base64(_mac(file_key, head)), mac):
            raise NotOpened("its first bytes were changed")
        return ChaCha20Poly1305(_derive(file_key, nonce, b"payload")).decrypt(_ONLY, sealed, None)
    except (InvalidTag, ValueError) as cause:
        raise NotOpened("the passphrase is another one, or the file is damaged") from cause


def _wrap_key(passphrase: bytes, salt: bytes, work: int) -> bytes:
    salt = b"age-encryption.org/v1/scrypt" + salt
    return Scrypt(salt=salt, length=32, n=1 << work, r=8, p=1).derive(passphrase)


def _derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), head, "sha256")


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _from_base64(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def identity_in(text: bytes) -> Identity:
    """Return the one age private key in a text; raise NotOpened when there is none."""
    try:
        return pyrage.x25519.Identity.from_str(_line(text, "AGE-SECRET-KEY-1"))
    except (ValueError, pyrage.IdentityError) as cause:
        raise NotOpened(f"it holds no private key: {cause}") from cause


def recipient_in(text: bytes) -> Recipient:
    """Return the one age public key in a text; raise ValueError when there is none."""
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
    """Pipe to a function that reads or writes a whole stream: the function runs in its own thread, and this end is
    written or read piece by piece. An error of the function is raised by `write`, by `close` after writing, and by
    `read` after the last byte."""

    def __init__(self, work: Callable[[IO[bytes]], None], mode: Literal["rb", "wb"]) -> None:
        reading, writing = os.pipe()
        self._is_read = mode == "rb"
        mine, other = (reading, writing) if self._is_read else (writing, reading)
        self._file, end = os.fdopen(mine, mode), os.fdopen(other, "wb" if self._is_read else "rb")

        def run() -> None:
            with end:
                work(end)

        executor = ThreadPoolExecutor(1, thread_name_prefix="sealed-file")
        self._work = executor.submit(run)
        executor.shutdown(wait=False)

    def read(self, size: int) -> bytes:
        """Return `size` bytes; fewer only at the end."""
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
        """Close this end. After writing, wait for the function; a function that still writes is not waited for, as its
        next write fails."""
        with suppress(BrokenPipeError):
            self._file.close()
        if not self._is_read:
            self._work.result()


def unseal_earlier_backup(source: ByteSource, target: ByteTarget, passphrase: bytes) -> None:
    header = source.read(_BACKUP_HEADER.size)
    if len(header) < _BACKUP_HEADER.size:
        raise NotOpened("it ends too early")
    _, cost, salt = _BACKUP_HEADER.unpack(header)
    if not 1 <= cost <= _MOST_COST_LOG2:
        raise NotOpened("its first bytes are damaged")
    key = Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase)
    _pour(source, target, AESGCM(key), header)


def unseal_earlier_hold(source: ByteSource, target: ByteTarget, key: PemKey) -> None:
    start = source.read(len(EARLIER_HOLD) + _LENGTH.size)
    head = source.read(min(int.from_bytes(start[len(EARLIER_HOLD) :], "big"), _LONGEST_HEADER))
    try:
        wrapped = base64.b64decode(json.loads(head)["key"], validate=True)
        file_key = key.decrypt(wrapped, _OAEP) if isinstance(key, rsa.RSAPrivateKey) else _agree(key, wrapped)
    except (ValueError, KeyError, TypeError) as cause:
        raise NotOpened("its first bytes are damaged, or it is sealed for another key") from cause
    _pour(source, target, AESGCM(file_key), hashlib.sha256(start + head).digest())


def _agree(key: X25519PrivateKey, public_half: bytes) -> bytes:
    salt = public_half + key.public_key().public_bytes_raw()
    shared = key.exchange(X25519PublicKey.from_public_bytes(public_half))
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=b"lienthong sealed hold 1").derive(
        shared
    )


def _pour(source: ByteSource, target: ByteTarget, cipher: AESGCM, bound_data: bytes) -> None:
    """Decrypt piece by piece: each piece is bound to its position, and the last one is marked as the last."""
    count, ended = 0, False
    while not ended:
        raw = source.read(_LENGTH.size)
        size = int.from_bytes(raw, "big")
        sealed = source.read(min(size, _LONGEST_PIECE))
        if len(raw) < _LENGTH.size or len(sealed) != size:
            raise Broken("it ends too early, or a length is wrong")
        for last in (False, True):
            with suppress(InvalidTag):
                target.write(cipher.decrypt(struct.pack(">QI", count, last), sealed, bound_data))
                ended = last
                break
        else:
            raise (Broken if count else NotOpened)("a piece is not what was sealed")
        count += 1
    if source.read(1):
        raise Broken("there are bytes after its end")
