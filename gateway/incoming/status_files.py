"""Statuses as files, as document systems of another dialect exchange them. One that a system sends is an ordinary status
call. In: the envelope as it was read. Out: the incoming document that it is about, and the call; what is said of nothing
that we hold is NotFound. One that we took in, for the system that sent what it is about, is made of what we hold, in the
words of that system. In: the event that told of it. Out: an envelope without a signature: its receiver trusts the node that
it asks. It names the document by the id that the system itself wrote into its file, for by that it finds it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument, Kind, Staff
from gateway.domain.event import Event
from gateway.domain.identity import Digest
from gateway.domain.registry import fold_code
from gateway.domain.status import Fact
from gateway.edxml import build
from gateway.edxml.envelope import Envelope, Organisation, ResponseFor, StatusReport
from gateway.errors import Clash, NotFound
from gateway.incoming.act import StatusCall
from gateway.incoming.services import IncomingServices, from_wall_clock
from gateway.stored_content import OpenFile

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

# The dialect has no word for why: what is written beside a refusal says it.
_OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidStatus:
    document: IncomingDocument
    call: StatusCall


async def read(services: IncomingServices, scope: AgencyScope, model: Envelope) -> SaidStatus:
    """Of the newest document of that sender with that id; without an id of the one with that code and date."""
    status, about = model.status, next(iter(model.response_for), None)
    if status is None or about is None or not about.organ_id or not _name(about):
        raise names_no_document()
    async with services.store.read(scope) as work:
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


async def _known_as(work: SqlWork, about: ResponseFor) -> Sequence[IncomingDocument]:
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


async def written(work: SqlWork, agency: HostedAgency, event: Event, now: datetime) -> bytes:
    """Small: a status has no files."""
    document = await work.outgoing.get(event.subject_id)
    delivery = await work.deliveries.get(str(event.data["delivery"]))
    fact = _fact(await work.facts.of(delivery.id), event)
    stated = fact.stated_at if fact is not None and fact.stated_at is not None else event.at
    staff = fact.staff if fact is not None else None
    model = Envelope(
        kind=Kind.STATUS,
        sender=Organisation(
            organ_id=str(event.data.get("from") or delivery.recipient.code),
            organ_name=delivery.recipient.name,
        ),
        response_for=(
            ResponseFor(
                organ_id=agency.code,
                code=document.draft.code,
                document_id=document.draft.callback_data or document.document_id,
                promulgation_date=document.draft.issued_on,
            ),
        ),
        status=StatusReport(
            code=str(event.data["code"]),
            description=_text(event.data.get("reason")),
            timestamp=build.wall_clock(stated),
            staff=build.staff_of(staff) if staff is not None else None,
        ),
    )
    out = BytesIO()
    build.write(model, (), out, None, None, now)
    return out.getvalue()


def as_file(doc_id: str, raw: bytes, pieces: AsyncIterator[bytes]) -> OpenFile:
    return OpenFile(
        name=f"{doc_id}.edxml",
        content_type="application/xml",
        size=len(raw),
        sha256=Digest.of_bytes(hashlib.sha256(raw).digest()),
        pieces=pieces,
    )


def _fact(known: Sequence[Fact], event: Event) -> Fact | None:
    """The one that the event told of."""
    said = [each for each in known if each.code == event.data["code"]]
    when = event.data.get("stated_at")
    same = [each for each in said if (each.stated_at.isoformat() if each.stated_at else None) == when]
    return next(iter(same or said), None)


def _text(said: object) -> str | None:
    return str(said) if said else None
