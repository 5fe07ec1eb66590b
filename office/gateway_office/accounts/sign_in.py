"""Signs a person in to the pages. In: a name, a password and, where one is set up, a second factor or a recovery code; the
address. Out: a new session and its token, or Denied while they have to wait. Every failure looks alike and takes as long,
whether or not the person exists. Tries are counted before each is checked, so that parallel tries gain nothing; unknown
names wait like all others."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial

from gateway.domain.event import EventKind
from gateway.domain.person import Credentials, Person
from gateway.domain.text import fold
from gateway.errors import Denied, NotFound
from gateway.trust.person_secrets import PersonSecrets
from gateway_office.accounts import sessions
from gateway_office.accounts.acting import rights_of
from gateway_office.domain.session import (
    CallOrigin,
    Factor,
    FailedTries,
    Session,
    SessionEnd,
    SignInDuty,
    digest_of,
    new_token,
)
from gateway_office.policy import signing_in
from gateway_office.policy.rights import Rights
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

LONGEST_AGENT = 200
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTry:
    """One counted try. `locks` when the name waits from now on unless this one succeeds."""

    by_name: str
    by_address: str
    locks: bool


async def count_try(services: AccountServices, name: str, address: str) -> CountedTry:
    """Count a try. Raise Denied with `GW-LOCKED` for the name, `GW-SLOW-DOWN` for the address; the hint gives the
    seconds."""
    now, rules = services.clock.now(), services.rules.slow
    keys = _try_key("name", fold(name)), _try_key("address", _network_of(address))
    async with services.changing("node") as (work, _):
        names, addresses = await work.tries.load(keys[0]), await work.tries.load(keys[1])
        _must_wait("GW-LOCKED", signing_in.name_waits_until(names, rules, now), now)
        _must_wait("GW-SLOW-DOWN", signing_in.address_waits_until(addresses, rules, now), now)
        names = signing_in.one_more_failure(names, rules, now)
        await work.tries.save(keys[0], names)
        await work.tries.save(keys[1], signing_in.one_more_failure(addresses, rules, now))
    locks = signing_in.name_waits_until(names, rules, now) is not None
    return CountedTry(by_name=keys[0], by_address=keys[1], locks=locks)


async def try_succeeded(work: AccountWork, counted_try: CountedTry) -> None:
    """Clear the tries in the caller's transaction. The address only loses this one: the holder of an account must not be
    able to go on guessing others'."""
    await work.tries.save(counted_try.by_name, FailedTries())
    addresses = await work.tries.load(counted_try.by_address)
    one_less = replace(addresses, failures=max(0, addresses.failures - 1))
    await work.tries.save(counted_try.by_address, one_less)


async def tell_lock(services: AccountServices, person_id: str, counted_try: CountedTry) -> None:
    if counted_try.locks:
        async with services.changing(person_id) as (work, now):
            await work.events.append(EventKind.PERSON_LOCKED, person_id, now)


async def forgive_tries(work: AccountWork, *names: str) -> None:
    """End the waiting under these names."""
    for name in names:
        await work.tries.save(_try_key("name", fold(name)), FailedTries())


def _must_wait(code: str, end: datetime | None, now: datetime) -> None:
    if end is not None:
        seconds = max(1, round((end - now).total_seconds()))
        raise Denied("too many tries; wait before the next one", code=code, hint=f"wait: {seconds} s")


