"""Fills a draft from the signed PDF that was brought as its lead file. In: the file, still in the tray. Out: the draft with
fields that were empty; whatever was read and is not sure, or speaks against what was typed, stays marked until a person
has confirmed it. Nothing that was typed is overwritten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from gateway.domain.document import Draft, FileRole, OutgoingDocument, Signer
from gateway.domain.page_text import PdfFields, Sure
from gateway.domain.recipients import OfferKind
from gateway.errors import Refused
from gateway.office.web.pages.compose import addressing, fields
from gateway.office.web.visit import Visit
from gateway.outgoing import drafting
from gateway.outgoing.intake import Tray
from gateway.outgoing.reading import ReadDocument, read_document
from gateway.policy import outgoing as rules
from gateway.words import labels

_COMPARED = ("number", "symbol", "issued_on", "pages")


async def read(visit: Visit, held: Tray) -> ReadDocument | None:
    """What the lead file among them says, while it is still there to be read; None where there is none, or it is no PDF
    that could be sent."""
    lead = next((each for each in held.received if each.item.role is FileRole.LEAD), None)
    if lead is None:
        return None
    alone = Tray(desk=held.desk, stack=held.stack, received=[lead])
    try:
        return await read_document(visit.deps.out, visit.deps.agencies, visit.scope(), alone)
    except Refused:
        # What is wrong with it is said when it is taken in, or checked.
        return None


async def fill(visit: Visit, stored: OutgoingDocument, found: ReadDocument) -> str:
    """The key of what is told afterwards."""
    draft, doubts = filled(stored.draft, found.fields)
    if not draft.recipients and found.offers:
        recipients, _ = await addressing.offered(visit, (), found.offers)
        draft = replace(draft, recipients=recipients)
        if any(each.kind is OfferKind.POINTER for each in found.offers):
            doubts["recipients"] = "pointer"
        elif found.fields.recipients.sure is not Sure.SURE:
            doubts["recipients"] = found.fields.recipients.why or ""
    earlier = {name: why for name, why in stored.doubts if name not in doubts}
    await drafting.save(
        visit.deps.out,
        visit.scope(),
        stored.id,
        draft,
        change=stored.change,
        doubts=tuple({**earlier, **doubts}.items()),
        expect_version=stored.version,
    )
    return told(stored.draft, draft, doubts)


def told(before: Draft, after: Draft, doubts: Collection[str]) -> str:
    """Only what was read is said to have been: pages and time of signing are known also of a scan without a word in it."""
    if after == before:
        return "compose.read.differs" if doubts else "compose.read.nothing"
    if replace(before, pages=after.pages, signed_at=after.signed_at) == after:
        return "compose.read.little"
    return "compose.read.doubtful" if doubts else "compose.read.sure"


def filled(draft: Draft, read: PdfFields) -> tuple[Draft, dict[str, str]]:
    """What was empty is filled. The doubts: the form's field, and why."""
    new: dict[str, Any] = {}  # Any: each field has its own type
    doubts: dict[str, str] = {}
    present = _present(draft)
    for name, one in read.named():
        if one.value is None or name == "recipients":
            continue
        field = fields.OF_READ[name]
        if not present.get(name):
            if not rules.never_kept(_with(draft, {name: one.value})).allowed:
                continue  # longer than any document may say it: the person shortens it, from the page
            new[name] = one.value
            if one.sure is not Sure.SURE:
                doubts[field] = one.why or ""
        elif name in _COMPARED and one.sure is Sure.SURE and present[name] != one.value:
            doubts[field] = "typed"
    return _with(draft, new), doubts


def _present(draft: Draft) -> Mapping[str, object]:
    signer = draft.signer or Signer(name="")
    return {
        "number": draft.number,
        "symbol": draft.symbol,
        "issued_on": draft.issued_on,
        "type_key": draft.type_key or draft.type_name,
        "subject": draft.subject,
        "signer": signer.name,
        "title": signer.title,
        "competence": signer.competence,
        "pages": draft.pages,
        "signed_at": draft.signed_at,
    }


def _with(draft: Draft, new: dict[str, Any]) -> Draft:
    signer = draft.signer or Signer(name="")
    named = replace(
        signer,
        name=new.pop("signer", signer.name),
        title=new.pop("title", signer.title),
        competence=new.pop("competence", signer.competence),
    )
    key = new.get("type_key")
    if key is not None:
        new["type_name"] = labels.say(f"type.{key}", "vi") if labels.has(f"type.{key}") else key
        new["type_key"] = key if labels.has(f"type.{key}") else None
    has_signer = named.name or named.title or named.competence
    return replace(draft, signer=named if has_signer else None, **new)
