"""Opens what this program sealed before it wrote age: backups under a passphrase, and the content of holds. In: the sealed
stream, and the passphrase or the private key. Out: the bytes again. Nothing is sealed in these forms any more."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.trust.sealed_files import Broken, ByteSource, ByteTarget, NotOpened

BACKUP, HOLD = b"LTGWBAK1", b"LTHOLD01"
PemKey = X25519PrivateKey | rsa.RSAPrivateKey
_BACKUP_HEADER = struct.Struct(">8sB16s")
# A file may ask for this much work before a byte of it is proved: 1 GiB.
_MOST_COST_LOG2 = 20
_LENGTH = struct.Struct(">I")
_LONGEST_HEADER = 8192
_LONGEST_PIECE = 1024 * 1024 + 16
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def unseal_backup(source: ByteSource, target: ByteTarget, passphrase: bytes) -> None:
    header = source.read(_BACKUP_HEADER.size)
    if len(header) < _BACKUP_HEADER.size:
        raise NotOpened("it ends too early")
    _, cost, salt = _BACKUP_HEADER.unpack(header)
    if not 1 <= cost <= _MOST_COST_LOG2:
        raise NotOpened("its first bytes are damaged")
    key = Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase)
    _pour(source, target, AESGCM(key), header)


def unseal_hold(source: ByteSource, target: ByteTarget, key: PemKey) -> None:
    start = source.read(len(HOLD) + _LENGTH.size)
    head = source.read(min(int.from_bytes(start[len(HOLD) :], "big"), _LONGEST_HEADER))
    try:
        carried = base64.b64decode(json.loads(head)["key"], validate=True)
        file_key = (
            key.decrypt(carried, _OAEP) if isinstance(key, rsa.RSAPrivateKey) else _agreed(key, carried)
        )
    except (ValueError, KeyError, TypeError) as cause:
        raise NotOpened("its first bytes are damaged, or it is sealed for another key") from cause
    _pour(source, target, AESGCM(file_key), hashlib.sha256(start + head).digest())


def _agreed(key: X25519PrivateKey, carried: bytes) -> bytes:
    salt = carried + key.public_key().public_bytes_raw()
    shared = key.exchange(X25519PublicKey.from_public_bytes(carried))
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=b"lienthong sealed hold 1").derive(
        shared
    )


def _pour(source: ByteSource, target: ByteTarget, cipher: AESGCM, about: bytes) -> None:
    """Every piece is bound to its place, and the last one says that it is the last."""
    count, over = 0, False
    while not over:
        raw = source.read(_LENGTH.size)
        size = int.from_bytes(raw, "big")
        sealed = source.read(min(size, _LONGEST_PIECE))
        if len(raw) < _LENGTH.size or len(sealed) != size:
            raise Broken("it ends too early, or a length is wrong")
        for last in (False, True):
            with suppress(InvalidTag):
                target.write(cipher.decrypt(struct.pack(">QI", count, last), sealed, about))
                over = last
                break
        else:
            raise (Broken if count else NotOpened)("a piece is not what was sealed")
        count += 1
    if source.read(1):
        raise Broken("there are bytes after its end")
