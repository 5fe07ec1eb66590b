"""Alarms: faults of the node that persons are notified of. In: findings of the checks. Out: frozen values, which a file
keeps: the faults and since when, the last message about each on each channel, and the channels that fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.domain.diagnosis import Diagnosis, Level


class MessageKind(StrEnum):
    """Kind of a message about an alarm. WORSE: it was yellow, and is red now. STANDS: it stands for another day."""

    OPENED = "opened"
    WORSE = "worse"
    STANDS = "stands"
    ENDED = "ended"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """The last message about an alarm on one channel, and how many there were."""

    kind: MessageKind
    level: Level
    at: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One fault. It opens when it has stood for its time, which counts from `waits_from`; `seen_at` is when a check
    reported it last. `sent` has the last message of each channel."""

    id: str
    finding: Diagnosis
    since: datetime
    waits_from: datetime
    seen_at: datetime
    is_open: bool = False
    ended_at: datetime | None = None
    sent: Mapping[str, SentMessage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFailure:
    """Failure of a channel: since when and why, how often it was tried, and when it is tried next."""

    since: datetime
    next_at: datetime
    tries: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBook:
    """All alarms by their key, and the channels that fail. `looked_at`: when the node was last examined for it."""

    looked_at: datetime | None = None
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    failures: Mapping[str, ChannelFailure] = field(default_factory=dict)

    def standing(self) -> list[Alarm]:
        """Return the open alarms that have not ended, the worst first."""
        alarms = [alarm for alarm in self.alarms.values() if alarm.is_open and alarm.ended_at is None]
        return sorted(alarms, key=lambda alarm: (-alarm.finding.level.badness, alarm.since))
