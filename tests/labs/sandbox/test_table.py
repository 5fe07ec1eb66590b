"""The table of robots: whole, without contradictions, and what it says is what the API offers."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from gateway.domain.registry import AgencyCode
from gateway_labs.sandbox.cast import cast, read_span
from gateway_labs.sandbox.doors import FlawWord
from gateway_labs.sandbox.packets import FLAWS, LARGE

PROMISED = (
    *("OK", "SLOW", "SILENT", "REJECT", "BADSIG", "DUP", "ORDER", "RECALL", "NEWCERT", "BIG"),
    *("ASSIGN", "REPLY"),
)


def test_every_promised_robot_is_there_under_both_codes() -> None:
    for name in PROMISED:
        robot = cast().robot(f"test.{name}")
        assert robot is not None
        assert robot == cast().robot(f"T00.{name}")
        assert str(AgencyCode.parse(robot.code)) == robot.code
    assert (cast().old.alias, cast().old.successor) == ("TEST.OLDCODE", "T00.OK")
    assert cast().robot("TEST.NOBODY") is None


def test_every_option_of_a_script_is_a_flaw_that_the_call_takes_too() -> None:
    assert set(get_args(FlawWord)) == {*FLAWS, LARGE}
    for script in cast().scripts.values():
        for acts in script.acts.values():
            assert {option for act in acts for option in act.options} <= {*FLAWS, LARGE}


def test_a_word_in_the_subject_has_any_robot_play_that_script() -> None:
    """And no word means two scripts."""
    for subject, script in {
        "V/v [refuse] x": "reject",
        "[TU-CHOI]": "reject",
        "[unknown] and [slow]": "slow",
        "refuse": "ok",
        "": "ok",
    }.items():
        assert cast().script_for(cast().robots["T00.OK"], subject).name == script
    words = [word for script in cast().scripts.values() for word in script.words]
    assert len(words) == len(set(words))


def test_a_span_is_a_number_and_a_letter() -> None:
    for text, seconds in {"+3d": 259_200, "90s": 90, " +4h ": 14_400, "30m": 1800}.items():
        assert read_span(text) == timedelta(seconds=seconds)
    for text in ("", "3", "-3d", "3 d", "+3w", "1e9d", "99999999d", "+"):
        with pytest.raises(ValueError, match="span"):
            read_span(text)
