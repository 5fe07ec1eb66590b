"""A status that a document system sends as a file: an ordinary status call. In: the envelope as it was read. Out: the
incoming document that it is about, and the call; what is said of nothing that we hold is NotFound."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, Kind, Staff
from gateway.edxml.envelope import Envelope
from gateway.errors import NotFound
from gateway.incoming.act import StatusCall
from gateway.incoming.desk import InDesk, from_wall_clock

_ACTS_ON_ANOTHER = (Kind.RECALL, Kind.UPDATE)
# The dialect has no word for why: what is written beside a refusal says it.
_OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidStatus:
    document: IncomingDocument
    call: StatusCall


async def read(desk: InDesk, scope: AgencyScope, model: Envelope) -> SaidStatus:
    """Of the newest document of that sender with that id."""
    status, about = model.status, next(iter(model.response_for), None)
    if status is None or about is None or not about.organ_id or not about.document_id:
        raise NotFound("the status names no document: ResponseFor needs OrganId and DocumentId")
    async with desk.store.read(scope) as work:
        found = await work.incoming.by_document_id(about.organ_id.strip(), about.document_id.strip())
    document = next((each for each in found if each.kind not in _ACTS_ON_ANOTHER), None)
    if document is None:
        raise NotFound(f"{about.organ_id} sent no document {about.document_id[:200]} to this agency")
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
