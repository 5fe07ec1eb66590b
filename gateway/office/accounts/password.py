"""Passwords of accounts. In: the old one and a new one, from a person who is signed in. Out: the new one holds, every other
session is closed, and this one goes on under a new token. Also the lock that a person puts on its own account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gateway.domain.event import EventKind
from gateway.domain.person import Credentials, Person, Standing
from gateway.errors import Clash, Denied
from gateway.office.accounts import sessions, sign_in
from gateway.office.accounts.acting import Acting
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.session import Ended, Origin
from gateway.office.policy import password_rules
from gateway.office.policy.password_rules import Fault


class NotTaken(Clash):
    """The password breaks rules; all of them are told at once."""

    code = "GW-PASSWORD"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"this password is not taken: {', '.join(faults)}")
        self.faults = tuple(faults)


async def change(desk: AccountDesk, acting: Acting, old: str, new: str, origin: Origin) -> str:
    """The token that the browser holds from now on. `NotTaken` says every rule that the new one breaks."""
    person, now = acting.person, desk.clock.now()
    kept = await sign_in.is_password(desk, person, old, origin)
    async with desk.accounts.read() as view:
        past = await view.past.passwords(person.id, desk.rules.passwords.remembered)
    hashed, sealed = await desk.pool.run(partial(_changed, desk, person, kept, (old, new), past))
    async with desk.accounts.begin(person.id) as work:
        fresh = await work.people.credentials(person.id)
        if (fresh.passphrase_hash, fresh.sealed_totp) != (kept.passphrase_hash, kept.sealed_totp):
            raise Denied("the password was changed meanwhile; sign in again", code="GW-SESSION")
        await work.people.save_credentials(
            person.id, replace(fresh, passphrase_hash=hashed, sealed_totp=sealed)
        )
        current = await work.people.get(person.id)
        await work.people.save(replace(current, password_at=now, must_change=False))
        await work.past.remember(person.id, hashed, now, desk.rules.passwords.remembered)
        await sessions.end_all(work, person.id, now, Ended.PASSWORD, but=acting.session.digest)
        token = await sessions.renew(work, acting.session)
        await work.events.append(EventKind.ACCOUNT_PASSWORD, person.id, now)
        await work.commit()
    return token


async def lock_own(desk: AccountDesk, acting: Acting, reason: str) -> None:
    """One click for who lost a password or saw a session of somebody else: all is closed until somebody opens it."""
    now = desk.clock.now()
    async with desk.accounts.begin(acting.person.id) as work:
        person = await work.people.get(acting.person.id)
        locked = replace(
            person,
            standing=Standing.LOCKED,
            standing_why=reason[:500],
            standing_by=person.id,
            standing_at=now,
        )
        await work.people.save(locked)
        await sessions.end_all(work, person.id, now, Ended.STANDING)
        told = {"standing": locked.standing.value, "reason": locked.standing_why}
        await work.events.append(EventKind.ACCOUNT_STANDING, person.id, now, told)
        await work.commit()


def made(desk: AccountDesk, person: Person, new: str, past: Sequence[str]) -> str:
    """The hash of a password that the rules take. Slow: in the pool."""
    faults = list(password_rules.faults(new, desk.rules.passwords, (person.login or "", person.name)))
    if not faults and any(desk.secrets.is_passphrase(new, each) for each in past):
        faults.append(Fault.PAST)
    if faults:
        raise NotTaken(faults)
    return desk.secrets.hash(new)


def _changed(
    desk: AccountDesk, person: Person, kept: Credentials, old_new: tuple[str, str], past: Sequence[str]
) -> tuple[str, str | None]:
    """The new hash, and the second factor sealed with the new password."""
    old, new = old_new
    current = [kept.passphrase_hash] if kept.passphrase_hash else []
    hashed = made(desk, person, new, [*current, *past])
    if kept.sealed_totp is None:
        return hashed, None
    return hashed, desk.secrets.resealed(old, kept.sealed_totp, new)
