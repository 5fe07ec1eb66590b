"""The key that seals the event log, used for nothing else (E3). In: a folder and a password. Out: signed seals; whether a
seal's signature holds. It signs a `Seal` and never bytes that somebody brings. As an exchange key it lies in an encrypted
file that the node's own user alone can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from gateway.domain.seal import Seal, SignedSeal
from gateway.errors import InvalidProof, Misconfigured
from gateway.trust.key_material import CURVE_ORDERS, raw_low_s
from gateway.trust.private_files import write_private

# Below the exchange keys, with a name that no agency has.
FOLDER, FILE = "_log", "seal.key.pem"
_ORDER = CURVE_ORDERS["secp256r1"]
_HALF = 32
_SIGN = ec.ECDSA(hashes.SHA256())


class SealKey:
    """The one key of this node's log. Safe to share between threads."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = _der(key.public_key())

    def sign(self, seal: Seal) -> SignedSeal:
        r, s = decode_dss_signature(self._key.sign(seal.to_bytes(), _SIGN))
        return SignedSeal(seal=seal, key=self.public, signature=raw_low_s(r, s, "secp256r1"))


def open_key(keys_folder: Path, password: bytes | None) -> SealKey:
    """The node's seal key, made when there is none yet. Misconfigured when it does not open."""
    path = keys_folder / FOLDER / FILE
    try:
        if not path.is_file():
            _make(path, password)
        key = serialization.load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as why:
        raise Misconfigured(
            f"the key that seals the log does not open: {path}",
            hint="check keys.password and the file's owner",
        ) from why
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise Misconfigured(f"the key that seals the log must be on P-256: {path}")
    return SealKey(key)


def check(signed: SignedSeal) -> None:
    """InvalidProof unless the signature is one of the seal's own key, in its one form. Whose key it is, the caller asks."""
    r, s = (int.from_bytes(part, "big") for part in (signed.signature[:_HALF], signed.signature[_HALF:]))
    if len(signed.signature) != 2 * _HALF or not (0 < r < _ORDER and 0 < s <= _ORDER // 2):
        raise InvalidProof(f"seal {signed.seal.number}: its signature does not have the form that seals have")
    try:
        _public(signed.key).verify(encode_dss_signature(r, s), signed.seal.to_bytes(), _SIGN)
    except InvalidSignature as why:
        raise InvalidProof(f"seal {signed.seal.number}: its signature is not of its key") from why


def _public(der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as why:
        raise InvalidProof("the seal's key cannot be read") from why
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidProof("the seal's key is not on P-256")
    if _der(key) != der:
        raise InvalidProof("the seal's key is not written in its one form")
    return key


def _der(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _make(path: Path, password: bytes | None) -> None:
    """Two processes that start together make one key: a link, unlike a rename, replaces nothing."""
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )
    fresh = path.with_name(f".{secrets.token_hex(8)}.{FILE}")
    write_private(fresh, pem)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink(missing_ok=True)
