"""A proof as the text of a QR code (`docs/proofs.md`), without signatures that are too large for one. In: a proof; a text
that a scanner read. Out: the text, where a code holds it; the proof again. Pure."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from gateway.domain.notes import (
    ORIGIN,
    Checkpoint,
    LeafProof,
    NoteKind,
    NoteSignature,
    SignedCheckpoint,
    read_proof,
)
from gateway.errors import InvalidProof

TAG = "LTP1:"
# 2,300 bytes in the mode of capitals and digits: the largest code at correction level M takes 3,391 letters.
MOST_LETTERS = 3345
_MOST_COSIGNATURES = 3
_MOST_LEAF = 64 * 1024
# Id of the log, number of leaves, index, root, number of hashes in the path, number of signatures.
_HEAD = struct.Struct(">16sQQ32sBB")
_KEY_ID, _HASH = 4, 32
_LOG_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnProof:
    """QR code of a proof: its width in modules, and the dark ones as an SVG path of strokes. Without a code `absent` says
    why: `unsealed` or `long`."""

    side: int = 0
    path: str = ""
    absent: str = ""


UNSEALED = DrawnProof(absent="unsealed")


def to_code(proof: LeafProof) -> str | None:
    """Return the text of the code; None for a proof that is too long for one, or of a log of another origin."""
    checkpoint = proof.signed.checkpoint
    log_id = checkpoint.origin.removeprefix(ORIGIN)
    if not _LOG_ID.fullmatch(log_id) or checkpoint.more:
        return None
    signatures = _select_signatures(proof.signed)
    parts = [
        _HEAD.pack(
            bytes.fromhex(log_id),
            checkpoint.size,
            proof.index,
            checkpoint.root,
            len(proof.path),
            len(signatures),
        ),
        *proof.path,
        *(_pack_signature(signature, checkpoint.origin) for signature in signatures),
        zlib.compress(proof.leaf, 9),
    ]
    text = TAG + _base32(b"".join(parts))
    return text if len(text) <= MOST_LETTERS else None


def is_code(text: str) -> bool:
    """Tell whether a text begins as that of a code."""
    return text.lstrip()[: len(TAG)].upper() == TAG


def read_code(text: str) -> LeafProof:
    """Parse the text of a code, whose spaces, line breaks and case do not matter. InvalidProof for any other text."""
    encoded = "".join(text.split()).upper().removeprefix(TAG)
    try:
        if len(encoded) > MOST_LETTERS:
            raise ValueError("longer than a code can be")
        content = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
        proof = _read_content(BytesIO(content))
    except (ValueError, struct.error, zlib.error) as cause:
        raise InvalidProof("this is not the text of a proof's code, or a part of it is missing") from cause
    # The text of the file has one strict reader.
    return read_proof(proof.to_text())


def _select_signatures(signed: SignedCheckpoint) -> list[NoteSignature]:
    """Return the log's own signature with Ed25519, and as many cosignatures of witnesses as a code takes."""
    own, cosigned = NoteKind.ED25519.signature_bytes, NoteKind.COSIGNATURE.signature_bytes
    sizes = [(signature, len(signature.signature)) for signature in signed.signatures]
    ours = [s for s, size in sizes if size == own and s.name == signed.checkpoint.origin]
    return ours[:1] + [s for s, size in sizes if size == cosigned][:_MOST_COSIGNATURES]


def _pack_signature(signature: NoteSignature, origin: str) -> bytes:
    """Return length and text of the name, which is empty for the log's own, then key id and length of the signature, and
    the signature."""
    name = b"" if signature.name == origin else signature.name.encode()
    return b"".join(
        (_octet(len(name)), name, signature.key_id, _octet(len(signature.signature)), signature.signature)
    )


def _read_content(stream: BytesIO) -> LeafProof:
    head = _HEAD.unpack(_take(stream, _HEAD.size))
    log_id, size, index, root, hashes, signed = head
    checkpoint = Checkpoint(f"{ORIGIN}{log_id.hex()}", size, root)
    path = tuple(_take(stream, _HASH) for _ in range(hashes))
    signatures = tuple(_read_signature(stream, checkpoint.origin) for _ in range(signed))
    unpacking = zlib.decompressobj()
    leaf = unpacking.decompress(stream.read(), _MOST_LEAF)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("the line of the log is cut off, or something follows it")
    return LeafProof(leaf=leaf, index=index, path=path, signed=SignedCheckpoint(checkpoint, signatures))


def _read_signature(stream: BytesIO, origin: str) -> NoteSignature:
    name = _take(stream, _take(stream, 1)[0]).decode() or origin
    key_id = _take(stream, _KEY_ID)
    return NoteSignature(name, key_id, _take(stream, _take(stream, 1)[0]))


def _take(stream: BytesIO, size: int) -> bytes:
    part = stream.read(size)
    if len(part) < size:
        raise ValueError("the code ends too early")
    return part


def _octet(number: int) -> bytes:
    return number.to_bytes(1, "big")


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode("ascii").rstrip("=")
