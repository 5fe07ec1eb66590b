"""Sessions of the pages, and what time alone ends. In: what the browser holds; or every account and the profile's
numbers. Out: who acts, with the rights of this moment; sessions listed, moved to another agency, ended; of accounts
that nobody uses (R89, R90) warnings told, accounts locked, suspended or withdrawn, one after the other, so that of
two idle clerks one always stays. The id in the browser is new at each signing in and at each change of what the
session may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding, Person, Role
from gateway.errors import Denied, NotFound
from gateway.office.accounts.acting import Acting, rights_of
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import Post, PostRole
from gateway.office.domain.session import Ended, Session, digest_of, new_token
from gateway.office.policy import signing_in
from gateway.office.policy.rights import Rights
from gateway.office.policy.signing_in import AccountMeasure
from gateway.office.store.accounts import AccountWork

LONGEST_TOKEN = 128


async def check(desk: AccountDesk, token: str) -> Acting:
    """Who sits there, in one reading transaction; that the session is in use is written down once a minute. Denied
    (`GW-SESSION`) when it is over: by its clock, by signing out, or because the person is out."""
    now = desk.clock.now()
    digest = _digest(token)
    async with desk.accounts.read() as view:
        acting = await seen(desk, view, digest, now)
    if now >= acting.session.seen_at + desk.rules.sessions.touch:
        async with desk.changing(acting.person.id) as (work, _):
            await work.sessions.touch(digest, now)
        touched = replace(acting.session, seen_at=now)
        ends_at = signing_in.session_ends_at(touched, desk.rules.sessions)
        acting = replace(acting, session=touched, ends_at=ends_at)
    return acting


async def look(desk: AccountDesk, token: str) -> Acting:
    """As `check`, without saying that the session is in use: for what a page asks by itself while nobody sits there."""
    async with desk.accounts.read() as view:
        return await seen(desk, view, _digest(token), desk.clock.now())


async def seen(desk: AccountDesk, work: AccountWork, digest: str, now: datetime) -> Acting:
    """As `check`, within a unit of work, and without writing."""
    session = await work.sessions.find(digest)
    if session is None or signing_in.session_over(session, desk.rules.sessions, now) is not None:
        raise over()
    person = await work.people.get(session.person_id)
    # A password or a second factor made anew by a one-time code closes what was open under the old one.
    if not person.is_active or person.enrolled_at is None or session.began_at < person.enrolled_at:
        raise over()
    rights = await rights_of(work, person.id, now)
    rules = desk.rules
    return Acting(
        person=person,
        session=_still_there(session, rights, now),
        rights=rights,
        duties=signing_in.duties_of(
            person, session.factor, rights.posts, rules.passwords, rules.sessions, now
        ),
        ends_at=signing_in.session_ends_at(session, rules.sessions),
        at=now,
    )


async def choose_agency(desk: AccountDesk, token: str, agency_id: str) -> str:
    """The session works for that agency from now on, under a new token. Denied where the person has no post."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        acting = await seen(desk, view, _digest(token), now)
        is_hosted = agency_id in await view.agency_codes()
        if not is_hosted or not (agency_id in acting.rights.agencies(now) or acting.rights.is_of_node(now)):
            raise Denied("this person has no post in that agency", code="GW-RIGHT")
    async with desk.changing(acting.person.id) as (work, _):
        renewed = await renew(work, replace(acting.session, agency_id=agency_id))
        told = {"session": acting.session.id, "agency": agency_id}
        await work.events.append(EventKind.SESSION_AGENCY, acting.person.id, now, told)
    return renewed


async def renew(work: AccountWork, session: Session) -> str:
    """The new token of a session that goes on as given; the old one finds nothing any more. Denied when it was over."""
    token = new_token()
    if not await work.sessions.renew(session.digest, replace(session, digest=digest_of(token))):
        raise over()
    return token


async def sign_out(desk: AccountDesk, token: str) -> None:
    """Harmless when it was over."""
    now, digest = desk.clock.now(), _digest(token)
    async with desk.accounts.read() as view:
        session = await view.sessions.find(digest)
    if session is None:
        return
    async with desk.changing(session.person_id) as (work, _):
        if await work.sessions.end(digest, now, Ended.SIGNED_OUT):
            await tell_ended(work, session.person_id, [session.id], Ended.SIGNED_OUT, now)


