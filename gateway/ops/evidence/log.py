"""Write and check the part of an evidence pack that the sealed log proves: leaves, covering seals, and proofs. In: a pack
of intact bytes, the timestamp authorities and node keys that the user trusts, perhaps a published seal. Out: lines of the
report, and for each packet the earliest trusted time before which it existed. Such a time is proved by the timestamp and
the proof of inclusion alone, whichever key signed the seal. The files of a pack are untrusted; reading them raises
`SpoiledPack`."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from cryptography import x509

from gateway.domain import sealed_log
from gateway.domain.evidence import CONSISTENCY, LEAVES, SEALS, SpoiledPack
from gateway.domain.sealed_log import PublishedSeal, Stamp
from gateway.errors import InvalidProof
from gateway.ops.evidence.judge import ReportLine
from gateway.ops.evidence.pack_file import Pack, check_total_size
from gateway.trust import seals as log_seals

# Most bytes of a leaf, which is one event without the texts that people wrote.
MOST_LEAF = 256 * 1024
MOST_SEALS = 10_000
_MOST_LINE = 2 * MOST_LEAF
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')
_MOST_SEAL = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedLeaf:
    """One leaf of the log: its bytes, its index, and its proof of inclusion (`path`) in the tree of one seal."""

    index: int
    body: bytes
    seal: int
    path: tuple[bytes, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every SHA-256 in the leaf; a digest proves that its bytes existed before the leaf was sealed."""
        return frozenset(digest.decode("ascii") for digest in _DIGEST.findall(self.body))


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTrees:
    """Proof that the tree of seal `new` begins with the tree of the earlier seal `old`."""

    old: int
    new: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProofs:
    """Leaves, seals and proofs of the log for one pack; seals are in ascending order, each joined to the next. `stamped`
    has the times of timestamps by seal number, as the node that made the pack verified them."""

    seals: tuple[PublishedSeal, ...] = ()
    leaves: tuple[ProvedLeaf, ...] = ()
    joined: tuple[JoinedTrees, ...] = ()
    published: frozenset[int] = frozenset()
    stamped: Mapping[int, datetime] = field(default_factory=dict)


def seal_name(number: int) -> str:
    return f"{SEALS}{number:012d}.seal"


def leaves_bytes(leaves: Iterable[ProvedLeaf]) -> bytes:
    """Return the file of leaves, a JSON line for each."""
    return b"".join(
        _to_line(
            {
                "body": base64.b64encode(leaf.body).decode("ascii"),
                "index": leaf.index,
                "path": [h.hex() for h in leaf.path],
                "seal": leaf.seal,
            }
        )
        for leaf in leaves
    )


def joined_bytes(joined: Iterable[JoinedTrees]) -> bytes:
    return b"".join(
        _to_line({"new": join.new, "old": join.old, "path": [h.hex() for h in join.path]}) for join in joined
    )


