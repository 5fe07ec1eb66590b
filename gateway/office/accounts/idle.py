"""Looks after accounts that nobody uses (R89, R90). In: every account, the profile's numbers, the time. Out: warnings told,
accounts locked, suspended or withdrawn, one after the other, so that of two idle clerks one always stays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import Person, Role, Standing
from gateway.office.accounts import sessions
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import Post, PostRole
from gateway.office.domain.session import Ended
from gateway.office.policy import idle
from gateway.office.policy.idle import Account, Verdict
from gateway.office.ports.accounts import AccountWork

IDLE = "idle"
_BECOMES: Mapping[Verdict, Standing] = {
    Verdict.LOCK: Standing.LOCKED,
    Verdict.SUSPEND: Standing.SUSPENDED,
    Verdict.WITHDRAW: Standing.WITHDRAWN,
}
_NEEDED = frozenset({PostRole.CLERK, PostRole.AGENCY_ADMIN, PostRole.OPERATOR})


async def sweep(desk: AccountDesk) -> Mapping[str, Verdict]:
    """What became of whom, by id; those that are fine are left out. Again at once changes nothing. Sessions and tries that
    are long over are removed."""
    now, found = desk.clock.now(), {}
    async with desk.accounts.read() as view:
        if not await view.posts.all():
            return {}  # a node without accounts is not written to
    async with desk.accounts.begin("node") as work:
        # One at a time: two that look at once would each leave the other's clerk.
        await work.tries.of("idle accounts")
        people = {each.id: each for each in await work.people.everybody()}
        posts = [each for each in await work.posts.all() if each.holds(now)]
        for person in sorted(people.values(), key=lambda each: (each.used_at, each.id)):
            verdict = idle.judge(_account(person, posts, people), desk.rules.idle, now)
            if verdict is not Verdict.FINE:
                people[person.id] = await _apply(work, person, verdict, posts, now)
                found[person.id] = verdict
        await work.sessions.sweep(now - desk.rules.sessions.whole)
        await work.tries.sweep(now - 2 * desk.rules.slow.forget)
        await work.commit()
    return found


def _account(person: Person, posts: Collection[Post], people: Mapping[str, Person]) -> Account:
    by_idleness = person.standing is Standing.SUSPENDED and person.standing_why == IDLE
    return Account(
        added_at=person.added_at,
        last_login_at=person.last_login_at,
        warned_at=person.warned_at,
        suspended_at=person.standing_at if by_idleness else None,
        # Whoever has no post is no account of the pages: those who decide about trust sign in when there is something.
        is_out=person.blocked_at is not None
        or person.standing is not Standing.ACTIVE
        or not any(each.person_id == person.id for each in posts),
        is_needed=_is_needed(person, posts, people),
    )


def _is_needed(person: Person, posts: Collection[Post], people: Mapping[str, Person]) -> bool:
    """Whether an agency would have no clerk or no administrator left, or the node nobody who administers."""
    mine = [each for each in posts if each.person_id == person.id and each.role in _NEEDED]
    alone = any(not _others(person, post, posts, people) for post in mine)
    if Role.PEOPLE in person.roles:
        alone = alone or not any(
            each.is_active and Role.PEOPLE in each.roles for each in people.values() if each.id != person.id
        )
    return alone


def _others(person: Person, post: Post, posts: Collection[Post], people: Mapping[str, Person]) -> bool:
    return any(
        (each.agency_id, each.role) == (post.agency_id, post.role) and people[each.person_id].is_active
        for each in posts
        if each.person_id != person.id
    )


async def _apply(
    work: AccountWork, person: Person, verdict: Verdict, posts: Collection[Post], now: datetime
) -> Person:
    standing = _BECOMES.get(verdict)
    if standing is None:
        changed = replace(person, warned_at=now)
    else:
        changed = replace(
            person, standing=standing, standing_why=IDLE, standing_by="node", standing_at=now, warned_at=now
        )
        await sessions.end_all(work, person.id, now, Ended.STANDING)
    await work.people.save(changed)
    told = {
        "verdict": verdict.value,
        "used_at": person.used_at.isoformat(),
        "agencies": sorted(
            {each.agency_id for each in posts if each.person_id == person.id and each.agency_id}
        ),
    }
    await work.events.append(EventKind.ACCOUNT_IDLE, person.id, now, told)
    return changed
