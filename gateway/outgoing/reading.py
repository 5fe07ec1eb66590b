"""Reads one signed PDF for a clerk who is about to send it: its fields, and its recipients as codes. In: a tray with the
file. Out: `ReadDocument`. Nothing is stored; the file is inspected as one that is sent, and parsed in the process that is
there for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.account import AgencyScope
from gateway.domain.page_text import PdfFields
from gateway.domain.recipients import Offer
from gateway.domain.signatures import FileVerdict
from gateway.errors import Refused
from gateway.outgoing.addressing import offers_of_each
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.intake import Received, Tray
from gateway.policy import contents, pdf_verdict
from gateway.policy.pdf_fields import read_fields
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import AgencyBook

PDF = "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """What the file says of itself, what its signatures are worth, and whom its recipients may be."""

    name: str
    size: int
    fields: PdfFields
    verdict: FileVerdict | None
    offers: tuple[Offer, ...] = ()


async def read_document(desk: OutDesk, book: AgencyBook, scope: AgencyScope, tray: Tray) -> ReadDocument:
    """Refused when the file is no PDF, or one that could not be sent anyway."""
    file = tray.received[0]
    refused = _refused(desk, file)
    if not refused.allowed:
        raise Refused(refused)
    facts = file.facts
    verdict = None
    if facts.signatures is not None:
        verdict = pdf_verdict.judge(file.item.name, 1, facts.signatures, desk.profile.pdf_roles)
    fields = read_fields(await desk.signatures.text(file.scratch.path), verdict, facts.pages)
    return ReadDocument(
        name=file.item.name,
        size=file.item.size,
        fields=fields,
        verdict=verdict,
        offers=await _offers(desk, book, scope, f"{fields.addressed}\n{fields.recipients.value or ''}"),
    )


async def read_recipients(
    desk: OutDesk, book: AgencyBook, scope: AgencyScope, text: str
) -> tuple[Offer, ...]:
    """The same for a list, or a block of recipients, that was pasted."""
    return await _offers(desk, book, scope, text)


async def read_each(
    desk: OutDesk, book: AgencyBook, scope: AgencyScope, texts: Sequence[str]
) -> tuple[tuple[Offer, ...], ...]:
    """The same of several texts, each by itself."""
    agency = await hosted_agency(desk, scope)
    async with desk.store.read(scope) as work:
        saved = await work.groups.all()
    return await offers_of_each(book, saved, texts, desk.today(), near=agency.code)


async def _offers(desk: OutDesk, book: AgencyBook, scope: AgencyScope, text: str) -> tuple[Offer, ...]:
    (found,) = await read_each(desk, book, scope, (text,))
    return found


def _refused(desk: OutDesk, file: Received) -> Verdict:
    name, facts = file.item.name, file.facts
    verdict = contents.judge(name, facts, desk.profile, "/files/0")
    if facts.found_type != PDF:
        verdict += Verdict(
            reasons=(reason(ReasonCode.LEAD_TYPE, "/files/0", name=name, type=facts.found_type, allowed=PDF),)
        )
    return verdict
