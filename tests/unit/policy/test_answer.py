"""The statuses that go out by themselves (interfaces.md 1.5, verification A7), as a table."""

from __future__ import annotations

from gateway.domain.document import Kind
from gateway.policy.incoming import PacketEnding, answers


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
    assert {pair: answers(*pair, authenticated=True) for pair in expected} == expected


def test_a_sender_not_proved_hears_nothing_a7() -> None:
    for kind in Kind:
        for ending in PacketEnding:
            assert answers(kind, ending, authenticated=False) == ()


def test_the_recall_of_a_document_taken_in_waits_for_the_clerk_r70() -> None:
    codes_sent = answers(Kind.RECALL, PacketEnding.ADMITTED, authenticated=True, taken_in=True)

    assert codes_sent == ("01",)
