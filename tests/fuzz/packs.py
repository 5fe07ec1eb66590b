"""Evidence packs that anybody may have changed. `evidence`: the bytes of the file; only the very bytes that were made are
ever valid (E5). `member`: a stranger puts another member into a pack and signs a manifest that fits, so that what reads
the members is reached. Each check ends with a report."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.domain.evidence import SpoiledPack
from gateway.ops.evidence import pack_file
from gateway.ops.evidence.pack_file import EvidenceKey
from tests.fuzz.target import Target
from tests.support import evidence

_LONGEST_MEMBER: Final = 32_768
_STRANGER: Final = EvidenceKey(Ed25519PrivateKey.from_private_bytes(b"stranger" * 4))


@cache
def _good() -> frozenset[bytes]:
    exchange = evidence.played_scene()
    return frozenset({exchange.sent, exchange.received, exchange.unstamped})


def pack(data: bytes) -> None:
    """The container is read first, which takes no keys; only what passes it is checked in full."""
    path = _place()
    path.write_bytes(data)
    try:
        pack_file.read_pack(path)
    except SpoiledPack:
        assert data not in _good()
        return
    finally:
        path.unlink()
    exchange = evidence.played_scene()
    report = evidence.check(data, path.parent / f"{path.name}.d", exchange.trust, exchange.seal)
    report.to_json()
    assert report.verdict != "valid" or data in _good(), "another pack than the ones that were made is valid"


@cache
def _place() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - only where the bytes lie is meant; the name is this process's own
    return (memory if memory.is_dir() else Path(tempfile.gettempdir())) / f"gateway-fuzz-pack-{os.getpid()}"


def _seeds() -> Iterator[bytes]:
    yield from sorted(_good(), key=len)


@cache
def _members() -> tuple[tuple[str, bytes], ...]:
    return tuple(evidence.unpacked(evidence.played_scene().sent, _folder()).items())


def _folder() -> Path:
    return _place().with_suffix(".d")


def member(data: bytes) -> None:
    """Replace a member: the first byte chooses it, the others are its new content."""
    name, good = _members()[data[0] % len(_members())] if data else _members()[0]
    exchange = evidence.played_scene()
    changed = evidence.rebuilt(exchange.sent, _folder(), _STRANGER, {name: data[1:]})
    report = evidence.check(changed, _folder(), exchange.trust, exchange.seal)
    json.dumps(report.to_json())
    assert report.verdict != "valid", "a pack of nobody known is valid"
    assert report.verdict == "unknown" or data[1:] != good


def _contents() -> Iterator[bytes]:
    for n, (_, content) in enumerate(_members()):
        if len(content) < _LONGEST_MEMBER:
            yield bytes([n]) + content


TARGETS = (
    Target(name="evidence", run=pack, seeds=_seeds, longest=262_144),
    Target(name="member", run=member, seeds=_contents, longest=_LONGEST_MEMBER),
)
