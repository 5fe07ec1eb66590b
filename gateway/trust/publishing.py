"""Lets a seal leave the node: as a file in a folder that somebody carries away, and as a short text for paper. In: a seal.
Out: a file that verifiers read, or lines that can be typed again. What was published cannot be taken back: that is its
purpose."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway.domain.seal import PublishedSeal
from gateway.errors import StoreFailure

_GROUP = 4
_GROUPS_IN_LINE = 8


def put(folder: Path, seal: PublishedSeal) -> Path:
    """Writes `<log>-<number>.seal`, durable on return and never seen half-written. A seal without its timestamp is
    replaced by the same one with it."""
    about = seal.signed.seal
    path = folder / f"{about.log_id}-{about.number:012d}.seal"
    write(path, seal)
    return path


def write(path: Path, seal: PublishedSeal) -> None:
    """As `put`, under a name of one's own."""
    growing = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with growing.open("xb") as file:
            file.write(seal.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        growing.replace(path)
    except OSError as why:
        growing.unlink(missing_ok=True)
        raise StoreFailure(f"the seal could not be written to {path}: {why.strerror or why}") from why


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
