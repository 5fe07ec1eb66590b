"""When the log is sealed, stamped and published, and when it is late. In: where the log stands, the time. Out: yes or no.
Pure; tested as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ports.log import LogHead

# E2: longer, and somebody must look.
UNSEALED_MOST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often. Nothing is done again while nothing new is there."""

    seal: timedelta = timedelta(minutes=1)
    stamp: timedelta = timedelta(hours=1)
    publish: timedelta = timedelta(hours=24)


def seal_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    if head.seal is None:
        return head.size > 0
    last = head.seal.signed.seal
    return head.size > last.tree_size and _passed(last.at, rhythm.seal, now)


def stamp_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    """One stamp covers every seal before it, so not each needs its own."""
    if head.seal is None or head.seal.stamp is not None:
        return False
    return head.stamped is None or _passed(head.stamped.signed.seal.at, rhythm.stamp, now)


def publishing_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    if head.seal is None:
        return False
    if head.published_at is None:
        return True
    return head.seal.signed.seal.at > head.published_at and _passed(head.published_at, rhythm.publish, now)


def is_unsealed(head: LogHead, now: datetime) -> bool:
    """Whether an event waits for its seal for too long."""
    return head.unsealed_since is not None and now - head.unsealed_since > UNSEALED_MOST


def lacks_stamp(head: LogHead, most: timedelta, now: datetime) -> bool:
    """Whether something waits for a timestamp for longer than the node may go on without; zero is for ever."""
    return bool(most) and head.unstamped_since is not None and now - head.unstamped_since > most


def _passed(since: datetime, span: timedelta, now: datetime) -> bool:
    """Also when the clock was put back: waiting for the old time to come again would leave the log open."""
    return now - since >= span or now < since
