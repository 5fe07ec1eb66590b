"""The view of one fact: its word for its reader, its author, and its text."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gateway.outgoing
import gateway.transport
from gateway.document_view.facts import FactSource, received_fact, received_word, sent_fact, short_word
from gateway.document_view.recipients import recipient_view
from gateway.domain.document import Delivery, Kind, Recipient
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway.ports import axis
from gateway.words.labels import has
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)


def fact(track: Track, code: str, **more: object) -> Fact:
    return replace(Fact(track=track, code=code, at=NOW), **more)  # type: ignore[arg-type]


RECALL = fact(Track.REQUEST, "asked", request_id="p1", request_kind=RequestKind.RECALL)


def test_sender_and_receiver_read_the_same_fact_in_their_own_words(cases: Cases) -> None:
    """R120 (sender sees the handling)."""
    rows = {
        "taken in": (fact(Track.BUSINESS, "03"), ("Accepted", FactSource.THEM), ("Taken in", FactSource.US)),
        "arrived": (
            fact(Track.BUSINESS, "01"),
            ("Delivered", FactSource.THEM),
            ("Waiting to be taken in", FactSource.NODE),
        ),
        "asked": (
            RECALL,
            ("Recall notice, waiting", FactSource.NODE),
            ("Sender sent a recall notice", FactSource.THEM),
        ),
        "withdrawn": (
            replace(RECALL, code="withdrawn"),
            ("Withdrawn by the sender", FactSource.NODE),
            ("Withdrawn by the sender", FactSource.THEM),
        ),
        "agreed": (
            replace(RECALL, code="15"),
            ("Take-back or update agreed", FactSource.THEM),
            ("Agreed", FactSource.US),
        ),
        "held": (
            fact(Track.OTHER, "held"),
            ("Undetermined status", FactSource.THEM),
            ("Put on hold", FactSource.NODE),
        ),
        "unknown": (
            fact(Track.BUSINESS, "77"),
            ("Undetermined status", FactSource.THEM),
            ("Undetermined status", FactSource.US),
        ),
    }
    for name, (node_fact, sent, received) in rows.items():
        with cases.case(name):
            sender, receiver = sent_fact(node_fact, "en"), received_fact(node_fact, "en")
            assert ((sender.word, sender.by), (receiver.word, receiver.by)) == (sent, received)


def test_what_was_written_is_told_once_and_without_what_is_for_machines() -> None:
    refused = fact(Track.BUSINESS, "02", reason="MISSING_FILE", note="Page 2 · Mã gói tin: pkt_9")
    twice = fact(Track.BUSINESS, "02", reason="Page 2", note="Page 2")

    assert sent_fact(refused, "en").texts == ("Missing file or page", "Page 2")
    assert received_fact(twice, "en").texts == ("Page 2",)


def test_our_own_acts_state_no_time_to_the_sender() -> None:
    stated = {"stated_at": NOW - timedelta(hours=1)}
    ours = sent_fact(fact(Track.TRANSPORT, "sent", **stated), "en")
    theirs = sent_fact(fact(Track.BUSINESS, "03", **stated), "en")

    assert (ours.stated, ours.skewed) == (None, False)
    assert (theirs.stated, theirs.skewed) == (stated["stated_at"], True)


def test_a_recall_is_asked_and_answered_and_never_taken_in() -> None:
    assert received_word("new", "en", Kind.RECALL) == "Waiting for our answer"
    assert received_word("new", "en") == "Waiting to be taken in"
    assert short_word("rejected", "en") == "Refused"
    assert received_word("no-such-state", "en") == "no-such-state"


def test_a_recipient_stands_where_the_newest_fact_of_its_word_says() -> None:
    delivery = Delivery(
        id="dlv_1",
        agency_id="agy_1",
        document_id="msg_1",
        recipient=Recipient(code="Z91"),
        attempt=1,
        state="accepted",
        updated_at=NOW + timedelta(hours=3),
    )
    accepted = fact(Track.BUSINESS, "03")
    later_copy = replace(accepted, at=NOW + timedelta(hours=1))
    stray = fact(Track.BUSINESS, "77", at=NOW + timedelta(hours=2))

    assert recipient_view(delivery, [stray, later_copy, accepted], "en").at == later_copy.at
    assert recipient_view(delivery, [stray], "en").at == stray.at
    assert recipient_view(delivery, [], "en").at == delivery.updated_at


SOURCES = [Path(gateway.transport.__file__).parent, Path(gateway.outgoing.__file__).parent]


def outcome_codes() -> set[str]:
    """List the codes of outcomes that stand in the program as texts, or as constants of their module."""
    codes: set[str] = set()
    for path in [path for folder in SOURCES for path in folder.rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {name: value for name, value in vars(axis).items() if isinstance(value, str)} | {
            target.id: str(row.value.value)
            for row in tree.body
            if isinstance(row, ast.Assign) and isinstance(row.value, ast.Constant)
            for target in row.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Outcome":
                values = [word.value for word in call.keywords if word.arg == "code"]
                codes |= {str(value.value) for value in values if isinstance(value, ast.Constant)}
                codes |= {constants[v.id] for v in values if isinstance(v, ast.Name) and v.id in constants}
    return codes


def test_what_the_axis_said_of_a_sending_is_a_sentence_and_its_detail_is_for_operators(cases: Cases) -> None:
    codes = outcome_codes()
    assert {"unroutable", "too-large", "axis-bindings"} <= codes
    for code in sorted(codes | {"GW-S-999", "recipient-closed", "axis-down"}):
        with cases.case(code):
            failed = fact(Track.TRANSPORT, "failed", reason=code, note="G09 is not connected to the axis")
            view = sent_fact(failed, "vi")
            assert view.technical == f"{code}: G09 is not connected to the axis"
            (text,) = view.texts
            assert code not in text
            assert "connected" not in text
            assert has(f"failure.{code}") or code == "GW-S-999"
    sent = sent_fact(fact(Track.TRANSPORT, "sent", note="with the axis as 12"), "vi")
    assert (sent.texts, sent.technical) == ((), "with the axis as 12")
