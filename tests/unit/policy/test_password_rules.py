"""Passwords: every rule at its boundary, and what is guessed first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.office.policy import password_rules
from gateway.office.policy.password_rules import Fault, PasswordRules, faults
from tests.support.clock import START

RULES = PasswordRules()
GOOD = ("xK9!mQ2z", "Hai con mèo 3!", "Trời mưa 7 ngày", "Đường-7 về nhà", "uV4#tr0p")


@pytest.mark.parametrize("password", GOOD)
def test_good_ones_are_taken(password: str) -> None:
    assert faults(password, RULES, ("nguyenvanan", "Nguyễn Văn An")) == ()


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("xK9!mQ2", Fault.SHORT),
        ("XK9!MQ2Z", Fault.LOWER),
        ("xk9!mq2z", Fault.UPPER),
        ("xKb!mQwz", Fault.DIGIT),
        ("xK9bmQ2z", Fault.SIGN),
        ("xK9!xK9!", Fault.FEW),
        ("xK!abcde7", Fault.RUN),
        ("xK!98765", Fault.RUN),
        ("xK!7poiuy", Fault.RUN),
        ("xK!7aaaaa", Fault.RUN),
        ("Abc@12345", Fault.KNOWN),
        ("Matkhau@2026", Fault.KNOWN),
        ("MậtKhẩu#1", Fault.KNOWN),
        ("P@ssw0rd1!", Fault.KNOWN),
        ("VanThuUBND@26", Fault.KNOWN),
        ("1qaz@WSX", Fault.KNOWN),
        ("Nguyen.Van.An9", Fault.NAME),
        ("9-NGUYỄN văn ân", Fault.NAME),
    ],
)
def test_each_rule_is_told_by_name(password: str, fault: Fault) -> None:
    assert fault in faults(password, RULES, ("nguyenvanan",))


def test_all_broken_rules_are_told_at_once() -> None:
    assert set(faults("abc", RULES)) >= {
        Fault.SHORT,
        Fault.UPPER,
        Fault.DIGIT,
        Fault.SIGN,
        Fault.FEW,
        Fault.KNOWN,
    }


def test_a_run_of_four_is_no_run() -> None:
    assert Fault.RUN not in faults("xK!1234m", RULES)


def test_a_short_name_forbids_nothing() -> None:
    assert faults("Sang an 3 bữa", RULES, ("An",)) == ()


@given(st.text(max_size=2000))
def test_whatever_is_typed_gets_an_answer(text: str) -> None:
    assert isinstance(faults(text, RULES, (text[:20],)), tuple)


def test_a_password_ages_to_the_day_and_is_reminded_of_three_times() -> None:
    made = START
    left = {n: password_rules.reminder(made, RULES, made + timedelta(days=n)) for n in (75, 76, 83, 89, 90)}

    assert left == {75: None, 76: 14, 83: 7, 89: 1, 90: None}
    assert not password_rules.is_too_old(made, RULES, made + timedelta(days=90, microseconds=-1))
    assert password_rules.is_too_old(made, RULES, made + timedelta(days=90))
    assert not password_rules.is_too_old(made, PasswordRules(age=None), made + timedelta(days=9000))
