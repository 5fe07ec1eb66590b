"""The statuses that go out by themselves (interfaces.md 1.5, verification A7), as a table."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.document import Kind
from gateway.policy.incoming import PacketEnding, answers, answers_refusal
from gateway.policy.profile import Profile

PROFILE = Profile()


def test_what_a_proved_sender_hears() -> None:
    expected = {
        (Kind.DOCUMENT, PacketEnding.ADMITTED): ("01",),
        (Kind.DOCUMENT, PacketEnding.HELD): ("01",),
        (Kind.UPDATE, PacketEnding.WAITING): ("01",),
        (Kind.UPDATE, PacketEnding.ADMITTED): ("01",),
        (Kind.REPLACEMENT, PacketEnding.ADMITTED): ("01",),
        (Kind.RECALL, PacketEnding.ADMITTED): ("01", "15"),
        (Kind.RECALL, PacketEnding.WAITING): ("01",),
        (Kind.STATUS, PacketEnding.ADMITTED): (),
        (Kind.STATUS, PacketEnding.WAITING): (),
    }
    assert {pair: answers(*pair, PROFILE, authenticated=True) for pair in expected} == expected


def test_a_sender_not_proved_hears_nothing_a7_02_only_where_nobody_could_act_and_a_profile_turns_each_off() -> (
    None
):
    for kind in Kind:
        for ending in PacketEnding:
            assert answers(kind, ending, PROFILE, authenticated=False) == ()

    reasons = ("DAMAGED", "WRONG_ADDRESSEE", "MALWARE", "", "BAD_FORM", "DUPLICATE", "SECRET", "OTHER")
    assert [reason for reason in reasons if answers_refusal(reason, PROFILE)] == [*reasons[:3]]

    quiet = replace(PROFILE, answer_arrived=False, answer_damaged=False, auto_recall_15=False)

    assert answers(Kind.DOCUMENT, PacketEnding.ADMITTED, quiet, authenticated=True) == ()
    assert answers(Kind.RECALL, PacketEnding.ADMITTED, quiet, authenticated=True) == ()
    assert not answers_refusal("DAMAGED", quiet)


def test_the_recall_of_a_document_taken_in_waits_for_the_clerk_r70() -> None:
    codes_sent = answers(Kind.RECALL, PacketEnding.ADMITTED, PROFILE, authenticated=True, taken_in=True)

    assert codes_sent == ("01",)
