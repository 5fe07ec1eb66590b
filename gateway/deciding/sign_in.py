"""Proves that a person is there. In: a name, a passphrase and a second factor, as typed. Out: `SignedIn`, which everything
that people decide asks for. Every failure looks alike; five of them lock the person for a quarter of an hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from gateway.deciding.desk import DecidingDesk
from gateway.domain.event import EventKind
from gateway.domain.person import Credentials, Person, SignedIn
from gateway.errors import Denied, NotFound

MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)


async def run(desk: DecidingDesk, name: str, passphrase: str, code: str) -> SignedIn:
    """The person, when both factors fit. Denied otherwise, and nothing says which of them did not."""
    person, kept = await _known(desk, name)
    now = desk.clock.now()
    if kept.locked_until is not None and now < kept.locked_until:
        raise Denied("too many tries; wait a quarter of an hour", code="GW-LOCKED")
    step = await desk.pool.run(partial(_step, desk, kept, passphrase, code))
    if step is None or not person.is_active or not await _use(desk, person, step):
        await _count(desk, person)
        raise _refused()
    return SignedIn(person=person, at=now)


async def _known(desk: DecidingDesk, name: str) -> tuple[Person, Credentials]:
    async with desk.decisions.read() as view:
        try:
            person = await view.people.named(name)
        except NotFound as unknown:
            raise _refused() from unknown
        return person, await view.people.credentials(person.id)


def _step(desk: DecidingDesk, kept: Credentials, passphrase: str, code: str) -> int | None:
    if kept.passphrase_hash is None or kept.sealed_totp is None:
        return None
    if not desk.secrets.is_passphrase(passphrase, kept.passphrase_hash):
        return None
    return desk.secrets.step(passphrase, kept.sealed_totp, code, desk.clock.now())


async def _use(desk: DecidingDesk, person: Person, step: int) -> bool:
    """A second factor is good once: whoever looked over the shoulder has nothing."""
    async with desk.decisions.begin(person.id) as work:
        fresh = await work.people.use_step(person.id, step)
        if fresh:
            kept = await work.people.credentials(person.id)
            await work.people.save_credentials(person.id, replace(kept, failures=0, locked_until=None))
        await work.commit()
    return fresh


async def _count(desk: DecidingDesk, person: Person) -> None:
    async with desk.decisions.begin(person.id) as work:
        kept = await work.people.credentials(person.id)
        failures, until = kept.failures + 1, kept.locked_until
        if failures >= MOST_FAILURES:
            failures, until = 0, desk.clock.now() + LOCKED_FOR
            await work.events.append(EventKind.PERSON_LOCKED, person.id, desk.clock.now())
        await work.people.save_credentials(person.id, replace(kept, failures=failures, locked_until=until))
        await work.commit()


def _refused() -> Denied:
    return Denied("name, passphrase or code do not fit; a code is good for one time and for half a minute")
