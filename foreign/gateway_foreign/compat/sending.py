"""Sendings of a document system: a file built for the national axis. In: the bytes, their digest among the signed headers.
Out: a document's id once everything is durable, or a recorded status. Checks are those of the API; the same DocumentId and
content is the same document, for the library has no other key. The file is spooled first: its own From names its agency,
and nothing is kept before that is one of the system's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from aiohttp import web

from gateway.api import parsing
from gateway.domain.account import ApiScope, HostedAgency
from gateway.domain.document import Kind
from gateway.domain.fields import DRAFT
from gateway.domain.registry import fold_code
from gateway.domain.request_fault import BadCall, RequestFault, bad_value
from gateway.domain.states import NOT_HELD, State
from gateway.domain.system_box import BoxKind
from gateway.domain.text import fold
from gateway.edxml.envelope import Envelope
from gateway.errors import Clash
from gateway.incoming import act
from gateway.outgoing import brought_change, ready_envelope, recall
from gateway.outgoing.accept import accept, content_digest
from gateway.outgoing.intake import Accepted, Once, Order, RequestFiles, receive_files
from gateway.outgoing.ready_envelope import Brought
from gateway.outgoing.spooling import Spool
from gateway.policy import outgoing as rules
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.store.work import SqlWork
from gateway_foreign.compat import answers, box, status_files
from gateway_foreign.compat.caller import VxpCall
from gateway_foreign.vxp import wire

_TAKE_BACK, _RECEIVED = "13", "01"


async def send(call: VxpCall) -> web.Response:
    kind = box.kind_of(call)
    call.caller.may(ApiScope.MESSAGES_SEND if kind is BoxKind.EDOC else ApiScope.INBOX_ACT)
    services = call.deps.api.out
    async with receive_files(services) as files:
        spooled = await _spool_body(call, files)
        model = await ready_envelope.parse_unproved(services, spooled)
        agency = _sender(call, model)
        if kind is BoxKind.STATUS:
            return answers.success(DocId=await _record_status(call, agency, model))
        if model.kind is Kind.RECALL:
            recall_document = await brought_change.recall_from_envelope(services, call.scope(agency), model)
            return answers.success(DocId=recall_document.id)
        return answers.success(DocId=await _send(call, agency, files, spooled, model))


async def _spool_body(call: VxpCall, files: RequestFiles) -> Spool:
    """Spool without the line end that the library writes behind the file, unless the digest includes it."""
    body = _Body(parsing.streamed_body(call.request, call.deps.api.options.upload_s))
    spool = await ready_envelope.spool(call.deps.api.out, files, body.pieces())
    if not spool.size:
        Verdict(reasons=(reason(ReasonCode.FILE_EMPTY, name="edXML"),)).raise_if_refused()
    # A line end may be the file's own, which does not change its meaning.
    digests = [spool.digest(), spool.digest(body.end)]
    stated_hash = call.params.get("hash-file", "").strip().lower()
    if stated_hash not in {h for digest in digests for h in wire.digests(digest.raw)}:
        raise BadCall("bad-file", RequestFault(code="vxp-hash"))
    return spool


class _Body:
    """The body's bytes without a line end behind them, which is `end`."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.end = b""

    async def pieces(self) -> AsyncIterator[bytes]:
        tail = b""
        async for chunk in self._chunks:
            received = tail + chunk
            tail = next((end for end in (wire.LINE_END, wire.LINE_END[:1]) if received.endswith(end)), b"")
            if ready := received[: len(received) - len(tail)]:
                yield ready
        if tail == wire.LINE_END:
            self.end = tail
        elif tail:
            yield tail


def _sender(call: VxpCall, model: Envelope) -> HostedAgency:
    """Return the file's agency: one that the system serves, and the one that the header names, if any."""
    code = (model.sender.organ_id or "").strip()
    agency, header_code = call.served_agency(code), call.params.get("from", "").strip()
    is_other = (
        header_code not in ("", call.system)
        and agency is not None
        and call.served_agency(header_code) != agency
    )
    if agency is None or is_other:
        served = ", ".join(a.code for a in call.agencies)
        params = {
            "code": (header_code if is_other else code)[:100] or "–",
            "system": call.system,
            "codes": served,
        }
        raise BadCall("forbidden", RequestFault(code="vxp-sender", params=params))
    return agency


