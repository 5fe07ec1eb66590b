"""The persons who decide: adding, enrolling and blocking them, giving roles, and signing in. In: the actor (a signed-in
person, or the operator while no person has that role) and a name; or a name, passphrase and second factor as typed. Out:
the person, or the `SignedIn` that every decision asks for. A one-time code is shown once and stored as a digest. A person
who adds another learns none of that person's secrets, which are made at enrolling. Every failure to sign in looks the
same; five of them lock the person for a quarter of an hour."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from gateway.deciding import DecisionServices
from gateway.domain.event import EventKind, rights_subject
from gateway.domain.person import Credentials, Person, Role, SignedIn, is_name
from gateway.domain.text import nfc
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.policy import two_people

if TYPE_CHECKING:
    from gateway.registry_authoring.decisions import SqlDecision

CODE_GOOD_FOR = timedelta(hours=72)
LONGEST_NAME = 100
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)


async def add(
    services: DecisionServices, actor: SignedIn | None, operator_id: str, name: str, roles: Collection[Role]
) -> tuple[Person, str]:
    """Add a person, who must enrol before deciding anything. Returns the person and the one-time code to enrol with."""
    called, now = _name(name), services.clock.now()
    by = _actor(actor, operator_id)
    person = Person(
        id=services.clock.new_id("prn_"),
        name=called,
        roles=frozenset(roles),
        added_by=by,
        added_at=now,
        roles_by=by,
        roles_at=now,
    )
    code, digest = services.secrets.new_code()
    async with services.decisions.changing(by) as work:
        await _may_administer(work, actor)
        await work.people.add(person, Credentials(code_digest=digest, code_until=now + CODE_GOOD_FOR))
        await work.events.append(EventKind.PERSON_ADDED, person.id, now, _roles_fact(person))
    return person, code


async def enrol(
    services: DecisionServices, name: str, code: str, passphrase: str, totp: str, first: str
) -> SignedIn:
    """Store the person's passphrase and second factor, and return the person as signed in by them. `totp` is the factor's
    new secret, and `first` a code that the person's device made from it, since a person whose device makes wrong codes
    would be locked out. Raises Denied for a wrong one-time code."""
    now = services.clock.now()
    hashed, sealed = await services.pool.run(partial(services.secrets.keep, passphrase, totp))
    step = await services.pool.run(partial(services.secrets.step, passphrase, sealed, first, now))
    async with services.decisions.changing("node") as work:
        person = await work.people.find_by_name(name)
        old = await work.people.credentials(person.id)
        open_still = old.code_until is not None and now < old.code_until and person.blocked_at is None
        if not open_still or not services.secrets.is_code(code, old.code_digest or ""):
            raise Denied("this one-time code is not that person's, was used before, or is too old")
        if step is None:
            raise Clash("the second factor does not fit; type the code that the device shows now")
        enrolled = replace(person, enrolled_at=now, password_at=now, must_change=False)
        await work.people.save(enrolled)
        credentials = Credentials(passphrase_hash=hashed, sealed_totp=sealed, last_step=step)
        await work.people.save_credentials(person.id, credentials)
        await work.events.append(EventKind.PERSON_ENROLLED, person.id, now)
    return SignedIn(person=enrolled, at=now)


async def give(
    services: DecisionServices, actor: SignedIn | None, operator_id: str, name: str, roles: Collection[Role]
) -> Person:
    """Set exactly these roles. For a day the person cannot approve proposals of the person who gave them."""
    now, by = services.clock.now(), _actor(actor, operator_id)
    async with services.decisions.changing(by) as work:
        await _may_administer(work, actor)
        person = await work.people.find_by_name(name)
        changed = replace(person, roles=frozenset(roles), roles_by=by, roles_at=now)
        await work.people.save(changed)
        await work.events.append(EventKind.PERSON_CHANGED, person.id, now, _roles_fact(changed))
        await _tell(work, person, "roles", now)
    return changed


async def reset(
    services: DecisionServices, actor: SignedIn | None, operator_id: str, name: str
) -> tuple[Person, str]:
    """Make the person enrol again, with a new one-time code, as after losing a device. Counts as a change of roles."""
    now, by = services.clock.now(), _actor(actor, operator_id)
    code, digest = services.secrets.new_code()
    async with services.decisions.changing(by) as work:
        await _may_administer(work, actor)
        person = await work.people.find_by_name(name)
        changed = replace(person, enrolled_at=None, roles_by=by, roles_at=now)
        await work.people.save(changed)
        credentials = Credentials(code_digest=digest, code_until=now + CODE_GOOD_FOR)
        await work.people.save_credentials(person.id, credentials)
        await work.events.append(
            EventKind.PERSON_CHANGED, person.id, now, {**_roles_fact(changed), "reset": True}
        )
    return changed, code


async def block(services: DecisionServices, by: str, name: str) -> Person:
    """Block the person. The operator or one person alone may do this, since it only takes rights away."""
    now = services.clock.now()
    async with services.decisions.changing(by) as work:
        person = replace(await work.people.find_by_name(name), blocked_at=now)
        await work.people.save(person)
        await work.people.save_credentials(person.id, Credentials())
        await work.events.append(EventKind.PERSON_BLOCKED, person.id, now)
        await _tell(work, person, "blocked", now)
    return person


def _actor(signed_in: SignedIn | None, operator_id: str) -> str:
    return signed_in.person.id if signed_in is not None else operator_id


async def _may_administer(work: SqlDecision, signed_in: SignedIn | None) -> None:
    """Raise Denied unless this person, or the operator at the beginning, may change persons."""
    actor = await work.people.get(signed_in.person.id) if signed_in is not None else None
    objection = two_people.check_administering(actor, await work.people.all())
    if objection is not None:
        raise Denied(
            "persons are added and changed by a person who has the role `people`, signed in",
            code=objection,
            hint="add: --as NAME",
        )


def _name(text: str) -> str:
    name = " ".join(nfc(text).split())
    if not name or len(name) > LONGEST_NAME or not is_name(name):
        raise Clash(f"a person needs a name of at most {LONGEST_NAME} letters, blanks, dots and hyphens")
    return name


async def _tell(work: SqlDecision, person: Person, change: str, now: datetime) -> None:
    """Record the alert of a change of rights in the node: R122 (a second person confirms)."""
    day = local(now).date()
    await work.events.append(
        EventKind.RIGHTS_CHANGED, rights_subject(day), now, {"what": change, "person": person.id}
    )


def _roles_fact(person: Person) -> dict[str, object]:
    return {"roles": sorted(person.roles)}


async def sign_in(services: DecisionServices, name: str, passphrase: str, code: str) -> SignedIn:
    """Sign the person in if both factors fit. Raises Denied otherwise, without saying which of them is wrong."""
    person, credentials = await _by_name(services, name)
    now = services.clock.now()
    if credentials.locked_until is not None and now < credentials.locked_until:
        raise Denied("too many tries; wait a quarter of an hour", code="GW-LOCKED")
    step = await services.pool.run(partial(_step_typed, services, credentials, passphrase, code))
    if step is None or not person.is_active or not await _use_step(services, person, step):
        await _count_failure(services, person)
        raise _refusal()
    return SignedIn(person=person, at=now)


async def _by_name(services: DecisionServices, name: str) -> tuple[Person, Credentials]:
    async with services.decisions.read() as view:
        try:
            person = await view.people.find_by_name(name)
        except NotFound as unknown:
            raise _refusal() from unknown
        return person, await view.people.credentials(person.id)


def _step_typed(
    services: DecisionServices, credentials: Credentials, passphrase: str, code: str
) -> int | None:
    if credentials.passphrase_hash is None or credentials.sealed_totp is None:
        return None
    if not services.secrets.is_passphrase(passphrase, credentials.passphrase_hash):
        return None
    return services.secrets.step(passphrase, credentials.sealed_totp, code, services.clock.now())


async def _use_step(services: DecisionServices, person: Person, step: int) -> bool:
    """Use up the time step of a second factor, so that an observed code is worthless; False where it was used before."""
    async with services.decisions.changing(person.id) as work:
        fresh = await work.people.use_step(person.id, step)
        if fresh:
            credentials = await work.people.credentials(person.id)
            await work.people.save_credentials(person.id, replace(credentials, failures=0, locked_until=None))
    return fresh


async def _count_failure(services: DecisionServices, person: Person) -> None:
    async with services.decisions.changing(person.id) as work:
        credentials = await work.people.credentials(person.id)
        failures, locked_until = credentials.failures + 1, credentials.locked_until
        if failures >= MOST_FAILURES:
            failures, locked_until = 0, services.clock.now() + LOCKED_FOR
            await work.events.append(EventKind.PERSON_LOCKED, person.id, services.clock.now())
        await work.people.save_credentials(
            person.id, replace(credentials, failures=failures, locked_until=locked_until)
        )


def _refusal() -> Denied:
    return Denied("name, passphrase or code do not fit; a code is good for one time and for half a minute")
