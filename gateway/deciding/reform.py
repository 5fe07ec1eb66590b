"""Changes the organisation of agencies, in the hands of two people: what a change would do, its proposal, its coming into
force, its undoing, and the duty to report it. In: a reform as a person states it. Out: a plan, or the registry changed
whole with its event in one transaction. What may be done is `policy.reform`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from gateway.deciding import propose
from gateway.deciding.desk import DecidingDesk
from gateway.domain.event import EventKind
from gateway.domain.person import SignedIn
from gateway.domain.proposal import Content, Proposal
from gateway.domain.registry_life import Life
from gateway.domain.registry_reform import Reform, ReformRecord, ReformState, Remark
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied
from gateway.policy import reform as rules
from gateway.policy import reform_duty, reform_steps, two_people
from gateway.policy.reform import BuiltOn, ReformPlan, RegistryView
from gateway.policy.reform_words import sentences
from gateway.ports.deciding import Decision
from gateway.words import labels

CONFLICT, MOVED, FAST = "REG-CONFLICT", "REG-MOVED", "REG-BUILT-ON"
MOST_OWED = 1000


async def plan(desk: DecidingDesk, reform: Reform) -> ReformPlan:
    """What it would do to the registry as it is now; nothing is written."""
    async with desk.decisions.read() as view:
        return await _planned(view, reform, _today(desk))


async def with_units(desk: DecidingDesk, reform: Reform) -> Reform:
    """The same, and as further steps of the decision the units directly below what ends go to who takes over."""
    async with desk.decisions.read() as view:
        return reform_steps.with_units(reform, (await view.reforms.around(reform)).below)


async def get(desk: DecidingDesk, id: str) -> ReformRecord:
    async with desk.decisions.read() as view:
        return await view.reforms.get(id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An approved reform with what it did, in sentences and code by code, and why it cannot be undone."""

    record: ReformRecord
    sentences: tuple[Remark, ...]
    before: Mapping[str, Life | None]
    after: Mapping[str, Life | None]
    against_undo: tuple[Remark, ...]


async def kept(desk: DecidingDesk, id: str) -> Kept:
    """What was written then; what waited then is not told again."""
    async with desk.decisions.read() as view:
        record = await view.reforms.get(id)
        before, after = await view.reforms.lives_of(id)
        around = (await view.reforms.around(record.reform)).lives
        against = await standing_against_undo(view, id, desk.clock.now())
    was = {code: life for code, life in around.items() if code not in before}
    was |= {code: life for code, life in before.items() if life is not None}
    written = {code: life for code, life in after.items() if life is not None}
    told = sentences(record.reform, was, written, {}, {}, {}, ())
    return Kept(
        record=record,
        sentences=tuple(told),
        before=before,
        after=after,
        against_undo=tuple(against),
    )


async def listed(desk: DecidingDesk, limit: int, code: str | None = None) -> Sequence[ReformRecord]:
    """Latest to take effect first; with a code those that touch or name it."""
    async with desk.decisions.read() as view:
        return await view.reforms.listed(limit, code)


async def proposed(desk: DecidingDesk, who: SignedIn, planned: ReformPlan, reason: str = "") -> Proposal:
    """An open proposal of what was planned, for a second person. Clash with every conflict."""
    _refuse(planned.conflicts)
    return await propose.run(desk, who, Content(reforms=(planned.ready,)), reason)


async def put_in_force(work: Decision, proposal: Proposal, reform: Reform, by: str, now: datetime) -> None:
    """In the approving unit of work: planned again on the registry as it is, which must be the one that was proposed on."""
    await work.reforms.alone()
    planned = await _planned(work, reform, local(now).date())
    _refuse(planned.conflicts)
    if (moved := rules.moved_ground(reform, planned)) is not None:
        raise Clash(said((moved,)), code=MOVED, hint="plan and propose it again")
    record = ReformRecord(
        id=proposal.id,
        reform=reform,
        state=ReformState.APPROVED,
        proposed_by=proposal.proposed_by,
        approved_by=by,
        approved_at=now,
    )
    await work.reforms.apply(record, planned.before, planned.after)
    await work.events.append(EventKind.REFORM_APPROVED, proposal.id, now, _told(record))


