"""The loss audit: two nodes compare, day by day, which packets one has sent and the other has. In: the packets of a day by
sender and recipient; a letter with the other side's. Out: letters as text, read strictly; packets that one side lacks, with
the comparisons that found them. Pure: `witnessing.counting` sends and stores.

A packet belongs to the day of its own id, which both sides know. The sender names packets by a short hash, so a letter of a
day with 50,000 packets stays small; the side that has a packet knows its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.errors import InvalidProof

TOLD_AFTER = 2
"""Comparisons that must find a difference before it counts: a packet may be on its way."""
HASH_DIGITS = 12
_PAIR = re.compile(r"pair (?P<sender>\S{1,40}) (?P<recipient>\S{1,40}) (?P<count>0|[1-9]\d{0,6})")
_HASHES = re.compile(rf"(?:[0-9a-f]{{{HASH_DIGITS}}})*")
_PACKET = re.compile(r"pkt_[0-9A-Z]{26}")
Pair = tuple[str, str]
"""Sender and recipient of packets, as codes."""


def short_hash(packet_id: str) -> str:
    """Return the hash that stands for a packet in letters."""
    return hashlib.sha256(packet_id.encode()).hexdigest()[:HASH_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPackets:
    """Hashes of a pair's packets at their sender: those that left, and those that may have left although they failed."""

    sent: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAnswer:
    """Comparison of one pair by its receiver: the number of packets that he has, the hashes of those that he lacks, and the
    ids of those that the sender did not name."""

    count: int
    lacking: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Packet that one side lacks. `is_here`: it is in this node, and the other one lacks it. `name` is that of its document
    here; `times` counts the comparisons that found it."""

    key: str
    is_here: bool
    name: str
    found_at: datetime
    times: int = 1
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.times >= TOLD_AFTER


def write_counts(day: date, sent: Mapping[Pair, SentPackets]) -> str:
    """Return the letter of a sender: for each pair the hashes of the packets of that day, also the failed ones."""
    lines = [f"day {day.isoformat()}"]
    for (sender, recipient), packets in sorted(sent.items()):
        lines.append(f"pair {sender} {recipient} {len(packets.sent)}")
        lines.append(f"{''.join(sorted(packets.sent))} {''.join(sorted(packets.failed))}")
    return "".join(f"{line}\n" for line in lines)


def read_counts(text: str) -> tuple[date, dict[Pair, SentPackets]]:
    """Parse the letter of a sender. InvalidProof for any other text."""
    day, lines = read_day(text)
    if len(lines) % 2:
        raise InvalidProof("the letter ends within a pair")
    by_pair: dict[Pair, SentPackets] = {}
    for head, body in zip(lines[::2], lines[1::2], strict=True):
        pair, count = read_pair(head)
        sent, _, failed = body.partition(" ")
        packets = SentPackets(sent=frozenset(read_hashes(sent)), failed=frozenset(read_hashes(failed)))
        if len(packets.sent) != count or pair in by_pair:
            raise InvalidProof(f"the letter names a pair twice, or not {count} packets")
        by_pair[pair] = packets
    return day, by_pair


def write_answer(day: date, answers: Mapping[Pair, PairAnswer]) -> str:
    """Return the letter of a receiver: for each pair his count, what he lacks, and what the sender did not name."""
    lines = [f"day {day.isoformat()}"]
    for (sender, recipient), answer in sorted(answers.items()):
        lines.append(f"pair {sender} {recipient} {answer.count}")
        lines += ["".join(answer.lacking), " ".join(answer.unnamed)]
    return "".join(f"{line}\n" for line in lines)


def read_answer(text: str) -> tuple[date, dict[Pair, PairAnswer]]:
    """Parse the letter of a receiver. InvalidProof for any other text."""
    day, lines = read_day(text)
    if len(lines) % 3:
        raise InvalidProof("the answer ends within a pair")
    answers = {}
    for head, lacking, unnamed in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        pair, count = read_pair(head)
        packets = tuple(unnamed.split())
        if not all(map(_PACKET.fullmatch, packets)):
            raise InvalidProof("the answer names packets that have no packet's id")
        answers[pair] = PairAnswer(count=count, lacking=read_hashes(lacking), unnamed=packets)
    return day, answers


def compare(sent: SentPackets, packets: Collection[str]) -> PairAnswer:
    """Compare the packets that a sender named with those that are here."""
    by_hash = {short_hash(packet): packet for packet in packets}
    unnamed = by_hash.keys() - sent.sent - sent.failed
    return PairAnswer(
        count=len(by_hash),
        lacking=tuple(sorted(sent.sent - by_hash.keys())),
        unnamed=tuple(sorted(by_hash[hash] for hash in unnamed)),
    )


def follow(
    earlier: Sequence[Difference], current: Sequence[Difference], now: datetime
) -> tuple[Difference, ...]:
    """Return the differences after one more comparison: those found again count once more, the others are closed."""
    unsettled = {(d.key, d.is_here): d for d in earlier if d.closed_at is None}
    closed = [d for d in earlier if d.closed_at is not None]
    repeated = []
    for difference in current:
        old = unsettled.pop((difference.key, difference.is_here), None)
        if old is not None:
            difference = replace(old, times=old.times + 1, name=difference.name or old.name)
        repeated.append(difference)
    settled = [replace(d, closed_at=now) for d in unsettled.values() if d.is_open]
    return (*closed, *settled, *repeated)


def read_day(text: str) -> tuple[date, list[str]]:
    """Parse the day of a letter, and return its other lines."""
    first, *lines = text.split("\n")[:-1] or [""]
    try:
        return date.fromisoformat(first.removeprefix("day ")), lines
    except ValueError as cause:
        raise InvalidProof("the letter does not begin with its day") from cause


def read_pair(line: str) -> tuple[Pair, int]:
    """Parse the line of a pair with its count of packets."""
    match = _PAIR.fullmatch(line)
    if match is None:
        raise InvalidProof("a pair of the letter has another form")
    return (match["sender"], match["recipient"]), int(match["count"])


def read_hashes(text: str) -> tuple[str, ...]:
    """Parse short hashes without spaces between."""
    if not _HASHES.fullmatch(text):
        raise InvalidProof("a pair of the letter has another form")
    return tuple(text[n : n + HASH_DIGITS] for n in range(0, len(text), HASH_DIGITS))
