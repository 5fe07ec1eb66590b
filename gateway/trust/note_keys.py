"""Keys with which this node signs checkpoints of its log: Ed25519, which every reader of checkpoints knows, and ML-DSA-44,
which withstands quantum computers. In: the folder of the keys and a password, for the Ed25519 key also a token; a
checkpoint. Out: the signed checkpoint; whether a signature is of a key. They sign checkpoints alone, never bytes from
outside, and lie beside the key of seals. Sync: use them in the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from gateway.domain.notes import (
    ORIGIN,
    WITNESS,
    Checkpoint,
    NoteKey,
    NoteKind,
    NoteSignature,
    SignedCheckpoint,
    signed_bytes,
)
from gateway.errors import InvalidProof, Misconfigured
from gateway.trust.keys import own_key
from gateway.trust.seals import SEAL_FOLDER

if TYPE_CHECKING:
    from gateway.trust.pkcs11_keys import Pkcs11Token
    from gateway.trust.pkcs11_note_key import TokenNoteKey

_FILES = {NoteKind.ED25519: "note.key.pem", NoteKind.ML_DSA_44: "note-ml-dsa.key.pem"}
_PUBLIC_FILE = "note-token.pub.pem"
_WITNESS_FILES = {NoteKind.COSIGNATURE: "witness.key.pem", NoteKind.ML_DSA_44: "witness-ml-dsa.key.pem"}
_USE, _WITNESS_USE = "that signs checkpoints of the log", "that cosigns checkpoints of other nodes"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """Private key of notes with its public one."""

    key: NoteKey
    private: Ed25519PrivateKey | MLDSA44PrivateKey | TokenNoteKey

    def sign(self, checkpoint: Checkpoint, at: datetime) -> NoteSignature:
        """Sign a checkpoint. The caller must have checked that it is one of its log, or grew from the one before."""
        time = int(at.timestamp()) if self.key.kind.has_time else 0
        value = self.private.sign(signed_bytes(self.key, checkpoint, time))
        return NoteSignature(
            self.key.name, self.key.id, (time.to_bytes(8, "big") if self.key.kind.has_time else b"") + value
        )


@dataclass(frozen=True, slots=True)
class LogSigner:
    """All keys that sign checkpoints of one log, or cosign those of others."""

    signers: tuple[NoteSigner, ...]

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        return tuple(signer.key for signer in self.signers)

    def sign(self, checkpoint: Checkpoint, at: datetime) -> SignedCheckpoint:
        return SignedCheckpoint(checkpoint, tuple(signer.sign(checkpoint, at) for signer in self.signers))


def kinds_in(keys_folder: Path) -> tuple[NoteKind, ...]:
    """Return the kinds of the keys that were made for checkpoints so far, without opening them."""
    names = {path.name for path in (keys_folder / SEAL_FOLDER).glob("note*.pem")}
    on_token = {NoteKind.ED25519} if _PUBLIC_FILE in names else set()
    return tuple(kind for kind, name in _FILES.items() if name in names or kind in on_token)


def open_log_signer(
    keys_folder: Path, password: bytes | None, log_id: str, token: Pkcs11Token | None = None
) -> LogSigner:
    """Return the signer of this node's checkpoints, its Ed25519 key on the token where one is named; keys are made where
    there are none yet. Raise Misconfigured when one cannot be opened."""
    return _open(keys_folder, password, _FILES, f"{ORIGIN}{log_id}", _USE, token)


def open_witness_signer(keys_folder: Path, password: bytes | None, log_id: str) -> LogSigner:
    """Return the signer with which this node cosigns checkpoints of other logs; otherwise as `open_log_signer`."""
    return _open(keys_folder, password, _WITNESS_FILES, f"{WITNESS}{log_id}", _WITNESS_USE)


def _open(
    keys_folder: Path,
    password: bytes | None,
    files: Mapping[NoteKind, str],
    name: str,
    use: str,
    token: Pkcs11Token | None = None,
) -> LogSigner:
    (kind, first_file), (_, second_file) = files.items()
    folder = keys_folder / SEAL_FOLDER
    first: Ed25519PrivateKey | TokenNoteKey
    if token is not None:
        # Loaded here, because most nodes have no token.
        from gateway.trust.pkcs11_note_key import open_token_key

        first = open_token_key(token, folder / _PUBLIC_FILE)
    else:
        own = own_key(folder / first_file, password, Ed25519PrivateKey.generate, use)
        if not isinstance(own, Ed25519PrivateKey):
            raise Misconfigured(f"the keys {use} must be Ed25519 and ML-DSA-44: {folder}")
        first = own
    second = own_key(folder / second_file, password, MLDSA44PrivateKey.generate, use)
    if not isinstance(second, MLDSA44PrivateKey):
        raise Misconfigured(f"the keys {use} must be Ed25519 and ML-DSA-44: {folder}")
    return LogSigner(
        (
            NoteSigner(NoteKey(name, kind, first.public_key().public_bytes_raw()), first),
            NoteSigner(NoteKey(name, NoteKind.ML_DSA_44, second.public_key().public_bytes_raw()), second),
        )
    )


def check_signature(key: NoteKey, checkpoint: Checkpoint, signature: NoteSignature) -> None:
    """Raise InvalidProof unless the key made this signature over the checkpoint."""
    if len(signature.signature) != key.kind.signature_bytes:
        raise InvalidProof(f"the signature of {key.name} does not have the form of its key")
    message = signed_bytes(key, checkpoint, signature.time(key))
    value = signature.signature[8:] if key.kind.has_time else signature.signature
    public: Ed25519PublicKey | MLDSA44PublicKey
    try:
        if key.kind is NoteKind.ML_DSA_44:
            public = MLDSA44PublicKey.from_public_bytes(key.material)
        else:
            public = Ed25519PublicKey.from_public_bytes(key.material)
        public.verify(value, message)
    except (InvalidSignature, ValueError) as cause:
        raise InvalidProof(f"the signature of {key.name} is not over this checkpoint") from cause


def signing_keys(signed: SignedCheckpoint, keys: Sequence[NoteKey]) -> tuple[NoteKey, ...]:
    """Return those of the keys that signed the checkpoint. InvalidProof where a signature of one of them is wrong."""
    fitting = [(key, signature) for key in keys for signature in signed.signatures if signature.fits(key)]
    for key, signature in fitting:
        check_signature(key, signed.checkpoint, signature)
    return tuple(dict.fromkeys(key for key, _ in fitting))
