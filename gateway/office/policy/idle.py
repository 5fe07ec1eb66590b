"""What becomes of accounts that nobody uses (R89, R90, T20, T21). In: what is known of an account, the profile's numbers, a
time. Out: one verdict. An agency's only clerk and the last administrator are never taken out: of them it is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Verdict(StrEnum):
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


def judge(account: Account, rules: IdleRules, now: datetime) -> Verdict:
    """The verdict at that moment. The same again changes nothing: a warning is given once for each step."""
    if account.suspended_at is not None:
        return _after_suspending(account.suspended_at, account, rules, now)
    if account.is_out:
        return Verdict.FINE
    due = _due(account, rules, now)
    if due is None:
        return Verdict.WARN if _is_to_warn(account, rules, now) else Verdict.FINE
    if not account.is_needed:
        return due
    # Once for each time that it was idle, and again only after another such time.
    return Verdict.KEPT if _untold(account, _out_at(account, rules) or now) else Verdict.FINE


def _after_suspending(since: datetime, account: Account, rules: IdleRules, now: datetime) -> Verdict:
    if rules.withdraw_after is None or account.is_needed or now < since + rules.withdraw_after:
        return Verdict.FINE
    return Verdict.WITHDRAW


def _due(account: Account, rules: IdleRules, now: datetime) -> Verdict | None:
    if (
        account.last_login_at is None
        and rules.lock_new is not None
        and now >= account.added_at + rules.lock_new
    ):
        return Verdict.LOCK
    used = account.last_login_at or account.added_at
    return Verdict.SUSPEND if rules.suspend is not None and now >= used + rules.suspend else None


def _out_at(account: Account, rules: IdleRules) -> datetime | None:
    """When it is taken out, unless it is used before."""
    used = account.last_login_at or account.added_at
    ends = [used + rules.suspend] if rules.suspend is not None else []
    if account.last_login_at is None and rules.lock_new is not None:
        ends.append(account.added_at + rules.lock_new)
    return min(ends, default=None)


def _is_to_warn(account: Account, rules: IdleRules, now: datetime) -> bool:
    """At the step of warning, and once more shortly before it is taken out."""
    used = account.last_login_at or account.added_at
    out = _out_at(account, rules)
    steps = [used + rules.warn] if rules.warn is not None else []
    steps += [out - rules.ahead] if out is not None else []
    return any(now >= step and _untold(account, step) for step in steps)


def _untold(account: Account, step: datetime) -> bool:
    return account.warned_at is None or account.warned_at < step
