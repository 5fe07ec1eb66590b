"""Reads a change from an envelope that was built elsewhere: an update, a replacement or a recall names a document that
was sent before, in one of several places of the dialect. In: the parsed envelope. Out: that document and a
`DocumentChange`, or the recall itself. The writer may use its own id for the document, so that id is searched too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.domain import notice_words
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import DocumentChange, Kind, OutgoingDocument, OutState
from gateway.domain.registry import fold_code
from gateway.domain.text import fold
from gateway.edxml.envelope import Envelope, ResponseFor
from gateway.errors import Clash, NotFound, Refused
from gateway.outgoing import check, recall
from gateway.outgoing.services import OutgoingServices
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.store.work import SqlWork

KINDS = frozenset({Kind.UPDATE, Kind.REPLACEMENT})


@dataclass(frozen=True, slots=True)
class Changing:
    """Change of a sent document, with that document."""

    parent: OutgoingDocument
    change: DocumentChange


async def read(services: OutgoingServices, scope: AgencyScope, model: Envelope) -> Changing:
    """Read an update or a replacement. Raises NotFound where it names no document that this agency sent."""
    agency = await check.hosted_agency(services, scope)
    async with services.store.read(scope) as work:
        parent = await _find_parent(work, agency, model)
    notice = notice_words.read((model.business.reason if model.business else None) or "")
    if model.kind is Kind.REPLACEMENT:
        change = DocumentChange(
            reason=notice.reason, approved_by=notice.approved_by, replaces=((parent.document_id, ()),)
        )
        return Changing(parent, change)
    details = model.business.document_info if model.business else None
    receivers = details.receivers if details else ()
    change = DocumentChange(
        reason=notice.reason,
        target=parent.document_id,
        approved_by=notice.approved_by,
        information_changed=details is None or bool(details.document_info),
        receivers_changed=bool(receivers),
        receivers_added=tuple(r.organ_id for r in receivers if r.organ_id and r.added),
        receivers_removed=tuple(r.organ_id for r in receivers if r.organ_id and not r.added),
    )
    return Changing(parent, change)


async def recall_from_envelope(
    services: OutgoingServices, scope: AgencyScope, model: Envelope
) -> OutgoingDocument:
    """Recall the document that the envelope names, at the envelope's recipients. A repeat returns the earlier recall."""
    agency = await check.hosted_agency(services, scope)
    async with services.store.read(scope) as work:
        parent = await _find_parent(work, agency, model)
    change, to = _read_notice(model, parent), [o.organ_id for o in model.to if o.organ_id]
    try:
        return await recall.recall(
            services,
            scope,
            parent.id,
            reason=change.reason,
            approved_by=change.approved_by,
            notice_no=change.notice_no,
            recipients=to,
        )
    except Clash:
        earlier = await _find_earlier_recall(services, scope, parent, change, to)
        if earlier is None:
            raise
        return earlier


async def sent_before(work: SqlWork, agency: HostedAgency, reference: ResponseFor) -> OutgoingDocument:
    """Find the sent document that a `ResponseFor` line names; NotFound when this agency sent none."""
    return await _find_newest(work, list(_referenced_names(agency, reference)))


def _read_notice(model: Envelope, parent: OutgoingDocument) -> DocumentChange:
    """Read the notice of a recall. Its number and approver stand in the reason text; or the envelope is itself the
    notice, with its own id, number and signer. The recalled document's signer never counts as the approver of the
    recall."""
    notice = notice_words.read((model.business.reason if model.business else None) or "")
    number = f"{model.code.number or ''}/{model.code.notation or ''}" if model.code else ""
    signer = model.signer.full_name if model.signer else None
    is_own = fold(number) not in ("", "/", fold(parent.draft.code))
    is_own = is_own and model.document_id not in (parent.document_id, parent.draft.callback_data)
    if notice.notice_no is None and notice.approved_by is None and is_own:
        return DocumentChange(
            reason=notice.reason, target=parent.document_id, approved_by=signer, notice_no=number
        )
    return DocumentChange(
        reason=notice.reason,
        target=parent.document_id,
        approved_by=notice.approved_by,
        notice_no=notice.notice_no,
    )


async def _find_earlier_recall(
    services: OutgoingServices,
    scope: AgencyScope,
    parent: OutgoingDocument,
    change: DocumentChange,
    to: Sequence[str],
) -> OutgoingDocument | None:
    """Find an earlier recall with the same wording that went to every one of these recipients."""
    codes = {fold_code(code) for code in to}
    async with services.store.read(scope) as work:
        for child in reversed(await work.outgoing.children(parent.id)):
            earlier, reached = child.change, {fold_code(r.code) for r in child.draft.recipients}
            if (
                child.kind is Kind.RECALL
                and earlier is not None
                and _wording(earlier) == _wording(change)
                and codes <= reached
            ):
                return child
    return None


def _wording(change: DocumentChange) -> tuple[str | None, ...]:
    return change.reason, change.approved_by, change.notice_no


async def _find_parent(work: SqlWork, agency: HostedAgency, model: Envelope) -> OutgoingDocument:
    if model.kind is Kind.REPLACEMENT:
        infos = model.business.replacements if model.business else ()
        if len(infos) > 1:
            fault = reason(ReasonCode.ENVELOPE_REPLACES, "/Bussiness/ReplacementInfoList", count=len(infos))
            raise Refused(Verdict(reasons=(fault,)))
        return await _find_newest(work, [i.document_id or "" for i in infos])
    return await _find_newest(work, list(_parent_names(agency, model)))


def _parent_names(agency: HostedAgency, model: Envelope) -> Iterator[str]:
    """Yield the names that the envelope may use for the changed document, in the order of the dialect. `ResponseFor` is
    read for a recall alone, since answers have it too."""
    yield (model.business.document_id if model.business else None) or ""
    if model.kind is Kind.RECALL:
        for reference in model.response_for:
            yield from _referenced_names(agency, reference)
    yield model.document_id or ""
    if model.code is not None and model.promulgation_date is not None:
        number = f"{model.code.number or ''}/{model.code.notation or ''}"
        yield f"{agency.code},{model.promulgation_date:%Y/%m/%d},{number}"


def _referenced_names(agency: HostedAgency, reference: ResponseFor) -> Iterator[str]:
    yield reference.document_id or ""
    if reference.code and reference.promulgation_date:
        yield f"{agency.code},{reference.promulgation_date:%Y/%m/%d},{reference.code}"


async def _find_newest(work: SqlWork, names: list[str]) -> OutgoingDocument:
    """Find the document of the first name that matches: the newest that left, else the newest. A standard identity is
    tried before a system's own id."""
    for name in filter(None, names):
        for documents in (await work.outgoing.by_document_id(name), await work.outgoing.by_own_id(name)):
            originals = [d for d in documents if d.kind.is_whole]
            if originals:
                return next((d for d in originals if d.state is OutState.PACKED), originals[0])
    first_name = next(filter(None, names), "–")[:200]
    raise NotFound(
        f"this agency sent no document {first_name}; name the one that is changed in Bussiness/DocumentId, in "
        "ReplacementInfo/DocumentId of a replacement, in ResponseFor of a status 13",
        code="GW-NOT-SENT-HERE",
        params={"document": first_name},
    )
