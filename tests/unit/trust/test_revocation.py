"""How a certificate stood at a time, by all answers together: pure rules over statements (K4, threats 42 and 45)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.revocation import FUTURE, ON_HOLD, RevocationStanding, Statement, standing, worst
from tests.support.cases import Cases

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def said(
    made: datetime = AT - HOUR,
    ends: datetime | None = AT + DAY,
    revoked_at: datetime | None = None,
    reason: str | None = None,
) -> Statement:
    digest = f"{made.isoformat()} {revoked_at} {reason}"
    return Statement(
        source="ocsp", digest=digest, made_at=made, ends_at=ends, revoked_at=revoked_at, reason=reason
    )


def judged(*statements: Statement, at: datetime = AT, since: datetime | None = None) -> RevocationStanding:
    return standing(statements, at, now=AT, expires=AT + 100 * DAY, asked_since=since)


def test_threat_042_a_running_answer_is_good_and_a_revocation_counts_from_its_date_on_with_its_reason() -> (
    None
):
    found = judged(said())

    assert (found.state, found.age_s, found.as_of, found.source) == ("good", 3600, AT - HOUR, "ocsp")

    answer = said(revoked_at=AT - 2 * HOUR, reason="keyCompromise")

    assert judged(answer).state == "revoked"
    assert (judged(answer).revoked_at, judged(answer).reason) == (AT - 2 * HOUR, "keyCompromise")
    assert judged(answer, at=AT - 3 * HOUR).state == "good"


def test_threat_045_which_answers_count_and_when(cases: Cases) -> None:
    second = timedelta(seconds=1)
    revoking = said(made=AT - 3 * DAY, ends=AT - 2 * DAY, revoked_at=AT - 4 * DAY, reason="keyCompromise")
    hold = said(made=AT - DAY, revoked_at=AT - 2 * DAY, reason=ON_HOLD)
    rows: dict[str, tuple[list[Statement], datetime, str]] = {
        "an earlier time": ([said()], AT - DAY, "good"),
        "a newer good one undoes no revocation": ([revoking, said()], AT, "revoked"),
        "a hold": ([hold], AT, "revoked"),
        "a hold that was lifted": ([hold, said()], AT, "good"),
        "in the time in which it held": ([hold, said()], AT - 36 * HOUR, "revoked"),
        "almost of tomorrow": ([said(made=AT + FUTURE)], AT, "good"),
        "of tomorrow": ([said(made=AT + FUTURE + second)], AT, "unknown"),
        "without an end for an hour": ([said(made=AT - HOUR, ends=None)], AT, "good"),
        "and no longer": ([said(made=AT - HOUR - second, ends=None)], AT, "unknown"),
    }
    for name, (statements, at, state) in rows.items():
        with cases.case(name):
            assert judged(*statements, at=at).state == state


def test_k4_unknown_counts_from_the_end_of_the_last_answer_and_silence_about_what_had_run_out_says_nothing() -> (
    None
):
    for hours in (1, 23, 25):
        found = judged(said(made=AT - 3 * DAY, ends=AT - hours * HOUR))
        assert (found.state, found.age_s) == ("unknown", hours * 3600)
    assert judged(since=AT - 5 * HOUR).age_s == 5 * 3600
    assert judged().age_s is None

    late = said(made=AT - HOUR, ends=AT + DAY)

    found = standing([late], AT - 50 * DAY, now=AT, expires=AT - 30 * DAY)

    assert found.state == "unknown"


def test_threat_111_an_answer_that_names_a_revocation_counts_though_it_was_made_after_the_certificate_ran_out() -> (
    None
):
    """That one was not forgotten: it is revoked from its date on, and was good before."""
    late = said(made=AT - HOUR, ends=AT + DAY, revoked_at=AT - 40 * DAY, reason="keyCompromise")

    def on(day: int) -> RevocationStanding:
        return standing([late], AT - day * DAY, now=AT, expires=AT - 30 * DAY)

    assert (on(35).state, on(35).revoked_at) == ("revoked", AT - 40 * DAY)
    assert (on(50).state, on(50).as_of) == ("good", AT - HOUR)


def test_the_worst_link_decides() -> None:
    good, revoked = (
        RevocationStanding(state="good", age_s=1.0),
        RevocationStanding(state="revoked", revoked_at=AT),
    )
    unknown, never = RevocationStanding(state="unknown", age_s=5.0), RevocationStanding(state="unknown")

    assert worst([good, unknown, revoked]) is revoked
    assert worst([good, unknown]) is unknown
    assert worst([unknown, never]) is never


_MOMENTS = st.integers(-100, 100).map(lambda hours: AT + hours * HOUR)
_STATEMENTS = st.builds(
    said,
    made=_MOMENTS,
    ends=st.none() | _MOMENTS,
    revoked_at=st.none() | _MOMENTS,
    reason=st.sampled_from([None, "keyCompromise", ON_HOLD]),
)


@given(st.lists(_STATEMENTS, max_size=6), _MOMENTS)
def test_the_order_of_answers_does_not_matter(statements: list[Statement], at: datetime) -> None:
    there, back = judged(*statements, at=at), judged(*reversed(statements), at=at)

    assert (there.state, there.revoked_at, there.age_s) == (back.state, back.revoked_at, back.age_s)


@given(st.lists(_STATEMENTS, max_size=6), _STATEMENTS, _MOMENTS)
def test_threat_045_no_further_answer_makes_a_final_revocation_good(
    statements: list[Statement], more: Statement, at: datetime
) -> None:
    final = [each for each in statements if each.reason != ON_HOLD]
    if judged(*final, at=at).state == "revoked":
        assert judged(*final, more, at=at).state == "revoked"


@given(st.lists(_STATEMENTS, max_size=6), _MOMENTS)
def test_good_always_rests_on_an_answer_that_covers_the_time(
    statements: list[Statement], at: datetime
) -> None:
    found = judged(*statements, at=at)

    covering = [each for each in statements if each.ends_at is None or each.ends_at >= at]
    assert found.state != "good" or found.as_of in {each.made_at for each in covering}
