"""Credentials of an account: its password, its second factor, R88 (second factor), its recovery codes, and the one-time
code for a new account, or one whose password or device is lost. In: the old password and a new one from a person who is
signed in, or a code out of a link. Out: the new one is valid, every other session is closed, and this one goes on under a
new token; a secret for the person's device, proved by a first code; single-use codes, shown once and kept as digests. No
first password is known to another person: a one-time code finds the person by itself. Also the lock that a person puts on
its own account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding, Credentials, Person
from gateway.errors import Clash, Denied
from gateway_office.accounts import sessions, sign_in
from gateway_office.accounts.acting import Acting
from gateway_office.domain.session import CallOrigin, Factor, SessionEnd
from gateway_office.policy import signing_in
from gateway_office.policy.signing_in import PasswordFault
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

RECOVERY_CODES = 10
LONGEST_CODE = 100


class PasswordRefused(Clash):
    """Refusal of a password, with all the rules that it breaks."""

    code = "GW-PASSWORD"

    def __init__(self, faults: Sequence[PasswordFault]) -> None:
        super().__init__(f"this password is not taken: {', '.join(faults)}")
        self.faults = tuple(faults)


async def change_password(
    services: AccountServices, acting: Acting, old: str, new: str, origin: CallOrigin
) -> str:
    """Change the password and return the browser's new token. `PasswordRefused` names every rule that the new one
    breaks."""
    person, now = acting.person, services.clock.now()
    credentials = await sign_in.is_password(services, person, old, origin)
    async with services.accounts.read() as view:
        past = await view.past.passwords(person.id, services.rules.passwords.remembered)

    def renew_secrets() -> tuple[str, str | None]:
        """Return the new hash, and the second factor sealed with the new password."""
        current = [credentials.passphrase_hash] if credentials.passphrase_hash else []
        hashed, totp = password_hash(services, person, new, [*current, *past]), credentials.sealed_totp
        return hashed, None if totp is None else services.secrets.resealed(old, totp, new)

    hashed, sealed = await services.pool.run(renew_secrets)
    async with services.changing(person.id) as (work, _):
        fresh = await work.people.credentials(person.id)
        if (fresh.passphrase_hash, fresh.sealed_totp) != (
            credentials.passphrase_hash,
            credentials.sealed_totp,
        ):
            raise Denied("the password was changed meanwhile; sign in again", code="GW-SESSION")
        await work.people.save_credentials(
            person.id, replace(fresh, passphrase_hash=hashed, sealed_totp=sealed)
        )
        current = await work.people.get(person.id)
        await work.people.save(replace(current, password_at=now, must_change=False))
        await work.past.remember(person.id, hashed, now, services.rules.passwords.remembered)
        await sessions.end_all(work, person.id, now, SessionEnd.PASSWORD, but=acting.session.digest)
        token = await sessions.renew(work, acting.session)
        await work.events.append(EventKind.ACCOUNT_PASSWORD, person.id, now)
    return token


async def lock_own_account(services: AccountServices, acting: Acting, reason: str) -> None:
    """Lock the own account with one click, after a lost password or a strange session: all is closed until an administrator
    opens it."""
    async with services.changing(acting.person.id) as (work, now):
        person = await work.people.get(acting.person.id)
        locked = replace(
            person,
            standing=AccountStanding.LOCKED,
            standing_why=reason[:500],
            standing_by=person.id,
            standing_at=now,
        )
        await work.people.save(locked)
        await sessions.end_all(work, person.id, now, SessionEnd.STANDING)
        details = {"standing": locked.standing.value, "reason": locked.standing_why}
        await work.events.append(EventKind.ACCOUNT_STANDING, person.id, now, details)


def password_hash(services: AccountServices, person: Person, new: str, past: Sequence[str]) -> str:
    """Hash a password that the rules allow. Slow: in the pool."""
    faults = list(
        signing_in.password_faults(new, services.rules.passwords, (person.login or "", person.name))
    )
    if not faults and any(services.secrets.is_passphrase(new, earlier) for earlier in past):
        faults.append(PasswordFault.PAST)
    if faults:
        raise PasswordRefused(faults)
    return services.secrets.hash(new)


def begin_factor(services: AccountServices, acting: Acting) -> tuple[str, str]:
    """Make a new secret and its form for an authenticator. It is not stored: the form brings the secret back."""
    totp = services.secrets.new_totp()
    return totp, services.secrets.uri(totp, acting.person.login or acting.person.name)


async def set_up_factor(
    services: AccountServices, acting: Acting, password: str, totp: str, first: str, origin: CallOrigin
) -> tuple[str, tuple[str, ...]]:
    """Set up the second factor; return the new token and the recovery codes. The session goes on as one with a second
    factor; all others end. Raise Clash when the first code does not fit: the person would be locked out."""
    person, now = acting.person, services.clock.now()
    credentials = await sign_in.is_password(services, person, password, origin)
    sealed = await services.pool.run(partial(services.secrets.seal, password, totp))
    step = await services.pool.run(partial(services.secrets.step, password, sealed, first, now))
    if step is None:
        raise Clash(
            "the second factor does not fit; type the code that the device shows now", code="GW-FACTOR"
        )
    codes, digests = _recovery_codes(services)
    async with services.changing(person.id) as (work, _):
        fresh = await work.people.credentials(person.id)
        if fresh.passphrase_hash != credentials.passphrase_hash:
            raise Denied("the password was changed meanwhile; sign in again", code="GW-SESSION")
        await work.people.save_credentials(person.id, replace(fresh, sealed_totp=sealed, last_step=step))
        await work.past.put_codes(person.id, digests)
        current = await work.people.get(person.id)
        if current.roles:
            # A person who decides about trust cannot approve with new means for a day.
            await work.people.save(replace(current, roles_by=person.id, roles_at=now))
        await sessions.end_all(work, person.id, now, SessionEnd.PASSWORD, but=acting.session.digest)
        token = await sessions.renew(work, replace(acting.session, factor=Factor.TOTP))
        await work.events.append(
            EventKind.ACCOUNT_FACTOR, person.id, now, {"what": "set-up", "left": RECOVERY_CODES}
        )
    return token, codes


async def new_recovery_codes(
    services: AccountServices, acting: Acting, password: str, origin: CallOrigin
) -> tuple[str, ...]:
    """Make ten new codes; the earlier ones are void. Raise Clash without a second factor to replace."""
    person, now = acting.person, services.clock.now()
    credentials = await sign_in.is_password(services, person, password, origin)
    if credentials.sealed_totp is None:
        raise Clash("there is no second factor; set one up first", code="GW-FACTOR")
    codes, digests = _recovery_codes(services)
    async with services.changing(person.id) as (work, _):
        await work.past.put_codes(person.id, digests)
        await work.events.append(
            EventKind.ACCOUNT_FACTOR, person.id, now, {"what": "codes", "left": RECOVERY_CODES}
        )
    return codes


async def recovery_codes_left(services: AccountServices, acting: Acting) -> int:
    async with services.accounts.read() as view:
        return await view.past.codes_left(acting.person.id)


def _recovery_codes(services: AccountServices) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = [services.secrets.new_code() for _ in range(RECOVERY_CODES)]
    return tuple(code for code, _ in pairs), tuple(digest for _, digest in pairs)


async def owner_of_code(services: AccountServices, code: str, origin: CallOrigin) -> Person:
    """Return the code's owner, for the page that greets. Raise Denied (`GW-ONE-TIME`) when the code is unknown, used, or
    too old."""
    # Tries are counted by code, too; no login looks like a code.
    counted_try = await sign_in.count_try(services, f"code {code[:LONGEST_CODE]}", origin.address)
    async with services.changing("node") as (work, now):
        person = await _owner_of_code(services, work, code, now)
        await sign_in.try_succeeded(work, counted_try)
    return person


async def take_up(services: AccountServices, code: str, new: str, origin: CallOrigin) -> Person:
    """Give the account to the person; earlier sessions are closed. Then the person signs in."""
    person, now = await owner_of_code(services, code, origin), services.clock.now()
    async with services.accounts.read() as view:
        past = await view.past.passwords(person.id, services.rules.passwords.remembered)
    hashed = await services.pool.run(partial(password_hash, services, person, new, past))
    async with services.changing(person.id) as (work, _):
        person = await _owner_of_code(services, work, code, now)
        enrolled = replace(person, enrolled_at=now, password_at=now, must_change=False)
        await work.people.save(enrolled)
        await work.people.save_credentials(person.id, Credentials(passphrase_hash=hashed))
        await work.past.remember(person.id, hashed, now, services.rules.passwords.remembered)
        await work.past.put_codes(person.id, ())
        await sessions.end_all(work, person.id, now, SessionEnd.PASSWORD)
        await sign_in.forgive_tries(work, person.login or person.name)
        await work.events.append(EventKind.PERSON_ENROLLED, person.id, now)
    return enrolled


async def _owner_of_code(services: AccountServices, work: AccountWork, code: str, now: datetime) -> Person:
    person = await work.with_code(services.secrets.code_digest(code[:LONGEST_CODE]))
    if person is not None and person.blocked_at is None and person.standing is AccountStanding.ACTIVE:
        credentials = await work.people.credentials(person.id)
        if credentials.code_until is not None and now < credentials.code_until:
            return person
    raise Denied("this link was used before, or is too old; ask for a new one", code="GW-ONE-TIME")
