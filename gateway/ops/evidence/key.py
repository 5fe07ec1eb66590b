"""The key that answers for evidence packs, used for nothing else. In: the folder of keys and its password. Out: a signer,
or whether a signature is of the key that it names. Its public half lies beside it in PEM, to be handed to whoever checks
packs. Ed25519, so that the same pack has the same signature."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from gateway.domain.evidence import SIGNATURE, PackSignature, SpoiledPack, signed_bytes
from gateway.errors import Misconfigured
from gateway.trust.keys import write_private

# Below the exchange keys, with a name that no agency has.
FOLDER, FILE, PUBLIC = "_evidence", "pack.key.pem", "pack.pub.pem"


class EvidenceKey:
    """Signs manifests of packs. Safe to share between threads."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = _der(key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def open_key(keys_folder: Path, password: bytes | None) -> EvidenceKey:
    """The node's key, made when there is none yet. Misconfigured when it does not open."""
    path = keys_folder / FOLDER / FILE
    try:
        if not path.is_file():
            _make(path, password)
        key = load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as why:
        raise Misconfigured(
            f"the key of evidence packs does not open: {path}",
            hint="check keys.password and the file's owner",
        ) from why
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"the key of evidence packs must be an Ed25519 key: {path}")
    public = path.with_name(PUBLIC)
    if not public.is_file():
        write_private(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return EvidenceKey(key)


def check(signature: PackSignature, manifest: bytes) -> None:
    """SpoiledPack unless the key that is named made it. Whose key that is, the caller asks."""
    try:
        key = load_der_public_key(signature.public_key)
        if not isinstance(key, Ed25519PublicKey) or _der(key) != signature.public_key:
            raise ValueError
        key.verify(signature.signature, signed_bytes(manifest))
    except (ValueError, UnsupportedAlgorithm) as why:
        raise SpoiledPack(SIGNATURE, "the key that it names is none that signs packs") from why
    except InvalidSignature as why:
        raise SpoiledPack(SIGNATURE, "the key that it names did not sign this manifest") from why


def _der(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _make(path: Path, password: bytes | None) -> None:
    """Two processes that start together make one key: a link, unlike a rename, replaces nothing."""
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    fresh = path.with_name(f".{secrets.token_hex(8)}.{FILE}")
    write_private(fresh, pem)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink(missing_ok=True)
