"""Imports of codes in the hands of two people: a file that changes known agencies is proposed by one person, approved by
another, and comes into force whole with its event; any import is undone as a whole for seven days, by one person, because
what comes back is what stood before. In: the file as the registry reads it. Out: the registry changed, or why not."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.deciding import propose
from gateway.deciding.desk import DecidingDesk
from gateway.deciding.reform import CONFLICT, FAST, MOVED, said
from gateway.domain.event import EventKind
from gateway.domain.person import SignedIn
from gateway.domain.proposal import Content, ImportChange, Proposal
from gateway.domain.registry_change import ImportRecord, Plan
from gateway.domain.registry_reform import Remark
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied
from gateway.policy import imports as rules
from gateway.policy import two_people
from gateway.ports.deciding import Decision

LARGEST_KEPT = 4 * 1024 * 1024
LONGEST_NUMBER = 100
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One import that was applied: what it changed, before and now, and why it cannot be undone."""

    record: ImportRecord
    lines: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]
    begun: Sequence[str]
    against_undo: Sequence[Remark]


async def proposed(
    desk: DecidingDesk, who: SignedIn, plan: Plan, file: bytes, name: str, number: str, reason: str = ""
) -> Proposal:
    """An open proposal of what the plan of this file showed. Clash for one with problems, or that changes nothing."""
    if plan.problems or not plan.rows:
        raise Clash("the file has problems, or changes nothing", code=CONFLICT)
    if not number.strip():
        raise Clash("name the document that decided it", code=CONFLICT)
    kept = await desk.pool.run(lambda: base64.b64encode(zlib.compress(file, 9)).decode())
    if len(kept) > LARGEST_KEPT:
        raise Clash("the file is too large for one proposal; split it", code=CONFLICT)
    change = ImportChange(
        name=name[:200],
        number=number.strip()[:LONGEST_NUMBER],
        content=kept,
        effect=plan.effect,
        added=len(plan.added),
        changed=len(plan.changed),
        closed=len(plan.closed),
    )
    return await propose.run(desk, who, Content(imports=(change,)), reason)


async def planned(desk: DecidingDesk, change: ImportChange) -> Plan:
    """What the proposed file would do to the registry as it is now."""
    async with desk.decisions.read() as view:
        return await view.imports.plan(change.file, local(desk.clock.now()).date())


async def put_in_force(
    desk: DecidingDesk, work: Decision, proposal: Proposal, change: ImportChange, by: str
) -> None:
    """In the approving unit of work: planned again on the registry as it is, and it must do what was proposed."""
    now = desk.clock.now()
    await work.imports.alone()
    plan = await work.imports.plan(change.file, local(now).date())
    if plan.problems or plan.effect != change.effect:
        raise Clash(
            "the registry changed since, and the file would do something else now: import it again",
            code=MOVED,
        )
    await work.imports.apply(plan, proposal.id, by, now)
    told = {
        "source": plan.source_digest,
        "added": len(plan.added),
        "changed": len(plan.changed),
        "closed": len(plan.closed),
        "number": change.number,
        "proposal": proposal.id,
        "digest": proposal.digest,
        "proposed_by": proposal.proposed_by,
    }
    await work.events.append(EventKind.CODES_IMPORTED, proposal.id, now, told)


async def kept(desk: DecidingDesk, id: str) -> Kept:
    async with desk.decisions.read() as view:
        record = await view.imports.get(id)
        built = await view.imports.built_on(id)
        against = await _against(view, record, desk)
        return Kept(
            record=record, lines=await view.imports.lines(id), begun=built.begun, against_undo=against
        )


async def undo(desk: DecidingDesk, who: SignedIn, id: str, reason: str) -> ImportRecord:
    """The registry is as before the import, in one transaction. Clash after seven days, or where something stands on it."""
    now = desk.clock.now()
    async with desk.decisions.begin(who.person.id) as work:
        objection = two_people.proposing(await work.people.get(who.person.id))
        if objection is not None:
            raise Denied("only a person with the role `trust` undoes an import of codes", code=objection)
        await work.imports.alone()
        record = await work.imports.get(id)
        if against := await _against(work, record, desk):
            raise Clash(said(against), code=FAST)
        await work.imports.undo(id, who.person.id, now)
        told = {"source": record.source_digest, "reason": reason}
        await work.events.append(EventKind.CODES_UNDONE, id, now, told)
        await work.commit()
    return record


async def _against(view: Decision, record: ImportRecord, desk: DecidingDesk) -> Sequence[Remark]:
    built = await view.imports.built_on(record.id)
    exchanged: list[str] = []
    for start in range(0, len(built.begun), _AT_ONCE):
        exchanged += (await view.waits.of(built.begun[start : start + _AT_ONCE])).exchanged
    return rules.undoing(record, built, exchanged, desk.clock.now())