def _network_of(address: str) -> str:
    """Return the network of an IPv6 address, as a caller can have any number of them; other addresses unchanged."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)


def _try_key(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\x1f{text}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedSignIn:
    """Fields of the form. `code` is empty where no second factor is set up."""

    login: str
    password: str = field(repr=False)
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """Result of signing in. `other_sessions` counts the person's other open sessions, R94 (parallel sessions), `reminder`
    the days of T19 (password age)."""

    token: str = field(repr=False)
    session: Session
    person: Person
    duties: tuple[SignInDuty, ...]
    other_sessions: int
    reminder: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    factor: Factor
    step: int = 0
    recovery: str = ""


async def sign_in(
    services: AccountServices, fields: TypedSignIn, origin: CallOrigin, earlier_token: str | None = None
) -> OpenedSession:
    """Sign in. `earlier_token` is the token that the browser had: that session ends. Raise Denied when a field does not fit
    (`GW-SIGN-IN`), while the name or the address has to wait, and, after a full proof, when the account is closed
    (`GW-ACCOUNT`)."""
    counted_try = await count_try(services, fields.login[:LONGEST_NAME], origin.address)
    person, credentials = await _load_credentials(services, fields.login)
    proof = await services.pool.run(
        partial(_check_proof, services.secrets, credentials, fields, services.clock.now())
    )
    entered = None
    if person is not None and proof is not None:
        entered = await _enter(services, person.id, credentials, proof, counted_try, origin, earlier_token)
    if entered is None:
        if person is not None:
            await tell_lock(services, person.id, counted_try)
        raise refused()
    return entered


async def is_password(
    services: AccountServices, person: Person, password: str, origin: CallOrigin
) -> Credentials:
    """Return the person's stored secrets, proved once more by the password: for acts that a session alone must not do.
    Counted like signing in."""
    counted_try = await count_try(services, person.login or person.name, origin.address)
    async with services.accounts.read() as view:
        credentials = await view.people.credentials(person.id)
    fits = await services.pool.run(
        partial(services.secrets.is_passphrase, password, credentials.passphrase_hash or "")
    )
    if not fits:
        await tell_lock(services, person.id, counted_try)
        raise refused()
    async with services.changing(person.id) as (work, _):
        await try_succeeded(work, counted_try)
    return credentials


def refused() -> Denied:
    return Denied("name, password or code do not fit", code="GW-SIGN-IN")


async def _load_credentials(services: AccountServices, login: str) -> tuple[Person | None, Credentials]:
    async with services.accounts.read() as view:
        try:
            person = await view.people.find_by_name(login[:LONGEST_NAME])
        except NotFound:
            return None, Credentials()
        return person, await view.people.credentials(person.id)


def _check_proof(
    secrets: PersonSecrets, credentials: Credentials, sign_in_typed: TypedSignIn, now: datetime
) -> _Proof | None:
    """Check always one hash and one seal, real ones or not, so that time reveals nothing."""
    hashed, sealed = _dummy_secrets(secrets)
    is_right = secrets.is_passphrase(sign_in_typed.password, credentials.passphrase_hash or hashed)
    step = secrets.step(
        sign_in_typed.password[:1024], credentials.sealed_totp or sealed, sign_in_typed.code[:64], now
    )
    if not is_right or credentials.passphrase_hash is None:
        return None
    if credentials.sealed_totp is None:
        return _Proof(factor=Factor.NONE)
    if step is not None:
        return _Proof(factor=Factor.TOTP, step=step)
    return (
        _Proof(factor=Factor.RECOVERY, recovery=secrets.code_digest(sign_in_typed.code))
        if sign_in_typed.code
        else None
    )


@lru_cache(maxsize=1)
def _dummy_secrets(secrets: PersonSecrets) -> tuple[str, str]:
    """Make the dummies to compare with where an account has no secrets."""
    password = new_token()
    return secrets.hash(password), secrets.seal(password, secrets.new_totp())


async def _enter(
    services: AccountServices,
    person_id: str,
    credentials: Credentials,
    proof: _Proof,
    counted_try: CountedTry,
    origin: CallOrigin,
    earlier_token: str | None,
) -> OpenedSession | None:
    """Open the session; None when the proof is used up, or was changed meanwhile."""
    now = services.clock.now()
    async with services.accounts.begin(person_id) as work:
        person = await work.people.get(person_id)
        fresh = await work.people.credentials(person_id)
        if (
            fresh.passphrase_hash != credentials.passphrase_hash
            or fresh.sealed_totp != credentials.sealed_totp
        ):
            return None
        if not person.is_active:
            state = "blocked" if person.blocked_at is not None else person.standing.value
            raise Denied(
                f"this account is {state}; ask whoever administers accounts", code="GW-ACCOUNT", hint=state
            )
        if not await _use(work, person_id, proof, now):
            return None
        await try_succeeded(work, counted_try)
        if earlier_token is not None:
            await _end_earlier(work, earlier_token, now)
        open_sessions = await work.sessions.open_of(person_id)
        token, session, rights = await _begin(services, work, person, proof.factor, origin, now)
        await work.commit()
    rules = services.rules
    return OpenedSession(
        token=token,
        session=session,
        person=person,
        duties=signing_in.duties_of(person, proof.factor, rights.posts, rules.passwords, rules.sessions, now),
        other_sessions=sum(signing_in.session_over(s, rules.sessions, now) is None for s in open_sessions),
        reminder=signing_in.password_reminder(person.password_at, rules.passwords, now)
        if person.password_at
        else None,
    )


async def _end_earlier(work: AccountWork, earlier_token: str, now: datetime) -> None:
    """End the browser's earlier session, so that a planted one is worthless."""
    session = await work.sessions.find(digest_of(earlier_token))
    if session is not None and await work.sessions.end(session.digest, now, SessionEnd.REPLACED):
        await sessions.tell_ended(work, session.person_id, [session.id], SessionEnd.REPLACED, now)


async def _use(work: AccountWork, person_id: str, proof: _Proof, now: datetime) -> bool:
    match proof.factor:
        case Factor.TOTP:
            return await work.people.use_step(person_id, proof.step)
        case Factor.RECOVERY:
            if not await work.past.use_code(person_id, proof.recovery, now):
                return False
            codes_left = await work.past.codes_left(person_id)
            await work.events.append(
                EventKind.ACCOUNT_FACTOR, person_id, now, {"what": "code-used", "left": codes_left}
            )
    return True


async def _begin(
    services: AccountServices,
    work: AccountWork,
    person: Person,
    factor: Factor,
    origin: CallOrigin,
    now: datetime,
) -> tuple[str, Session, Rights]:
    token, rights = new_token(), await rights_of(work, person.id, now)
    agencies = sorted(rights.agencies(now) & set(await work.agency_codes()))
    session = Session(
        id=services.clock.new_id("ses_"),
        digest=digest_of(token),
        person_id=person.id,
        # With one agency there is no choice.
        agency_id=agencies[0] if len(agencies) == 1 else None,
        factor=factor,
        began_at=now,
        seen_at=now,
        ends_at=now + services.rules.sessions.total,
        address=origin.address[:LONGEST_AGENT],
        agent="".join(char if char.isprintable() else " " for char in origin.agent[:LONGEST_AGENT]),
    )
    await work.sessions.add(session)
    await work.people.save(replace(person, last_login_at=now, warned_at=None))
    details = {"session": session.id, "factor": factor.value, "agency": session.agency_id}
    await work.events.append(EventKind.SESSION_BEGUN, person.id, now, details)
    return token, session, rights
