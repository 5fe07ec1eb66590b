"""The set-up of a node (K6): from `gateway init` until a person ends it, at most 72 hours, those who approve need not be
a day old. In: the desk, who acts. Out: how long it is open. It is told by two events of the sealed log and nothing else,
so that no emptied table opens it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.deciding.desk import DecidingDesk
from gateway.domain.event import Event, EventKind
from gateway.domain.person import SignedIn
from gateway.errors import Clash, Denied
from gateway.policy import two_people
from gateway.ports.deciding import Decision

SUBJECT = "set-up"


async def begin(desk: DecidingDesk, operator_id: str) -> datetime | None:
    """Begins it, once in the life of a node: where it began before, or a certificate was ever bound, nothing changes. Until
    when it is open."""
    now = desk.clock.now()
    async with desk.decisions.begin(operator_id) as work:
        if not await work.events.of(SUBJECT) and not await work.bindings.any_ever():
            await work.events.append(EventKind.SET_UP_BEGUN, SUBJECT, now)
            await work.commit()
    async with desk.decisions.read() as view:
        return await open_until(view, now)


async def end(desk: DecidingDesk, who: SignedIn) -> None:
    """From now on every approval needs a day. One person is enough: it makes things stricter. Clash where it is over."""
    now = desk.clock.now()
    async with desk.decisions.begin(who.person.id) as work:
        objection = two_people.proposing(await work.people.get(who.person.id))
        if objection is not None:
            raise Denied("only a person with the role `trust` ends the set-up", code=objection)
        if await open_until(work, now) is None:
            raise Clash("this node is not in set-up: it was ended, is over by itself, or never began")
        await work.events.append(EventKind.SET_UP_ENDED, SUBJECT, now)
        await work.commit()


async def open_until(view: Decision, now: datetime) -> datetime | None:
    """When it ends by itself; None where it is not open."""
    return of_events(await view.events.of(SUBJECT), now)


def of_events(told: Sequence[Event], now: datetime) -> datetime | None:
    """The same, of the events about it."""
    begun = [each.at for each in told if each.kind is EventKind.SET_UP_BEGUN]
    is_ended = any(each.kind is EventKind.SET_UP_ENDED for each in told)
    return two_people.set_up_until(min(begun, default=None), now, is_ended=is_ended)
