"""What a document system sends: a file that it built for the national axis. In: the bytes, their digest among the signed
headers. Out: a document's id once everything is durable, or a status that is recorded. The checks are those of every
other door; what has the same DocumentId and content is the same document, for the library has no other key.

The file is spooled first: whose it is says its own From, and nothing is kept before that was one of the system's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from aiohttp import web

from gateway.api import asking
from gateway.api.problems import BadCall, RequestFault, bad_value
from gateway.api.vxp import answers, box
from gateway.api.vxp.caller import VxpCall
from gateway.domain import vxp
from gateway.domain.account import ApiScope, HostedAgency
from gateway.domain.document import Kind
from gateway.domain.fields import DRAFT
from gateway.domain.registry import fold_code
from gateway.domain.status import NOT_HELD
from gateway.domain.system_box import BoxKind
from gateway.domain.text import fold
from gateway.edxml.envelope import Envelope
from gateway.errors import Clash
from gateway.incoming import act, status_files
from gateway.outgoing import brought, brought_change, recall
from gateway.outgoing.accept import accept, content_digest
from gateway.outgoing.brought import Brought
from gateway.outgoing.intake import Accepted, Once, Order, Tray, tray
from gateway.outgoing.spooling import Spool
from gateway.policy.verdict import ReasonCode
from gateway.store.work import SqlWork

_TAKE_BACK, _TAKEN = "13", "01"


async def send(call: VxpCall) -> web.Response:
    kind = box.kind_of(call)
    call.caller.may(ApiScope.MESSAGES_SEND if kind is BoxKind.EDOC else ApiScope.INBOX_ACT)
    desk = call.deps.api.out
    async with tray(desk) as held:
        spooled = await _spooled(call, held)
        model = await brought.look(desk, spooled)
        agency = _sender(call, model)
        if kind is BoxKind.STATUS:
            return answers.well(DocId=await _say(call, agency, model))
        if model.kind is Kind.RECALL:
            made = await brought_change.recalled(desk, call.scope(agency), model)
            return answers.well(DocId=made.id)
        return answers.well(DocId=await _send(call, agency, held, spooled, model))


async def _spooled(call: VxpCall, held: Tray) -> Spool:
    """Without the line end that the library writes behind the file, unless the digest says that it is the file's own."""
    body = _Body(asking.streamed_body(call.request, call.deps.api.options.upload_s))
    spool = await brought.spool(call.deps.api.out, held, body.pieces())
    # A line end may be the file's own, which changes nothing that it says.
    meant = [spool.digest(), spool.digest(body.end)]
    said = call.said.get("hash-file", "").strip().lower()
    if said not in {each for digest in meant for each in vxp.digests(digest.raw)}:
        raise BadCall("bad-file", RequestFault(code="vxp-hash"))
    return spool


