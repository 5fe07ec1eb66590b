"""When a session is over, and what its person must do first. In: a session, its person, the numbers, a time. Out: why it is
over, or the duties, or None. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.person import Person
from gateway.office.domain.post import Post, PostRole
from gateway.office.domain.session import Duty, Ended, Factor, Session
from gateway.office.policy.password_rules import PasswordRules, is_too_old


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """`idle` ends a session that nobody uses, `whole` every one; `touch` is how often its use is written down. Whoever has
    one of the `second_factor` posts must set one up."""

    idle: timedelta = timedelta(minutes=30)
    whole: timedelta = timedelta(hours=12)
    warn: timedelta = timedelta(minutes=2)
    touch: timedelta = timedelta(minutes=1)
    second_factor: frozenset[PostRole] = frozenset()


def over(session: Session, rules: SessionRules, now: datetime) -> Ended | None:
    """Why it is over by the clock; a limit that is reached is over."""
    if session.ended_why is not None:
        return session.ended_why
    if now >= session.ends_at:
        return Ended.OVER
    return Ended.IDLE if now >= session.seen_at + rules.idle else None


def ends_at(session: Session, rules: SessionRules) -> datetime:
    """When it ends unless it is used; pages warn `warn` before."""
    return min(session.ends_at, session.seen_at + rules.idle)


def is_to_touch(session: Session, rules: SessionRules, now: datetime) -> bool:
    return now >= session.seen_at + rules.touch


def duties(
    person: Person,
    factor: Factor,
    posts: Iterable[Post],
    passwords: PasswordRules,
    rules: SessionRules,
    now: datetime,
) -> tuple[Duty, ...]:
    """What comes before anything else."""
    found = []
    if person.must_change or (
        person.password_at is not None and is_too_old(person.password_at, passwords, now)
    ):
        found.append(Duty.CHANGE_PASSWORD)
    needed = any(each.role in rules.second_factor and each.holds(now) for each in posts)
    if needed and factor is Factor.NONE:
        found.append(Duty.SET_UP_FACTOR)
    return tuple(found)