async def undo(desk: DecidingDesk, who: SignedIn, id: str, reason: str) -> ReformRecord:
    """The registry is as before the change. One person may: what comes back is what stood before. Clash after seven days,
    or where something was built on it."""
    now = desk.clock.now()
    async with desk.decisions.begin(who.person.id) as work:
        objection = two_people.proposing(await work.people.get(who.person.id))
        if objection is not None:
            raise Denied(
                "only a person with the role `trust` undoes a change of the registry", code=objection
            )
        await work.reforms.alone()
        _refuse(await standing_against_undo(work, id, now), FAST)
        await work.reforms.undo(id, who.person.id, now, reason)
        record = await work.reforms.get(id)
        told = {**_told(record), "reason": reason}
        await work.events.append(EventKind.REFORM_UNDONE, id, now, told)
        await work.commit()
    return record


async def standing_against_undo(work: Decision, id: str, now: datetime) -> Sequence[Remark]:
    """Why it cannot be undone; nothing when it can."""
    record, leaning = await work.reforms.get(id), await work.reforms.leaning_on(id)
    before, after = await work.reforms.lives_of(id)
    begun = [code for code, life in before.items() if life is None]
    built = BuiltOn(
        reforms=leaning.reforms,
        rows=leaning.rows,
        certificates=leaning.certificates,
        documents=(await work.waits.of(begun)).exchanged if begun else (),
    )
    written = {code: life for code, life in after.items() if life is not None}
    return rules.undoing(record, before, written, RegistryView(lives=leaning.lives), built, now)


async def report(desk: DecidingDesk, by: str, id: str, how: str) -> ReformRecord:
    """The duty of R80 is done; `how` names the letter that told it."""
    now = desk.clock.now()
    async with desk.decisions.begin(by) as work:
        await work.reforms.report(id, by, now, how)
        await work.events.append(EventKind.REFORM_REPORTED, id, now, {"how": how})
        await work.commit()
    return await get(desk, id)


async def duties(desk: DecidingDesk) -> Sequence[reform_duty.Duty]:
    """Every report that is owed today, by its due day."""
    today = _today(desk)
    async with desk.decisions.read() as view:
        return reform_duty.duties(await view.reforms.unreported(today, MOST_OWED), today)


def said(remarks: Sequence[Remark]) -> str:
    """In English, for a message; screens and the command line have both languages."""
    return "; ".join(labels.remark_text(each.key, each.params, "en") for each in remarks)


async def _planned(view: Decision, reform: Reform, today: date) -> ReformPlan:
    around = await view.reforms.around(reform)
    waiting = await view.waits.of(reform.ended)
    known = RegistryView(
        lives=around.lives,
        aliases=around.aliases,
        below=around.below,
        same_name=around.same_name,
        certificates=around.certificates,
        queued=waiting.queued,
        open_documents=waiting.open_documents,
        hosted=waiting.hosted,
    )
    return reform_steps.plan(reform, known, today)


def _refuse(remarks: Sequence[Remark], code: str = CONFLICT) -> None:
    if remarks:
        raise Clash(said(remarks), code=code)


def _told(record: ReformRecord) -> dict[str, object]:
    reform = record.reform
    return {
        **_of_step(reform),
        **({"steps": [_of_step(each) for each in reform.steps]} if reform.steps else {}),
        "effective_on": reform.effective_on.isoformat(),
        "decision": {name: str(value) for name, value in asdict(reform.decision).items()},
    }


def _of_step(reform: Reform) -> dict[str, object]:
    return {
        "kind": str(reform.kind),
        "sources": list(reform.sources),
        "targets": [target.code for target in reform.targets],
    }


def _today(desk: DecidingDesk) -> date:
    return local(desk.clock.now()).date()
