"""The part of an evidence pack that the sealed log proves: leaves, the seals that cover them, and the proofs between. In: a
pack's lines and seals, as bytes that anybody may have written. Out: values, and back to their one form; or `SpoiledPack`.
Whether a proof holds is `checked_log`'s to say."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain import seal
from gateway.domain.evidence import CONSISTENCY, LEAVES, SEALS, SpoiledPack
from gateway.domain.seal import PublishedSeal
from gateway.errors import InvalidProof

# A leaf is one event: what people wrote stands outside it.
MOST_LEAF = 256 * 1024
MOST_SEALS = 10_000
_MOST_LINE = 2 * MOST_LEAF
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedLeaf:
    """One line of the log: its bytes, where it stands, and its way to the root of one seal."""

    index: int
    body: bytes
    seal: int
    path: tuple[bytes, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every SHA-256 that it names. Nobody can write the digest of bytes that are not there yet."""
        return frozenset(each.decode("ascii") for each in _DIGEST.findall(self.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """That the tree of a later seal begins with the tree of an earlier one."""

    old: int
    new: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProofs:
    """All that the log proves for one pack; seals by their numbers, ascending, each joined to the next. `stamped` are the
    times of their timestamps as the node that made the pack found them, by the seal's number."""

    seals: tuple[PublishedSeal, ...] = ()
    leaves: tuple[ProvedLeaf, ...] = ()
    joined: tuple[Joined, ...] = ()
    published: frozenset[int] = frozenset()
    stamped: Mapping[int, datetime] = field(default_factory=dict)


def seal_name(number: int) -> str:
    return f"{SEALS}{number:012d}.seal"


def leaves_bytes(leaves: Iterable[ProvedLeaf]) -> bytes:
    """One line for each."""
    return b"".join(
        _line(
            {
                "body": base64.b64encode(each.body).decode("ascii"),
                "index": each.index,
                "path": [one.hex() for one in each.path],
                "seal": each.seal,
            }
        )
        for each in leaves
    )


def joined_bytes(joined: Iterable[Joined]) -> bytes:
    return b"".join(
        _line({"new": each.new, "old": each.old, "path": [one.hex() for one in each.path]}) for each in joined
    )


def read_leaves(pieces: Iterable[bytes]) -> Iterator[ProvedLeaf]:
    """A line at a time, however many there are."""
    for told in _lines(pieces, LEAVES):
        try:
            leaf = ProvedLeaf(
                index=_number(told["index"]),
                body=base64.b64decode(told["body"], validate=True),
                seal=_number(told["seal"]),
                path=_path(told["path"]),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as cause:
            raise SpoiledPack(LEAVES, "a line is no leaf with its proof") from cause
        yield leaf


def read_joined(pieces: Iterable[bytes]) -> tuple[Joined, ...]:
    found = []
    for told in _lines(pieces, CONSISTENCY):
        try:
            found.append(Joined(old=_number(told["old"]), new=_number(told["new"]), path=_path(told["path"])))
        except (KeyError, TypeError, ValueError) as cause:
            raise SpoiledPack(CONSISTENCY, "a line joins no two seals") from cause
    return tuple(found)


def read_seal(name: str, content: bytes) -> PublishedSeal:
    """The seal in a member that is called after its number."""
    try:
        found = seal.read(content)
    except InvalidProof as cause:
        raise SpoiledPack(name, cause.detail) from cause
    if name != seal_name(found.signed.seal.number):
        raise SpoiledPack(name, f"it holds the seal with the number {found.signed.seal.number}")
    return found


def _line(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _lines(pieces: Iterable[bytes], member: str) -> Iterator[dict[str, Any]]:
    for line in _split(pieces, member):
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as cause:
            raise SpoiledPack(member, "a line is not JSON") from cause
        if not isinstance(told, dict):
            raise SpoiledPack(member, "a line is no JSON object")
        yield told


def _split(pieces: Iterable[bytes], member: str) -> Iterator[bytes]:
    """Lines of a bounded length, never the whole member."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        yield from whole
        if len(held) > _MOST_LINE:
            raise SpoiledPack(member, f"a line is longer than {_MOST_LINE} bytes")
    if held:
        raise SpoiledPack(member, "its last line has no end")


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 10**18:
        raise ValueError(value)
    return value


def _path(value: Sequence[str]) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > 2 * 64:
        raise ValueError(value)
    return tuple(bytes.fromhex(each) for each in value)
