"""Exchange keys on a PKCS#11 token. In: an agency code and a key id, which together are the label of the key. Out: new keys
that never leave the token, and signatures in wire form: PKCS#1 v1.5, or raw r and s with low s (W8)."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.mechanisms import Mechanism
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from gateway.errors import SignerDown
from gateway.trust import key_material as material
from gateway.trust.key_material import KeyKind, PublicKey
from gateway.trust.pkcs11_token import Pkcs11Token

_CURVES: Final = {"ecdsa-p256": "secp256r1", "ecdsa-p384": "secp384r1"}
_RSA_BITS: Final = 3072
_PRIVATE: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
_USES: Final = MechanismFlag.SIGN | MechanismFlag.VERIFY


def label(agency_code: str, key_id: str) -> str:
    """How a key is called on the token."""
    return f"{agency_code}:{key_id}"


class TokenKeys:
    """The keys of one token. Safe to share between threads: the token does one thing at a time."""

    def __init__(self, token: Pkcs11Token) -> None:
        self._token = token

    def generate(self, agency_code: str, kind: KeyKind) -> PublicKey:
        """A new pair on the token, under its label when this returns."""

        def work(session: Any) -> PublicKey:
            making = f"making-{secrets.token_hex(8)}"
            public, private = _generated(session, kind, making)
            key = _public_key(public)
            key_id = material.key_id(key)
            for half in (public, private):
                half[Attribute.LABEL] = label(agency_code, key_id)
                half[Attribute.ID] = bytes.fromhex(key_id)
            return key

        return self._token.run(work)

    def sign(self, agency_code: str, key_id: str, key: PublicKey, data: bytes) -> bytes:
        """The signature in wire form. SignerDown when the token gives something else than one."""
        value = self._token.run(lambda session: _signed(session, label(agency_code, key_id), key, data))
        if len(value) != material.signature_length(key):
            raise SignerDown(f"the token gave {len(value)} bytes for a signature of key {key_id}")
        if isinstance(key, rsa.RSAPublicKey):
            return value
        half = len(value) // 2
        r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
        return material.raw_low_s(r, s, key.curve.name)


class TokenSigner:
    """Signs with one key of a token (`ports.EnvelopeSigner`). It signs what begins with its purpose, and nothing else."""

    def __init__(
        self, keys: TokenKeys, agency_code: str, key_id: str, certificate: x509.Certificate, purpose: bytes
    ) -> None:
        self._keys = keys
        self._agency_code, self._key_id, self._purpose = agency_code, key_id, purpose
        self._key = material.public_key_of(certificate, f"the certificate of key {key_id}")
        self._certificate_der = certificate.public_bytes(serialization.Encoding.DER)

    @property
    def agency_code(self) -> str:
        return self._agency_code

    @property
    def certificate_der(self) -> bytes:
        return self._certificate_der

    @property
    def algorithm(self) -> str:
        return material.algorithm_of(self._key)

    @property
    def signature_length(self) -> int:
        return material.signature_length(self._key)

    def sign(self, data: bytes) -> bytes:
        material.refuse_other_purpose(data, self._purpose, self._agency_code)
        return self._keys.sign(self._agency_code, self._key_id, self._key, data)


def _generated(session: Any, kind: KeyKind, making: str) -> tuple[Any, Any]:
    given = {"store": True, "label": making, "capabilities": _USES, "private_template": _PRIVATE}
    if kind == "rsa-3072":
        return _pair(session.generate_keypair(KeyType.RSA, _RSA_BITS, **given))
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    return _pair(parameters.generate_keypair(**given))


def _pair(made: Any) -> tuple[Any, Any]:
    public, private = made
    return public, private


def _public_key(public: Any) -> PublicKey:
    if public.key_type is KeyType.RSA:
        numbers = rsa.RSAPublicNumbers(
            int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big"),
            int.from_bytes(public[Attribute.MODULUS], "big"),
        )
        return numbers.public_key()
    return material.checked(serialization.load_der_public_key(encode_ec_public_key(public)), "the token")


def _signed(session: Any, name: str, key: PublicKey, data: bytes) -> bytes:
    private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=name)
    if isinstance(key, rsa.RSAPublicKey):
        return bytes(private.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
    # The token signs a digest as it is: not every one knows the combined mechanism.
    digest = hashlib.sha384 if isinstance(key.curve, ec.SECP384R1) else hashlib.sha256
    return bytes(private.sign(digest(data).digest(), mechanism=Mechanism.ECDSA))
