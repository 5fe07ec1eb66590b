"""Acts of the pages on an incoming letter that can be undone for some seconds: taking in, refusing, assigning. In: an
act, and how long it waits. Out: a stored act without any effect, until its time has come; then its effect, through the
flow's own steps, with the person's rights as they are then. Its row goes in the same unit of work, so that it is done once
or not at all, whenever the process ends, another one works beside it or the person undoes it. An act that could not be done
is kept, with its reason, until a person looks at it. Programs and commands do not come here: their calls never wait."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import WORKED_ON, IncomingDocument, InState
from gateway.errors import Clash, Denied, GatewayError, NotFound, Refused
from gateway.incoming import act, handling
from gateway.incoming.act import StatusCall
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.domain.pending import ActFault, ActKind, ActValues, PendingAct
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import received
from gateway_office.services import AccountServices, OfficeIncomingServices
from gateway_office.store.store import OfficeWork

_log = logging.getLogger(__name__)
_BATCH = 50
_CODES: Mapping[ActKind, str] = {ActKind.TAKE_IN: "03", ActKind.REFUSE: "02", ActKind.ASSIGN: "04"}
_NEEDS: Mapping[ActKind, tuple[Right, frozenset[Manner]]] = {
    ActKind.TAKE_IN: (Right.TAKE_IN, frozenset({Manner.YES})),
    ActKind.REFUSE: (Right.TAKE_IN, frozenset({Manner.YES})),
    ActKind.ASSIGN: (Right.INSTRUCT, frozenset({Manner.YES, Manner.OWN})),
}
_USED_NUMBER = frozenset({"GW-NUMBER-TAKEN", "GW-REGISTERED", "GW-BOOK-GIVES"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ActResult:
    """Result of an act: the document at present; `due` is the act that waits, None where its effect is there."""

    document: IncomingDocument
    due: PendingAct | None = None


async def begin(
    services: OfficeIncomingServices,
    scope: AgencyScope,
    document: IncomingDocument,
    kind: ActKind,
    values: ActValues,
    *,
    version: int,
    wait: timedelta,
) -> ActResult:
    """Store the act, to be done after `wait`, or do it at once. Raise as the flow does where it could not be done now, and
    Clash where another act on the document waits."""
    now = services.clock.now()
    pending = PendingAct(
        id=services.clock.new_id("pac_"),
        document_id=document.id,
        kind=kind,
        act_values=values,
        version=version,
        person_id=scope.principal_id,
        made_at=now,
        due_at=now + wait,
    )
    if not wait:
        async with services.store.changing(scope) as work:
            await _refuse_second(work, document.id)
            changed = await _perform(services, work, pending)
        services.wake()
        return ActResult(document=changed)
    async with services.store.begin(scope) as work:
        await _check(services, work, pending)
        # Left without a commit: nothing of the check stays.
    async with services.store.changing(scope) as work:
        await work.office.pending.add(pending)
    return ActResult(document=document, due=pending)


async def undo(services: OfficeIncomingServices, scope: AgencyScope, document_id: str) -> PendingAct:
    """Take back an act that waits, or put away one that failed. Raise Clash where it is done already, and Denied where the
    act of another person waits."""
    async with services.store.changing(scope) as work:
        pending = (await work.office.pending.of_documents([document_id])).get(document_id)
        if pending is not None and pending.waits and pending.person_id != scope.principal_id:
            raise Denied("only the person who did it may undo it", code="GW-RIGHT")
        if pending is None or not await work.office.pending.remove(pending.id):
            raise Clash(f"nothing of {document_id} waits any more", code="GW-ACT-DONE")
    return pending


async def run_due(services: OfficeIncomingServices, accounts: AccountServices) -> bool:
    """Do the acts whose time has come, one after the other in the order in which people acted; return whether there were
    any. An error that may pass by itself is raised once the others are done, and the loop tries again."""
    due_acts = await services.store.acts_due(_BATCH)
    errors: list[Exception] = []
    for agency_id, pending in due_acts:
        scope = AgencyScope(agency_id=agency_id, principal_id=pending.person_id)
        with log.bound(document=pending.document_id):
            try:
                await _run(services, accounts, scope, pending)
            except Exception as error:  # raised below: one act that cannot be done now holds up no other
                errors.append(error)
    if errors:
        raise errors[0]
    return bool(due_acts)


async def _run(
    services: OfficeIncomingServices, accounts: AccountServices, scope: AgencyScope, pending: PendingAct
) -> None:
    try:
        async with services.store.begin(scope) as work:
            if not await work.office.pending.remove(pending.id):
                return  # undone, or done by another process
            await _check_rights(accounts, work, pending)
            await _perform(services, work, pending)
            await work.commit()
    except GatewayError as error:
        if not error.permanent:
            raise
        await _keep_failed(services, scope, pending, error)
    services.wake()


async def _keep_failed(
    services: OfficeIncomingServices, scope: AgencyScope, pending: PendingAct, error: GatewayError
) -> None:
    fault = _fault_of(error)
    async with services.store.changing(scope) as work:
        await work.office.pending.fail(pending.id, fault.value, services.clock.now())
    log.action(_log, "act.failed", str(error), document=pending.document_id, code=error.code)


def _fault_of(error: GatewayError) -> ActFault:
    if isinstance(error, Denied):
        return ActFault.RIGHTS
    if isinstance(error, Refused):
        return ActFault.REFUSED
    return ActFault.NUMBER if error.code in _USED_NUMBER else ActFault.CHANGED


async def _refuse_second(work: OfficeWork, document_id: str) -> None:
    """Put away a failed act on the document; raise Clash where one waits."""
    pending = (await work.office.pending.of_documents([document_id])).get(document_id)
    if pending is not None and pending.waits:
        raise Clash(f"another act on {document_id} waits to be done", code="GW-ACT-WAITS")
    if pending is not None:
        await work.office.pending.remove(pending.id)


async def _check_rights(accounts: AccountServices, work: OfficeWork, pending: PendingAct) -> None:
    """Raise Denied unless the person may do it now, too."""
    right, manners = _NEEDS[pending.kind]
    now = accounts.clock.now()
    async with accounts.accounts.read() as view:
        person = await view.people.get(pending.person_id)
        rights = await acting.rights_of(view, person.id, now)
    granted = rights.best_grant(right, work.scope.agency_id, now)
    if not person.is_active or granted is None or granted.manner not in manners:
        raise acting.refused(right)
    if granted.manner is Manner.OWN:
        document = await work.incoming.get(pending.document_id)
        if not rights.share(right, work.scope.agency_id, now).works_on(document.assignment):
            raise acting.refused(right)


def _call(pending: PendingAct) -> StatusCall:
    values = pending.act_values
    return StatusCall(
        code=_CODES[pending.kind],
        register_no=values.register_no,
        note=values.note,
        reason=values.reason,
        staff=values.staff,
        assignment=values.assignment,
    )


async def _check(services: OfficeIncomingServices, work: OfficeWork, pending: PendingAct) -> None:
    """Raise what would stand in the way of the act now."""
    await _refuse_second(work, pending.document_id)
    if await _reports(work, pending):
        await act.check_status(services, work, pending.document_id, _call(pending), pending.version)
        if pending.act_values.assignment is not None:
            await handling.resolve(work, pending.act_values.assignment, pending.made_at)
    else:
        await _perform(services, work, pending)


async def _reports(work: OfficeWork, pending: PendingAct) -> bool:
    """Tell whether the act is a status, which the sender gets; assigning again is none."""
    if pending.kind is not ActKind.ASSIGN:
        return True
    document = await work.incoming.get(pending.document_id)
    return document.state is InState.ACCEPTED or document.state not in WORKED_ON


async def _perform(
    services: OfficeIncomingServices, work: OfficeWork, pending: PendingAct
) -> IncomingDocument:
    """Do the act, with its submission or opinion, in this unit of work."""
    values, id = pending.act_values, pending.document_id
    if await _reports(work, pending):
        outcome = await act.set_status_in(services, work, id, _call(pending), pending.version)
        document = outcome.document
    elif values.assignment is not None:
        document = await act.assign_in(services, work, id, values.assignment, pending.version, values.why)
    else:
        raise NotFound(f"{id} is assigned to no unit")
    if values.leader is not None:
        await received.submit_in(services, work, id, values.leader)
    if values.decides and values.assignment is not None:
        words = values.assignment.instruction or labels.say(
            "incoming.given.lead", "vi", unit=values.assignment.lead_unit
        )
        await received.decide_in(services, work, id, words)
    return document
