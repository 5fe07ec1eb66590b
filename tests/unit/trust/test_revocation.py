"""The status of a certificate at a time, by all answers together: pure rules over statements (K4, threats 42 and
45)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.revocation import FUTURE, ON_HOLD, RevocationStanding, Statement, standing, worst
from tests.support.cases import Cases

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stated(
    made_at: datetime = AT - HOUR,
    ends: datetime | None = AT + DAY,
    revoked_at: datetime | None = None,
    reason: str | None = None,
) -> Statement:
    digest = f"{made_at.isoformat()} {revoked_at} {reason}"
    return Statement(
        source="ocsp", digest=digest, made_at=made_at, ends_at=ends, revoked_at=revoked_at, reason=reason
    )


def judged(*statements: Statement, at: datetime = AT, since: datetime | None = None) -> RevocationStanding:
    return standing(statements, at, now=AT, expires=AT + 100 * DAY, asked_since=since)


def test_threat_042_a_running_answer_is_good_and_a_revocation_counts_from_its_date_on_with_its_reason() -> (
    None
):
    judgement = judged(stated())

    assert (judgement.state, judgement.age_s, judgement.as_of, judgement.source) == (
        "good",
        3600,
        AT - HOUR,
        "ocsp",
    )

    answer = stated(revoked_at=AT - 2 * HOUR, reason="keyCompromise")

    assert judged(answer).state == "revoked"
    assert (judged(answer).revoked_at, judged(answer).reason) == (AT - 2 * HOUR, "keyCompromise")
    assert judged(answer, at=AT - 3 * HOUR).state == "good"


def test_threat_045_which_answers_count_and_when(cases: Cases) -> None:
    second = timedelta(seconds=1)
    revoking = stated(
        made_at=AT - 3 * DAY, ends=AT - 2 * DAY, revoked_at=AT - 4 * DAY, reason="keyCompromise"
    )
    hold = stated(made_at=AT - DAY, revoked_at=AT - 2 * DAY, reason=ON_HOLD)
    rows: dict[str, tuple[list[Statement], datetime, str]] = {
        "an earlier time": ([stated()], AT - DAY, "good"),
        "a newer good one undoes no revocation": ([revoking, stated()], AT, "revoked"),
        "a hold": ([hold], AT, "revoked"),
        "a hold that was lifted": ([hold, stated()], AT, "good"),
        "in the time in which it held": ([hold, stated()], AT - 36 * HOUR, "revoked"),
        "almost of tomorrow": ([stated(made_at=AT + FUTURE)], AT, "good"),
        "of tomorrow": ([stated(made_at=AT + FUTURE + second)], AT, "unknown"),
        "without an end for an hour": ([stated(made_at=AT - HOUR, ends=None)], AT, "good"),
        "and no longer": ([stated(made_at=AT - HOUR - second, ends=None)], AT, "unknown"),
    }
    for name, (statements, at, state) in rows.items():
        with cases.case(name):
            assert judged(*statements, at=at).state == state


def test_k4_unknown_counts_from_the_end_of_the_last_answer_and_silence_about_what_had_run_out_says_nothing() -> (
    None
):
    for hours in (1, 23, 25):
        judgement = judged(stated(made_at=AT - 3 * DAY, ends=AT - hours * HOUR))
        assert (judgement.state, judgement.age_s) == ("unknown", hours * 3600)
    assert judged(since=AT - 5 * HOUR).age_s == 5 * 3600
    assert judged().age_s is None

    late = stated(made_at=AT - HOUR, ends=AT + DAY)

    judgement = standing([late], AT - 50 * DAY, now=AT, expires=AT - 30 * DAY)

    assert judgement.state == "unknown"


def test_threat_111_an_answer_that_names_a_revocation_counts_though_it_was_made_after_the_certificate_ran_out() -> (
    None
):
    """That one was not forgotten: it is revoked from its date on, and was good before."""
    late = stated(made_at=AT - HOUR, ends=AT + DAY, revoked_at=AT - 40 * DAY, reason="keyCompromise")

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
    stated,
    made_at=_MOMENTS,
    ends=st.none() | _MOMENTS,
    revoked_at=st.none() | _MOMENTS,
    reason=st.sampled_from([None, "keyCompromise", ON_HOLD]),
)


@given(st.lists(_STATEMENTS, max_size=6), _MOMENTS)
def test_the_order_of_answers_does_not_matter(statements: list[Statement], at: datetime) -> None:
    forward, back = judged(*statements, at=at), judged(*reversed(statements), at=at)

    assert (forward.state, forward.revoked_at, forward.age_s) == (back.state, back.revoked_at, back.age_s)


@given(st.lists(_STATEMENTS, max_size=6), _STATEMENTS, _MOMENTS)
def test_threat_045_no_further_answer_makes_a_final_revocation_good(
    statements: list[Statement], more: Statement, at: datetime
) -> None:
    final = [statement for statement in statements if statement.reason != ON_HOLD]
    if judged(*final, at=at).state == "revoked":
        assert judged(*final, more, at=at).state == "revoked"


@given(st.lists(_STATEMENTS, max_size=6), _MOMENTS)
def test_good_always_rests_on_an_answer_that_covers_the_time(
    statements: list[Statement], at: datetime
) -> None:
    judgement = judged(*statements, at=at)

    covering = [x for x in statements if x.ends_at is None or x.ends_at >= at]
    assert judgement.state != "good" or judgement.as_of in {x.made_at for x in covering}
