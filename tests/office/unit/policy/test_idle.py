"""Idle accounts and waiting after wrong tries: each boundary, and no needed account withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.person import AccountStanding, Person
from gateway_office.domain.session import FailedTries
from gateway_office.policy import signing_in
from gateway_office.policy.signing_in import AccountMeasure, IdleRules, SlowRules
from tests.support.clock import START

DAY = timedelta(days=1)
RULES = IdleRules()
STRICT = IdleRules(lock_new=30 * DAY)


def account(**more: object) -> Person:
    fields = {"added_at": START, "roles_at": START, "last_login_at": START, **more}
    names = dict.fromkeys(("id", "name", "added_by", "roles_by"), "x")
    return Person(roles=frozenset(), **names, **fields)  # type: ignore[arg-type]


def verdict(
    days: float, rules: IdleRules = RULES, *, is_needed: bool = False, **more: object
) -> AccountMeasure:
    now, person = START + days * DAY, account(**more)
    return signing_in.judge_idle(person, rules, now, has_post=True, is_needed=is_needed)


def test_an_account_is_warned_of_once_for_each_step_then_suspended() -> None:
    fine, warn = AccountMeasure.FINE, AccountMeasure.WARN
    steps = {0: fine, 59.9: fine, 60: warn, 182.9: warn, 183: AccountMeasure.SUSPEND}
    assert {days: verdict(days) for days in steps} == steps
    assert verdict(100, warned_at=START + 60 * DAY) is fine
    assert verdict(176, warned_at=START + 60 * DAY) is warn
    assert verdict(180, warned_at=START + 176 * DAY) is fine


def test_t21_and_r90_suspend_by_the_later_of_sign_in_and_traffic() -> None:
    """T21 and R90 (idle accounts): six months without sending or receiving; the warning is about signing in alone."""
    fine, warn = AccountMeasure.FINE, AccountMeasure.WARN

    def judged(days: float, traffic: float, **more: object) -> AccountMeasure:
        now, traffic_at = START + days * DAY, START + traffic * DAY
        person = account(**more)
        return signing_in.judge_idle(
            person, RULES, now, has_post=True, is_needed=False, traffic_at=traffic_at
        )

    assert judged(60, 59) is warn
    warned = {"warned_at": START + 60 * DAY}
    assert judged(183, 100, **warned) is fine
    assert judged(276, 100, **warned) is warn  # a week before it is suspended
    assert judged(283, 100, **warned) is AccountMeasure.SUSPEND
    assert judged(183, -100, **warned) is AccountMeasure.SUSPEND


def test_who_is_needed_is_told_of_once_and_kept() -> None:
    assert verdict(183, is_needed=True) is AccountMeasure.SPARED
    assert verdict(400, is_needed=True, warned_at=START + 183 * DAY) is AccountMeasure.FINE


def test_a_suspended_account_is_withdrawn_after_fifteen_days_unless_needed() -> None:
    suspended: dict[str, Any] = {
        "standing": AccountStanding.SUSPENDED,
        "standing_why": signing_in.IDLE,
        "standing_at": START,
    }
    assert verdict(14.9, **suspended) is AccountMeasure.FINE
    assert verdict(15, **suspended) is AccountMeasure.WITHDRAW
    assert verdict(15, **suspended, is_needed=True) is AccountMeasure.FINE


def test_a_new_account_is_locked_only_where_the_profile_asks() -> None:
    assert verdict(30, last_login_at=None) is AccountMeasure.FINE
    assert verdict(23, STRICT, last_login_at=None) is AccountMeasure.WARN
    assert verdict(30, STRICT, last_login_at=None) is AccountMeasure.LOCK
    assert verdict(30, STRICT) is AccountMeasure.FINE


@given(st.integers(0, 2000), st.booleans(), st.one_of(st.none(), st.integers(0, 2000)))
def test_who_is_needed_is_never_taken_out(days: int, is_new: bool, warned: int | None) -> None:
    login = None if is_new else START
    warned_at = None if warned is None else START + warned * DAY
    measure = verdict(days, STRICT, is_needed=True, last_login_at=login, warned_at=warned_at)

    assert measure in {AccountMeasure.FINE, AccountMeasure.WARN, AccountMeasure.SPARED}


SLOW = SlowRules()


def failed(failures: int) -> FailedTries:
    tries = FailedTries()
    for _ in range(failures):
        tries = signing_in.one_more_failure(tries, SLOW, START)
    return tries


def test_every_fifth_failure_locks_the_name() -> None:
    for failures, waits in {0: False, 4: False, 5: True, 6: False, 10: True}.items():
        ends_at = signing_in.name_waits_until(failed(failures), SLOW, START)
        assert ends_at == (START + SLOW.lock if waits else None), failures
        assert signing_in.name_waits_until(failed(failures), SLOW, START + SLOW.lock) is None


def test_an_address_waits_twice_as_long_each_time() -> None:
    assert signing_in.address_waits_until(failed(19), SLOW, START) is None
    for failures, seconds in {20: 1, 21: 2, 25: 32, 500: 900}.items():
        ends_at = signing_in.address_waits_until(failed(failures), SLOW, START)
        assert ends_at == START + timedelta(seconds=seconds), failures


def test_failures_of_an_hour_ago_are_forgotten() -> None:
    assert signing_in.one_more_failure(failed(19), SLOW, START + timedelta(hours=1)).failures == 1
