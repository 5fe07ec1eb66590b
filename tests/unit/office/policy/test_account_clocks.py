"""Which limits run on an account, and when each is reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.person import AccountStanding, Person
from gateway.office.policy import signing_in
from gateway.office.policy.signing_in import IdleRules, Limit, PasswordRules

DAY = timedelta(days=1)
MADE = datetime(2026, 3, 2, 2, tzinfo=UTC)
PASSWORDS, IDLE = PasswordRules(age=90 * DAY), IdleRules(warn=60 * DAY, suspend=183 * DAY, lock_new=30 * DAY)
PERSON = Person(
    id="prn_1",
    name="Vân Anh",
    login="vananh",
    roles=frozenset(),
    added_by="prn_0",
    added_at=MADE,
    roles_by="prn_0",
    roles_at=MADE,
)


def told(person: Person, **more: object) -> list[tuple[Limit, float]]:
    found = signing_in.limits_of(person, PASSWORDS, IDLE, **more)  # type: ignore[arg-type]
    return [(each.limit, (each.at - MADE) / DAY) for each in found]


def test_a_new_account_has_its_link_and_is_locked_when_nobody_uses_it() -> None:
    link = MADE + 3 * DAY

    assert told(PERSON, link_until=link) == [
        (Limit.LINK, 3),
        (Limit.UNUSED, 30),
        (Limit.WARNED, 60),
        (Limit.SUSPENDED, 183),
    ]


def test_a_used_account_grows_idle_from_its_last_use_and_its_password_old() -> None:
    used = replace(
        PERSON, enrolled_at=MADE + DAY, password_at=MADE + DAY, last_login_at=MADE + 10 * DAY, warned_at=MADE
    )

    assert told(used, link_until=MADE + 3 * DAY, posts_until=[MADE + 20 * DAY]) == [
        (Limit.POST, 20),
        (Limit.PASSWORD, 91),
        (Limit.SUSPENDED, 193),
    ]


def test_what_idleness_suspended_is_withdrawn_and_what_a_person_locked_stays() -> None:
    idle = replace(
        PERSON, standing=AccountStanding.SUSPENDED, standing_why="idle", standing_at=MADE + 183 * DAY
    )

    assert told(idle) == [(Limit.WITHDRAWN, 198)]
    assert told(replace(idle, standing_why="left for a year")) == []
    assert told(replace(PERSON, standing=AccountStanding.LOCKED)) == []
