"""The counters and clocks of this process, one name each, told where things happen. In: what just happened. Out: samples
in one registry of our own, which `ops.metrics` writes out. Labels hold our own words alone: a meter that has met its
most sets of them calls the next ones `other`, so that nobody outside can make it grow."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
MOST_SETS = 100
OTHER = "other"
V = TypeVar("V")

# Seconds. Quick things are one transaction or one call; slow ones wait for an axis that was down, or for a person.
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)


class _Meter(Collector, Generic[V]):
    """What was told under each set of labels, at most so many. The library only writes it out: what it does for each
    sample of its own costs several times as much."""

    def __init__(self, name: str, says: str, labels: Sequence[str]) -> None:
        self._name, self._says, self._labels = name, says, tuple(labels)
        self._told: dict[tuple[str, ...], V] = {} if labels else {(): self._begun()}
        self._turn = threading.Lock()
        REGISTRY.register(self)

    def _begun(self) -> V:
        """What is told of a set before anything was."""
        raise NotImplementedError

    def _family(self, told: Mapping[tuple[str, ...], V]) -> Metric:
        """As it is written out."""
        raise NotImplementedError

    def collect(self) -> Sequence[Metric]:
        with self._turn:
            return [self._family(self._told)]

    def _set_of(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """The set of these labels, in whose turn it is asked for. KeyError for a label that was not declared, or is
        missing."""
        values = tuple(map(given.__getitem__, self._labels))
        if len(given) != len(values):
            raise KeyError(
                f"the labels are {', '.join(self._labels) or 'none'}, and {', '.join(given)} were given"
            )
        if values not in self._told:
            if len(self._told) >= MOST_SETS:
                values = (OTHER,) * len(values)
            self._told.setdefault(values, self._begun())
        return values


class Count(_Meter[float]):
    """How often something happened since the process began."""

    def __init__(self, name: str, says: str, *labels: str) -> None:
        super().__init__(f"gateway_{name}", says, labels)

    def add(self, amount: float = 1.0, **labels: str) -> None:
        with self._turn:
            self._told[self._set_of(labels)] += amount

    def _begun(self) -> float:
        return 0.0

    def _family(self, told: Mapping[tuple[str, ...], float]) -> Metric:
        family = CounterMetricFamily(self._name, self._says, labels=self._labels)
        for values, times in told.items():
            family.add_metric(values, times)
        return family


@dataclass(slots=True)
class _Times:
    """How many took as long as each bound at most, and not as long as the one before; and how long all did."""

    counts: list[int]
    seconds: float = 0.0


class Timing(_Meter[_Times]):
    """How long something took, as a histogram of seconds."""

    def __init__(self, name: str, says: str, *labels: str, buckets: Sequence[float] = _QUICK) -> None:
        self._bounds = [*buckets]
        super().__init__(f"gateway_{name}_seconds", says, labels)

    def took(self, seconds: float, **labels: str) -> None:
        seconds = max(seconds, 0.0)
        with self._turn:
            times = self._told[self._set_of(labels)]
            times.counts[bisect_left(self._bounds, seconds)] += 1
            times.seconds += seconds

    @contextmanager
    def around(self, **labels: str) -> Iterator[None]:
        """Times its body, whether or not that succeeds."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.took(time.perf_counter() - began, **labels)

    def _begun(self) -> _Times:
        return _Times([0] * (len(self._bounds) + 1))

    def _family(self, told: Mapping[tuple[str, ...], _Times]) -> Metric:
        family = HistogramMetricFamily(self._name, self._says, labels=self._labels)
        bounds = [*map(str, self._bounds), "+Inf"]
        for values, times in told.items():
            family.add_metric(values, [*zip(bounds, accumulate(times.counts), strict=True)], times.seconds)
        return family


ACCEPTED = Count("accepted", "Documents accepted for sending.")
PUBLISHED = Count("published", "Envelopes handed to the axis, tries counted.", "lane")
CONFIRMED = Count("confirmed", "Recipients for whom the axis confirmed that it has the envelope.", "lane")
RETURNED = Count("returned", "Recipients that the axis does not reach at all, by reason.", "code")
RETRIED = Count("retried", "Recipients put off to a later try, by reason.", "code")
GIVEN_UP = Count("given_up", "Recipients whose tries are used up, by reason.", "code")
RECEIVED = Count("received", "Packets landed from the axis.", "lane")
REPEATED = Count("repeated", "Packets that were here before.")
SETTLED = Count("settled", "Landed packets that ended, by state and code.", "state", "code")
AXIS_OUTCOMES = Count("axis_outcomes", "What one of several axes said of a recipient.", "axis", "fate")
AXIS_TAKEN = Count("axis_taken", "Parcels taken from one of several axes.", "axis", "lane")
AXIS_MOVED = Count("axis_moved", "Recipients that went over to another axis: to this one.", "axis")
AXIS_AWAY = Count("axis_away", "How often one of several axes went away.", "axis")
AXIS_CALLS = Count(
    "axis_calls", "Calls of a foreign axis, by operation and how they ended.", "operation", "result"
)
AXIS_ODD = Count(
    "axis_odd_answers", "Answers of a foreign axis that its specification does not have.", "operation"
)
AXIS_FETCHED = Count("axis_fetched", "Packets fetched from a foreign axis.", "kind")
AXIS_TOLD = Count("axis_told", "Packets whose end a foreign axis was told.", "status")
WEBHOOK_TRIED = Count("webhook_tried", "Tries to tell a webhook of an event, by how they ended.", "code")
LOOP_FAILED = Count("loop_failures", "Steps of a loop that broke.", "loop")
FOLDER_TAKEN = Count(
    "folder_taken", "Entries of hot folders that were decided, by what became of them.", "result"
)
FOLDER_GIVEN = Count("folder_given", "Incoming documents laid into hot folders.")
STORE_FAILED = Count("store_failures", "Transactions that the database did not do.", "kind")

ACCEPTED_TO_SENT = Timing("accepted_to_sent", "From accepted to confirmed by the axis.", buckets=_SLOW)
LANDED_TO_VERDICT = Timing(
    "landed_to_verdict", "From a packet's arrival at this node to its end.", "state", buckets=_SLOW
)
PUBLISH = Timing("publish", "From handing an envelope to the axis to its word about every recipient.", "lane")
WEBHOOK = Timing("webhook", "One try to tell a webhook of an event.", "code")
TRANSACTION = Timing("transaction", "Units of work on the database, from first statement to the end.", "kind")
API_CALL = Timing("api_call", "Calls of the API, by operation and class of status.", "route", "status")
