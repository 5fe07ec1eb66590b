"""Limits that run on an account, and the time of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.person import AccountStanding, Person
from gateway_office.policy import signing_in
from gateway_office.policy.signing_in import IdleRules, Limit, PasswordRules
from tests.office.support.rows import person_row

DAY = timedelta(days=1)
DAY0 = datetime(2026, 3, 2, 2, tzinfo=UTC)
PASSWORDS, IDLE = PasswordRules(age=90 * DAY), IdleRules(warn=60 * DAY, suspend=183 * DAY, lock_new=30 * DAY)
PERSON = person_row("prn_1", DAY0, name="Vân Anh", login="vananh")


def days_of_limits(person: Person, **more: object) -> list[tuple[Limit, float]]:
    limits = signing_in.limits_of(person, PASSWORDS, IDLE, **more)  # type: ignore[arg-type]
    return [(limit.limit, (limit.at - DAY0) / DAY) for limit in limits]


def test_it_is_suspended_half_a_year_after_its_agency_last_sent_or_received() -> None:
    """T21 (idle accounts): the later of sign-in and traffic."""
    used = replace(PERSON, last_login_at=DAY0)

    assert (Limit.SUSPENDED, 283) in days_of_limits(used, traffic_at=DAY0 + 100 * DAY)
    assert (Limit.SUSPENDED, 183) in days_of_limits(used, traffic_at=DAY0 - 100 * DAY)


def test_a_new_account_has_its_link_and_is_locked_when_nobody_uses_it() -> None:
    link = DAY0 + 3 * DAY

    assert days_of_limits(PERSON, link_until=link) == [
        (Limit.LINK, 3),
        (Limit.UNUSED, 30),
        (Limit.WARNED, 60),
        (Limit.SUSPENDED, 183),
    ]


def test_a_used_account_grows_idle_from_its_last_use_and_its_password_old() -> None:
    used = replace(
        PERSON, enrolled_at=DAY0 + DAY, password_at=DAY0 + DAY, last_login_at=DAY0 + 10 * DAY, warned_at=DAY0
    )

    assert days_of_limits(used, link_until=DAY0 + 3 * DAY, posts_until=[DAY0 + 20 * DAY]) == [
        (Limit.POST, 20),
        (Limit.PASSWORD, 91),
        (Limit.SUSPENDED, 193),
    ]


def test_what_idleness_suspended_is_withdrawn_and_what_a_person_locked_stays() -> None:
    idle = replace(
        PERSON, standing=AccountStanding.SUSPENDED, standing_why="idle", standing_at=DAY0 + 183 * DAY
    )

    assert days_of_limits(idle) == [(Limit.WITHDRAWN, 198)]
    assert days_of_limits(replace(idle, standing_why="left for a year")) == []
    assert days_of_limits(replace(PERSON, standing=AccountStanding.LOCKED)) == []
