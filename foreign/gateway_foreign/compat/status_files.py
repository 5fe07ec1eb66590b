"""Statuses as files, as document systems of another dialect exchange them. `read`: an envelope of such a system becomes
an ordinary status call for the incoming document that it names; NotFound without such a document. `write`: an event of a
status that we received becomes an envelope for the system that sent the document. That envelope has no signature, since
the receiver trusts its node; it names the document by the id that the system wrote into its own file."""

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
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.stored_content import OpenFile

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

# The dialect has no element for a reason; the description of a refusal gives it.
_OTHER_REASON = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStatus:
    """Status call that a file makes, with the document that it is about."""

    document: IncomingDocument
    call: StatusCall


async def read(services: IncomingServices, scope: AgencyScope, model: Envelope) -> ReportedStatus:
    """Read a status into a call for the newest document that it names: by DocumentId, else by code and date."""
    status, response_for = model.status, next(iter(model.response_for), None)
    if status is None or response_for is None or not response_for.organ_id or not _name(response_for):
        raise names_no_document()
    async with services.store.read(scope) as work:
        matches = await _find_named(work, response_for)
    documents = [document for document in matches if not document.kind.asks]
    if not documents:
        raise NotFound(
            f"{response_for.organ_id} sent no document {_name(response_for)} to this agency",
            code="GW-NOT-RECEIVED-HERE",
            params={"agency": response_for.organ_id, "document": _name(response_for)},
        )
    document = documents[0]
    if not response_for.document_id and any(d.document_id != document.document_id for d in documents):
        raise Clash(
            f"{response_for.organ_id} sent several documents {_name(response_for)} of that date; name the DocumentId",
            code="GW-STATUS-SEVERAL",
            params={"agency": response_for.organ_id, "document": _name(response_for)},
        )
    if (
        status.code == "02" and not status.description
    ):  # named as the file calls it: a system sees no other name
        Verdict(reasons=(reason(ReasonCode.MISSING, field="Description"),)).raise_if_refused()
    staff = status.staff
    call = StatusCall(
        code=status.code,
        at=from_wall_clock(status.timestamp),
        note=status.description,
        reason=_OTHER_REASON if status.code == "02" else None,
        staff=Staff(name=staff.staff, department=staff.department, phone=staff.mobile, email=staff.email)
        if staff is not None
        else None,
    )
    return ReportedStatus(document=document, call=call)


def names_no_document() -> NotFound:
    """Return the error for a status that does not say which document it is about."""
    return NotFound(
        "the status names no document: ResponseFor needs OrganId, and DocumentId or Code and PromulgationDate",
        code="GW-STATUS-NAMES-NONE",
    )


def _name(response_for: ResponseFor) -> str:
    if response_for.document_id:
        return response_for.document_id[:200]
    return (response_for.code or "")[:200] if response_for.promulgation_date else ""


async def _find_named(work: SqlWork, response_for: ResponseFor) -> Sequence[IncomingDocument]:
    """Return the documents that a `ResponseFor` line names, newest first."""
    sender = (response_for.organ_id or "").strip()
    if response_for.document_id:
        return await work.incoming.by_document_id(sender, response_for.document_id.strip())
    number, _, symbol = (response_for.code or "").strip().partition("/")
    numbered = await work.incoming.numbered(number, symbol)
    return [
        document
        for document in numbered
        if fold_code(document.sender_code) == fold_code(sender)
        and document.issued_on == response_for.promulgation_date
    ]


async def write(work: SqlWork, agency: HostedAgency, event: Event, now: datetime) -> bytes:
    """Write the envelope of the status that this event recorded. It is small enough for memory, since it has no files."""
    document = await work.outgoing.get(event.subject_id)
    delivery = await work.deliveries.get(str(event.data["delivery"]))
    fact = _find_fact(await work.facts.of_subject(delivery.id), event)
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
            description=_text_or_none(event.data.get("reason")),
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


def _find_fact(facts: Sequence[Fact], event: Event) -> Fact | None:
    """Find the fact that the event recorded, by its code and stated time."""
    same_code = [f for f in facts if f.code == event.data["code"]]
    stated_at = event.data.get("stated_at")
    same_time = [f for f in same_code if (f.stated_at.isoformat() if f.stated_at else None) == stated_at]
    return next(iter(same_time or same_code), None)


def _text_or_none(value: object) -> str | None:
    return str(value) if value else None
