"""Which limits run on an account, and when each is reached (T19 to T21). In: a person, the numbers of the rules. Out: the
limits, soonest first; whether one needs somebody's eye is the asker's to say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.person import Person, Standing
from gateway.office.policy.idle import IdleRules
from gateway.office.policy.password_rules import PasswordRules

IDLE = "idle"


class Limit(StrEnum):
    """What happens when it is reached; words are `limit.` and this."""

    LINK = "link"
    """The one-time link is good no longer."""
    PASSWORD = "password"  # noqa: S105 - a limit
    UNUSED = "unused"
    WARNED = "warned"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    POST = "post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    limit: Limit
    at: datetime


def of(
    person: Person,
    passwords: PasswordRules,
    idle: IdleRules,
    *,
    link_until: datetime | None = None,
    posts_until: Sequence[datetime] = (),
) -> tuple[Runs, ...]:
    """Nothing runs on an account that somebody locked, suspended or withdrew."""
    if person.standing is Standing.SUSPENDED and person.standing_why == IDLE:
        after = idle.withdraw_after
        out = person.standing_at + after if person.standing_at is not None and after is not None else None
        return _soonest((Limit.WITHDRAWN, out))
    if person.standing is not Standing.ACTIVE or person.blocked_at is not None:
        return ()
    used = person.used_at
    return _soonest(
        (Limit.LINK, link_until if person.enrolled_at is None else None),
        (
            Limit.PASSWORD,
            person.password_at + passwords.age if person.password_at and passwords.age else None,
        ),
        (Limit.UNUSED, used + idle.lock_new if person.last_login_at is None and idle.lock_new else None),
        (Limit.WARNED, used + idle.warn if idle.warn is not None and person.warned_at is None else None),
        (Limit.SUSPENDED, used + idle.suspend if idle.suspend is not None else None),
        *((Limit.POST, each) for each in posts_until),
    )


def _soonest(*found: tuple[Limit, datetime | None]) -> tuple[Runs, ...]:
    running = [Runs(limit=limit, at=at) for limit, at in found if at is not None]
    return tuple(sorted(running, key=lambda each: each.at))
