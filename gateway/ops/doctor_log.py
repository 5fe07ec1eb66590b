"""What a doctor says of the sealed log. In: where it stands, the time, whether there is a timestamp authority. Out: level,
cause, what to tell, and the command that cures it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.policy import sealing
from gateway.ports.log import LogHead

# The authority is asked every hour; after a day somebody should ask it in person.
UNSTAMPED_YELLOW = timedelta(hours=24)
UNPUBLISHED_YELLOW = timedelta(days=7)
# A log of a day or less need not have been published yet.
_YOUNG = 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One finding, as `doctor.Finding` without its check."""

    level: str
    cause: str
    params: Mapping[str, object] = field(default_factory=dict)
    cure: str | None = None


def findings(head: LogHead, now: datetime, *, stamped: bool) -> Iterator[Told]:
    """The state of the log, and what is late."""
    if head.unsealed_since is not None and sealing.is_unsealed(head, now):
        since = {"since": _clock(head.unsealed_since)}
        yield Told(level="red", cause="log.unsealed", params=since, cure="gateway serve")
    elif head.seal is None:
        yield Told(level="green", cause="log.none")
    else:
        yield Told(level="green", cause="log.fine", params={"at": _clock(head.seal.signed.seal.at)})
    if stamped and sealing.lacks_stamp(head, UNSTAMPED_YELLOW, now):
        yield Told(level="yellow", cause="log.unstamped", params={"since": _clock(head.unstamped_since)})
    if head.seal is not None and _is_unpublished(head, now):
        since = {"since": _clock(head.published_at)}
        yield Told(
            level="yellow",
            cause="log.unpublished",
            params=since,
            cure="gateway audit publish --to seal-of-this-node.seal",
        )


def _is_unpublished(head: LogHead, now: datetime) -> bool:
    if head.published_at is not None:
        return now - head.published_at > UNPUBLISHED_YELLOW
    return head.seal is not None and head.seal.signed.seal.number > _YOUNG


def _clock(at: datetime | None) -> str:
    return at.isoformat(timespec="minutes") if at is not None else "–"