def read_leaves(pieces: Iterable[bytes]) -> Iterator[ProvedLeaf]:
    """Parse the file of leaves line by line, in bounded memory. SpoiledPack for a line that is no leaf."""
    for row in _lines(pieces, LEAVES):
        try:
            leaf = ProvedLeaf(
                index=_read_number(row["index"]),
                body=base64.b64decode(row["body"], validate=True),
                seal=_read_number(row["seal"]),
                path=_read_path(row["path"]),
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as cause:
            raise SpoiledPack(LEAVES, "a line is no leaf with its proof") from cause
        yield leaf


def read_joined(pieces: Iterable[bytes]) -> tuple[JoinedTrees, ...]:
    try:
        return tuple(
            JoinedTrees(
                old=_read_number(row["old"]), new=_read_number(row["new"]), path=_read_path(row["path"])
            )
            for row in _lines(pieces, CONSISTENCY)
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise SpoiledPack(CONSISTENCY, "a line joins no two seals") from cause


def read_seal(name: str, content: bytes) -> PublishedSeal:
    """Parse the seal of a member. SpoiledPack when it is no seal, or the member's name has another number."""
    try:
        published = sealed_log.read_seal(content)
    except InvalidProof as cause:
        raise SpoiledPack(name, cause.detail) from cause
    if name != seal_name(published.signed.seal.number):
        raise SpoiledPack(name, f"it holds the seal with the number {published.signed.seal.number}")
    return published


def _to_line(row: object) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _lines(pieces: Iterable[bytes], member: str) -> Iterator[dict[str, Any]]:
    for line in _split_lines(pieces, member):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as cause:
            raise SpoiledPack(member, "a line is not JSON") from cause
        if not isinstance(row, dict):
            raise SpoiledPack(member, "a line is no JSON object")
        yield row


def _split_lines(pieces: Iterable[bytes], member: str) -> Iterator[bytes]:
    """Yield the lines of a member without holding all of it in memory. SpoiledPack for a line that is too long."""
    tail = b""
    for piece in pieces:
        *complete_lines, tail = (tail + piece).split(b"\n")
        yield from complete_lines
        if len(tail) > _MOST_LINE:
            raise SpoiledPack(member, f"a line is longer than {_MOST_LINE} bytes")
    if tail:
        raise SpoiledPack(member, "its last line has no end")


def _read_number(number: object) -> int:
    if type(number) is not int or not 0 <= number < 10**18:
        raise ValueError(number)
    return number


def _read_path(hashes: Sequence[str]) -> tuple[bytes, ...]:
    if not isinstance(hashes, list) or len(hashes) > 2 * 64:
        raise ValueError(hashes)
    return tuple(bytes.fromhex(h) for h in hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAnchors:
    """Timestamp authorities, node keys and perhaps a published seal that the user of the check trusts."""

    authorities: Sequence[x509.Certificate] = ()
    node_keys: Collection[bytes] = ()
    published: PublishedSeal | None = None


def check_log(
    pack: Pack, anchors: TimeAnchors, digests: frozenset[str], at: datetime
) -> tuple[Sequence[ReportLine], Mapping[str, datetime]]:
    """Check the log's part of a pack as of `at`; return the report lines, and the trusted times by digest for packets among
    `digests`. SpoiledPack for a misnamed or wrong member."""
    seals = _read_seals(pack)
    if not seals:
        return [ReportLine(step="seals", ok=None, note="no_seals", decides=False)], {}
    lines = [*_check_keys(seals, anchors.node_keys), *_check_growth(pack, seals)]
    stamps, stamp_lines = _check_stamps(seals, anchors.authorities)
    lines += [*stamp_lines, *_check_renewal(stamps, at)]
    times: dict[str, datetime] = {}
    count = 0
    for leaf in _check_leaves(pack, seals):
        count += 1
        if (stamp := stamps.get(leaf.seal)) is not None:
            packets = sorted(leaf.names & digests)
            times |= {digest: min(times.get(digest, stamp.at), stamp.at) for digest in packets}
    lines.append(
        ReportLine(step="leaves", ok=True, note="included", params={"count": str(count)}, member=LEAVES)
    )
    lines.append(_check_published(seals, anchors.published))
    return lines, times


def _read_seals(pack: Pack) -> dict[int, PublishedSeal]:
    members = pack.under(SEALS)
    if len(members) > MOST_SEALS:
        raise SpoiledPack(SEALS, f"a pack needs at most {MOST_SEALS} seals")
    check_total_size(SEALS, members)
    published_seals = [read_seal(member.name, pack.read(member.name, _MOST_SEAL)) for member in members]
    return {
        published.signed.seal.number: published
        for published in sorted(published_seals, key=lambda published: published.signed.seal.number)
    }


def _check_keys(seals: Mapping[int, PublishedSeal], trusted_keys: Collection[bytes]) -> list[ReportLine]:
    """Check the signatures of the seals; return one line per key, because a node may have had several. SpoiledPack for a
    wrong signature."""
    by_key: dict[bytes, list[int]] = {}
    for number, published in seals.items():
        try:
            log_seals.check_seal(published.signed)
        except InvalidProof as cause:
            raise SpoiledPack(seal_name(number), cause.detail) from cause
        by_key.setdefault(published.signed.key, []).append(number)
    return [
        ReportLine(
            step="seals",
            ok=True if key in trusted_keys else None,
            note="seals_known" if key in trusted_keys else "not_anchored",
            params={"count": str(len(numbers)), "fingerprint": seals[numbers[0]].signed.key_id},
            member=seal_name(numbers[0]),
        )
        for key, numbers in by_key.items()
    ]


def _check_growth(pack: Pack, seals: Mapping[int, PublishedSeal]) -> list[ReportLine]:
    """Check by the proofs that the log only grew from each seal to the next; SpoiledPack when one does not show it."""
    joined = {(join.old, join.new): join for join in read_joined(pack.pieces(CONSISTENCY))}
    for (a, old), (b, new) in itertools.pairwise(seals.items()):
        proof, old_seal, new_seal = joined.get((a, b)), old.signed.seal, new.signed.seal
        if old_seal.log_id != new_seal.log_id:
            raise SpoiledPack(seal_name(b), "it is of another log than the seal before it")
        if proof is None or not sealed_log.proves_prefix(
            old_seal.tree_size, old_seal.root, new_seal.tree_size, new_seal.root, proof.path
        ):
            raise SpoiledPack(
                CONSISTENCY, f"nothing shows that the log of seal {b} begins with that of seal {a}"
            )
    return [ReportLine(step="consistency", ok=True, note="grown", member=CONSISTENCY)]


def _check_stamps(
    seals: Mapping[int, PublishedSeal], authorities: Sequence[x509.Certificate]
) -> tuple[dict[int, Stamp], list[ReportLine]]:
    """Verify the timestamps of the seals; return those that hold by seal number, and the report lines."""
    tokens = {number: published for number, published in seals.items() if published.stamp is not None}
    if not tokens:
        return {}, [ReportLine(step="stamps", ok=None, note="no_stamps", decides=False)]
    if not authorities:
        return {}, [
            ReportLine(step="stamps", ok=None, note="not_anchored", params={"count": str(len(tokens))})
        ]
    stamps: dict[int, Stamp] = {}
    lines = []
    for number, published in tokens.items():
        line = partial(ReportLine, step="stamps", member=seal_name(number))
        try:
            proved = log_seals.check_stamp(published.stamp or b"", published.signed.to_bytes(), authorities)
        except InvalidProof as cause:
            lines.append(line(ok=False, note="stamp_fails", detail=cause.detail))
            continue
        stamps[number] = proved
        params = {"authority": proved.authority, "seal": str(number)}
        lines.append(line(ok=True, note="stamped", params=params, proved_at=proved.at, trusted=True))
    return stamps, lines


def _check_renewal(stamps: Mapping[int, Stamp], at: datetime) -> list[ReportLine]:
    """Return a line for each timestamp whose certificate has ended: whether a newer one, which holds itself, was made over
    the same lines before that end. It explains and does not decide: each timestamp was right at its own time."""
    lines, proved_before, newer = [], at, 0
    for number, stamp in sorted(stamps.items(), reverse=True):
        is_held = proved_before <= stamp.ends_at
        if stamp.ends_at < at:
            params = {"seal": str(number), "until": stamp.ends_at.isoformat(), "newer": str(newer)}
            note = "stamp_over" if is_held else "stamp_ended"
            line = ReportLine(step="stamps", ok=is_held or None, note=note, params=params, decides=False)
            lines.append(line if not is_held else replace(line, proved_at=proved_before, trusted=True))
        if is_held:
            proved_before, newer = stamp.at, number
    return lines[::-1]


def _check_leaves(pack: Pack, seals: Mapping[int, PublishedSeal]) -> Iterator[ProvedLeaf]:
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


def _check_published(seals: Mapping[int, PublishedSeal], published_seal: PublishedSeal | None) -> ReportLine:
    """Compare the pack's seals with a published seal, which a second history would not match (E3, published seals)."""
    if published_seal is None:
        return ReportLine(step="published", ok=None, note="no_published_seal", decides=False)
    expected, newest = published_seal.signed.seal, list(seals.values())[-1].signed.seal
    line = partial(ReportLine, step="published", params={"seal": str(expected.number)})
    if expected.log_id != newest.log_id:
        return line(ok=False, note="other_log")
    own_seal = seals.get(expected.number)
    if own_seal is None:
        return line(ok=None, note="published_absent")
    is_equal = own_seal.signed.digest == published_seal.signed.digest
    note = "published_equal" if is_equal else "other_history"
    return line(ok=is_equal, note=note, member=seal_name(expected.number))
