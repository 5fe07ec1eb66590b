"""A recall as a step in two hands (R70): a clerk asks, the agency's head agrees or refuses, and only then does it leave.
In: who acts with which rights, and the wish. Out: what was asked, as it stands now; with the head's agreement the recall is
on its way in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.account import AgencyScope
from gateway.domain.document import Change, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.errors import Clash, Denied
from gateway.office.domain.recall_ask import AskState, RecallAsk
from gateway.office.letters.desk import OfficeOut
from gateway.office.policy import recalling
from gateway.office.policy.recalling import Objection
from gateway.office.policy.rights import Granted, Rights
from gateway.office.ports.store import OfficeWork
from gateway.outgoing import recall

LEAST_REASON = 10
_LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person at work for the agency of the scope, with the rights of this moment."""

    scope: AgencyScope
    rights: Rights


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the clerk enters; `recipients` are codes."""

    document_id: str
    reason: str
    notice_no: str
    recipients: tuple[str, ...]
    take_back: bool = False


async def ask(desk: OfficeOut, by: Actor, wanted: Wanted, *, expect_version: int | None = None) -> RecallAsk:
    """It waits for a head. Clash while another one of the same document waits."""
    now, wanted = desk.clock.now(), tidy(wanted)
    granted = recalling.asking(by.rights, by.scope.agency_id, now)
    if granted is None:
        raise _objected(Objection.RIGHT)
    async with desk.store.begin(by.scope) as work:
        # Who approves is not known yet, and not what this looks at.
        change = Change(reason=wanted.reason, approved_by="-", notice_no=wanted.notice_no)
        parent = await recall.look(
            work, wanted.document_id, change, take_back=wanted.take_back, recipients=wanted.recipients
        )
        await work.outgoing.save(parent, expect_version=expect_version)
        if any(each.is_open for each in await work.office.recalls.of(parent.id)):
            raise Clash("a recall of this document waits for the head already", code="GW-RECALL-ASKED")
        asked = RecallAsk(
            id=desk.clock.new_id("rca_"),
            document_id=parent.id,
            reason=wanted.reason,
            notice_no=wanted.notice_no,
            take_back=wanted.take_back,
            recipients=wanted.recipients,
            asked_by=by.rights.person_id,
            asked_at=now,
            asked_for=granted.on_behalf_of,
        )
        await work.office.recalls.add(asked)
        await _tell(work, EventKind.RECALL_ASKED, asked, granted, now, to=list(asked.recipients))
        await work.commit()
    desk.wake()
    return asked


async def approve(desk: OfficeOut, by: Actor, id: str, *, name: str) -> RecallAsk:
    """The recall leaves with the head's name on it. What cannot be recalled any more stays open, and the objection says
    why."""
    now = desk.clock.now()
    async with desk.store.begin(by.scope) as work:
        found, granted = await _decided(work, by, id, now)
        change = Change(reason=found.reason, approved_by=name, notice_no=found.notice_no)
        parent = await recall.look(
            work, found.document_id, change, take_back=found.take_back, recipients=found.recipients
        )
        parent = await work.outgoing.save(parent)
        left = await recall.within(
            desk, work, parent, change, take_back=found.take_back, recipients=found.recipients
        )
        closed = await _close(work, found, AskState.APPROVED, by, granted, now, result=_result(left, parent))
        await _tell(work, EventKind.RECALL_APPROVED, closed, granted, now, result=closed.result)
        await work.commit()
    desk.wake()
    return closed


async def refuse(desk: OfficeOut, by: Actor, id: str, why: str) -> RecallAsk:
    """Nothing leaves; the clerk reads why."""
    now = desk.clock.now()
    if len(why.strip()) < LEAST_REASON:
        raise Clash(f"a reason of at least {LEAST_REASON} characters is needed", code="GW-REASON")
    async with desk.store.begin(by.scope) as work:
        found, granted = await _decided(work, by, id, now)
        closed = await _close(work, found, AskState.REFUSED, by, granted, now, why=why.strip()[:_LONGEST])
        await _tell(work, EventKind.RECALL_REFUSED, closed, granted, now, reason=closed.why)
        await work.commit()
    desk.wake()
    return closed


async def withdraw(desk: OfficeOut, by: Actor, id: str) -> RecallAsk:
    """Before the head decided: nobody is asked any more."""
    now = desk.clock.now()
    async with desk.store.begin(by.scope) as work:
        found = await work.office.recalls.get(id)
        granted = _granted(recalling.withdrawing(found, by.rights, by.scope.agency_id, now))
        closed = await _close(work, found, AskState.WITHDRAWN, by, granted, now)
        await _tell(work, EventKind.RECALL_WITHDRAWN, closed, granted, now)
        await work.commit()
    desk.wake()
    return closed


async def of(desk: OfficeOut, scope: AgencyScope, document_id: str) -> Sequence[RecallAsk]:
    """All of one document, newest first."""
    async with desk.store.read(scope) as work:
        return await work.office.recalls.of(document_id)


async def _decided(work: OfficeWork, by: Actor, id: str, now: datetime) -> tuple[RecallAsk, Granted]:
    found = await work.office.recalls.get(id)
    return found, _granted(recalling.deciding(found, by.rights, by.scope.agency_id, now))


async def _close(
    work: OfficeWork,
    found: RecallAsk,
    state: AskState,
    by: Actor,
    granted: Granted,
    now: datetime,
    *,
    why: str = "",
    result: str | None = None,
) -> RecallAsk:
    closed = replace(
        found,
        state=state,
        decided_by=by.rights.person_id,
        decided_for=granted.on_behalf_of,
        decided_at=now,
        why=why,
        result=result,
    )
    await work.office.recalls.close(closed)
    return closed


async def _tell(
    work: OfficeWork, kind: EventKind, ask: RecallAsk, granted: Granted, now: datetime, **more: object
) -> None:
    told: dict[str, object] = {"ask": ask.id, "asked_by": ask.asked_by, "take_back": ask.take_back, **more}
    if granted.on_behalf_of is not None:
        told |= {"on_behalf_of": granted.on_behalf_of, "delegation": granted.delegation_id}
    await work.events.append(kind, ask.document_id, now, told)


def _result(left: OutgoingDocument, parent: OutgoingDocument) -> str | None:
    """A take-back is a bare status: no document of ours."""
    return left.id if left.id != parent.id else None


def _granted(found: Granted | Objection) -> Granted:
    if isinstance(found, Objection):
        raise _objected(found)
    return found


def _objected(objection: Objection) -> Clash | Denied:
    match objection:
        case Objection.OVER:
            return Clash("this recall does not wait any more", code=objection.value)
        case Objection.SELF:
            return Denied("nobody agrees to what oneself has asked for", code=objection.value)
        case _:
            return Denied("this person may not do that here (recall)", code=objection.value)
