"""Checks what the sealed log of a pack proves. In: a pack whose bytes are whole, timestamp authorities and node keys that
the user trusts, perhaps a seal that was published. Out: lines, and for each packet the earliest trusted time before which
it existed. A time rests on the timestamp and the proof of inclusion alone, whoever signed the seal."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from gateway.domain import merkle
from gateway.domain.evidence import CONSISTENCY, LEAVES, SEALS, SpoiledPack
from gateway.domain.seal import PublishedSeal
from gateway.errors import InvalidProof
from gateway.ops.evidence.log import MOST_SEALS, ProvedLeaf, read_joined, read_leaves, read_seal, seal_name
from gateway.ops.evidence.read import Pack, within
from gateway.ops.evidence.report import Line
from gateway.trust import seal_key, timestamp

_MOST_SEAL = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAnchors:
    """Who is believed about time and about the log; empty where nobody is."""

    authorities: Sequence[x509.Certificate] = ()
    node_keys: Collection[bytes] = ()
    published: PublishedSeal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFound:
    """`times` are trusted times by the digest of a packet; `named` the digests that the log names at all."""

    lines: Sequence[Line]
    times: Mapping[str, datetime] = field(default_factory=dict)
    named: Collection[str] = ()


def check(pack: Pack, anchors: TimeAnchors, digests: frozenset[str]) -> LogFound:
    """SpoiledPack where the log's members are not what they are called."""
    seals = _seals(pack)
    if not seals:
        return LogFound(lines=[Line(step="seals", ok=None, note="no_seals", decides=False)])
    lines = [*_signed(seals, anchors.node_keys), *_grown(pack, seals)]
    stamps, told = _stamped(seals, anchors.authorities)
    lines += told
    times: dict[str, datetime] = {}
    named: set[str] = set()
    count = 0
    for leaf in _included(pack, seals):
        count += 1
        for digest in leaf.names & digests:
            named.add(digest)
            if leaf.seal in stamps:
                times[digest] = min(times.get(digest, stamps[leaf.seal]), stamps[leaf.seal])
    lines.append(Line(step="leaves", ok=True, note="included", params={"count": str(count)}, member=LEAVES))
    lines.append(_published(seals, anchors.published))
    return LogFound(lines=lines, times=times, named=named)


def _seals(pack: Pack) -> dict[int, PublishedSeal]:
    members = pack.under(SEALS)
    if len(members) > MOST_SEALS:
        raise SpoiledPack(SEALS, f"a pack needs at most {MOST_SEALS} seals")
    within(SEALS, members)
    found = [read_seal(each.name, pack.read(each.name, _MOST_SEAL)) for each in members]
    return {each.signed.seal.number: each for each in sorted(found, key=lambda one: one.signed.seal.number)}


def _signed(seals: Mapping[int, PublishedSeal], known: Collection[bytes]) -> list[Line]:
    """Each seal is of its key; one line for each key, because a node may have had several."""
    by_key: dict[bytes, list[int]] = {}
    for number, each in seals.items():
        try:
            seal_key.check(each.signed)
        except InvalidProof as cause:
            raise SpoiledPack(seal_name(number), cause.detail) from cause
        by_key.setdefault(each.signed.key, []).append(number)
    return [
        Line(
            step="seals",
            ok=True if key in known else None,
            note="seals_known" if key in known else "not_anchored",
            params={"count": str(len(numbers)), "fingerprint": seals[numbers[0]].signed.key_id},
            member=seal_name(numbers[0]),
        )
        for key, numbers in by_key.items()
    ]


def _grown(pack: Pack, seals: Mapping[int, PublishedSeal]) -> list[Line]:
    """From seal to seal the log only grew: no second history between them."""
    joined = {(each.old, each.new): each for each in read_joined(pack.pieces(CONSISTENCY))}
    for (a, old), (b, new) in itertools.pairwise(seals.items()):
        proof, before, after = joined.get((a, b)), old.signed.seal, new.signed.seal
        if before.log_id != after.log_id:
            raise SpoiledPack(seal_name(b), "it is of another log than the seal before it")
        if proof is None or not merkle.is_prefix(
            before.tree_size, before.root, after.tree_size, after.root, proof.path
        ):
            raise SpoiledPack(
                CONSISTENCY, f"nothing shows that the log of seal {b} begins with that of seal {a}"
            )
    return [Line(step="consistency", ok=True, note="grown", member=CONSISTENCY)]


def _stamped(
    seals: Mapping[int, PublishedSeal], authorities: Sequence[x509.Certificate]
) -> tuple[dict[int, datetime], list[Line]]:
    """The time that each timestamp proves."""
    tokens = {number: each for number, each in seals.items() if each.stamp is not None}
    if not tokens:
        return {}, [Line(step="stamps", ok=None, note="no_stamps", decides=False)]
    if not authorities:
        return {}, [Line(step="stamps", ok=None, note="not_anchored", params={"count": str(len(tokens))})]
    found: dict[int, datetime] = {}
    lines = []
    for number, each in tokens.items():
        try:
            proved = timestamp.check(each.stamp or b"", each.signed.to_bytes(), authorities)
        except InvalidProof as cause:
            member = seal_name(number)
            lines.append(
                Line(step="stamps", ok=False, note="stamp_fails", member=member, detail=cause.detail)
            )
        else:
            found[number] = proved.at
            lines.append(
                Line(
                    step="stamps",
                    ok=True,
                    note="stamped",
                    params={"authority": proved.authority, "seal": str(number)},
                    member=seal_name(number),
                    proved_at=proved.at,
                    trusted=True,
                )
            )
    return found, lines


def _included(pack: Pack, seals: Mapping[int, PublishedSeal]) -> Iterator[ProvedLeaf]:
    for leaf in read_leaves(pack.pieces(LEAVES)):
        covering = seals.get(leaf.seal)
        if covering is None or not merkle.includes(
            merkle.leaf_hash(leaf.body),
            leaf.index,
            covering.signed.seal.tree_size,
            leaf.path,
            covering.signed.seal.root,
        ):
            raise SpoiledPack(
                LEAVES, f"nothing shows that line {leaf.index} of the log is under seal {leaf.seal}"
            )
        yield leaf


def _published(seals: Mapping[int, PublishedSeal], given: PublishedSeal | None) -> Line:
    """Against a seal that left the node, no second history stands (E3)."""
    if given is None:
        return Line(step="published", ok=None, note="no_published_seal", decides=False)
    wanted, newest = given.signed.seal, list(seals.values())[-1].signed.seal
    params = {"seal": str(wanted.number)}
    if wanted.log_id != newest.log_id:
        return Line(step="published", ok=False, note="other_log", params=params)
    same = seals.get(wanted.number)
    if same is not None:
        equal = same.signed.digest == given.signed.digest
        member = seal_name(wanted.number)
        note = "published_equal" if equal else "other_history"
        return Line(step="published", ok=equal, note=note, params=params, member=member)
    return Line(step="published", ok=None, note="published_absent", params=params)
