"""Suggestions from an agency's own past decisions: to whom letters like this one were assigned and within how many days, or
which label they carry. In: the last decisions, each with the search words of its letter; a letter's words and sender. Out:
at most one suggestion, with the figures that are its reason, or none where the past does not agree; and the letters that
are most alike. Pure.

The reason decides: of all groups of past letters that share something with this one (the sender, two syllables that follow
each other, as in most words of Vietnamese, or both) the one that agrees best on a choice gives it. A group counts with its
newest letters alone, so that a matter which has moved to another unit is learnt after some ten decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log, sqrt
from statistics import median_low

from gateway.domain.text import words_in_order

MOST_DECISIONS = 5_000
"""So many of the newest decisions are weighed."""
_NEWEST = 20
# Below this nothing is suggested: the least share that the group's figures make likely, nineteen times in twenty. So three
# decisions that agree are the fewest.
_LEAST_LIKELY = 0.5
_DEVIATIONS = 1.64
# Words that every second letter has say nothing.
_TOO_COMMON, _FEW = 0.5, 6
_MOST_SIMILAR, _LEAST_PAIRS, _NEWEST_SIMILAR = 3, 2, 250
_SENDER = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """Decision on a letter: `choice` is the receiver or the label, empty for no label; `days` the time given, if any;
    `words` are the letter's search column, `party` the key of its sender."""

    document_id: str
    choice: str
    days: int | None
    party: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Choice of `count` of the newest `total` decisions on letters of the same sender (`of_sender`), with the same words
    (`words`), or both. `days` is the usual time given. `agreeing` and `differing` are these letters, by their ids."""

    choice: str
    count: int
    total: int
    of_sender: bool
    words: str
    days: int | None
    agreeing: Sequence[str] = field(default=(), compare=False)
    differing: Sequence[str] = field(default=(), compare=False)


def receiver_key(unit_key: str, person_id: str | None) -> str:
    """Return the key of a unit, or of a person in it, as the choice of a decision."""
    return f"{unit_key}@{person_id or ''}"


class PastDecisions:
    """Decisions of an agency, the newest first, with the places of each feature among them."""

    def __init__(self, decisions: Iterable[PastDecision]) -> None:
        self._all: Sequence[PastDecision] = [d for d in decisions if d.words.strip()]
        self._places = self._index()

    def suggest(
        self, words: Sequence[str], party: str, open_choices: Iterable[str], document_id: str = ""
    ) -> Suggestion | None:
        """Return the open choice that the past bears out best; `words` are those of the letter's subject. The letter itself
        is none of its past."""
        allowed, best, bound = {*open_choices}, None, _LEAST_LIKELY
        for of_sender, shared, group in self._groups(words, party):
            places = [p for p in group if self._all[p].document_id != document_id]
            if not places:
                continue
            choice, count = Counter(self._all[p].choice for p in places).most_common(1)[0]
            likely = _least_share(count, len(places))
            if likely < bound or choice not in allowed:
                continue
            bound = likely
            agreeing = [self._all[p] for p in places if self._all[p].choice == choice]
            best = Suggestion(
                choice=choice,
                count=count,
                total=len(places),
                of_sender=of_sender,
                words=shared,
                days=_usual([d.days for d in agreeing]),
                agreeing=[d.document_id for d in agreeing],
                differing=[self._all[p].document_id for p in places if self._all[p].choice != choice],
            )
        return best

    def similar(self, words: Sequence[str], document_id: str) -> Sequence[str]:
        """Return the ids of letters that share the most pairs of words, the rarer ones first."""
        points, shared = defaultdict[int, float](float), Counter[int]()
        for pair in dict.fromkeys(_pairs(words)):
            places = self._places.get(pair, ())[:_NEWEST_SIMILAR]
            for place in places:
                points[place] += log((len(self._all) + 1) / (len(places) + 1))
            shared.update(places)
        best = sorted(points, key=lambda place: (-points[place], place))
        alike = [self._all[place].document_id for place in best if shared[place] >= _LEAST_PAIRS]
        return [id for id in alike if id != document_id][:_MOST_SIMILAR]

    def _groups(self, words: Sequence[str], party: str) -> Iterator[tuple[bool, str, Sequence[int]]]:
        """Yield the places of letters that share something with this one; what says more comes later, and wins among
        equals."""
        of_sender = self._places.get(_sender(party), ())
        sender_places = {*of_sender}
        groups = [(True, "", of_sender)]
        groups += [(False, pair, self._places.get(pair, ())) for pair in sorted({*_pairs(words)})]
        groups += [(True, f, [p for p in places if p in sender_places]) for _, f, places in groups[1:]]
        return ((own, words, places[:_NEWEST]) for own, words, places in groups if places)

    def _index(self) -> Mapping[str, Sequence[int]]:
        places = defaultdict[str, list[int]](list)
        for n, decision in enumerate(self._all):
            for feature in _features(words_in_order(decision.words), decision.party):
                places[feature].append(n)
        most = max(len(self._all) * _TOO_COMMON, _FEW)
        return {f: ns for f, ns in places.items() if len(ns) <= most or f[0] == _SENDER}


def _features(words: Sequence[str], party: str) -> Iterable[str]:
    """Return the sender, and the pairs of words that follow each other, each once; no numbers."""
    return dict.fromkeys((_sender(party), *_pairs(words)))


def _pairs(words: Sequence[str]) -> Iterator[str]:
    bare = [word for word in words if not word.isdigit()]
    return (f"{first} {second}" for first, second in pairwise(bare))


def _sender(party: str) -> str:
    return f"{_SENDER}{party}"


def _least_share(count: int, total: int) -> float:
    """Return the lower end of Wilson's interval for a share."""
    share, square = count / total, _DEVIATIONS**2
    spread = _DEVIATIONS * sqrt((share * (1 - share) + square / (4 * total)) / total)
    return (share + square / (2 * total) - spread) / (1 + square / total)


def _usual(days: Sequence[int | None]) -> int | None:
    """Return the middle of the days; None where most decisions gave none."""
    counted = [n for n in days if n is not None]
    return median_low(counted) if 2 * len(counted) > len(days) else None
