"""Counters and timings of this process, updated where things happen. In: events of the code. Out: samples, which
`ops.metrics` writes out. Label values are chosen by us; a meter that has its maximum of label sets
counts further ones as `other`, so that outsiders cannot make it grow."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar

MOST_SETS = 100
OTHER = "other"
V = TypeVar("V")

# Bounds in seconds. Quick work is one transaction or call; slow work waits for an axis that was down, or for a person.
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)


class Meter(Generic[V]):
    """Values by set of labels, up to a maximum number of sets. The library only writes them out, because its own samples
    cost several times as much to update."""

    def __init__(self, name: str, says: str, labels: Sequence[str]) -> None:
        self.name, self.says, self.labels = name, says, tuple(labels)
        self._values: dict[tuple[str, ...], V] = {} if labels else {(): self._first_value()}
        self._lock = threading.Lock()
        METERS.append(self)

    def _first_value(self) -> V:
        """Return the initial value of a new set."""
        raise NotImplementedError

    def _sample(self, value: V) -> tuple[Any, ...]:
        """Return a value in the form in which the library takes it. Any: a part of one."""
        raise NotImplementedError

    def samples(self) -> list[tuple[tuple[str, ...], *tuple[Any, ...]]]:
        """Return each set of labels with its value."""
        with self._lock:
            return [(label_set, *self._sample(value)) for label_set, value in self._values.items()]

    def _set_of(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Return the set for these labels, adding it where it is new; the caller holds the lock. Raise KeyError for an
        undeclared or missing label."""
        label_set = tuple(map(labels.__getitem__, self.labels))
        if len(labels) != len(label_set):
            raise KeyError(
                f"the labels are {', '.join(self.labels) or 'none'}, and {', '.join(labels)} were given"
            )
        if label_set not in self._values:
            if len(self._values) >= MOST_SETS:
                label_set = (OTHER,) * len(label_set)
            self._values.setdefault(label_set, self._first_value())
        return label_set


METERS: list[Meter[Any]] = []


class Count(Meter[float]):
    """Number of events since the process began."""

    def __init__(self, name: str, says: str, *labels: str) -> None:
        super().__init__(f"gateway_{name}", says, labels)

    def add(self, amount: float = 1.0, **labels: str) -> None:
        with self._lock:
            self._values[self._set_of(labels)] += amount

    def _first_value(self) -> float:
        return 0.0

    def _sample(self, value: float) -> tuple[float]:
        return (value,)


@dataclass(slots=True)
class _Times:
    """Number of durations in each bucket, and the sum of all."""

    counts: list[int]
    seconds: float = 0.0


class Timing(Meter[_Times]):
    """Durations, as a histogram of seconds."""

    def __init__(self, name: str, says: str, *labels: str, buckets: Sequence[float] = _QUICK) -> None:
        self._bounds = [*buckets]
        super().__init__(f"gateway_{name}_seconds", says, labels)

    def observe(self, seconds: float, **labels: str) -> None:
        seconds = max(seconds, 0.0)
        with self._lock:
            times = self._values[self._set_of(labels)]
            times.counts[bisect_left(self._bounds, seconds)] += 1
            times.seconds += seconds

    def _first_value(self) -> _Times:
        return _Times([0] * (len(self._bounds) + 1))

    def _sample(self, value: _Times) -> tuple[list[tuple[str, int]], float]:
        bounds = [*map(str, self._bounds), "+Inf"]
        return [*zip(bounds, accumulate(value.counts), strict=True)], value.seconds


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
AXIS_RECEIVED = Count("axis_taken", "Parcels taken from one of several axes.", "axis", "lane")
AXIS_MOVED = Count("axis_moved", "Recipients that went over to another axis: to this one.", "axis")
AXIS_AWAY = Count("axis_away", "How often one of several axes went away.", "axis")
AXIS_CALLS = Count(
    "axis_calls", "Calls of a foreign axis, by operation and how they ended.", "operation", "result"
)
AXIS_ODD = Count(
    "axis_odd_answers", "Answers of a foreign axis that its specification does not have.", "operation"
)
AXIS_FETCHED = Count("axis_fetched", "Packets fetched from a foreign axis.", "kind")
AXIS_REPORTED = Count("axis_told", "Packets whose end a foreign axis was told.", "status")
WEBHOOK_TRIED = Count("webhook_tried", "Tries to tell a webhook of an event, by how they ended.", "code")
LOOP_FAILED = Count("loop_failures", "Steps of a loop that broke.", "loop")
FOLDER_ENTRIES = Count(
    "folder_taken", "Entries of hot folders that were decided, by what became of them.", "result"
)
FOLDER_HANDED_OVER = Count("folder_given", "Incoming documents laid into hot folders.")
STORE_FAILED = Count("store_failures", "Transactions that the database did not do.", "kind")

ACCEPTED_TO_SENT = Timing("accepted_to_sent", "From accepted to confirmed by the axis.", buckets=_SLOW)
LANDED_TO_VERDICT = Timing(
    "landed_to_verdict", "From a packet's arrival at this node to its end.", "state", buckets=_SLOW
)
PUBLISH = Timing("publish", "From handing an envelope to the axis to its word about every recipient.", "lane")
WEBHOOK = Timing("webhook", "One try to tell a webhook of an event.", "code")
TRANSACTION = Timing("transaction", "Units of work on the database, from first statement to the end.", "kind")
API_CALL = Timing("api_call", "Calls of the API, by operation and class of status.", "route", "status")
