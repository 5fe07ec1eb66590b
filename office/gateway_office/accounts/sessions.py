"""Sessions of the pages, and endings by time alone. In: the browser's token; or every account and the profile's numbers.
Out: the acting person, with the rights of this moment; sessions listed, moved to another agency, ended; idle accounts, R89,
R90 (idle accounts), warned, locked, suspended or withdrawn, one after the other, so that of two idle clerks one always
stays. The id in the browser is new at each signing in and at each change of the session's rights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding, Person, Role
from gateway.errors import Denied, NotFound
from gateway_office.accounts.acting import Acting, rights_of
from gateway_office.domain.roles import Post, PostRole
from gateway_office.domain.session import Session, SessionEnd, digest_of, new_token
from gateway_office.policy import signing_in
from gateway_office.policy.rights import Rights
from gateway_office.policy.signing_in import AccountMeasure
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

LONGEST_TOKEN = 128
_BECOMES: Mapping[AccountMeasure, AccountStanding] = {
    AccountMeasure.LOCK: AccountStanding.LOCKED,
    AccountMeasure.SUSPEND: AccountStanding.SUSPENDED,
    AccountMeasure.WITHDRAW: AccountStanding.WITHDRAWN,
}
_NEEDED = frozenset({PostRole.CLERK, PostRole.AGENCY_ADMIN, PostRole.OPERATOR})


async def check(services: AccountServices, token: str) -> Acting:
    """Load the session's person, in one reading transaction; its use is recorded once a minute. Raise Denied (`GW-SESSION`)
    when it is over: by its clock, by signing out, or because the account is closed."""
    now = services.clock.now()
    digest = _digest(token)
    async with services.accounts.read_few() as view:
        acting = await load_acting(services, view, digest, now)
    if now >= acting.session.seen_at + services.rules.sessions.touch:
        async with services.changing(acting.person.id) as (work, _):
            await work.sessions.touch(digest, now)
        touched = replace(acting.session, seen_at=now)
        ends_at = signing_in.session_ends_at(touched, services.rules.sessions)
        acting = replace(acting, session=touched, ends_at=ends_at)
    return acting


async def look(services: AccountServices, token: str) -> Acting:
    """Load as `check`, without recording use: for requests that a page makes by itself."""
    async with services.accounts.read_few() as view:
        return await load_acting(services, view, _digest(token), services.clock.now())


async def load_acting(services: AccountServices, work: AccountWork, digest: str, now: datetime) -> Acting:
    """Load as `check`, within a unit of work, and without writing."""
    session = await work.sessions.find(digest)
    if session is None or signing_in.session_over(session, services.rules.sessions, now) is not None:
        raise session_over_error()
    person = await work.people.get(session.person_id)
    # Credentials that were renewed by a one-time code close the sessions under the old ones.
    if not person.is_active or person.enrolled_at is None or session.began_at < person.enrolled_at:
        raise session_over_error()
    rights = await rights_of(work, person.id, now)
    rules = services.rules
    return Acting(
        person=person,
        session=_drop_lost_agency(session, rights, now),
        rights=rights,
        duties=signing_in.duties_of(
            person, session.factor, rights.posts, rules.passwords, rules.sessions, now
        ),
        ends_at=signing_in.session_ends_at(session, rules.sessions),
        at=now,
    )


async def choose_agency(services: AccountServices, token: str, agency_id: str) -> str:
    """Move the session to that agency, under a new token. Raise Denied where the person has no post."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        acting = await load_acting(services, view, _digest(token), now)
        is_hosted = agency_id in await view.agency_codes()
        if not is_hosted or not (agency_id in acting.rights.agencies(now) or acting.rights.is_of_node(now)):
            raise Denied("this person has no post in that agency", code="GW-RIGHT")
    async with services.changing(acting.person.id) as (work, _):
        renewed = await renew(work, replace(acting.session, agency_id=agency_id))
        details = {"session": acting.session.id, "agency": agency_id}
        await work.events.append(EventKind.SESSION_AGENCY, acting.person.id, now, details)
    return renewed


async def renew(work: AccountWork, session: Session) -> str:
    """Return the new token of a session that goes on as given; the old one is void. Raise Denied when it was over."""
    token = new_token()
    if not await work.sessions.renew(session.digest, replace(session, digest=digest_of(token))):
        raise session_over_error()
    return token


async def sign_out(services: AccountServices, token: str) -> None:
    """End the session; harmless when it was over."""
    now, digest = services.clock.now(), _digest(token)
    async with services.accounts.read() as view:
        session = await view.sessions.find(digest)
    if session is None:
        return
    async with services.changing(session.person_id) as (work, _):
        if await work.sessions.end(digest, now, SessionEnd.SIGNED_OUT):
            await tell_ended(work, session.person_id, [session.id], SessionEnd.SIGNED_OUT, now)


