"""What goes out by itself (interfaces.md 1.5, verification A7), as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.document import Kind
from gateway.policy.incoming import Ending, answers, answers_refusal
from gateway.policy.profile import Profile

PROFILE = Profile()


@pytest.mark.parametrize(
    ("kind", "ending", "codes"),
    [
        (Kind.DOCUMENT, Ending.ADMITTED, ("01",)),
        (Kind.DOCUMENT, Ending.HELD, ("01",)),
        (Kind.UPDATE, Ending.WAITING, ("01",)),
        (Kind.UPDATE, Ending.ADMITTED, ("01",)),
        (Kind.REPLACEMENT, Ending.ADMITTED, ("01",)),
        (Kind.RECALL, Ending.ADMITTED, ("01", "15")),
        (Kind.RECALL, Ending.WAITING, ("01",)),
        (Kind.STATUS, Ending.ADMITTED, ()),
        (Kind.STATUS, Ending.WAITING, ()),
    ],
)
def test_what_a_proved_sender_hears(kind: Kind, ending: Ending, codes: tuple[str, ...]) -> None:
    assert answers(kind, ending, PROFILE, authenticated=True) == codes


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("ending", list(Ending))
def test_a_sender_not_proved_hears_nothing_a7(kind: Kind, ending: Ending) -> None:
    assert answers(kind, ending, PROFILE, authenticated=False) == ()


@pytest.mark.parametrize("reason", ["DAMAGED", "WRONG_ADDRESSEE", "MALWARE"])
def test_02_goes_out_only_where_nobody_could_act(reason: str) -> None:
    assert answers_refusal(reason, PROFILE)


@pytest.mark.parametrize("reason", ["", "BAD_FORM", "DUPLICATE", "SECRET", "OTHER"])
def test_every_other_reason_is_for_a_person(reason: str) -> None:
    assert not answers_refusal(reason, PROFILE)


def test_the_recall_of_a_document_taken_in_waits_for_the_clerk_r70() -> None:
    found = answers(Kind.RECALL, Ending.ADMITTED, PROFILE, authenticated=True, taken_in=True)

    assert found == ("01",)


def test_a_profile_turns_each_answer_off() -> None:
    quiet = replace(PROFILE, answer_arrived=False, answer_damaged=False, auto_recall_15=False)

    assert answers(Kind.DOCUMENT, Ending.ADMITTED, quiet, authenticated=True) == ()
    assert answers(Kind.RECALL, Ending.ADMITTED, quiet, authenticated=True) == ()
    assert not answers_refusal("DAMAGED", quiet)
