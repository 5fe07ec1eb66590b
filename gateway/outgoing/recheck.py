"""Looks at a stored draft anew: its files as if they came now, every rule of step 2. In: a draft's id. Out: `Checked`, with
the recipients as they are today and every reason against sending it. Reads only; stores nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.document import Draft, Kind, OutgoingDocument, OutState
from gateway.domain.signatures import FileVerdict, LegalValue
from gateway.errors import Clash
from gateway.outgoing import check, seal
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.intake import tray
from gateway.outgoing.order import Order
from gateway.outgoing.package import pieces
from gateway.policy import pdf_verdict
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What would be sent. `files` are the digests in their order; `earlier` are the documents that were sent under the same
    number, notation and date, newest first."""

    document: OutgoingDocument
    draft: Draft
    order: Order
    verdict: Verdict
    files: tuple[str, ...]
    legal_value: LegalValue | None
    signatures: tuple[FileVerdict, ...]
    earlier: tuple[OutgoingDocument, ...] = ()


async def run(desk: OutDesk, scope: AgencyScope, id: str, confirm: tuple[str, ...] = ()) -> Checked:
    """Clash when it is no draft any more."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
        seal.refuse_sealed(document)
        _must_be_draft(document)
        openers = [await desk.blobs.open(work, item.sha256) for item in document.files]
        same = await work.outgoing.by_document_id(document.document_id)
    order = Order(
        draft=document.draft,
        kind=document.kind,
        parent_id=document.parent_id,
        change=document.change,
        confirm=confirm,
    )
    async with tray(desk) as held:
        for item, opener in zip(document.files, openers, strict=True):
            await held.add(item.role, item.name, item.role, chunks(desk, opener))
        draft, verdict = await check.look(desk, scope, order, held)
        roles = desk.profile.pdf_roles
        return Checked(
            document=document,
            draft=draft,
            order=order,
            verdict=verdict + Verdict(reasons=_unconfirmed(document)),
            files=tuple(received.item.sha256 for received in held.received),
            legal_value=pdf_verdict.legal_value(check.lead_of(held, roles)),
            signatures=check.judged(held, roles),
            earlier=tuple(each for each in same if _was_sent(each, document)),
        )


async def chunks(desk: OutDesk, opener: Callable[[], BinaryIO]) -> AsyncIterator[bytes]:
    """Stored bytes, as a tray takes them."""
    pieces_left = pieces(opener)
    while piece := await desk.pool.run(partial(next, pieces_left, b"")):
        yield piece


def _must_be_draft(document: OutgoingDocument) -> None:
    if document.state not in (OutState.DRAFT, OutState.BLOCKED):
        raise Clash(f"{document.id} is {document.state}, not a draft; only a draft can be sent by this call")


def _unconfirmed(document: OutgoingDocument) -> tuple[Reason, ...]:
    return tuple(reason(ReasonCode.UNCONFIRMED, f"/{name}", field=name) for name, _ in document.doubts)


def _was_sent(earlier: OutgoingDocument, document: OutgoingDocument) -> bool:
    is_other = earlier.id != document.id and earlier.kind in (Kind.DOCUMENT, Kind.REPLACEMENT)
    return is_other and earlier.state in (OutState.QUEUED, OutState.PACKED, OutState.PAPER)
