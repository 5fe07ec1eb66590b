"""/van-ban-den/{id}: opens one incoming document for a person, as its page or, where it is sealed, as the locked one; and
the pages of the sealed hold, R4 (state secrets): any person with the right freezes a possible state secret; the locked page
leads through the steps; the head's recorded decision ends it. In: a visit and its form. Out: the page, which marks the
document as read for the agency; or pages without its content."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway import holding
from gateway.domain.document import InState
from gateway.domain.event import EventKind
from gateway.domain.hold import Hold, HoldState
from gateway.domain.person import Role
from gateway.errors import Clash, Denied
from gateway.incoming import seal
from gateway.office.domain.roles import Manner, Right
from gateway.office.letters import received
from gateway.office.store.store import OfficeWork
from gateway.office.web.dates import moment_text
from gateway.office.web.pages.agencies import ground
from gateway.office.web.pages.incoming import detail, seen
from gateway.office.web.pages.incoming.seen import IncomingView
from gateway.office.web.visits import Visit


async def show_document(visit: Visit) -> web.StreamResponse:
    incoming = await seen.find(visit)
    if incoming.document.target_id is not None:
        return visit.go(incoming.path)
    if incoming.main.state is InState.SEALED:
        return await show_locked(visit, incoming)
    incoming = await detail.by_order(visit, incoming)
    records = await detail.load_records(visit, incoming.main)
    if records.unread and incoming.manner in (Manner.YES, Manner.OWN):
        await received.mark_read(visit.deps.inn, visit.scope(), [incoming.main.id])
    return await detail.document_page(visit, incoming, records)


_NOTICES = ("operator", "sender")


async def freeze(visit: Visit) -> web.StreamResponse:
    incoming, reason = await seen.find_to_freeze(visit), visit.form.text("reason")
    visit.person.require(Right.FREEZE, Manner.YES)
    if incoming.main.state == seal.SEALED:
        return await seen.late_page(visit, incoming)
    back = incoming.path if visit.may(Right.SEE_CONTENT) else "/"
    if (problems := visit.short_reason()) or not visit.is_act:
        return await seen.ask(visit, incoming, "freeze", problems, back=back, grave=True)
    try:
        await seal.document(visit.deps.inn, visit.deps.hold, visit.scope(), incoming.main.id, reason)
    except Clash as error:
        if error.code != "GW-SEALED":
            raise
        return await seen.late_page(visit, incoming)
    await visit.deps.looking.forget(visit.scope(), incoming.main.id)
    return visit.confirm(back, "incoming.sealed")


async def show_locked(visit: Visit, incoming: IncomingView) -> web.StreamResponse:
    """Show the locked page: the next steps, and the outcome."""
    async with visit.deps.store.read(visit.scope()) as work:
        hold = await _load_hold(work, incoming.main.id)
    decision = hold.decision if hold is not None else None
    is_purged = hold is not None and hold.state is HoldState.PURGED
    return await visit.page(
        "incoming/sealed.html",
        title=visit.say("incoming.sealed.title"),
        found=incoming,
        document=incoming.main,
        hold=hold,
        begun_by=await seen.name_of(visit, hold.begun_by) if hold is not None else "",
        drafts={n: _notice_draft(visit, hold, n) for n in _NOTICES} if hold is not None else {},
        decides=_may_decide(visit),
        decided_by=await seen.name_of(visit, decision.by) if is_purged and decision is not None else "",
        may_audit=visit.may(Right.AUDIT),
    )


async def purge(visit: Visit) -> web.StreamResponse:
    """Purge, by a person who has just signed in once more; the content is gone on return."""
    incoming, may_decide = await seen.find(visit), _may_decide(visit)
    if visit.is_act and not may_decide:
        raise Denied("this person does not decide on the sealed hold", code="GW-ROLE")
    async with visit.deps.store.read(visit.scope()) as work:
        hold = await work.held.open_of(incoming.main.id)
    if hold is None:
        return await seen.late_page(visit, incoming)
    closed = "" if may_decide else visit.say("incoming.purge.not_you")
    repeat = partial(seen.ask, visit, incoming, "purge", grave=True, closed=closed)
    if (problems := visit.short_reason()) or not visit.is_act:
        return await repeat(problems)
    try:
        signer = await ground.require_sign_in(visit)
    except Denied as error:
        return await repeat([("password", visit.why(error))])
    decision = holding.decided(visit.deps.hold, signer, visit.form.text("reason"))
    try:
        await holding.purge(visit.deps.hold, visit.scope(), hold.id, decision)
    except Clash:
        return await seen.late_page(visit, incoming)
    return visit.confirm(incoming.path, "incoming.purged")


async def _load_hold(work: OfficeWork, incoming_id: str) -> Hold | None:
    """Return the open hold, else the purged one."""
    hold = await work.held.open_of(incoming_id)
    if hold is not None:
        return hold
    purges = [event for event in await work.events.of(incoming_id) if event.kind is EventKind.HOLD_PURGED]
    return await work.held.get(str(purges[-1].data["hold"])) if purges else None


def _may_decide(visit: Visit) -> bool:
    """Tell whether the person is the head who also has the role that the decision needs."""
    return Role.HEAD in visit.person.person.roles and visit.may(Right.SEALED_HOLD, Manner.RECORDED)


def _notice_draft(visit: Visit, hold: Hold, reader: str) -> str:
    """Draft a notice; a person reads it, signs it and sends it by a separate way."""
    return visit.say(
        f"hold.notice.{reader}",
        day=moment_text(hold.begun_at),
        agency=visit.own_agency.name,
        node=visit.deps.settings.pages.name or visit.say("page.node"),
        document=hold.document_id or hold.subject_id,
        sender=hold.sender_code or visit.own_agency.code,
        hold=hold.id,
        digests="\n".join(f"- {digest}" for digest in hold.digests),
    )
