"""A status that we took in, as a file for the document system that sent what it is about: made of what we hold, in the
words of that system. In: the event that told of it. Out: an envelope without a signature: its receiver trusts the node
that it asks. It names the document by the id that the system itself wrote into its file, for by that it finds it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from io import BytesIO

from gateway.domain.account import HostedAgency
from gateway.domain.document import Kind
from gateway.domain.event import Event
from gateway.domain.identity import Digest
from gateway.domain.status import Fact
from gateway.edxml import build
from gateway.edxml.envelope import Envelope, Organisation, ResponseFor, StatusReport
from gateway.ports import Work
from gateway.stored_content import OpenFile


async def written(work: Work, agency: HostedAgency, event: Event, now: datetime) -> bytes:
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
