"""/van-ban-den/{id}: opens one incoming document for a person, as its page or, of what is sealed, as the locked one;
and the sealed hold as people meet it (R4): any of them freezes what may be a state secret; the locked page leads
through the steps; the head's recorded decision ends it. In: a visit and its form. Out: the page, and whoever opens
it for the agency has read it; or pages that say nothing of what it says."""

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
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.visits import Visit


async def document_shown(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if found.document.target_id is not None:
        return visit.go(found.path)
    if found.whole.state is InState.SEALED:
        return await locked(visit, found)
    found = await detail.by_order(visit, found)
    known = await detail.look_known(visit, found.whole)
    if known.unread and found.manner in (Manner.YES, Manner.OWN):
        await received.mark_read(visit.deps.inn, visit.scope(), [found.whole.id])
    return await detail.document_page(visit, found, known)


_NOTICES = ("operator", "sender")


async def frozen(visit: Visit) -> web.StreamResponse:
    found, why = await seen.find_to_freeze(visit), visit.form.text("reason")
    visit.person.require(Right.FREEZE, Manner.YES)
    if found.whole.state == seal.SEALED:
        return await seen.late_page(visit, found)
    back = found.path if visit.may(Right.SEE_CONTENT) else "/"
    if (problems := visit.short_reason()) or not visit.is_act:
        return await seen.ask(visit, found, "freeze", problems, back=back, grave=True)
    try:
        await seal.document(visit.deps.inn, visit.deps.hold, visit.scope(), found.whole.id, why)
    except Clash as error:
        if error.code != "GW-SEALED":
            raise
        return await seen.late_page(visit, found)
    await visit.deps.looking.forget(visit.scope(), found.whole.id)
    return visit.said(back, "incoming.sealed")


async def locked(visit: Visit, found: SeenIncoming) -> web.StreamResponse:
    """In place of the document: what to do now, and what became of it."""
    async with visit.deps.store.read(visit.scope()) as work:
        hold = await _hold(work, found.whole.id)
    decision = hold.decision if hold is not None else None
    is_purged = hold is not None and hold.state is HoldState.PURGED
    return await visit.page(
        "incoming/sealed.html",
        title=visit.say("incoming.sealed.title"),
        found=found,
        document=found.whole,
        hold=hold,
        begun_by=await seen.name_told(visit, hold.begun_by) if hold is not None else "",
        drafts={each: _notice_draft(visit, hold, each) for each in _NOTICES} if hold is not None else {},
        decides=_decides(visit),
        decided_by=await seen.name_told(visit, decision.by) if is_purged and decision is not None else "",
        may_audit=visit.may(Right.AUDIT),
    )


async def purged(visit: Visit) -> web.StreamResponse:
    """By a person who has just signed in once more; the content is gone on return."""
    found, decides = await seen.find(visit), _decides(visit)
    if visit.is_act and not decides:
        raise Denied("this person does not decide on the sealed hold", code="GW-ROLE")
    async with visit.deps.store.read(visit.scope()) as work:
        hold = await work.held.open_of(found.whole.id)
    if hold is None:
        return await seen.late_page(visit, found)
    closed = "" if decides else visit.say("incoming.purge.not_you")
    ask = partial(seen.ask, visit, found, "purge", grave=True, closed=closed)
    if (problems := visit.short_reason()) or not visit.is_act:
        return await ask(problems)
    try:
        who = await ground.signed_in_here(visit)
    except Denied as error:
        return await ask([("password", visit.why(error))])
    decision = holding.decided(visit.deps.hold, who, visit.form.text("reason"))
    try:
        await holding.purge(visit.deps.hold, visit.scope(), hold.id, decision)
    except Clash:
        return await seen.late_page(visit, found)
    return visit.said(found.path, "incoming.purged")


async def _hold(work: OfficeWork, incoming_id: str) -> Hold | None:
    """The open one, else the one that was purged."""
    hold = await work.held.open_of(incoming_id)
    if hold is not None:
        return hold
    ended = [each for each in await work.events.of(incoming_id) if each.kind is EventKind.HOLD_PURGED]
    return await work.held.get(str(ended[-1].data["hold"])) if ended else None


def _decides(visit: Visit) -> bool:
    """The head who also has the role that the decision asks for."""
    return Role.HEAD in visit.person.person.roles and visit.may(Right.SEALED_HOLD, Manner.RECORDED)


def _notice_draft(visit: Visit, hold: Hold, to: str) -> str:
    """A person reads it, signs it and sends it by a way of its own."""
    return visit.say(
        f"hold.notice.{to}",
        day=moment_text(hold.begun_at),
        agency=visit.here.name,
        node=visit.deps.settings.pages.name or visit.say("page.node"),
        document=hold.document_id or hold.subject_id,
        sender=hold.sender_code or visit.here.code,
        hold=hold.id,
        digests="\n".join(f"- {each}" for each in hold.digests),
    )
