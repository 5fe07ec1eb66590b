"""Passwords: every rule at its boundary, and what is guessed first."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.timer_table import TIMERS, Timer
from gateway_office.policy import signing_in
from gateway_office.policy.signing_in import PasswordFault, PasswordRules, password_faults
from tests.support.cases import Cases
from tests.support.clock import START

RULES = PasswordRules()
GOOD = ("xK9!mQ2z", "Hai con mèo 3!", "Trời mưa 7 ngày", "Đường-7 về nhà", "uV4#tr0p")


def test_good_passwords_are_accepted() -> None:
    for password in GOOD:
        assert password_faults(password, RULES, ("nguyenvanan", "Nguyễn Văn An")) == (), password


def test_each_rule_is_told_by_name(cases: Cases) -> None:
    """R87 (passwords)."""
    broken = {
        PasswordFault.SHORT: ("xK9!mQ2",),
        PasswordFault.LOWER: ("XK9!MQ2Z",),
        PasswordFault.UPPER: ("xk9!mq2z",),
        PasswordFault.DIGIT: ("xKb!mQwz",),
        PasswordFault.SIGN: ("xK9bmQ2z",),
        PasswordFault.FEW: ("xK9!xK9!",),
        PasswordFault.RUN: ("xK!abcde7", "xK!98765", "xK!7poiuy", "xK!7aaaaa"),
        PasswordFault.COMMON: (
            *("Abc@12345", "Matkhau@2026", "MậtKhẩu#1", "P@ssw0rd1!", "VanThuUBND@26", "1qaz@WSX"),
        ),
        PasswordFault.NAME: ("Nguyen.Van.An9", "9-NGUYỄN văn ân"),
    }
    for fault, passwords in broken.items():
        for password in passwords:
            with cases.case(password):
                assert fault in password_faults(password, RULES, ("nguyenvanan",))


def test_all_broken_rules_are_told_at_once() -> None:
    assert set(password_faults("abc", RULES)) >= {
        PasswordFault.SHORT,
        PasswordFault.UPPER,
        PasswordFault.DIGIT,
        PasswordFault.SIGN,
        PasswordFault.FEW,
        PasswordFault.COMMON,
    }


def test_a_run_of_four_is_no_run() -> None:
    assert PasswordFault.RUN not in password_faults("xK!1234m", RULES)


def test_a_short_name_forbids_nothing() -> None:
    assert password_faults("Sang an 3 bữa", RULES, ("An",)) == ()


@given(st.text(max_size=2000))
def test_whatever_is_typed_gets_an_answer(text: str) -> None:
    assert isinstance(password_faults(text, RULES, (text[:20],)), tuple)


def test_a_password_ages_to_the_day_and_is_reminded_of_three_times() -> None:
    """T19 (password age)."""
    when = START
    reminders = {
        n: signing_in.password_reminder(when, RULES, when + timedelta(days=n)) for n in (75, 76, 83, 89, 90)
    }

    assert reminders == {75: None, 76: 14, 83: 7, 89: 1, 90: None}
    assert TIMERS[Timer.PASSWORD_CHANGE].amount == 90
    assert not signing_in.is_password_too_old(when, RULES, when + timedelta(days=90, microseconds=-1))
    assert signing_in.is_password_too_old(when, RULES, when + timedelta(days=90))
    assert not signing_in.is_password_too_old(when, PasswordRules(age=None), when + timedelta(days=9000))
