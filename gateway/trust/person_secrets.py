"""Makes and checks the secrets with which people sign in: a passphrase (Argon2id) and a second factor (TOTP, RFC 6238).
In: the typed text. Out: whether it is right, or the values to store: a hash of the passphrase, and the second factor
encrypted with the passphrase, so that the database or its backup is not enough to sign in. Slow on purpose: use it in
the pool."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from datetime import datetime, timedelta
from hmac import compare_digest

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway import random_source
from gateway.errors import Clash

LEAST_LENGTH = 12
MOST_LENGTH = 1024
STEP_S = 30
# RFC 9106, second recommendation: 64 MiB and three passes. Tests with hundreds of sign-ins set less.
MEMORY_KIB = 64 * 1024
PASSES = 3
_LANES = 4
_SALT, _NONCE, _KEY = 16, 12, 32
_PURPOSE = b"lienthong second factor 1"
_ISSUER = "Lien thong van ban"


class PersonSecrets:
    """Maker and checker of people's secrets. Sync and slow on purpose: call it in the pool."""

    def new_code(self) -> tuple[str, str]:
        """Return a new one-time code to give to a person, and its digest to store."""
        # 100 bits in groups, to be read off paper; a plain hash is enough for a random secret.
        text = base64.b32encode(random_source.token_bytes(13)).decode()[:20]
        code = "-".join(text[n : n + 5] for n in range(0, len(text), 5))
        return code, _digest(code)

    def is_code(self, code: str, digest: str) -> bool:
        return compare_digest(_digest(code), digest)

    def code_digest(self, code: str) -> str:
        """Return the digest that is stored of a code."""
        return _digest(code)

    def new_totp(self) -> str:
        """Return a new secret of a second factor, in Base32."""
        return pyotp.random_base32()

    def keep(self, passphrase: str, totp: str) -> tuple[str, str]:
        """Return the passphrase's hash and the second factor encrypted with it. Raise Clash if it is too easy to guess."""
        if not LEAST_LENGTH <= len(passphrase) <= MOST_LENGTH or len(set(passphrase)) < LEAST_LENGTH // 2:
            raise Clash(
                f"the passphrase must have {LEAST_LENGTH} characters or more, and not the same few again and again",
                hint="four or five words that have nothing to do with each other are good",
            )
        return self.hash(passphrase), self.seal(passphrase, totp)

    def hash(self, password: str) -> str:
        """Return the hash of a password, whose strength the caller checked."""
        return _hasher().hash(_encode(password))

    def seal(self, password: str, totp: str) -> str:
        """Return the second factor encrypted with the password."""
        salt, nonce = random_source.token_bytes(_SALT), random_source.token_bytes(_NONCE)
        sealed = AESGCM(_key(password, salt, MEMORY_KIB, PASSES)).encrypt(nonce, totp.encode(), _PURPOSE)
        return f"{MEMORY_KIB}:{PASSES}:{base64.b64encode(salt + nonce + sealed).decode()}"

    def resealed(self, password: str, sealed_totp: str, other: str) -> str | None:
        """Return the second factor encrypted with `other` instead; None when `password` does not decrypt it."""
        totp = _open(password, sealed_totp)
        return None if totp is None else self.seal(other, totp)

    def is_passphrase(self, passphrase: str, hashed: str) -> bool:
        if len(passphrase) > MOST_LENGTH:
            return False
        try:
            return _hasher().verify(hashed, _encode(passphrase))
        except (VerificationError, InvalidHashError):
            return False

    def step(self, passphrase: str, sealed_totp: str, code: str, at: datetime) -> int | None:
        """Return the time step of this code; None when it is not a code of the step at that time or of one beside it."""
        opened = _open(passphrase, sealed_totp)
        if opened is None:
            return None
        totp, digits, step = pyotp.TOTP(opened), "".join(code.split()), None
        # One step before and after is accepted, because clocks of telephones differ.
        for n in (-1, 0, 1):
            if compare_digest(totp.at(at + timedelta(seconds=n * STEP_S)).encode(), _encode(digits)):
                step = int(at.timestamp()) // STEP_S + n
        return step

    def uri(self, totp: str, name: str) -> str:
        """Return the URI that an authenticator app reads."""
        return pyotp.TOTP(totp).provisioning_uri(name=name, issuer_name=_ISSUER)


def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=_LANES)


def _key(passphrase: str, salt: bytes, memory_kib: int, passes: int) -> bytes:
    return hash_secret_raw(_encode(passphrase), salt, passes, memory_kib, _LANES, hash_len=_KEY, type=Type.ID)


def _open(password: str, sealed_totp: str) -> str | None:
    memory, passes, encoded = sealed_totp.split(":")
    raw = base64.b64decode(encoded)
    salt, nonce, sealed = raw[:_SALT], raw[_SALT : _SALT + _NONCE], raw[_SALT + _NONCE :]
    try:
        opened = AESGCM(_key(password, salt, int(memory), int(passes))).decrypt(nonce, sealed, _PURPOSE)
    except InvalidTag:
        return None
    return opened.decode()


def _digest(code: str) -> str:
    return hashlib.sha256(_encode("".join(code.replace("-", " ").split()).upper())).hexdigest()


def _encode(text: str) -> bytes:
    """Return the text's bytes in one Unicode form, as keyboards compose letters differently; surrogates are no error."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