async def open_of(desk: AccountDesk, person: Person) -> Sequence[Session]:
    """Newest first."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        found = await view.sessions.open_of(person.id)
    return [each for each in found if signing_in.session_over(each, desk.rules.sessions, now) is None]


async def end_one(desk: AccountDesk, acting: Acting, id: str) -> None:
    """Ends one of the person's own sessions. NotFound for anybody else's."""
    async with desk.changing(acting.person.id) as (work, now):
        session = await work.sessions.get(id)
        if session.person_id != acting.person.id:
            raise NotFound(f"there is no session {id}")
        if await work.sessions.end(session.digest, now, Ended.SIGNED_OUT):
            await tell_ended(work, acting.person.id, [id], Ended.SIGNED_OUT, now)


async def end_everywhere(desk: AccountDesk, person: Person) -> None:
    """Ends all of one's own sessions; administrators have `admin.sign_out`, which asks whether they may."""
    async with desk.changing(person.id) as (work, now):
        await end_all(work, person.id, now, Ended.EVERYWHERE)


async def end_all(work: AccountWork, person_id: str, at: datetime, why: Ended, but: str | None = None) -> int:
    """In the caller's transaction, with its event."""
    ended = await work.sessions.end_all(person_id, at, why, but)
    if ended:
        await tell_ended(work, person_id, ended, why, at)
    return len(ended)


async def tell_ended(work: AccountWork, person_id: str, ids: Sequence[str], why: Ended, at: datetime) -> None:
    told = {"sessions": list(ids), "because": why.value}
    await work.events.append(EventKind.SESSION_ENDED, person_id, at, told)


def over() -> Denied:
    return Denied("the session is over; sign in again", code="GW-SESSION")


def _still_there(session: Session, rights: Rights, now: datetime) -> Session:
    """Whoever lost the last post in the chosen agency works for none."""
    where = session.agency_id
    if where is None or where in rights.agencies(now) or rights.is_of_node(now):
        return session
    return replace(session, agency_id=None)


def _digest(token: str) -> str:
    if not token or len(token) > LONGEST_TOKEN:
        raise over()
    return digest_of(token)


_BECOMES: Mapping[AccountMeasure, AccountStanding] = {
    AccountMeasure.LOCK: AccountStanding.LOCKED,
    AccountMeasure.SUSPEND: AccountStanding.SUSPENDED,
    AccountMeasure.WITHDRAW: AccountStanding.WITHDRAWN,
}
_NEEDED = frozenset({PostRole.CLERK, PostRole.AGENCY_ADMIN, PostRole.OPERATOR})


async def sweep_idle(desk: AccountDesk) -> Mapping[str, AccountMeasure]:
    """What became of whom, by id; those that are fine are left out. Again at once changes nothing. Sessions and tries that
    are long over are removed."""
    now, found = desk.clock.now(), {}
    async with desk.accounts.read() as view:
        if not await view.posts.all():
            return {}  # a node without accounts is not written to
    async with desk.changing("node") as (work, _):
        # One at a time: two that look at once would each leave the other's clerk.
        await work.tries.of("idle accounts")
        people = {each.id: each for each in await work.people.everybody()}
        posts = [each for each in await work.posts.all() if each.holds(now)]
        for person in sorted(people.values(), key=lambda each: (each.used_at, each.id)):
            verdict = signing_in.judge_idle(
                person,
                desk.rules.idle,
                now,
                has_post=any(each.person_id == person.id for each in posts),
                is_needed=_is_needed(person, posts, people),
            )
            if verdict is not AccountMeasure.FINE:
                people[person.id] = await _apply_verdict(work, person, verdict, posts, now)
                found[person.id] = verdict
        await work.sessions.sweep(now - desk.rules.sessions.whole)
        await work.tries.sweep(now - 2 * desk.rules.slow.forget)
    return found


def _is_needed(person: Person, posts: Collection[Post], people: Mapping[str, Person]) -> bool:
    """Whether an agency would have no clerk or no administrator left, or the node nobody who administers."""
    mine = [each for each in posts if each.person_id == person.id and each.role in _NEEDED]
    alone = any(not _has_others(person, post, posts, people) for post in mine)
    if Role.PEOPLE in person.roles:
        alone = alone or not any(
            each.is_active and Role.PEOPLE in each.roles for each in people.values() if each.id != person.id
        )
    return alone


def _has_others(person: Person, post: Post, posts: Collection[Post], people: Mapping[str, Person]) -> bool:
    return any(
        (each.agency_id, each.role) == (post.agency_id, post.role) and people[each.person_id].is_active
        for each in posts
        if each.person_id != person.id
    )


async def _apply_verdict(
    work: AccountWork, person: Person, verdict: AccountMeasure, posts: Collection[Post], now: datetime
) -> Person:
    standing = _BECOMES.get(verdict)
    if standing is None:
        changed = replace(person, warned_at=now)
    else:
        changed = replace(
            person,
            standing=standing,
            standing_why=signing_in.IDLE,
            standing_by="node",
            standing_at=now,
            warned_at=now,
        )
        await end_all(work, person.id, now, Ended.STANDING)
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
