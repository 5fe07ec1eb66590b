"""Exchange keys on a PKCS#11 token. The token is opened at the first use and again after an error; calls run one at a
time in a logged-in session, and errors of the library become errors of ours. A refused PIN is not tried again, because
three wrong ones lock most tokens. In: an agency code and a key id, which form the key's label. Out: new keys that never
leave the token, and signatures in wire form: PKCS#1 v1.5, or raw r and s with low s (W8, permitted keys)."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pkcs11
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    NoSuchKey,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from pkcs11.mechanisms import Mechanism
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from gateway import random_source
from gateway.errors import Misconfigured, NotFound, SignerDown
from gateway.log import action
from gateway.trust import key_material as material
from gateway.trust.key_material import KeyKind, PublicKey

T = TypeVar("T")
# Signing takes milliseconds; a token that takes longer than this hangs.
PATIENCE_S = 20.0
_BAD_PIN = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)
_log = logging.getLogger(__name__)


class _Shared:
    """State that all tokens of one library share, because a library exists once in the process: their calls exclude each
    other, and `beginnings` counts the restarts, each of which ends all sessions."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.beginnings = 0


_LIBRARIES: dict[str, _Shared] = {}
_MAKING = threading.Lock()


class Pkcs11Token:
    """Token with that label, opened at its first use."""

    def __init__(self, module: Path, label: str, pin: str | None) -> None:
        self._module, self._label = str(module), label
        self._pin = pin
        self._session: Any = None  # the library's session has no public type of its own
        self._opened_in = 0
        self._refused = False
        with _MAKING:
            self._shared = _LIBRARIES.setdefault(os.path.realpath(self._module), _Shared())

    def __repr__(self) -> str:
        return f"Pkcs11Token({self._label!r})"

    def run(self, work: Callable[[Any], T]) -> T:
        """Return the result of `work`, called with a session of this token, and once more in a new session after an
        error. Raise SignerDown when that fails too, NotFound when the token has no such key, Misconfigured when the
        settings cannot work."""
        if not self._shared.lock.acquire(timeout=PATIENCE_S):
            raise self._down("another call has not come back from it")
        try:
            try:
                return work(self._open_session())
            except PKCS11Error as first:
                # Some libraries report a removed token as one without keys, so NoSuchKey is tried twice too.
                if self._refused:
                    raise
                action(_log, "token.reopened", type(first).__name__, token=self._label)
                self._restart()
                return work(self._open_session())
        except NoSuchKey as why:
            raise NotFound(f"the token {self._label} has no such key") from why
        except PKCS11Error as why:
            self._drop()
            raise self._down(type(why).__name__) from why
        finally:
            self._shared.lock.release()

    def _open_session(self) -> Any:
        if self._opened_in != self._shared.beginnings:
            # Its number may belong to another token's session by now, so the session is not even closed.
            self._session = None
        if self._session is None:
            if self._pin is None or self._refused:
                raise Misconfigured(
                    f"the PIN of the token {self._label} is missing or was refused; it is not tried again",
                    hint="put the right PIN into the file of GATEWAY_KEYS_PIN_FILE and start the node again",
                )
            token = self._library().get_token(token_label=self._label)
            try:
                self._session = token.open(rw=True, user_pin=self._pin)
            except UserAlreadyLoggedIn:
                # Another session of this process has logged in; a login is valid for the whole process.
                self._session = token.open(rw=True)
            except _BAD_PIN:
                self._refused = True
                raise
            self._opened_in = self._shared.beginnings
        return self._session

    def _library(self) -> Any:
        try:
            return pkcs11.lib(self._module)
        except (RuntimeError, OSError) as why:
            if isinstance(why, PKCS11Error) and type(why) is not PKCS11Error:
                raise  # the library was loaded and reports an error
            raise Misconfigured(
                f"the PKCS#11 library {self._module} cannot be loaded: {why}",
                hint="check keys.pkcs11_module",
            ) from why

    def _restart(self) -> None:
        """Restart the library, which notices only then that a token was removed and put back."""
        self._drop()
        self._shared.beginnings += 1
        self._library().reinitialize()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None and self._opened_in == self._shared.beginnings:
            try:
                session.close()
            except PKCS11Error as why:
                action(_log, "token.not_closed", type(why).__name__, token=self._label)

    def _down(self, why: str) -> SignerDown:
        if self._refused:
            return SignerDown(
                f"the token {self._label} refused the PIN; it is not tried again, so that it does not lock",
                hint="put the right PIN into the file of GATEWAY_KEYS_PIN_FILE and start the node again",
            )
        return SignerDown(
            f"the token {self._label} does not answer ({why})",
            hint="is it plugged in, and does its own tool see it? What waits is signed when it is back",
        )


