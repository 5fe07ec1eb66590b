"""What all answers together say about one certificate at a time (K4). In: statements that are proved to come from its
authority. Out: good, revoked with date and reason, or unknown with how long that is so. No I/O, no decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Clocks of authorities are a little ahead of ours at times; an answer of tomorrow is none.
FUTURE = timedelta(minutes=5)
# A responder that names no end has the next answer at any time.
WITHOUT_END = timedelta(hours=1)
ON_HOLD = "certificateHold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one answer says about one certificate: good unless `revoked_at` is given."""

    source: str
    digest: str
    made_at: datetime
    ends_at: datetime | None
    revoked_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`state` is good, revoked or unknown. `age_s`: good, since the answer was made; unknown, since the last good answer
    ran out or the question was first asked, None when neither is known."""

    state: str
    revoked_at: datetime | None = None
    reason: str | None = None
    age_s: float | None = None
    source: str = ""
    as_of: datetime | None = None
    digest: str | None = None


def standing(
    statements: Sequence[Statement],
    at: datetime,
    *,
    now: datetime,
    expires: datetime,
    asked_since: datetime | None = None,
) -> Standing:
    """How a certificate that runs until `expires` stood at `at`, by what is known at `now`."""
    known = [each for each in statements if each.made_at <= max(at, now) + FUTURE]
    revoked = [each for each in known if _revokes(each, known, at)]
    if revoked:
        first = min(revoked, key=lambda each: (each.revoked_at or at, -each.made_at.timestamp()))
        return Standing(
            state="revoked",
            revoked_at=first.revoked_at,
            reason=first.reason,
            source=first.source,
            as_of=first.made_at,
            digest=first.digest,
        )
    silent = [each for each in known if each.revoked_at is None or each.revoked_at > at]
    good = [each for each in silent if at <= _end(each) and _knows(each, max(expires, at))]
    if good:
        newest = max(good, key=lambda each: each.made_at)
        age = max(0.0, (at - newest.made_at).total_seconds())
        return Standing(
            state="good", age_s=age, source=newest.source, as_of=newest.made_at, digest=newest.digest
        )
    return _unknown(silent, at, asked_since)


def worst(standings: Sequence[Standing]) -> Standing:
    """Revoked before unknown before good; of equals the one with the older answer."""
    order = {"revoked": 2, "unknown": 1, "good": 0}

    def rank(each: Standing) -> tuple[int, float]:
        return order[each.state], float("inf") if each.age_s is None else each.age_s

    return max(standings, key=rank)


def _knows(each: Statement, over: datetime) -> bool:
    """An authority may forget a certificate that has run out, and its silence then says nothing; what it names it knows."""
    return each.revoked_at is not None or each.made_at <= over


def _revokes(each: Statement, known: Sequence[Statement], at: datetime) -> bool:
    """Revoked is for ever, whatever comes later; only a hold can be lifted, and not for the time in which it held."""
    if each.revoked_at is None or each.revoked_at > at:
        return False
    if each.reason != ON_HOLD or at <= each.made_at:
        return True
    return not any(other.revoked_at is None and other.made_at > each.made_at for other in known)


def _unknown(silent: Sequence[Statement], at: datetime, asked_since: datetime | None) -> Standing:
    ended = [end for each in silent if (end := _end(each)) <= at]
    since = max(ended) if ended else asked_since
    age = None if since is None else max(0.0, (at - since).total_seconds())
    last = max(silent, key=lambda each: each.made_at) if silent else None
    return Standing(
        state="unknown",
        age_s=age,
        source=last.source if last else "",
        as_of=last.made_at if last else None,
        digest=last.digest if last else None,
    )


def _end(each: Statement) -> datetime:
    return each.ends_at if each.ends_at is not None else each.made_at + WITHOUT_END
