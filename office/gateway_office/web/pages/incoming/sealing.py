"""/van-ban-den/{id}: opens one incoming document for a person, as its page or, where it is sealed, as the locked one; and
the pages of the sealed hold, R4 (secrets found inside): any person with the right freezes a possible state secret; the
locked page leads through the steps; the head's recorded decision ends it. In: a request and its form. Out: the page, which
marks the document as read for the agency; or pages without its content."""

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
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import received
from gateway_office.store.store import OfficeWork
from gateway_office.web.dates import moment_text
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.pages.incoming import access, detail
from gateway_office.web.pages.incoming.access import IncomingView

_NOTICES = ("operator", "sender")


async def show_document(request: PageRequest) -> web.StreamResponse:
    incoming = await access.find(request)
    if incoming.document.target_id is not None:
        return request.go(incoming.path)
    if incoming.main.state is InState.SEALED:
        return await show_locked(request, incoming)
    incoming = await detail.by_order(request, incoming)
    records = await detail.load_records(request, incoming.main)
    if records.unread and incoming.manner in (Manner.YES, Manner.OWN):
        await received.mark_read(*request.incoming, [incoming.main.id])
    return await detail.document_page(request, incoming, records)


async def freeze(request: PageRequest) -> web.StreamResponse:
    incoming, reason = await access.find_to_freeze(request), request.form.text("reason")
    request.person.require(Right.FREEZE, Manner.YES)
    if incoming.main.state == seal.SEALED:
        return await access.late_page(request, incoming)
    back = incoming.path if request.may(Right.SEE_CONTENT) else "/"
    if (problems := request.short_reason()) or not request.is_act:
        return await access.ask(request, incoming, "freeze", problems, back=back, grave=True)
    try:
        await seal.document(request.deps.inn, request.deps.hold, request.scope(), incoming.main.id, reason)
    except Clash as error:
        if error.code != "GW-SEALED":
            raise
        return await access.late_page(request, incoming)
    await request.deps.looking.forget(request.scope(), incoming.main.id)
    return request.confirm(back, "incoming.sealed")


async def show_locked(request: PageRequest, incoming: IncomingView) -> web.StreamResponse:
    """Show the locked page: the next steps, and the outcome."""
    async with request.deps.store.read(request.scope()) as work:
        hold = await _load_hold(work, incoming.main.id)
    decision = hold.decision if hold is not None else None
    is_purged = hold is not None and hold.state is HoldState.PURGED
    return await request.page(
        "incoming/sealed.html",
        title=request.say("incoming.sealed.title"),
        found=incoming,
        document=incoming.main,
        hold=hold,
        begun_by=await access.name_of(request, hold.begun_by) if hold is not None else "",
        drafts={n: _notice_draft(request, hold, n) for n in _NOTICES} if hold is not None else {},
        decides=_may_decide(request),
        decided_by=await access.name_of(request, decision.by) if is_purged and decision is not None else "",
        may_audit=request.may(Right.AUDIT),
    )


async def purge(request: PageRequest) -> web.StreamResponse:
    """Purge, by a person who has just signed in once more; the content is gone on return."""
    incoming, may_decide = await access.find(request), _may_decide(request)
    if request.is_act and not may_decide:
        raise Denied("this person does not decide on the sealed hold", code="GW-ROLE")
    async with request.deps.store.read(request.scope()) as work:
        hold = await work.holds.open_of(incoming.main.id)
    if hold is None:
        return await access.late_page(request, incoming)
    closed = "" if may_decide else request.say("incoming.purge.not_you")
    repeat = partial(access.ask, request, incoming, "purge", grave=True, closed=closed)
    if (problems := request.short_reason()) or not request.is_act:
        return await repeat(problems)
    try:
        signer = await common.require_sign_in(request)
    except Denied as error:
        return await repeat([("password", request.why(error))])
    decision = holding.make_decision(request.deps.hold, signer, request.form.text("reason"))
    try:
        await holding.purge(request.deps.hold, request.scope(), hold.id, decision)
    except Clash:
        return await access.late_page(request, incoming)
    return request.confirm(incoming.path, "incoming.purged")


async def _load_hold(work: OfficeWork, incoming_id: str) -> Hold | None:
    """Return the open hold, else the purged one."""
    hold = await work.holds.open_of(incoming_id)
    if hold is not None:
        return hold
    purges = [
        event for event in await work.events.of_subject(incoming_id) if event.kind is EventKind.HOLD_PURGED
    ]
    return await work.holds.get(str(purges[-1].data["hold"])) if purges else None


def _may_decide(request: PageRequest) -> bool:
    """Tell whether the person is the head who also has the role that the decision needs."""
    return Role.HEAD in request.person.person.roles and request.may(Right.SEALED_HOLD, Manner.RECORDED)


def _notice_draft(request: PageRequest, hold: Hold, reader: str) -> str:
    """Draft a notice; a person reads it, signs it and sends it by a separate way."""
    return request.say(
        f"hold.notice.{reader}",
        day=moment_text(hold.begun_at),
        agency=request.own_agency.name,
        node=request.deps.settings.pages.name or request.say("page.node"),
        document=hold.document_id or hold.subject_id,
        sender=hold.sender_code or request.own_agency.code,
        hold=hold.id,
        digests="\n".join(f"- {digest}" for digest in hold.digests),
    )
