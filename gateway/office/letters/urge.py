"""Urges: a person of ours asks a recipient to take in what it has not, in the agency's name (R54). In: a recipient's
code. Out: everything of ours that it is late with, whom to phone there, and the note that it was urged; never by itself,
and not sooner again than the rules allow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import Staff
from gateway.domain.event import Event, EventKind
from gateway.errors import Clash
from gateway.office.domain.listing import Side
from gateway.office.letters.desk import OfficeOut
from gateway.office.ports.lists import Sort, Wanted
from gateway.office.ports.store import OfficeWork

MOST = 200
LONGEST = 4000
HOWS = ("phone", "mail", "letter", "other")
_WAITS = frozenset({"sent", "delivered"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """One document that the recipient has not taken in by `due_at`."""

    id: str
    code: str
    issued_on: date | None
    subject: str
    state: str
    sent_at: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Urging:
    """What stands out with one recipient. `contact` is who last answered from there; `free_at` is from when on it may be
    urged again, None when it may be now."""

    code: str
    name: str
    late: tuple[Late, ...]
    contact: Staff | None = None
    last_at: datetime | None = None
    last_by: str = ""
    free_at: datetime | None = None


async def look(desk: OfficeOut, scope: AgencyScope, code: str, every: timedelta) -> Urging:
    """All late documents of that recipient together."""
    async with desk.store.read(scope) as work:
        return await _look(work, code, every, desk.clock.now())


async def run(
    desk: OfficeOut,
    scope: AgencyScope,
    code: str,
    *,
    by: str,
    how: str,
    text: str,
    every: timedelta,
    only: Collection[str] = (),
) -> Urging:
    """Notes that `by`, a person, urged the recipient about its late documents, or about those of `only` that are. Clash
    when nothing is late, or it was urged a short while ago."""
    words = text.strip()
    if not words or len(words) > LONGEST or how not in HOWS:
        raise Clash(
            f"say how it was urged, and with what words (1 to {LONGEST} letters)", code="GW-URGE-TEXT"
        )
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        await work.agency()
        found = await _look(work, code, every, now)
        if found.free_at is not None:
            raise Clash(f"{code} was urged at {found.last_at:%Y-%m-%d %H:%M}; wait", code="GW-URGED")
        late = [each for each in found.late if not only or each.id in only]
        if not late:
            raise Clash(f"nothing of ours is late at {code}", code="GW-NOT-LATE")
        # Of two who press at once the second finds the claim of the first.
        before = found.last_at.isoformat() if found.last_at is not None else "never"
        if not await work.office.tasks.first_time(f"urged {_place(code)} {before}", now):
            raise Clash(f"{code} is being urged by somebody else", code="GW-URGED")
        told = {"to": code, "how": how, "person": by, "note": words}
        await work.events.append(
            EventKind.MESSAGE_URGED, _place(code), now, {**told, "of": [each.id for each in late]}
        )
        for each in late:
            await work.events.append(EventKind.MESSAGE_URGED, each.id, now, told)
        await work.commit()
    desk.wake()
    return found


async def _look(work: OfficeWork, code: str, every: timedelta, now: datetime) -> Urging:
    page = await work.office.lists.page(
        Wanted(side=Side.OUT, overdue=True, party=code, sort=Sort.OLDEST), limit=MOST
    )
    sent = await work.deliveries.of_many([line.id for line in page.lines])
    late, ours, name = list[Late](), list[str](), ""
    for line in page.lines:
        for delivery in sent.get(line.id, ()):
            if delivery.recipient.code.casefold() != code.casefold() or delivery.state not in _WAITS:
                continue
            name, ours = delivery.recipient.name or name, [*ours, delivery.id]
            late.append(
                Late(
                    id=line.id,
                    code=f"{line.card.number}/{line.card.symbol}",
                    issued_on=line.issued_on,
                    subject=line.card.subject,
                    state=delivery.state,
                    sent_at=line.sent_at,
                    due_at=line.due_at or now,
                )
            )
    last = await _last(work, code)
    free_at = last.at + every if last is not None else None
    return Urging(
        code=code,
        name=name,
        late=tuple(late),
        contact=await _contact(work, code, ours),
        last_at=last.at if last else None,
        last_by=str(last.data.get("person", "")) if last else "",
        free_at=free_at if free_at is not None and free_at > now else None,
    )


async def _last(work: OfficeWork, code: str) -> Event | None:
    said = [each for each in await work.events.of(_place(code)) if each.kind is EventKind.MESSAGE_URGED]
    return max(said, key=lambda each: each.at, default=None)


async def _contact(work: OfficeWork, code: str, ours: Sequence[str]) -> Staff | None:
    """Who signed the newest status of theirs that names somebody to speak to: of these documents, else of the last ones."""
    known = {id: await work.facts.of(id) for id in ours}
    if not any(fact.staff for facts in known.values() for fact in facts):
        page = await work.office.lists.page(Wanted(side=Side.OUT, party=code, sort=Sort.NEWEST), limit=20)
        sent = await work.deliveries.of_many([line.id for line in page.lines])
        theirs = [
            each.id
            for all_ in sent.values()
            for each in all_
            if each.recipient.code.casefold() == code.casefold()
        ]
        known = dict(await work.facts.of_many(theirs)) if theirs else {}
    named = [
        fact
        for facts in known.values()
        for fact in facts
        if fact.staff and (fact.staff.phone or fact.staff.name)
    ]
    newest = max(named, key=lambda fact: fact.at, default=None)
    return newest.staff if newest is not None else None


def _place(code: str) -> str:
    """Under what the urgings of one recipient are found, whatever they were about."""
    return f"urged:{code.casefold()}"
