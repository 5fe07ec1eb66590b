"""States of the numbers of outgoing documents: whatever is done in whatever order, an issued number goes to no other
document, and every number up to the last one has a state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.numbers import GivenNumber, NumberState, free_number, printed

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
PEOPLE, DOCUMENTS = ("prn_a", "prn_b"), ("msg_1", "msg_2", "msg_3")
ACTS = st.tuples(
    st.sampled_from(("reserve", "reserve_draft", "issue", "give", "release", "void", "wait")),
    st.sampled_from(PEOPLE),
    st.sampled_from(DOCUMENTS),
)


def act(number: GivenNumber, now: datetime, name: str, by: str, subject: str) -> GivenNumber | None:
    ends_at = now + timedelta(days=1)
    match name:
        case "reserve":
            return number.reserve(now, by, ends_at)
        case "reserve_draft":
            return number.reserve(now, by, ends_at, subject)
        case "issue":
            return number.issue(now, by, subject, f"id-{subject}", "15/X")
        case "give":
            return number.give(now, by, subject, f"id-{subject}", "15/X")
        case "release":
            return number.release(now, by, "not needed")
        case "void":
            return number.void(now, by, "not sent")
    return None


@given(st.lists(ACTS, max_size=30))
def test_an_issued_number_stays_with_its_document_and_a_void_one_has_its_reason(
    acts: list[tuple[str, str, str]],
) -> None:
    number, now = free_number("HC", 2026, 15, NOW), NOW
    owner = ""
    for name, by, subject in acts:
        now += timedelta(days=2) if name == "wait" else timedelta(minutes=1)
        standing = number.standing(now)
        changed = act(number, now, name, by, subject)
        if changed is None:
            continue
        if changed.state is NumberState.ISSUED:
            assert owner in ("", subject)
            owner = subject
            assert changed.document_id == f"id-{subject}"
        if owner:
            assert changed.state in (NumberState.ISSUED, NumberState.VOID)
        if standing.state is NumberState.RESERVED and changed.state is NumberState.ISSUED:
            assert standing.serves(by, subject)
        if changed.state is NumberState.RESERVED:
            assert standing.state is NumberState.FREE
            assert changed.until is not None
        if changed.state is NumberState.VOID:
            assert changed.reason
        number = changed


def test_a_reservation_of_another_serves_nobody_else_and_ends() -> None:
    number = free_number("HC", 2026, 15, NOW)
    reserved = number.reserve(NOW, "prn_a", NOW + timedelta(days=1))
    assert reserved is not None

    assert reserved.issue(NOW, "prn_b", "msg_1", "id-1", "15/X") is None
    assert reserved.reserve(NOW, "prn_b", NOW + timedelta(days=1)) is None
    assert reserved.standing(NOW + timedelta(days=1)).state is NumberState.FREE
    late = reserved.issue(NOW + timedelta(days=2), "prn_a", "msg_1", "id-1", "15/X")
    assert late is not None
    assert late.state is NumberState.ISSUED


def test_a_number_below_ten_is_printed_with_its_zero() -> None:
    assert [printed(n) for n in (1, 9, 10, 115)] == ["01", "09", "10", "115"]