_CURVES: Final = {"ecdsa-p256": "secp256r1", "ecdsa-p384": "secp384r1"}
_RSA_BITS: Final = 3072
PRIVATE_KEY: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
USES: Final = MechanismFlag.SIGN | MechanismFlag.VERIFY


def label(agency_code: str, key_id: str) -> str:
    """Return the label of a key on the token."""
    return f"{agency_code}:{key_id}"


class TokenKeys:
    """Keys on one token. Safe to share between threads: calls of the token run one at a time."""

    def __init__(self, token: Pkcs11Token) -> None:
        self._token = token

    def generate(self, agency_code: str, kind: KeyKind) -> PublicKey:
        """Make a new key pair on the token, labelled by its agency and key id, and return the public key."""

        def work(session: Any) -> PublicKey:
            making = f"making-{random_source.token_hex(8)}"
            public, private = _generate_pair(session, kind, making)
            key = _public_key(public)
            key_id = material.key_id(key)
            for half in (public, private):
                half[Attribute.LABEL] = label(agency_code, key_id)
                half[Attribute.ID] = bytes.fromhex(key_id)
            return key

        return self._token.run(work)

    def sign(self, agency_code: str, key_id: str, key: PublicKey, data: bytes) -> bytes:
        """Return the signature in wire form. Raise SignerDown when the token returns one of the wrong length."""
        signature = self._token.run(
            lambda session: _sign_on_token(session, label(agency_code, key_id), key, data)
        )
        if len(signature) != material.signature_length(key):
            raise SignerDown(f"the token gave {len(signature)} bytes for a signature of key {key_id}")
        if isinstance(key, rsa.RSAPublicKey):
            return signature
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        return material.raw_low_s(r, s, key.curve.name)


class TokenSigner:
    """Signer with one key on a token (`ports.services.EnvelopeSigner`). It signs only content of its purpose."""

    at_hand = False

    def __init__(
        self,
        keys: TokenKeys,
        agency_code: str,
        key_id: str,
        certificate: x509.Certificate,
        purpose: bytes | tuple[bytes, ...],
    ) -> None:
        self._keys, self._key_id, self._purpose = keys, key_id, purpose
        self._key = material.public_key_of(certificate, f"the certificate of key {key_id}")
        self.agency_code = agency_code
        self.certificate_der = certificate.public_bytes(serialization.Encoding.DER)
        self.algorithm = material.algorithm_of(self._key)
        self.signature_length = material.signature_length(self._key)

    def sign(self, data: bytes) -> bytes:
        material.refuse_other_purpose(data, self._purpose, self.agency_code)
        return self._keys.sign(self.agency_code, self._key_id, self._key, data)


def _generate_pair(session: Any, kind: KeyKind, making: str) -> tuple[Any, Any]:
    options = {"store": True, "label": making, "capabilities": USES, "private_template": PRIVATE_KEY}
    if kind == "rsa-3072":
        public, private = session.generate_keypair(KeyType.RSA, _RSA_BITS, **options)
        return public, private
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    public, private = parameters.generate_keypair(**options)
    return public, private


def _public_key(public: Any) -> PublicKey:
    if public.key_type is KeyType.RSA:
        numbers = rsa.RSAPublicNumbers(
            int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big"),
            int.from_bytes(public[Attribute.MODULUS], "big"),
        )
        return numbers.public_key()
    return material.check_key(serialization.load_der_public_key(encode_ec_public_key(public)), "the token")


def _sign_on_token(session: Any, name: str, key: PublicKey, data: bytes) -> bytes:
    private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=name)
    if isinstance(key, rsa.RSAPublicKey):
        return bytes(private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
    # The token signs a digest made here, because not every token offers the combined mechanism.
    digest = hashlib.sha384 if isinstance(key.curve, ec.SECP384R1) else hashlib.sha256
    return bytes(private.sign(digest(data).digest(), mechanism=Mechanism.ECDSA))