class _Body:
    """Bytes as they come, but for a line end behind them, which is `end`."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.end = b""

    async def pieces(self) -> AsyncIterator[bytes]:
        held = b""
        async for chunk in self._chunks:
            came = held + chunk
            held = next((end for end in (vxp.LINE_END, vxp.LINE_END[:1]) if came.endswith(end)), b"")
            if ready := came[: len(came) - len(held)]:
                yield ready
        if held == vxp.LINE_END:
            self.end = held
        elif held:
            yield held


def _sender(call: VxpCall, model: Envelope) -> HostedAgency:
    """The agency that the file is from: one that the system serves, and the one that the header names, if it names one."""
    code = (model.sender.organ_id or "").strip()
    agency, named = call.agency_named(code), call.said.get("from", "").strip()
    is_other = named not in ("", call.system) and agency is not None and call.agency_named(named) != agency
    if agency is None or is_other:
        served = ", ".join(each.code for each in call.agencies)
        told = {"code": (named if is_other else code)[:100] or "–", "system": call.system, "codes": served}
        raise BadCall("forbidden", RequestFault(code="vxp-sender", params=told))
    return agency


async def _send(call: VxpCall, agency: HostedAgency, held: Tray, spooled: Spool, model: Envelope) -> str:
    only = vxp.named_recipients(call.said.get("to", ""))
    if only is None:
        raise bad_value("", '["CODE", …]', "to")
    desk, scope = call.deps.api.out, call.scope(agency)
    # By its own id of it the system finds the document again in the statuses about it.
    besides = brought.Besides(callback_data=_own_id(model))
    came = _addressed(await brought.read(desk, scope, held, spooled, besides), only)
    content = await desk.pool.brief(partial(content_digest, came.order, held))
    change = str(came.order.change) if came.order.change is not None else ""
    told = json.dumps([call.system, model.document_id, content, change, sorted(map(fold_code, only))])
    done = ""

    def render(accepted: Accepted) -> tuple[int, str]:
        nonlocal done
        done = accepted.document.id if accepted.document is not None else ""
        return 200, done

    once = Once(
        owner=call.caller.key.principal.id,
        key="vxp-" + hashlib.sha256(told.encode()).hexdigest(),
        method="POST",
        path="/sendEdoc",
        meta=told,
        render=render,
    )
    async with call.deps.api.store.read(scope) as work:
        await _refuse_other_content(work, call, came.order, model)
    # Nobody sits behind this door to be asked; that the page differed stays with the document.
    order = replace(came.order, confirm=(ReasonCode.FIRST_PAGE_OTHER,))
    accepted = await accept(desk, scope, order, held, once, came.signed)
    return accepted.replayed[1] if accepted.replayed is not None else done


async def _refuse_other_content(work: SqlWork, call: VxpCall, order: Order, model: Envelope) -> None:
    """Clash where the system has given this DocumentId to a document with another number or date, which still stands:
    statuses would name both."""
    draft = order.draft
    if order.kind is not Kind.DOCUMENT or draft.callback_data is None:
        return
    for earlier in await work.outgoing.by_own_id(draft.callback_data):
        is_same = (fold(earlier.draft.code), earlier.draft.issued_on) == (fold(draft.code), draft.issued_on)
        mine = earlier.kind is Kind.DOCUMENT and earlier.accepted_by == call.caller.key.principal.id
        if not mine or is_same:
            continue
        if any(one.state not in NOT_HELD for one in await work.deliveries.of(earlier.id)):
            raise Clash(
                f"DocumentId {model.document_id!r} already names {earlier.id} ({earlier.draft.code}) with other "
                "content; give the new document an id of its own",
                code="GW-DOCUMENT-ID",
                told={"document": draft.callback_data, "existing": earlier.id, "text": earlier.draft.code},
            )


def _own_id(model: Envelope) -> str | None:
    """None for what is longer than anybody's."""
    given, most = model.document_id, DRAFT["callback_data"].longest
    return given if given and len(given) <= most else None


def _addressed(came: Brought, only: list[str]) -> Brought:
    """To those that the call names among those that the file does; a signed file goes to all of them or to nobody."""
    if not only:
        return came
    wanted = {fold_code(each): each for each in only}
    known = {fold_code(each.code): each for each in came.order.draft.recipients}
    strange = [each for folded, each in wanted.items() if folded not in known]
    if strange:
        told = {"codes": ", ".join(strange)[:300]}
        raise BadCall("bad-file", RequestFault(code="vxp-to", params=told))
    if len(wanted) == len(known):
        return came
    if came.signed is not None:
        raise BadCall("bad-file", RequestFault(code="vxp-to-signed"))
    chosen = tuple(each for folded, each in known.items() if folded in wanted)
    draft = replace(came.order.draft, recipients=chosen)
    return replace(came, order=replace(came.order, draft=draft))


async def _say(call: VxpCall, agency: HostedAgency, model: Envelope) -> str:
    """The id is the same for the same status of the same document. That one is delivered the node says by itself."""
    if model.status is None:
        raise BadCall("bad-file", RequestFault(code="vxp-no-status"))
    desk, scope = call.deps.api.inn, call.scope(agency)
    if model.status.code == _TAKE_BACK:
        return await _take_back(call, agency, model)
    said = await status_files.read(desk, scope, model)
    if said.call.code != _TAKEN:
        await act.set_status(desk, scope, said.document.id, said.call)
    return f"{said.document.id}.{said.call.code}"


async def _take_back(call: VxpCall, agency: HostedAgency, model: Envelope) -> str:
    """13 asks one recipient to give back what the system sent."""
    about = next(iter(model.response_for), None)
    if about is None or model.status is None:
        raise status_files.names_no_document()
    scope = call.scope(agency)
    async with call.deps.api.store.read(scope) as work:
        document = await brought_change.sent_before(work, agency, about)
    try:
        await recall.recall(
            call.deps.api.out,
            scope,
            document.id,
            reason=model.status.description or "",
            approved_by=None,
            notice_no=None,
            take_back=True,
            recipients=[about.organ_id] if about.organ_id else [],
        )
    except Clash:
        # Asked before and not answered: said again it is the same request.
        async with call.deps.api.store.read(scope) as work:
            asked = await work.deliveries.of(document.id)
        if not any(
            each.state == "take_back_asked"
            and fold_code(each.recipient.code) == fold_code(about.organ_id or "")
            for each in asked
        ):
            raise
    return f"{document.id}.{_TAKE_BACK}"
