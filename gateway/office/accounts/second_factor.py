"""The second factor of an account (R88). In: a signed-in person who types the password once more. Out: a secret for the
person's device, proved by a first code; and recovery codes, each good for one time, shown once and kept as digests."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.domain.event import EventKind
from gateway.errors import Clash, Denied
from gateway.office.accounts import sessions, sign_in
from gateway.office.accounts.acting import Acting
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.session import Ended, Factor, Origin

CODES = 10


def begin(desk: AccountDesk, acting: Acting) -> tuple[str, str]:
    """A new secret and what an authenticator reads. Nothing is kept: the form brings the secret back."""
    totp = desk.secrets.new_totp()
    return totp, desk.secrets.uri(totp, acting.person.login or acting.person.name)


async def set_up(
    desk: AccountDesk, acting: Acting, password: str, totp: str, first: str, origin: Origin
) -> tuple[str, tuple[str, ...]]:
    """The new token and the recovery codes. The session goes on as one with a second factor; all others end. Clash when the
    first code does not fit: whoever cannot read it back would be locked out."""
    person, now = acting.person, desk.clock.now()
    kept = await sign_in.is_password(desk, person, password, origin)
    sealed = await desk.pool.run(partial(desk.secrets.seal, password, totp))
    step = await desk.pool.run(partial(desk.secrets.step, password, sealed, first, now))
    if step is None:
        raise Clash(
            "the second factor does not fit; type the code that the device shows now", code="GW-FACTOR"
        )
    codes, digests = _codes(desk)
    async with desk.accounts.begin(person.id) as work:
        fresh = await work.people.credentials(person.id)
        if fresh.passphrase_hash != kept.passphrase_hash:
            raise Denied("the password was changed meanwhile; sign in again", code="GW-SESSION")
        await work.people.save_credentials(person.id, replace(fresh, sealed_totp=sealed, last_step=step))
        await work.past.put_codes(person.id, digests)
        current = await work.people.get(person.id)
        if current.roles:
            # Whoever decides about trust approves nothing for a day with means that are new.
            await work.people.save(replace(current, roles_by=person.id, roles_at=now))
        await sessions.end_all(work, person.id, now, Ended.PASSWORD, but=acting.session.digest)
        token = await sessions.renew(work, replace(acting.session, factor=Factor.TOTP))
        await work.events.append(EventKind.ACCOUNT_FACTOR, person.id, now, {"what": "set-up", "left": CODES})
        await work.commit()
    return token, codes


async def new_codes(desk: AccountDesk, acting: Acting, password: str, origin: Origin) -> tuple[str, ...]:
    """Ten others; the earlier ones are worth nothing. Clash without a second factor to stand in for."""
    person, now = acting.person, desk.clock.now()
    kept = await sign_in.is_password(desk, person, password, origin)
    if kept.sealed_totp is None:
        raise Clash("there is no second factor; set one up first", code="GW-FACTOR")
    codes, digests = _codes(desk)
    async with desk.accounts.begin(person.id) as work:
        await work.past.put_codes(person.id, digests)
        await work.events.append(EventKind.ACCOUNT_FACTOR, person.id, now, {"what": "codes", "left": CODES})
        await work.commit()
    return codes


async def codes_left(desk: AccountDesk, acting: Acting) -> int:
    async with desk.accounts.read() as view:
        return await view.past.codes_left(acting.person.id)


def _codes(desk: AccountDesk) -> tuple[tuple[str, ...], tuple[str, ...]]:
    made = [desk.secrets.new_code() for _ in range(CODES)]
    return tuple(code for code, _ in made), tuple(digest for _, digest in made)