async def _send(
    call: VxpCall, agency: HostedAgency, files: RequestFiles, spooled: Spool, model: Envelope
) -> str:
    codes = wire.named_recipients(call.params.get("to", ""))
    if codes is None:
        raise bad_value("", '["CODE", …]', "to")
    services, scope = call.deps.api.out, call.scope(agency)
    # By its own id the system finds the document again in its statuses.
    extras = ready_envelope.EnvelopeExtras(callback_data=_document_key(model))
    envelope = _narrow_recipients(await ready_envelope.read(services, scope, files, spooled, extras), codes)
    content = await services.pool.brief(partial(content_digest, envelope.order, files))
    change = str(envelope.order.change) if envelope.order.change is not None else ""
    key_text = json.dumps([call.system, model.document_id, content, change, sorted(map(fold_code, codes))])
    document_id = ""

    def render(accepted: Accepted) -> tuple[int, str]:
        nonlocal document_id
        document_id = accepted.document.id if accepted.document is not None else ""
        return 200, document_id

    once = Once(
        owner=call.caller.key.principal.id,
        key="vxp-" + hashlib.sha256(key_text.encode()).hexdigest(),
        method="POST",
        path="/sendEdoc",
        meta=key_text,
        render=render,
    )
    async with call.deps.api.store.read(scope) as work:
        await _refuse_other_content(work, call, envelope.order, model)
    # There is no person to ask here: what may be doubted stays noted with the document, what is sure is refused.
    inspected = [(received.item, received.facts) for received in files.received]
    order = replace(envelope.order, confirm=rules.assumed_answers(envelope.order.draft, inspected))
    accepted = await accept(services, scope, order, files, once, envelope.signed)
    return accepted.replayed[1] if accepted.replayed is not None else document_id


async def _refuse_other_content(work: SqlWork, call: VxpCall, order: Order, model: Envelope) -> None:
    """Raise Clash where the system gave this DocumentId to a standing document with another number or date: statuses would
    name both."""
    draft = order.draft
    if order.kind is not Kind.DOCUMENT or draft.callback_data is None:
        return
    for earlier in await work.outgoing.by_own_id(draft.callback_data):
        is_same = (fold(earlier.draft.code), earlier.draft.issued_on) == (fold(draft.code), draft.issued_on)
        is_own = earlier.kind is Kind.DOCUMENT and earlier.accepted_by == call.caller.key.principal.id
        if not is_own or is_same:
            continue
        if any(d.state not in NOT_HELD for d in await work.deliveries.of_document(earlier.id)):
            raise Clash(
                f"DocumentId {model.document_id!r} already names {earlier.id} ({earlier.draft.code}) with other "
                "content; give the new document an id of its own",
                code="GW-DOCUMENT-ID",
                params={"document": draft.callback_data, "existing": earlier.id, "text": earlier.draft.code},
            )


def _document_key(model: Envelope) -> str | None:
    """Return the system's own id; None where it is longer than allowed."""
    document_id, most = model.document_id, DRAFT["callback_data"].longest
    return document_id if document_id and len(document_id) <= most else None


def _narrow_recipients(envelope: Brought, wanted_codes: list[str]) -> Brought:
    """Keep only the recipients that the call names; a signed file goes to all of them or to none."""
    if not wanted_codes:
        return envelope
    wanted_by_fold = {fold_code(c): c for c in wanted_codes}
    recipients = {fold_code(r.code): r for r in envelope.order.draft.recipients}
    unknown = [c for folded, c in wanted_by_fold.items() if folded not in recipients]
    if unknown:
        params = {"codes": ", ".join(unknown)[:300]}
        raise BadCall("bad-file", RequestFault(code="vxp-to", params=params))
    if len(wanted_by_fold) == len(recipients):
        return envelope
    if envelope.signed is not None:
        raise BadCall("bad-file", RequestFault(code="vxp-to-signed"))
    chosen = tuple(r for folded, r in recipients.items() if folded in wanted_by_fold)
    draft = replace(envelope.order.draft, recipients=chosen)
    return replace(envelope, order=replace(envelope.order, draft=draft))


async def _record_status(call: VxpCall, agency: HostedAgency, model: Envelope) -> str:
    """Record a status and return its id, the same for a repeat. The node itself reports a delivery."""
    if model.status is None:
        raise BadCall("bad-file", RequestFault(code="vxp-no-status"))
    services, scope = call.deps.api.inn, call.scope(agency)
    if model.status.code == _TAKE_BACK:
        return await _take_back(call, agency, model)
    status_file = await status_files.read(services, scope, model)
    if status_file.call.code != _RECEIVED:
        await act.set_status(services, scope, status_file.document.id, status_file.call)
    return f"{status_file.document.id}.{status_file.call.code}"


async def _take_back(call: VxpCall, agency: HostedAgency, model: Envelope) -> str:
    """Ask one recipient to give back what the system sent (13)."""
    reference = next(iter(model.response_for), None)
    if reference is None or model.status is None:
        raise status_files.names_no_document()
    scope = call.scope(agency)
    async with call.deps.api.store.read(scope) as work:
        document = await brought_change.sent_before(work, agency, reference)
    try:
        await recall.recall(
            call.deps.api.out,
            scope,
            document.id,
            reason=model.status.description or "",
            approved_by=None,
            notice_no=None,
            take_back=True,
            recipients=[reference.organ_id] if reference.organ_id else [],
        )
    except Clash:
        # Asked before and unanswered: repeating it is the same request.
        async with call.deps.api.store.read(scope) as work:
            deliveries = await work.deliveries.of_document(document.id)
        if not any(
            d.state == State.TAKE_BACK_ASKED
            and fold_code(d.recipient.code) == fold_code(reference.organ_id or "")
            for d in deliveries
        ):
            raise
    return f"{document.id}.{_TAKE_BACK}"
