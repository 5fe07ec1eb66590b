"""The one-time code of a new account, or of one whose password or device is lost: there is no first password that somebody
else knows. In: a code out of a link. Out: the person has a password of its own. The code finds the person by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from gateway.domain.event import EventKind
from gateway.domain.person import Credentials, Person, Standing
from gateway.errors import Denied
from gateway.office.accounts import password, sessions, tries
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.session import Ended, Origin
from gateway.office.ports.accounts import AccountWork

LONGEST_CODE = 100


async def look(desk: AccountDesk, code: str, origin: Origin) -> Person:
    """Whose code it is, for the page that greets. Denied (`GW-ONE-TIME`) when it is none, was used, or is too old."""
    counted = await tries.count(desk, _anybody(code), origin.address)
    async with desk.accounts.begin("node") as work:
        person = await _owner(desk, work, code, desk.clock.now())
        await tries.succeeded(work, counted)
        await work.commit()
    return person


async def take_up(desk: AccountDesk, code: str, new: str, origin: Origin) -> Person:
    """The account is the person's own from now on; whatever was open under it is closed. Then the person signs in."""
    person, now = await look(desk, code, origin), desk.clock.now()
    async with desk.accounts.read() as view:
        past = await view.past.passwords(person.id, desk.rules.passwords.remembered)
    hashed = await desk.pool.run(partial(password.made, desk, person, new, past))
    async with desk.accounts.begin(person.id) as work:
        person = await _owner(desk, work, code, now)
        taken = replace(person, enrolled_at=now, password_at=now, must_change=False)
        await work.people.save(taken)
        await work.people.save_credentials(person.id, Credentials(passphrase_hash=hashed))
        await work.past.remember(person.id, hashed, now, desk.rules.passwords.remembered)
        await work.past.put_codes(person.id, ())
        await sessions.end_all(work, person.id, now, Ended.PASSWORD)
        await tries.forgive(work, person.login or person.name)
        await work.events.append(EventKind.PERSON_ENROLLED, person.id, now)
        await work.commit()
    return taken


async def _owner(desk: AccountDesk, work: AccountWork, code: str, now: datetime) -> Person:
    person = await work.with_code(desk.secrets.code_digest(code[:LONGEST_CODE]))
    if person is not None and person.blocked_at is None and person.standing is Standing.ACTIVE:
        kept = await work.people.credentials(person.id)
        if kept.code_until is not None and now < kept.code_until:
            return person
    raise Denied("this link was used before, or is too old; ask for a new one", code="GW-ONE-TIME")


def _anybody(code: str) -> str:
    """Tries are counted by code, too; nobody is called like one."""
    return f"code {code[:LONGEST_CODE]}"
