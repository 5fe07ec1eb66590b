"""The least cost of one document: the bare operations that no program can leave out, with nothing around them. In: a size.
Out: CPU seconds of one exchange: the document hashed, encoded and the envelope hashed at the sender; the envelope hashed,
decoded and the document hashed at the receiver; a signature made and checked for the document and for its 01. Coder and
hash are those of the product."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from statistics import median
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pybase64 import b64decode, b64encode

# A multiple of three, so that each piece encodes by itself.
PIECE = 3 * 64 * 1024
ROUNDS = 5
SIGNATURES = 2


def exchange(size: int) -> float:
    """Return the CPU seconds, the median of several rounds."""
    content = random.Random(size).randbytes(size)
    key = ec.generate_private_key(ec.SECP256R1())
    return median(_once(content, key) for _ in range(ROUNDS))


def _once(content: bytes, key: ec.EllipticCurvePrivateKey) -> float:
    # Small operations end before the clock of a process has moved: they are repeated until it shows.
    times = max(1, 1_000_000 // len(content))
    begun = process_time()
    for _ in range(times):
        encoded = _sender(content)
        _receiver(encoded)
        _sign_and_check(key)
    return (process_time() - begun) / times


def _sender(content: bytes) -> list[bytes]:
    document, envelope = hashlib.sha256(), hashlib.sha256()
    encoded = []
    for piece in _pieces(content):
        document.update(piece)
        encoded.append(b64encode(piece))
        envelope.update(encoded[-1])
    return encoded


def _receiver(encoded: list[bytes]) -> None:
    document, envelope = hashlib.sha256(), hashlib.sha256()
    for piece in encoded:
        envelope.update(piece)
        document.update(b64decode(piece, validate=True))


def _sign_and_check(key: ec.EllipticCurvePrivateKey) -> None:
    for _ in range(SIGNATURES):
        signature = key.sign(b"digest", ec.ECDSA(hashes.SHA256()))
        key.public_key().verify(signature, b"digest", ec.ECDSA(hashes.SHA256()))


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
