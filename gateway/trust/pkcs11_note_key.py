"""The Ed25519 key of checkpoints on a PKCS#11 token. In: the token; the file beside the other keys of the log that has the
public key. Out: a key that signs there and never leaves it, made at first use. Never a key in a file in its place: a token
that cannot, or that lacks the key, is an error in words. Sync: use it in the pool."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import MechanismInvalid
from pkcs11.util.ec import encode_named_curve_parameters

from gateway import random_source
from gateway.atomic_files import sync_folder, write_private
from gateway.errors import Misconfigured, NotFound, SignerDown
from gateway.trust.pkcs11_keys import PRIVATE_KEY, USES, Pkcs11Token

_MECHANISMS = (Mechanism.EC_EDWARDS_KEY_PAIR_GEN, Mechanism.EDDSA)
_ED25519 = encode_named_curve_parameters("1.3.101.112")
_RAW_BYTES = 32


class TokenNoteKey:
    """Key on a token; `public` is its public half."""

    def __init__(self, token: Pkcs11Token, public: Ed25519PublicKey) -> None:
        self._token, self._public = token, public

    def public_key(self) -> Ed25519PublicKey:
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Sign on the token. Raise Misconfigured where it lacks the key, SignerDown where it gives a wrong signature."""
        name = _label(self._public.public_bytes_raw())
        try:
            signature = self._token.run(lambda session: _sign(session, name, data))
        except NotFound as cause:
            raise Misconfigured(
                f"{cause.detail} as signs checkpoints of the log: {name}",
                hint="put its token back; log.note_key = file begins a key in a file, and the log says so",
            ) from cause
        try:
            self._public.verify(signature, data)
        except InvalidSignature as cause:
            raise SignerDown(f"the token gave a wrong signature of the key {name}") from cause
        return signature


def check_token(token: Pkcs11Token) -> None:
    """Raise Misconfigured unless the token makes Ed25519 keys and signs with them."""
    offered = token.run(lambda session: session.token.slot.get_mechanisms())
    if lacking := [mechanism.name for mechanism in _MECHANISMS if mechanism not in offered]:
        raise Misconfigured(
            f"the token cannot sign checkpoints with Ed25519: it lacks {', '.join(lacking)}",
            hint="take a token that can, or set log.note_key = file; no key in a file is taken in its place",
        )


def open_token_key(token: Pkcs11Token, file: Path) -> TokenNoteKey:
    """Return the key whose public half is in the file; where there is none yet, make both. Of two processes that start
    together the second uses the first one's key."""
    if not file.is_file():
        _make(token, file)
    try:
        public = serialization.load_pem_public_key(file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as cause:
        raise Misconfigured(f"the public key of checkpoints does not open: {file}") from cause
    if not isinstance(public, Ed25519PublicKey):
        raise Misconfigured(f"the key of checkpoints must be Ed25519: {file}")
    return TokenNoteKey(token, public)


def _make(token: Pkcs11Token, file: Path) -> None:
    check_token(token)
    raw = token.run(_generate)
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    fresh = file.with_name(f".{random_source.token_hex(8)}.{file.name}")
    try:
        write_private(fresh, pem)
        os.link(fresh, file)
        sync_folder(file.parent)
    except FileExistsError:
        token.run(lambda session: _destroy(session, _label(raw)))
    except OSError as cause:
        raise Misconfigured(f"the public key of checkpoints cannot be written: {file}") from cause
    finally:
        fresh.unlink(missing_ok=True)


def _generate(session: Any) -> bytes:
    """Make a key pair that stays on the token, and return its public half."""
    curve = {Attribute.EC_PARAMS: _ED25519}
    parameters = session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
    public, private = parameters.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label=f"making-{random_source.token_hex(8)}",
        capabilities=USES,
        private_template=PRIVATE_KEY,
    )
    # Some tokens give the bare point, others an octet string around it.
    raw = bytes(public[Attribute.EC_POINT])[-_RAW_BYTES:]
    for half in (public, private):
        half[Attribute.LABEL] = _label(raw)
    return raw


def _label(raw: bytes) -> str:
    return f"log-note:{raw.hex()[:16]}"


def _sign(session: Any, name: str, data: bytes) -> bytes:
    private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=name)
    try:
        return bytes(private.sign(data, mechanism=Mechanism.EDDSA))
    except MechanismInvalid as cause:
        raise Misconfigured("the token does not sign with Ed25519 (EDDSA)") from cause


def _destroy(session: Any, name: str) -> None:
    for half in session.get_objects({Attribute.LABEL: name}):
        with suppress(NotFound):
            half.destroy()
