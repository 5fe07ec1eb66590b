"""What time alone does to an account: what becomes of one that nobody uses (R89, R90), which limits run on it and when
each is reached (T19 to T21). In: what is known of an account, the profile's numbers, a time. Out: one verdict; or
the limits, soonest first: whether one needs somebody's eye is the asker's to say. An agency's only clerk and the
last administrator are never taken out: of them it is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.person import AccountStanding, Person
from gateway.office.policy.signing_in import PasswordRules


class AccountMeasure(StrEnum):
    """What is to be done; nothing for `FINE`."""

    FINE = "fine"
    WARN = "warn"
    """Told to the person, the agency's administrator and the operator."""
    LOCK = "lock"
    """Never used since it was made."""
    SUSPEND = "suspend"
    WITHDRAW = "withdraw"
    KEPT = "kept"
    """It would be taken out, and somebody needs it: told to administrator and operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRules:
    """The numbers of a profile. None: not asked for."""

    warn: timedelta | None = timedelta(days=60)
    suspend: timedelta | None = timedelta(days=183)
    withdraw_after: timedelta | None = timedelta(days=15)
    lock_new: timedelta | None = None
    ahead: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known. `warned_at` is when it was last told; `suspended_at` only of one that idleness suspended."""

    added_at: datetime
    last_login_at: datetime | None
    warned_at: datetime | None = None
    suspended_at: datetime | None = None
    is_out: bool = False
    is_needed: bool = False


def judge_idle(account: Account, rules: IdleRules, now: datetime) -> AccountMeasure:
    """The verdict at that moment. The same again changes nothing: a warning is given once for each step."""
    if account.suspended_at is not None:
        return _after_suspending(account.suspended_at, account, rules, now)
    if account.is_out:
        return AccountMeasure.FINE
    ends = _ends(account, rules)
    due = next((measure for measure, at in ends if now >= at), None)
    out = min((at for _, at in ends), default=None)
    if due is None:
        return AccountMeasure.WARN if _is_to_warn(account, rules, out, now) else AccountMeasure.FINE
    if not account.is_needed:
        return due
    # Once for each time that it was idle, and again only after another such time.
    return AccountMeasure.KEPT if _untold(account, out or now) else AccountMeasure.FINE


def _after_suspending(since: datetime, account: Account, rules: IdleRules, now: datetime) -> AccountMeasure:
    if rules.withdraw_after is None or account.is_needed or now < since + rules.withdraw_after:
        return AccountMeasure.FINE
    return AccountMeasure.WITHDRAW


def _ends(account: Account, rules: IdleRules) -> list[tuple[AccountMeasure, datetime]]:
    """How and when it is taken out, unless it is used before."""
    ends = []
    if account.last_login_at is None and rules.lock_new is not None:
        ends.append((AccountMeasure.LOCK, account.added_at + rules.lock_new))
    if rules.suspend is not None:
        ends.append((AccountMeasure.SUSPEND, (account.last_login_at or account.added_at) + rules.suspend))
    return ends


def _is_to_warn(account: Account, rules: IdleRules, out: datetime | None, now: datetime) -> bool:
    """At the step of warning, and once more shortly before it is taken out."""
    used = account.last_login_at or account.added_at
    steps = [used + rules.warn] if rules.warn is not None else []
    steps += [out - rules.ahead] if out is not None else []
    return any(now >= step and _untold(account, step) for step in steps)


def _untold(account: Account, step: datetime) -> bool:
    return account.warned_at is None or account.warned_at < step


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


def limits_of(
    person: Person,
    passwords: PasswordRules,
    idle: IdleRules,
    *,
    link_until: datetime | None = None,
    posts_until: Sequence[datetime] = (),
) -> tuple[Runs, ...]:
    """Nothing runs on an account that somebody locked, suspended or withdrew."""
    if person.standing is AccountStanding.SUSPENDED and person.standing_why == IDLE:
        after = idle.withdraw_after
        out = person.standing_at + after if person.standing_at is not None and after is not None else None
        return _soonest_first((Limit.WITHDRAWN, out))
    if person.standing is not AccountStanding.ACTIVE or person.blocked_at is not None:
        return ()
    used = person.used_at
    return _soonest_first(
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


def _soonest_first(*found: tuple[Limit, datetime | None]) -> tuple[Runs, ...]:
    running = [Runs(limit=limit, at=at) for limit, at in found if at is not None]
    return tuple(sorted(running, key=lambda each: each.at))
