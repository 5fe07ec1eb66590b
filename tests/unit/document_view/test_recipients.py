"""The progress of a document at its recipients, in five steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.document_view.recipients import picture, progress_of
from gateway.domain.states import Track
from gateway.domain.status import Fact

BEGAN = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def facts(*codes: str) -> list[Fact]:
    return [
        Fact(
            track=Track.BUSINESS if code.isdigit() else Track.TRANSPORT,
            code=code,
            at=BEGAN + timedelta(minutes=n),
        )
        for n, code in enumerate(codes)
    ]


def test_a_later_step_says_that_the_earlier_ones_are_past() -> None:
    progress = progress_of(facts("queued", "sent", "05"), "processing")

    assert progress is not None
    assert progress.marks == ("past", "past", "past", "past", "ahead")
    assert progress.word == "assigned"


def test_order_of_arrival_changes_nothing() -> None:
    in_order, back = facts("sent", "01", "03"), facts("sent", "01", "03")[::-1]

    assert progress_of(in_order, "accepted") == progress_of(back, "accepted")


def test_a_refusal_stops_it_at_its_desk_and_a_failure_before_it_left() -> None:
    refused, failed = (
        progress_of(facts("sent", "01", "02"), "rejected"),
        progress_of(facts("queued"), "failed"),
    )

    assert refused is not None
    assert failed is not None
    assert refused.marks == ("past", "past", "stopped", "ahead", "ahead")
    assert failed.marks == ("stopped", "ahead", "ahead", "ahead", "ahead")
    assert failed.word == ""


def test_paper_and_cancelled_deliveries_have_no_progress() -> None:
    assert progress_of((), "paper") is None
    assert progress_of(facts("queued"), "cancelled") is None
    assert picture([]) == []


def test_a_recall_is_the_last_step_and_counts_who_agreed() -> None:
    accepted = facts("sent", "01", "03")
    waits, agreed = (
        progress_of(accepted, "recall_asked"),
        progress_of(facts("sent", "01", "03", "15"), "request_agreed"),
    )
    other = progress_of(accepted, "accepted")
    assert waits is not None
    assert agreed is not None
    assert other is not None

    assert [stage.step for stage in picture([waits])] == ["sent", "delivered", "accepted", "recalled"]
    assert [(s.mark, s.count, s.total) for s in picture([waits, agreed])][-1] == ("here", 1, 2)
    assert [(s.mark, s.at) for s in picture([agreed])][-1] == ("past", BEGAN + timedelta(minutes=3))
    some = picture([agreed, other])
    assert [s.step for s in some][-2:] == ["done", "recalled"]
    assert [s.mark for s in some][-3:] == ["here", "ahead", "here"]


def test_the_picture_counts_recipients_and_tells_when_the_last_had_gone_a_step() -> None:
    ways = [
        progress
        for progress in (
            progress_of(facts("sent", "01", "03"), "accepted"),
            progress_of(facts("sent", "01", "02"), "rejected"),
        )
        if progress is not None
    ]

    stages = picture(ways)

    assert [stage.mark for stage in stages] == ["past", "past", "stopped", "ahead", "ahead"]
    assert [(stage.count, stage.stopped) for stage in stages] == [(2, 0), (2, 0), (1, 1), (0, 0), (0, 0)]
    assert [stage.at for stage in stages] == [BEGAN, BEGAN + timedelta(minutes=1), None, None, None]
