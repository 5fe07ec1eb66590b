"""Idle accounts and waiting after wrong tries: each boundary, and nobody taken out who is needed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.office.domain.session import FailedTries
from gateway.office.policy import account_clocks, signing_in
from gateway.office.policy.account_clocks import Account, AccountMeasure, IdleRules
from gateway.office.policy.signing_in import SlowRules
from tests.support.clock import START

DAY = timedelta(days=1)
RULES = IdleRules()
STRICT = IdleRules(lock_new=30 * DAY)


def account(**more: object) -> Account:
    return Account(**{"added_at": START, "last_login_at": START, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "verdict"),
    [
        (0, AccountMeasure.FINE),
        (59.9, AccountMeasure.FINE),
        (60, AccountMeasure.WARN),
        (182.9, AccountMeasure.WARN),
        (183, AccountMeasure.SUSPEND),
    ],
)
def test_an_account_is_warned_of_then_suspended(days: float, verdict: AccountMeasure) -> None:
    assert account_clocks.judge_idle(account(), RULES, START + days * DAY) is verdict


def test_a_warning_is_given_once_for_each_step() -> None:
    warned = account(warned_at=START + 60 * DAY)

    assert account_clocks.judge_idle(warned, RULES, START + 100 * DAY) is AccountMeasure.FINE
    assert account_clocks.judge_idle(warned, RULES, START + 176 * DAY) is AccountMeasure.WARN
    assert (
        account_clocks.judge_idle(account(warned_at=START + 176 * DAY), RULES, START + 180 * DAY)
        is AccountMeasure.FINE
    )


def test_who_is_needed_is_told_of_once_and_kept() -> None:
    assert account_clocks.judge_idle(account(is_needed=True), RULES, START + 183 * DAY) is AccountMeasure.KEPT
    told = account(is_needed=True, warned_at=START + 183 * DAY)
    assert account_clocks.judge_idle(told, RULES, START + 400 * DAY) is AccountMeasure.FINE


def test_a_suspended_account_is_withdrawn_after_fifteen_days_unless_needed() -> None:
    gone = {"suspended_at": START, "is_out": True}

    assert account_clocks.judge_idle(account(**gone), RULES, START + 14.9 * DAY) is AccountMeasure.FINE
    assert account_clocks.judge_idle(account(**gone), RULES, START + 15 * DAY) is AccountMeasure.WITHDRAW
    assert (
        account_clocks.judge_idle(account(**gone, is_needed=True), RULES, START + 15 * DAY)
        is AccountMeasure.FINE
    )


def test_a_new_account_is_locked_only_where_the_profile_asks() -> None:
    new = account(last_login_at=None)

    assert account_clocks.judge_idle(new, RULES, START + 30 * DAY) is AccountMeasure.FINE
    assert account_clocks.judge_idle(new, STRICT, START + 23 * DAY) is AccountMeasure.WARN
    assert account_clocks.judge_idle(new, STRICT, START + 30 * DAY) is AccountMeasure.LOCK
    assert account_clocks.judge_idle(account(), STRICT, START + 30 * DAY) is AccountMeasure.FINE


@given(st.integers(0, 2000), st.booleans(), st.one_of(st.none(), st.integers(0, 2000)))
def test_who_is_needed_is_never_taken_out(days: int, is_new: bool, warned: int | None) -> None:
    found = account(
        is_needed=True,
        last_login_at=None if is_new else START,
        warned_at=None if warned is None else START + warned * DAY,
    )

    assert account_clocks.judge_idle(found, STRICT, START + days * DAY) in {
        AccountMeasure.FINE,
        AccountMeasure.WARN,
        AccountMeasure.KEPT,
    }


SLOW = SlowRules()


def after(failures: int) -> FailedTries:
    tries = FailedTries()
    for _ in range(failures):
        tries = signing_in.one_more_failure(tries, SLOW, START)
    return tries


@pytest.mark.parametrize(("failures", "waits"), [(0, False), (4, False), (5, True), (6, False), (10, True)])
def test_every_fifth_failure_locks_the_name(failures: int, waits: bool) -> None:
    found = signing_in.name_waits_until(after(failures), SLOW, START)

    assert found == (START + SLOW.lock if waits else None)
    assert signing_in.name_waits_until(after(failures), SLOW, START + SLOW.lock) is None


@pytest.mark.parametrize(("failures", "seconds"), [(19, None), (20, 1), (21, 2), (25, 32), (500, 900)])
def test_an_address_waits_twice_as_long_each_time(failures: int, seconds: int | None) -> None:
    found = signing_in.address_waits_until(after(failures), SLOW, START)

    assert found == (None if seconds is None else START + timedelta(seconds=seconds))


def test_failures_of_an_hour_ago_are_forgotten() -> None:
    assert signing_in.one_more_failure(after(19), SLOW, START + timedelta(hours=1)).failures == 1
