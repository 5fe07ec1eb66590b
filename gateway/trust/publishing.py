"""Lets a seal leave the node: as a file in a folder that somebody carries away, and as a short text for paper. In: a seal.
Out: a file that verifiers read, or lines that can be typed again. What was published cannot be taken back: that is its
purpose."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from gateway.domain.seal import MOST_BYTES, PublishedSeal, read
from gateway.errors import Clash, InvalidProof, StoreFailure

_GROUP = 4
_GROUPS_IN_LINE = 8


def put(folder: Path, seal: PublishedSeal) -> Path:
    """Writes `<log>-<number>.seal`, durable on return and never seen half-written. A seal without its timestamp is
    replaced by the same one with it; Clash where another seal has that name, because it is the proof that history was
    made anew."""
    about = seal.signed.seal
    path = folder / f"{about.log_id}-{about.number:012d}.seal"
    if path.exists() and _digest(path) != seal.signed.digest:
        raise Clash(
            f"{path} was published before and is another seal than number {about.number} of this log now",
            hint="keep the file, and examine the log: gateway audit verify --seal FILE",
        )
    write(path, seal.to_bytes())
    return path


def key_pem(seal: PublishedSeal) -> bytes:
    """The public key of the log, for whoever checks its seals elsewhere."""
    key = serialization.load_der_public_key(seal.signed.key)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return read(file.read(MOST_BYTES + 1)).signed.digest
    except (OSError, InvalidProof):
        return None


def write(path: Path, content: bytes) -> None:
    """As `put`, under a name of one's own; what was there is replaced."""
    growing = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with growing.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        growing.replace(path)
        handle = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as why:
        growing.unlink(missing_ok=True)
        raise StoreFailure(f"{path} could not be written: {why.strerror or why}") from why


def on_paper(seal: PublishedSeal) -> list[tuple[str, str]]:
    """Name and value of each line to print: enough to compare later, in groups that an eye can follow."""
    signed = seal.signed
    about = signed.seal
    return [
        ("log", about.log_id),
        ("number", str(about.number)),
        ("size", str(about.tree_size)),
        ("at", about.at.strftime("%Y-%m-%dT%H:%M:%SZ")),
        *(("root", line) for line in _grouped(about.root.hex())),
        *(("seal", line) for line in _grouped(signed.digest.hex())),
        *(("key", line) for line in _grouped(signed.key_id)),
    ]


def _grouped(digits: str) -> list[str]:
    groups = [digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)]
    return [" ".join(groups[at : at + _GROUPS_IN_LINE]) for at in range(0, len(groups), _GROUPS_IN_LINE)]
