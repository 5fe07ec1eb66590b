"""Keeps the promises of `ports.Sealer` and `ports.Unsealer` (R4): content sealed for one public key, X25519 or RSA, whose
private half is not on the node. In: a stream and a label. Out: a sealed stream, or the bytes again. A file key of its own
for each content, AES-256-GCM over each piece at its place; the label ties the sealed form to its hold and digest."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import Denied, Misconfigured, StoreFailure
from gateway.trust.key_material import public_pem, spki

MAGIC = b"LTHOLD01"
PIECE = 256 * 1024
_INFO = b"lienthong sealed hold 1"
_LENGTH = struct.Struct(">I")
_LONGEST_HEADER = 8192
_TAG = 16
_LEAST_RSA = 2048
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
PublicKey = X25519PublicKey | rsa.RSAPublicKey
PrivateKey = X25519PrivateKey | rsa.RSAPrivateKey


class RecipientSealer:
    """Seals for the one recipient."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> RecipientSealer:
        """Misconfigured when the file is no public key that can be used."""
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as cause:
            raise Misconfigured(
                f"seal.recipient: {path} holds no public key in PEM form",
                hint="make a pair with: gateway hold key, and keep the private half away from this node",
            ) from cause
        if isinstance(key, X25519PublicKey) or (
            isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA
        ):
            return cls(key)
        raise Misconfigured(
            f"seal.recipient: {path} is neither an X25519 key nor an RSA key of {_LEAST_RSA} bits"
        )

    @property
    def fingerprint(self) -> str:
        return _fingerprint(self._key)

    def seal(self, pieces: Iterable[bytes], target: BinaryIO, label: str) -> None:
        kind, carried, file_key = _file_key_for(self._key)
        told = {
            "kind": kind,
            "to": self.fingerprint,
            "key": base64.b64encode(carried).decode(),
            "label": label,
        }
        head = json.dumps(told, sort_keys=True).encode()
        header = MAGIC + _LENGTH.pack(len(head)) + head
        target.write(header)
        cipher, about = AESGCM(file_key), hashlib.sha256(header).digest()
        held, count = bytearray(), 0
        for piece in pieces:
            held += piece
            while len(held) > PIECE:
                _write(target, cipher.encrypt(nonce(count, False), bytes(held[:PIECE]), about))
                del held[:PIECE]
                count += 1
        _write(target, cipher.encrypt(nonce(count, True), bytes(held), about))


class KeyUnsealer:
    """Opens what was sealed for this private key."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None) -> KeyUnsealer:
        """Denied when it is no such key, or the passphrase is another one."""
        try:
            key = serialization.load_pem_private_key(pem, passphrase or None)
        except (ValueError, TypeError) as cause:
            raise Denied(
                "this is no private key in PEM form, or its passphrase is another one", code="GW-SEAL-KEY"
            ) from cause
        if not isinstance(key, X25519PrivateKey | rsa.RSAPrivateKey):
            raise Denied("the key is neither an X25519 nor an RSA key", code="GW-SEAL-KEY")
        return cls(key)

    @property
    def fingerprint(self) -> str:
        return _fingerprint(self._key.public_key())

    def unseal(self, source: BinaryIO, label: str) -> Iterator[bytes]:
        header, told = _header(source)
        if told.get("to") != self.fingerprint:
            raise Denied(
                f"this key does not open it: it is sealed for the key {str(told.get('to'))[:16]}…, "
                f"this one is {self.fingerprint[:16]}…",
                code="GW-SEAL-KEY",
            )
        if told.get("label") != label:
            raise _damaged("it is the sealed form of something else")
        cipher, about = AESGCM(self._file_key(told)), hashlib.sha256(header).digest()
        count, over = 0, False
        while not over:
            opened = opened_piece(cipher, _read(source), count, about)
            count += 1
            if opened is None:
                raise _damaged(f"piece {count} is not what was sealed")
            piece, over = opened
            yield piece
        if source.read(1):
            raise _damaged("there are bytes behind its end")

    def _file_key(self, told: dict[str, Any]) -> bytes:
        try:
            carried = base64.b64decode(told["key"], validate=True)
            if isinstance(self._key, rsa.RSAPrivateKey):
                return self._key.decrypt(carried, _OAEP)
            return _derived(
                self._key.exchange(X25519PublicKey.from_public_bytes(carried)),
                carried,
                self._key.public_key(),
            )
        except (ValueError, KeyError, TypeError) as cause:
            raise _damaged("its key cannot be read") from cause


def new_pair(passphrase: bytes) -> tuple[bytes, bytes]:
    """A new X25519 pair in PEM form: the private half, locked with the passphrase, and the public one."""
    key = X25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    return private, public_pem(key.public_key())


def _file_key_for(key: PublicKey) -> tuple[str, bytes, bytes]:
    """How it is carried, what is carried, and the file key."""
    if isinstance(key, rsa.RSAPublicKey):
        made = os.urandom(32)
        return "rsa-oaep-sha256", key.encrypt(made, _OAEP), made
    own = X25519PrivateKey.generate()
    carried = own.public_key().public_bytes_raw()
    return "x25519-hkdf-sha256", carried, _derived(own.exchange(key), carried, key)


def _derived(shared: bytes, carried: bytes, recipient: X25519PublicKey) -> bytes:
    salt = carried + recipient.public_bytes_raw()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=_INFO).derive(shared)


def _fingerprint(key: PublicKey) -> str:
    return hashlib.sha256(spki(key)).hexdigest()


def _header(source: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    start = source.read(len(MAGIC) + _LENGTH.size)
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + _LENGTH.size:
        raise _damaged("it does not begin as a sealed content does")
    (size,) = _LENGTH.unpack(start[len(MAGIC) :])
    head = source.read(min(size, _LONGEST_HEADER))
    try:
        told = json.loads(head)
    except ValueError as cause:
        raise _damaged("its header cannot be read") from cause
    if not isinstance(told, dict) or len(head) != size:
        raise _damaged("its header cannot be read")
    return start + head, told


def _write(target: BinaryIO, sealed: bytes) -> None:
    target.write(_LENGTH.pack(len(sealed)) + sealed)


def _read(source: BinaryIO) -> bytes:
    raw = source.read(_LENGTH.size)
    size = _LENGTH.unpack(raw)[0] if len(raw) == _LENGTH.size else 0
    sealed = source.read(min(size, PIECE + _TAG))
    if len(raw) < _LENGTH.size or len(sealed) != size:
        raise _damaged("it is cut off")
    return sealed


def opened_piece(cipher: AESGCM, sealed: bytes, count: int, about: bytes) -> tuple[bytes, bool] | None:
    """The piece at that place, and whether it is the last; None for what is not what was sealed there."""
    for last in (False, True):
        with suppress(InvalidTag):
            return cipher.decrypt(nonce(count, last), sealed, about), last
    return None


def nonce(count: int, last: bool) -> bytes:
    """The piece's place. A key serves one content, so a place is never used twice."""
    return struct.pack(">QI", count, int(last))


def _damaged(what: str) -> StoreFailure:
    return StoreFailure(
        f"the sealed content is damaged: {what}; use another copy of it", code="GW-SEAL-DAMAGED"
    )
