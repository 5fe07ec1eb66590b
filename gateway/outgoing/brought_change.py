"""What an envelope that was built elsewhere changes: an update, a replacement or a recall names a document that was sent
before, in one of the ways that the dialect has. In: the envelope as read. Out: that document and a `DocumentChange`, or
the recall itself. Whoever wrote it may call the document by a name of its own, which is asked for too."""

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
    """`change` of `parent`."""

    parent: OutgoingDocument
    change: DocumentChange


async def read(services: OutgoingServices, scope: AgencyScope, model: Envelope) -> Changing:
    """Of an update or a replacement. NotFound for one that names nothing that this agency sent."""
    agency = await check.hosted_agency(services, scope)
    async with services.store.read(scope) as work:
        parent = await _parent(work, agency, model)
    said = notice_words.read((model.business.reason if model.business else None) or "")
    if model.kind is Kind.REPLACEMENT:
        change = DocumentChange(
            reason=said.reason, approved_by=said.approved_by, replaces=((parent.document_id, ()),)
        )
        return Changing(parent, change)
    info = model.business.document_info if model.business else None
    receivers = info.receivers if info else ()
    change = DocumentChange(
        reason=said.reason,
        target=parent.document_id,
        approved_by=said.approved_by,
        information_changed=info is None or bool(info.document_info),
        receivers_changed=bool(receivers),
        receivers_added=tuple(each.organ_id for each in receivers if each.organ_id and each.added),
        receivers_removed=tuple(each.organ_id for each in receivers if each.organ_id and not each.added),
    )
    return Changing(parent, change)


async def recalled(services: OutgoingServices, scope: AgencyScope, model: Envelope) -> OutgoingDocument:
    """The recall that the envelope asks for, of those that it is to; said again, the one that was made."""
    agency = await check.hosted_agency(services, scope)
    async with services.store.read(scope) as work:
        parent = await _parent(work, agency, model)
    change, to = _notice(model, parent), [each.organ_id for each in model.to if each.organ_id]
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
        made = await _made_before(services, scope, parent, change, to)
        if made is None:
            raise
        return made


async def sent_before(work: SqlWork, agency: HostedAgency, about: ResponseFor) -> OutgoingDocument:
    """The document that a line `ResponseFor` names. NotFound when this agency sent none."""
    return await _found(work, list(_named(agency, about)))


def _notice(model: Envelope, parent: OutgoingDocument) -> DocumentChange:
    """The number of the notice and who approved it stand behind the reason; or the file is the notice, with an id, a number
    and a signer of its own: who signed the document itself has not approved that it is recalled."""
    said = notice_words.read((model.business.reason if model.business else None) or "")
    number = f"{model.code.number or ''}/{model.code.notation or ''}" if model.code else ""
    signer = model.signer.full_name if model.signer else None
    is_own = fold(number) not in ("", "/", fold(parent.draft.code))
    is_own = is_own and model.document_id not in (parent.document_id, parent.draft.callback_data)
    if said.notice_no is None and said.approved_by is None and is_own:
        return DocumentChange(
            reason=said.reason, target=parent.document_id, approved_by=signer, notice_no=number
        )
    return DocumentChange(
        reason=said.reason,
        target=parent.document_id,
        approved_by=said.approved_by,
        notice_no=said.notice_no,
    )


async def _made_before(
    services: OutgoingServices,
    scope: AgencyScope,
    parent: OutgoingDocument,
    change: DocumentChange,
    to: Sequence[str],
) -> OutgoingDocument | None:
    """With the same words, to everybody who is asked now."""
    asked = {fold_code(code) for code in to}
    async with services.store.read(scope) as work:
        for each in reversed(await work.outgoing.children(parent.id)):
            told, had = each.change, {fold_code(one.code) for one in each.draft.recipients}
            if (
                each.kind is Kind.RECALL
                and told is not None
                and _says(told) == _says(change)
                and asked <= had
            ):
                return each
    return None


def _says(change: DocumentChange) -> tuple[str | None, ...]:
    return change.reason, change.approved_by, change.notice_no


async def _parent(work: SqlWork, agency: HostedAgency, model: Envelope) -> OutgoingDocument:
    if model.kind is Kind.REPLACEMENT:
        given = model.business.replacements if model.business else ()
        if len(given) > 1:
            told = reason(ReasonCode.ENVELOPE_REPLACES, "/Bussiness/ReplacementInfoList", count=len(given))
            raise Refused(Verdict(reasons=(told,)))
        return await _found(work, [each.document_id or "" for each in given])
    return await _found(work, list(_names(agency, model)))


def _names(agency: HostedAgency, model: Envelope) -> Iterator[str]:
    """In the order in which the dialect is read. An answer has a `ResponseFor` too, for the letter that it answers."""
    yield (model.business.document_id if model.business else None) or ""
    if model.kind is Kind.RECALL:
        for about in model.response_for:
            yield from _named(agency, about)
    yield model.document_id or ""
    if model.code is not None and model.promulgation_date is not None:
        number = f"{model.code.number or ''}/{model.code.notation or ''}"
        yield f"{agency.code},{model.promulgation_date:%Y/%m/%d},{number}"


def _named(agency: HostedAgency, about: ResponseFor) -> Iterator[str]:
    yield about.document_id or ""
    if about.code and about.promulgation_date:
        yield f"{agency.code},{about.promulgation_date:%Y/%m/%d},{about.code}"


async def _found(work: SqlWork, names: list[str]) -> OutgoingDocument:
    """The newest of that name that left, else the newest; the standard's identity goes before a system's own."""
    for name in filter(None, names):
        for found in (await work.outgoing.by_document_id(name), await work.outgoing.by_own_id(name)):
            known = [each for each in found if each.kind.is_whole]
            if known:
                return next((each for each in known if each.state is OutState.PACKED), known[0])
    shown = next(filter(None, names), "–")[:200]
    raise NotFound(
        f"this agency sent no document {shown}; name the one that is changed in Bussiness/DocumentId, in "
        "ReplacementInfo/DocumentId of a replacement, in ResponseFor of a status 13",
        code="GW-NOT-SENT-HERE",
        told={"document": shown},
    )
