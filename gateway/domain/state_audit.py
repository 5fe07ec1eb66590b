"""The audit of states: two nodes compare, day by day, in which state each packet is that one sent and the other has. In:
the states of a day's packets at this side; a letter with those at the other side. Out: letters as text, read strictly
except for unknown lines and words, which are ignored; packets whose states differ, with the comparisons that say so and
what ended that. Pure: `witnessing.stating` sends and stores.

Statuses travel, so a state is compared only once it has stood for `STANDS_FOR` at both sides, and a difference counts once
two comparisons with such a time between them give the same two states."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from gateway.domain.loss_audit import (
    HASH_DIGITS,
    TOLD_AFTER,
    Pair,
    read_day,
    read_hashes,
    read_pair,
    short_hash,
)
from gateway.domain.states import STATES
from gateway.errors import InvalidProof

STANDS_FOR = timedelta(hours=6)
"""Time that a status may need: an axis or a node may be away for some hours."""
ANSWERED_WITHIN = timedelta(hours=1)
"""Time between a letter and its answer, in which more states may have come to stand."""
_PAUSE = STANDS_FOR / 2
_STATE = re.compile(
    rf"state (?P<word>[a-z_]{{1,20}}) (?P<count>\d{{1,7}}) (?P<hashes>(?:[0-9a-f]{{{HASH_DIGITS}}})*)"
)
_UNJUDGED = "unjudged "


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketState:
    """State of a packet at one side, a key of `STATES`, since it changed last. `name` is that of its document."""

    id: str
    name: str
    word: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPair:
    """States of a pair's packets as one side states them: how many packets are in each, and the words of some packets by
    hash. In the answer these are the packets that differ, and `unjudged` those that the answering side does not compare."""

    counts: Mapping[str, int]
    words: Mapping[str, str]
    unjudged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateComparison:
    """Outcome for a pair: the common word of packets that agree, and own and other word of those that differ, by hash."""

    agreed: Mapping[str, str]
    differing: Mapping[str, tuple[str, str]]
    unjudged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDifference:
    """Packet whose state differs. `name` is that of its document; `times` counts the comparisons that gave it, the last at
    `counted_at`; `settled_as` is the state of both sides afterwards."""

    key: str
    name: str
    own: str
    other: str
    first_at: datetime
    counted_at: datetime
    times: int = 1
    closed_at: datetime | None = None
    settled_as: str = ""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None and self.times >= TOLD_AFTER

    @property
    def repaired_at(self) -> str:
        """Return the side whose state changed, so that both agree: `here`, `there` or `both`; nothing while they differ."""
        if self.closed_at is None:
            return ""
        if self.settled_as == self.own:
            return "there"
        return "here" if self.settled_as == self.other else "both"


def state_pair(states: Iterable[PacketState], now: datetime) -> StatedPair:
    """Return what this side states of a pair: all packets in the counts, those whose state stands by their hash."""
    states = tuple(states)
    words = {short_hash(state.id): state.word for state in states if _stands(state, now)}
    return StatedPair(counts=Counter(state.word for state in states), words=words)


def write_states(day: date, pairs: Mapping[Pair, StatedPair]) -> str:
    """Return the letter, of a sender or in answer to it: for each pair a line for each state."""
    lines = [f"day {day.isoformat()}"]
    for (sender, recipient), pair in sorted(pairs.items()):
        lines.append(f"pair {sender} {recipient} {sum(pair.counts.values())}")
        for word in sorted({*pair.counts, *pair.words.values()}):
            hashes = sorted(hash for hash, own in pair.words.items() if own == word)
            lines.append(f"state {word} {pair.counts.get(word, 0)} {''.join(hashes)}")
        if pair.unjudged:
            lines.append(f"{_UNJUDGED}{''.join(sorted(pair.unjudged))}")
    return "".join(f"{line}\n" for line in lines)


def read_states(text: str) -> tuple[date, dict[Pair, StatedPair]]:
    """Parse such a letter. InvalidProof for any other text."""
    day, lines = read_day(text)
    pairs: dict[Pair, StatedPair] = {}
    latest: Pair | None = None
    for line in lines:
        if line.startswith("pair "):
            latest, _ = read_pair(line)
            if latest in pairs:
                raise InvalidProof("the letter names a pair twice")
            pairs[latest] = StatedPair(counts={}, words={})
        elif latest is None:
            raise InvalidProof("the letter names states before its first pair")
        else:
            pairs[latest] = _add_line(pairs[latest], line)
    return day, pairs


def compare_states(
    partner_words: Mapping[str, str], own: Iterable[PacketState], now: datetime
) -> StateComparison:
    """Compare the states that the other side names with those that stand here."""
    words = {short_hash(state.id): state.word for state in own if _stands(state, now)}
    judged = {hash: word for hash, word in partner_words.items() if hash in words and word in STATES}
    return StateComparison(
        agreed={hash: word for hash, word in judged.items() if word == words[hash]},
        differing={hash: (words[hash], word) for hash, word in judged.items() if word != words[hash]},
        unjudged=frozenset(partner_words.keys() - judged.keys()),
    )


def read_comparison(answer: StatedPair, own: Iterable[PacketState], now: datetime) -> StateComparison:
    """Return the comparison that an answer states, for the asking side: packets that stood at its question, and that the
    answer does not name, agree."""
    own = tuple(own)
    differing = compare_states(answer.words, own, now).differing
    asked_words = state_pair(own, now - ANSWERED_WITHIN).words
    agreed = {
        hash: word
        for hash, word in asked_words.items()
        if hash not in answer.words and hash not in answer.unjudged
    }
    return StateComparison(agreed=agreed, differing=differing)


def follow_states(
    earlier: Sequence[StateDifference], comparison: StateComparison, names: Mapping[str, str], now: datetime
) -> tuple[StateDifference, ...]:
    """Return the differences after one more comparison. One that was not compared stays; one that agrees is
    closed, or forgotten where it never counted. `names` are those of documents by hash."""
    closed = [d for d in earlier if d.closed_at is not None]
    unsettled = {d.key: d for d in earlier if d.closed_at is None}
    current = []
    for key, (own, other) in comparison.differing.items():
        new = StateDifference(
            key=key, name=names.get(key, ""), own=own, other=other, first_at=now, counted_at=now
        )
        current.append(_count(unsettled.pop(key, None), new, now))
    for key, difference in unsettled.items():
        if key not in comparison.agreed:
            current.append(difference)
        elif difference.is_open:
            closed.append(replace(difference, closed_at=now, settled_as=comparison.agreed[key]))
    return (*closed, *current)


def _count(old: StateDifference | None, new: StateDifference, now: datetime) -> StateDifference:
    """Count a difference once more. One in two other states than before is not counted again by them."""
    if old is None:
        return new
    if (old.own, old.other) != (new.own, new.other):
        return replace(old, own=new.own, other=new.other, counted_at=now)
    if now - old.counted_at < _PAUSE:
        return old
    return replace(old, times=old.times + 1, counted_at=now)


def _stands(state: PacketState, now: datetime) -> bool:
    return now - state.changed_at >= STANDS_FOR


def _add_line(pair: StatedPair, line: str) -> StatedPair:
    """Add a line of the letter to its pair; later versions may have lines that are ignored."""
    if line.startswith(_UNJUDGED):
        return replace(pair, unjudged=pair.unjudged.union(read_hashes(line.removeprefix(_UNJUDGED))))
    if not line.startswith("state "):
        return pair
    match = _STATE.fullmatch(line)
    if match is None or match["word"] in pair.counts:
        raise InvalidProof("a state of the letter has another form, or is named twice")
    hashes = read_hashes(match["hashes"])
    if pair.words.keys() & {*hashes}:
        raise InvalidProof("the letter names a packet in two states")
    counts = {**pair.counts, match["word"]: int(match["count"])}
    return replace(pair, counts=counts, words={**pair.words, **dict.fromkeys(hashes, match["word"])})