async def open_of(services: AccountServices, person: Person) -> Sequence[Session]:
    """List open sessions, newest first."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        open_sessions = await view.sessions.open_of(person.id)
    return [s for s in open_sessions if signing_in.session_over(s, services.rules.sessions, now) is None]


async def end_one(services: AccountServices, acting: Acting, id: str) -> None:
    """End one of the person's own sessions. Raise NotFound for another person's."""
    async with services.changing(acting.person.id) as (work, now):
        session = await work.sessions.get(id)
        if session.person_id != acting.person.id:
            raise NotFound(f"there is no session {id}")
        if await work.sessions.end(session.digest, now, SessionEnd.SIGNED_OUT):
            await tell_ended(work, acting.person.id, [id], SessionEnd.SIGNED_OUT, now)


async def end_everywhere(services: AccountServices, person: Person) -> None:
    """End all of one's own sessions; administrators have `admin.sign_out`, which checks their right."""
    async with services.changing(person.id) as (work, now):
        await end_all(work, person.id, now, SessionEnd.EVERYWHERE)


async def end_all(
    work: AccountWork, person_id: str, at: datetime, reason: SessionEnd, but: str | None = None
) -> int:
    """End sessions in the caller's transaction, with their event."""
    ended = await work.sessions.end_all(person_id, at, reason, but)
    if ended:
        await tell_ended(work, person_id, ended, reason, at)
    return len(ended)


async def tell_ended(
    work: AccountWork, person_id: str, ids: Sequence[str], reason: SessionEnd, at: datetime
) -> None:
    details = {"sessions": list(ids), "because": reason.value}
    await work.events.append(EventKind.SESSION_ENDED, person_id, at, details)


def session_over_error() -> Denied:
    return Denied("the session is over; sign in again", code="GW-SESSION")


def _drop_lost_agency(session: Session, rights: Rights, now: datetime) -> Session:
    """Clear the chosen agency where the person has lost the last post in it."""
    agency_id = session.agency_id
    if agency_id is None or agency_id in rights.agencies(now) or rights.is_of_node(now):
        return session
    return replace(session, agency_id=None)


def _digest(token: str) -> str:
    if not token or len(token) > LONGEST_TOKEN:
        raise session_over_error()
    return digest_of(token)


async def sweep_idle(services: AccountServices) -> Mapping[str, AccountMeasure]:
    """Judge idle accounts and return the measures by person, without the fine ones. Repeating it changes nothing. Sessions
    and tries that are long over are removed."""
    now, measures = services.clock.now(), {}
    async with services.accounts.read() as view:
        if not await view.posts.all():
            return {}  # a node without accounts is not written to
    async with services.changing("node") as (work, _):
        # One sweep at a time: two at once would each count on the other's clerk.
        await work.tries.load("idle accounts")
        people = {p.id: p for p in await work.people.all()}
        posts = [post for post in await work.posts.all() if post.holds(now)]
        traffic = await work.last_traffic()
        for person in sorted(people.values(), key=lambda p: (p.used_at, p.id)):
            own_posts = [post for post in posts if post.person_id == person.id]
            verdict = signing_in.judge_idle(
                person,
                services.rules.idle,
                now,
                has_post=bool(own_posts),
                traffic_at=latest_traffic(own_posts, traffic),
                is_needed=is_needed(person, posts, people),
            )
            if verdict is not AccountMeasure.FINE:
                people[person.id] = await _apply_verdict(work, person, verdict, posts, now)
                measures[person.id] = verdict
        await work.sessions.sweep(now - services.rules.sessions.total)
        await work.tries.sweep(now - 2 * services.rules.slow.forget)
    return measures


def latest_traffic(posts: Iterable[Post], traffic: Mapping[str, datetime]) -> datetime | None:
    """Return when an agency of these posts last sent or received a document."""
    return max((traffic[post.agency_id] for post in posts if post.agency_id in traffic), default=None)


def is_needed(person: Person, posts: Collection[Post], people: Mapping[str, Person]) -> bool:
    """Tell whether an agency would be left without clerk or administrator, or the node without one."""
    own_posts = [post for post in posts if post.person_id == person.id and post.role in _NEEDED]
    if any(not _has_others(person, post, posts, people) for post in own_posts):
        return True
    return Role.PEOPLE in person.roles and not any(
        p.is_active and Role.PEOPLE in p.roles for p in people.values() if p.id != person.id
    )


def _has_others(person: Person, post: Post, posts: Collection[Post], people: Mapping[str, Person]) -> bool:
    return any(
        (other.agency_id, other.role) == (post.agency_id, post.role) and people[other.person_id].is_active
        for other in posts
        if other.person_id != person.id
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
        await end_all(work, person.id, now, SessionEnd.STANDING)
    await work.people.save(changed)
    details = {
        "verdict": verdict.value,
        "used_at": person.used_at.isoformat(),
        "agencies": sorted({p.agency_id for p in posts if p.person_id == person.id and p.agency_id}),
    }
    await work.events.append(EventKind.ACCOUNT_IDLE, person.id, now, details)
    return changed
