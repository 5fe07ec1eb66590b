"""The part of an evidence pack that the sealed log proves: leaves, the seals that cover them, and the proofs between.
In: a pack whose bytes are whole, the timestamp authorities and node keys that the user trusts, perhaps a seal that
was published. Out: lines of the report, and for each packet the earliest trusted time before which it existed. A time
rests on the timestamp and the proof of inclusion alone, whoever signed the seal.

Leaves, seals and proofs stand here as values and in the one form in which they are written; they are read from lines
and seals that anybody may have written, or `SpoiledPack` is raised."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from cryptography import x509

from gateway.domain import sealed_log
from gateway.domain.evidence import CONSISTENCY, LEAVES, SEALS, SpoiledPack
from gateway.domain.sealed_log import PublishedSeal
from gateway.errors import InvalidProof
from gateway.ops.evidence.judge import ReportLine
from gateway.ops.evidence.pack_file import Pack, within
from gateway.trust import seals as log_seals

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
class JoinedTrees:
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
    joined: tuple[JoinedTrees, ...] = ()
    published: frozenset[int] = frozenset()
    stamped: Mapping[int, datetime] = field(default_factory=dict)


def seal_name(number: int) -> str:
    return f"{SEALS}{number:012d}.seal"


def leaves_bytes(leaves: Iterable[ProvedLeaf]) -> bytes:
    """One line for each."""
    return b"".join(
        _written_line(
            {
                "body": base64.b64encode(each.body).decode("ascii"),
                "index": each.index,
                "path": [one.hex() for one in each.path],
                "seal": each.seal,
            }
        )
        for each in leaves
    )


def joined_bytes(joined: Iterable[JoinedTrees]) -> bytes:
    return b"".join(
        _written_line({"new": each.new, "old": each.old, "path": [one.hex() for one in each.path]})
        for each in joined
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


def read_joined(pieces: Iterable[bytes]) -> tuple[JoinedTrees, ...]:
    try:
        return tuple(
            JoinedTrees(old=_number(told["old"]), new=_number(told["new"]), path=_path(told["path"]))
            for told in _lines(pieces, CONSISTENCY)
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise SpoiledPack(CONSISTENCY, "a line joins no two seals") from cause


def read_seal(name: str, content: bytes) -> PublishedSeal:
    """The seal in a member that is called after its number."""
    try:
        found = sealed_log.read_seal(content)
    except InvalidProof as cause:
        raise SpoiledPack(name, cause.detail) from cause
    if name != seal_name(found.signed.seal.number):
        raise SpoiledPack(name, f"it holds the seal with the number {found.signed.seal.number}")
    return found


def _written_line(value: object) -> bytes:
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


_MOST_SEAL = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAnchors:
    """Who is believed about time and about the log; empty where nobody is."""

    authorities: Sequence[x509.Certificate] = ()
    node_keys: Collection[bytes] = ()
    published: PublishedSeal | None = None


def check_log(
    pack: Pack, anchors: TimeAnchors, digests: frozenset[str]
) -> tuple[Sequence[ReportLine], Mapping[str, datetime]]:
    """The lines, and trusted times by the digest of a packet. SpoiledPack where the log's members are not what they are
    called."""
    seals = _seals(pack)
    if not seals:
        return [ReportLine(step="seals", ok=None, note="no_seals", decides=False)], {}
    lines = [*_signed(seals, anchors.node_keys), *_grown(pack, seals)]
    stamps, told = _stamped(seals, anchors.authorities)
    lines += told
    times: dict[str, datetime] = {}
    count = 0
    for leaf in _included(pack, seals):
        count += 1
        if (at := stamps.get(leaf.seal)) is not None:
            times |= {digest: min(times.get(digest, at), at) for digest in leaf.names & digests}
    lines.append(
        ReportLine(step="leaves", ok=True, note="included", params={"count": str(count)}, member=LEAVES)
    )
    lines.append(_published(seals, anchors.published))
    return lines, times


def _seals(pack: Pack) -> dict[int, PublishedSeal]:
    members = pack.under(SEALS)
    if len(members) > MOST_SEALS:
        raise SpoiledPack(SEALS, f"a pack needs at most {MOST_SEALS} seals")
    within(SEALS, members)
    found = [read_seal(each.name, pack.read(each.name, _MOST_SEAL)) for each in members]
    return {each.signed.seal.number: each for each in sorted(found, key=lambda one: one.signed.seal.number)}


def _signed(seals: Mapping[int, PublishedSeal], known: Collection[bytes]) -> list[ReportLine]:
    """Each seal is of its key; one line for each key, because a node may have had several."""
    by_key: dict[bytes, list[int]] = {}
    for number, each in seals.items():
        try:
            log_seals.check_seal(each.signed)
        except InvalidProof as cause:
            raise SpoiledPack(seal_name(number), cause.detail) from cause
        by_key.setdefault(each.signed.key, []).append(number)
    return [
        ReportLine(
            step="seals",
            ok=True if key in known else None,
            note="seals_known" if key in known else "not_anchored",
            params={"count": str(len(numbers)), "fingerprint": seals[numbers[0]].signed.key_id},
            member=seal_name(numbers[0]),
        )
        for key, numbers in by_key.items()
    ]


def _grown(pack: Pack, seals: Mapping[int, PublishedSeal]) -> list[ReportLine]:
    """From seal to seal the log only grew: no second history between them."""
    joined = {(each.old, each.new): each for each in read_joined(pack.pieces(CONSISTENCY))}
    for (a, old), (b, new) in itertools.pairwise(seals.items()):
        proof, before, after = joined.get((a, b)), old.signed.seal, new.signed.seal
        if before.log_id != after.log_id:
            raise SpoiledPack(seal_name(b), "it is of another log than the seal before it")
        if proof is None or not sealed_log.proves_prefix(
            before.tree_size, before.root, after.tree_size, after.root, proof.path
        ):
            raise SpoiledPack(
                CONSISTENCY, f"nothing shows that the log of seal {b} begins with that of seal {a}"
            )
    return [ReportLine(step="consistency", ok=True, note="grown", member=CONSISTENCY)]


def _stamped(
    seals: Mapping[int, PublishedSeal], authorities: Sequence[x509.Certificate]
) -> tuple[dict[int, datetime], list[ReportLine]]:
    """The time that each timestamp proves."""
    tokens = {number: each for number, each in seals.items() if each.stamp is not None}
    if not tokens:
        return {}, [ReportLine(step="stamps", ok=None, note="no_stamps", decides=False)]
    if not authorities:
        return {}, [
            ReportLine(step="stamps", ok=None, note="not_anchored", params={"count": str(len(tokens))})
        ]
    found: dict[int, datetime] = {}
    lines = []
    for number, each in tokens.items():
        line = partial(ReportLine, step="stamps", member=seal_name(number))
        try:
            proved = log_seals.check_stamp(each.stamp or b"", each.signed.to_bytes(), authorities)
        except InvalidProof as cause:
            lines.append(line(ok=False, note="stamp_fails", detail=cause.detail))
            continue
        found[number] = proved.at
        params = {"authority": proved.authority, "seal": str(number)}
        lines.append(line(ok=True, note="stamped", params=params, proved_at=proved.at, trusted=True))
    return found, lines


def _included(pack: Pack, seals: Mapping[int, PublishedSeal]) -> Iterator[ProvedLeaf]:
    for leaf in read_leaves(pack.pieces(LEAVES)):
        covering = seals.get(leaf.seal)
        if covering is None or not sealed_log.proves_inclusion(
            sealed_log.leaf_hash(leaf.body),
            leaf.index,
            covering.signed.seal.tree_size,
            leaf.path,
            covering.signed.seal.root,
        ):
            raise SpoiledPack(
                LEAVES, f"nothing shows that line {leaf.index} of the log is under seal {leaf.seal}"
            )
        yield leaf


def _published(seals: Mapping[int, PublishedSeal], given: PublishedSeal | None) -> ReportLine:
    """Against a seal that left the node, no second history stands (E3)."""
    if given is None:
        return ReportLine(step="published", ok=None, note="no_published_seal", decides=False)
    wanted, newest = given.signed.seal, list(seals.values())[-1].signed.seal
    line = partial(ReportLine, step="published", params={"seal": str(wanted.number)})
    if wanted.log_id != newest.log_id:
        return line(ok=False, note="other_log")
    same = seals.get(wanted.number)
    if same is None:
        return line(ok=None, note="published_absent")
    equal = same.signed.digest == given.signed.digest
    note = "published_equal" if equal else "other_history"
    return line(ok=equal, note=note, member=seal_name(wanted.number))
