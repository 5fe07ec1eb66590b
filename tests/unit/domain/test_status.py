"""Facts make a state: the tests follow the tables of interfaces.md 1.1 to 1.3 and the examples of rules.md 17, in any
order and any number."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.document import InState
from gateway.domain.identity import Digest
from gateway.domain.states import CODES, STATES, Track, worst
from gateway.domain.status import (
    Fact,
    RequestKind,
    RequestState,
    arrival_number,
    code_of,
    fold_delivery,
    fold_incoming,
    is_skewed,
    may_set_incoming,
    open_request,
    own_fact,
)

T0 = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def status(code: str, minutes: float = 0, *, proved: bool = False, stated: float | None = None) -> Fact:
    """Return a business code that reached us at that minute, stated then or at another one."""
    return Fact(
        track=Track.BUSINESS,
        code=code,
        at=at(minutes),
        stated_at=at(minutes if stated is None else stated),
        proved=proved,
    )


def moved(code: str, minutes: float) -> Fact:
    return own_fact(Track.TRANSPORT, code, at(minutes))


def ask(minutes: float, kind: RequestKind = RequestKind.RECALL, request: str = "r1") -> Fact:
    return Fact(track=Track.REQUEST, code="asked", at=at(minutes), request_id=request, request_kind=kind)


def answered(code: str, minutes: float, request: str | None = "r1") -> Fact:
    return Fact(track=Track.REQUEST, code=code, at=at(minutes), stated_at=at(minutes), request_id=request)


def test_the_highest_business_code_is_the_state() -> None:
    """Without facts a delivery waits in the queue. 02 after 04 is stored and changes nothing, 05 after 06 leaves done.
    R55 (tracked state)."""
    empty = fold_delivery([])
    assert (empty.transport, empty.business, empty.word) == ("queued", None, "queued")
    words = {
        ("01",): "delivered",
        ("01", "02"): "rejected",
        ("01", "03"): "accepted",
        ("01", "03", "04"): "assigned",
        ("01", "03", "04", "05"): "processing",
        ("01", "03", "04", "05", "06"): "done",
        ("06",): "done",
        ("05", "03"): "processing",
        ("01", "04", "02"): "assigned",
        ("06", "05"): "done",
    }
    for codes, word in words.items():
        standing = fold_delivery([moved("sent", 0), *(status(code, n) for n, code in enumerate(codes))])
        assert (standing.word, "contradiction" in standing.marks) == (word, codes == ("01", "04", "02"))


def test_a_later_05_with_its_reason_opens_what_was_done_and_a_new_06_closes_it() -> None:
    """The sender keeps 06 with a mark, our own work goes on. Without a reason, or stated earlier, it
    opens nothing."""
    opened = [status("03", 1), status("06", 2), replace(status("05", 3), note="Đóng nhầm")]
    for order in itertools.permutations(opened):
        theirs, ours = fold_delivery(order), fold_incoming(order)
        reopened = [*order, status("06", 4)]
        assert (theirs.business, theirs.marks) == ("06", ("reopened",))
        assert (ours.state, ours.marks) == (InState.PROCESSING, ("reopened",))
        assert (fold_delivery(reopened).marks, fold_incoming(reopened).state) == ((), InState.DONE)
    for early in (status("05", 3), replace(status("05", 9, stated=1), note="Đóng nhầm")):
        closed = [status("06", 2), early]
        assert (fold_delivery(closed).marks, fold_incoming(closed).state) == ((), InState.DONE)


def test_between_02_and_03_the_later_stated_time_wins_whenever_it_arrived_and_a_proved_one_goes_first_r5() -> (
    None
):
    """With the same stated time they are 02; a code without stated time counts when we received it."""
    same = fold_delivery([status("03", 1), status("02", 1)])
    assert (same.business, same.marks) == ("02", ("contradiction",))
    assert fold_delivery([status("02", 90, stated=10), status("03", 20, stated=20)]).business == "03"
    assert fold_delivery([status("02", 1, proved=True), status("03", 9, proved=False)]).business == "02"
    unstated = Fact(track=Track.BUSINESS, code="02", at=at(30))
    assert fold_delivery([unstated, status("03", 40, stated=20)]).business == "02"


def test_what_only_a_session_vouches_for_overrules_no_signed_status_and_nothing_of_another_axis() -> None:
    """It counts for a delivery of its own axis without any signed status."""
    sent_north = replace(moved("sent", 0), axis="north")
    refused = replace(status("02", 5), session="vxp:h01")
    by_north, by_south = replace(refused, axis="north"), replace(refused, axis="south")
    on_route = replace(by_south, is_on_route=True)  # mail to its sender may go by the other axis as well
    for facts, word in (
        ([sent_north, by_north], "rejected"),
        ([sent_north, by_south], "sent"),
        ([sent_north, on_route], "rejected"),
        ([sent_north, on_route, status("01", 1)], "delivered"),
        ([sent_north, by_north, status("01", 1)], "delivered"),
        ([sent_north, status("03", 9, proved=True), by_north], "accepted"),
        ([by_north], "queued"),
        ([replace(sent_north, code="failed"), by_north], "rejected"),
    ):
        for order in itertools.permutations(facts):
            standing = fold_delivery(order)
            marks = () if word == "rejected" else ("session_only:02",)
            assert (standing.word, standing.marks) == (word, marks)


FAR = 60.0 * 24 * 365 * 70


def test_a_stated_time_is_believed_within_ten_minutes_and_one_that_cannot_be_true_rules_nothing() -> None:
    """Our own clock set back makes none odd: the document was taken by a clock that was an hour ahead."""
    for stated, odd in ((-10, False), (-10.1, True), (40, False), (40.1, True)):
        marks = fold_delivery([moved("queued", 0), moved("sent", 5), status("03", 30, stated=stated)]).marks
        assert marks == (("odd_time:03",) if odd else ())
    assert fold_delivery([moved("queued", 60), status("03", 5)]).marks == ()

    # A 02 stated in 2099 counts from its arrival, and so does a 03 stated before the document left.
    ahead = [moved("queued", 0), status("02", 10, stated=FAR), status("03", 20)]
    behind = [moved("queued", 0), status("03", 20, stated=-FAR), status("02", 10)]
    for facts, code in ((ahead, "02"), (behind, "03")):
        for order in itertools.permutations(facts):
            standing = fold_delivery(order)
            assert (standing.business, standing.marks) == ("03", ("contradiction", f"odd_time:{code}"))

    assert is_skewed(status("03", 6, stated=0))
    assert not is_skewed(status("03", 5, stated=0))
    assert not is_skewed(Fact(track=Track.BUSINESS, code="03", at=T0))


def test_an_open_request_is_shown_before_anything_else() -> None:
    """A 03 from any peer that is not marked so does not answer a recall."""
    for kind, word in (
        (RequestKind.RECALL, "recall_asked"),
        (RequestKind.TAKE_BACK, "take_back_asked"),
        (RequestKind.UPDATE, "update_asked"),
    ):
        standing = fold_delivery([moved("sent", 0), status("03", 1), ask(2, kind)])
        request = open_request(standing)
        assert standing.word == word
        assert request is not None
        assert request.request_id == "r1"
    standing = fold_delivery([status("01", 1), ask(2), status("03", 3)])
    assert (standing.word, standing.business) == ("recall_asked", "03")


def test_an_agreed_recall_or_take_back_stays_and_what_was_refused_is_a_mark_beside_the_word() -> None:
    """The caller puts a 03 into the request track only for a peer marked so. An agreed update is a mark."""
    for kind in (RequestKind.RECALL, RequestKind.TAKE_BACK):
        for code in ("15", "03"):
            standing = fold_delivery([status("01", 1), ask(2, kind), answered(code, 3), status("06", 9)])
            assert (standing.word, open_request(standing)) == ("request_agreed", None)
    for code in ("16", "02"):
        standing = fold_delivery([status("03", 1), ask(2), answered(code, 3)])
        assert (standing.word, standing.marks) == ("accepted", ("request_refused:recall",))
    standing = fold_delivery([status("03", 1), ask(2, RequestKind.UPDATE), answered("15", 3)])
    assert (standing.word, standing.marks) == ("accepted", ("request_agreed:update",))


def test_the_first_answer_rules_once_it_was_asked_for() -> None:
    first_yes = fold_delivery([ask(1), answered("15", 2), answered("16", 3)])
    tie = fold_delivery([ask(1), answered("15", 2), answered("16", 2)])

    assert first_yes.requests[0].state is RequestState.AGREED
    assert tie.requests[0].state is RequestState.REFUSED

    for code, other, state in (("15", "16", RequestState.REFUSED), ("16", "15", RequestState.AGREED)):
        early = replace(answered(code, 30), stated_at=at(-FAR))
        standing = fold_delivery([moved("queued", 0), ask(10), early, answered(other, 20)])
        (request,) = standing.requests
        assert (request.state, request.answered_at) == (state, at(20))
        assert f"odd_time:{code}" in standing.marks

    for request_id in (None, "nobody-asked"):
        standing = fold_delivery([status("03", 1), answered("15", 2, request_id)])
        assert (standing.word, standing.marks) == ("accepted", ("stray:15",))
    odd = [status("07", 5), Fact(track=Track.OTHER, code="99", at=at(6))]
    standing = fold_delivery([status("03", 1), *odd])
    assert (standing.word, standing.marks) == ("accepted", ("unknown:07", "unknown:99"))


def test_a_request_withdrawn_agreed_or_refused_leaves_the_state_that_it_should() -> None:
    standing = fold_delivery([status("01", 0), ask(1), answered("withdrawn", 2)])

    assert open_request(standing) is None
    assert standing.word == "delivered"
    assert standing.requests[0].state is RequestState.WITHDRAWN

    waiting = fold_incoming([status("01"), status("03", 1), ask(2)])
    agreed = fold_incoming([status("01"), status("03", 1), ask(2), answered("15", 3)])

    assert (waiting.state, waiting.word) == (InState.ACCEPTED, "recall_asked")
    assert (agreed.state, agreed.word) == (InState.RECALLED, "recalled")

    facts = [status("03", 1), ask(2, RequestKind.UPDATE), answered("15", 3)]
    more = [ask(4, RequestKind.RECALL, "r2"), answered("16", 5, "r2")]

    folded = fold_incoming([*facts, *more])

    assert folded.state is InState.ACCEPTED
    assert folded.marks == ("request_agreed:update", "request_refused:recall")


_MOVES = st.builds(
    moved, st.sampled_from(["queued", "sending", "sent", "failed", "cancelled"]), st.integers(0, 6)
)
_SAYS = st.builds(
    status,
    st.sampled_from(["01", "02", "03", "04", "05", "06", "07", "13"]),
    st.integers(0, 6),
    proved=st.booleans(),
    stated=st.none() | st.integers(0, 6),
)
_ASKS = st.builds(ask, st.integers(0, 6), st.sampled_from(list(RequestKind)), st.sampled_from(["r1", "r2"]))
_ANSWERS = st.builds(
    answered,
    st.sampled_from(["15", "16", "withdrawn"]),
    st.integers(0, 6),
    st.sampled_from(["r1", "r2", None]),
)
_OWN = st.builds(
    own_fact,
    st.just(Track.OTHER),
    st.sampled_from(["held", "released", "replaced", "sealed", "unsealed"]),
    st.builds(at, st.integers(0, 6)),
)
_FACTS = st.lists(st.one_of(_MOVES, _SAYS, _ASKS, _ANSWERS, _OWN), max_size=9)


@given(facts=_FACTS, data=st.data())
@settings(max_examples=100)
def test_any_order_and_any_repeats_give_the_same_state(facts: list[Fact], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(facts), max_size=5)) if facts else []
    later_copies = [replace(fact, at=fact.at + timedelta(days=1)) for fact in repeats]
    shuffled = data.draw(st.permutations([*facts, *later_copies]))

    assert fold_delivery(shuffled) == fold_delivery(facts)
    assert fold_incoming(shuffled) == fold_incoming(facts)


@given(facts=_FACTS)
@settings(max_examples=100)
def test_what_is_shown_is_always_a_word_of_the_tables(facts: list[Fact]) -> None:
    assert fold_delivery(facts).word in STATES
    assert fold_incoming(facts).word in {*STATES, *InState}


# incoming


def test_an_admitted_document_is_new_a_held_one_held_until_released_and_our_own_codes_move_it() -> None:
    on_hold = own_fact(Track.OTHER, "held", at(1))
    released = own_fact(Track.OTHER, "released", at(2))
    assert fold_incoming([status("01")]).state is InState.NEW
    assert fold_incoming([status("01"), on_hold]).state is InState.HELD
    assert fold_incoming([status("01"), released, on_hold]).state is InState.NEW
    states = {
        "02": InState.REJECTED,
        "03": InState.ACCEPTED,
        "04": InState.ASSIGNED,
        "05": InState.PROCESSING,
        "06": InState.DONE,
    }
    assert {code: fold_incoming([status("01"), on_hold, status(code, 2)]).state for code in states} == states


def test_a_replacement_a_seal_and_a_recall_end_what_may_be_set() -> None:
    replaced = own_fact(Track.OTHER, "replaced", at(4))
    sealed = own_fact(Track.OTHER, "sealed", at(5))
    facts = [status("03", 1), replaced]

    assert fold_incoming(facts).state is InState.REPLACED
    assert fold_incoming([*facts, sealed, ask(6)]).word == "sealed"
    assert fold_incoming([*facts, sealed, own_fact(Track.OTHER, "unsealed", at(6))]).state is InState.REPLACED

    recalled = fold_incoming([status("01", 0), ask(1), answered("15", 2)])

    assert may_set_incoming(recalled, "15").repeat
    for code in ("02", "03", "06", "16"):
        assert may_set_incoming(recalled, code).reason == "status.recalled"

    under_seal = fold_incoming([status("01"), own_fact(Track.OTHER, "sealed", at(1))])
    new = fold_incoming([status("01")])

    assert may_set_incoming(under_seal, "03").reason == "status.sealed"
    assert may_set_incoming(new, "07").reason == "status.unknown_code"
    assert may_set_incoming(new, "01").reason == "status.not_by_hand"
    assert may_set_incoming(new, "13").reason == "status.not_by_hand"


def test_codes_may_be_set_in_any_order_and_twice_and_a_resend_is_queued() -> None:
    for code in ("02", "03", "04", "05", "06"):
        for other in ("01", "02", "03", "04", "05", "06"):
            assert may_set_incoming(fold_incoming([status("01"), status(other, 1)]), code)

    digest = Digest("ab" * 32)
    first = replace(status("03", 5), packet_digest=digest)
    repeat = replace(first, at=at(900))

    assert fold_delivery([first, repeat]) == fold_delivery([first])

    facts = [moved("queued", 0), moved("sending", 1), moved("failed", 2), moved("queued", 3)]
    assert fold_delivery(facts).transport == "queued"
    assert fold_delivery(facts[:3]).transport == "failed"
    facts = [moved("queued", 0), moved("sent", 1), moved("cancelled", 2), moved("sending", 3)]
    assert fold_delivery(facts).transport == "sent"
    assert fold_delivery([moved("queued", 0), moved("cancelled", 1)]).word == "cancelled"

    history = [status("01", 1), status("03", 2), ask(3), answered("16", 4), status("02", 2), moved("sent", 0)]

    standings = {repr(fold_delivery(order)) for order in itertools.permutations(history)}

    assert len(standings) == 1


def test_15_and_16_answer_the_one_open_request_only_and_the_same_again_is_a_harmless_repeat() -> None:
    no_request = fold_incoming([status("03", 1)])
    open_one = fold_incoming([status("03", 1), ask(2)])
    for code in ("15", "16"):
        assert may_set_incoming(no_request, code).reason == "status.no_open_request"
        permission = may_set_incoming(open_one, code)
        assert (permission.allowed, permission.repeat) == (True, False)
    refused = fold_incoming([status("03", 1), ask(2), answered("16", 3)])
    assert may_set_incoming(refused, "16").repeat
    assert not may_set_incoming(refused, "15")


def test_a_further_request_about_a_recalled_document_is_answered_so_that_it_stays_recalled() -> None:
    for kind, fitting, other in (
        (RequestKind.RECALL, "15", "16"),
        (RequestKind.TAKE_BACK, "15", "16"),
        (RequestKind.UPDATE, "16", "15"),
    ):
        facts = [status("01", 0), ask(1), answered("15", 2), ask(3, kind, request="r2")]
        recalled = fold_incoming(facts)
        permission = may_set_incoming(recalled, fitting)
        assert (permission.allowed, permission.repeat) == (True, False)
        assert may_set_incoming(recalled, other).reason == "status.recalled"
        answered_twice = fold_incoming([*facts, answered(fitting, 4, request="r2")])
        assert (answered_twice.state, answered_twice.word) == (InState.RECALLED, "recalled")


# tables


def test_every_code_has_its_word_and_the_worst_stands_for_many_recipients() -> None:
    codes = {"03": "03", "3": "03", " accepted ": "03", "request_agreed": "15", "07": None, "sent": None}
    assert {text: code_of(text) for text in codes} == codes
    assert all(STATES[row.key].wire == row.code for row in CODES.values())

    assert worst(["accepted", "rejected", "delivered"]) == "rejected"
    assert worst(["done", "failed", "rejected"]) == "failed"
    assert worst(["done", "sent"]) == "sent"
    assert worst(["cancelled", "done"]) == "done"
    assert worst(STATES) == "blocked"


def test_the_arrival_number_is_that_of_the_latest_03_but_a_proved_one_comes_first() -> None:
    first = replace(status("03", 1), register_no="11", register_year=2026)
    second = replace(status("03", 2), register_no="12")
    proved = replace(status("03", 0, proved=True), register_no="10", register_year=2025)

    assert arrival_number([status("01"), status("03", 3), first]) == ("11", 2026)
    assert arrival_number([second, first]) == ("12", None)
    assert arrival_number([first, proved, second]) == ("10", 2025)
    assert arrival_number([replace(first, code="04"), status("03")]) is None
