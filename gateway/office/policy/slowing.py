"""How long somebody waits who signed in wrongly, by the name typed and by the address. In: how many failures, when the last
was. Out: until when nothing is tried for them. The same for a name that nobody has: waiting tells nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRules:
    """An account locks after `by_name` failures. An address may stand for a whole office behind one line: it fails more
    often, and from then on waits twice as long each time."""

    by_name: int = 5
    lock: timedelta = timedelta(minutes=15)
    by_address: int = 20
    forget: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """Failures without a success between them."""

    failures: int = 0
    last_at: datetime | None = None


def failed(tries: Tries, rules: SlowRules, now: datetime) -> Tries:
    """One more; those of long ago are forgotten."""
    before = 0 if _is_forgotten(tries, rules, now) else tries.failures
    return Tries(failures=before + 1, last_at=now)


def name_waits_until(tries: Tries, rules: SlowRules, now: datetime) -> datetime | None:
    """Each `by_name`th failure locks for a while; between them there is no wait."""
    if tries.last_at is None or tries.failures == 0 or tries.failures % rules.by_name:
        return None
    return _later(tries.last_at + rules.lock, now)


def address_waits_until(tries: Tries, rules: SlowRules, now: datetime) -> datetime | None:
    over = tries.failures - rules.by_address
    if tries.last_at is None or over < 0 or _is_forgotten(tries, rules, now):
        return None
    return _later(tries.last_at + min(FIRST_WAIT * 2 ** min(over, 20), rules.lock), now)


def _is_forgotten(tries: Tries, rules: SlowRules, now: datetime) -> bool:
    return tries.last_at is None or now - tries.last_at >= rules.forget


def _later(until: datetime, now: datetime) -> datetime | None:
    return until if now < until else None
