"""A status that a document system sends as a file: an ordinary status call. In: the envelope as it was read. Out: the
incoming document that it is about, and the call; what is said of nothing that we hold is NotFound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, Staff
from gateway.domain.registry import fold_code
from gateway.edxml.envelope import Envelope, ResponseFor
from gateway.errors import Clash, NotFound
from gateway.incoming.act import StatusCall
from gateway.incoming.desk import InDesk, from_wall_clock
from gateway.ports import Work

# The dialect has no word for why: what is written beside a refusal says it.
_OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidStatus:
    document: IncomingDocument
    call: StatusCall


async def read(desk: InDesk, scope: AgencyScope, model: Envelope) -> SaidStatus:
    """Of the newest document of that sender with that id; without an id of the one with that code and date."""
    status, about = model.status, next(iter(model.response_for), None)
    if status is None or about is None or not about.organ_id or not _name(about):
        raise names_no_document()
    async with desk.store.read(scope) as work:
        known = await _known_as(work, about)
    documents = [document for document in known if not document.kind.asks]
    if not documents:
        raise NotFound(
            f"{about.organ_id} sent no document {_name(about)} to this agency",
            code="GW-NOT-RECEIVED-HERE",
            told={"agency": about.organ_id, "document": _name(about)},
        )
    document = documents[0]
    if not about.document_id and any(one.document_id != document.document_id for one in documents):
        raise Clash(
            f"{about.organ_id} sent several documents {_name(about)} of that date; name the DocumentId",
            code="GW-STATUS-SEVERAL",
            told={"agency": about.organ_id, "document": _name(about)},
        )
    staff = status.staff
    call = StatusCall(
        code=status.code,
        at=from_wall_clock(status.timestamp),
        note=status.description,
        reason=_OTHER if status.code == "02" else None,
        staff=Staff(name=staff.staff, department=staff.department, phone=staff.mobile, email=staff.email)
        if staff is not None
        else None,
    )
    return SaidStatus(document=document, call=call)


def names_no_document() -> NotFound:
    """Return the refusal of a status that does not say which document it is about."""
    return NotFound(
        "the status names no document: ResponseFor needs OrganId, and DocumentId or Code and PromulgationDate",
        code="GW-STATUS-NAMES-NONE",
    )


def _name(about: ResponseFor) -> str:
    if about.document_id:
        return about.document_id[:200]
    return (about.code or "")[:200] if about.promulgation_date else ""


async def _known_as(work: Work, about: ResponseFor) -> Sequence[IncomingDocument]:
    """Return the documents that `about` names, newest first."""
    sender = (about.organ_id or "").strip()
    if about.document_id:
        return await work.incoming.by_document_id(sender, about.document_id.strip())
    number, _, symbol = (about.code or "").strip().partition("/")
    numbered = await work.incoming.numbered(number, symbol)
    return [
        document
        for document in numbered
        if fold_code(document.sender_code) == fold_code(sender)
        and document.issued_on == about.promulgation_date
    ]
