"""What a new document begins as: empty, an answer to one that came, a correction, an update or a replacement of one that
was sent. In: the address's question. Out: a `Seed`. The other document is looked up in the agency's own scope."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.domain.document import (
    Change,
    Draft,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    Recipient,
    RecipientRole,
    ReplyLink,
)
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.office.domain.right import Manner, Right
from gateway.office.web.visit import Visit
from gateway.words import labels

MODES = ("tra-loi", "dinh-chinh", "thay-the", "cap-nhat")
_CHANGES = {"thay-the": Kind.REPLACEMENT, "cap-nhat": Kind.UPDATE}
# Who may prepare one; sending is asked for again (rules.md 13).
_PREPARES = (Manner.RECORDED, Manner.APPROVE, Manner.PROPOSE, Manner.YES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """`mode` and `of` say where it came from, so that the first form that comes back begins alike."""

    draft: Draft
    kind: Kind = Kind.DOCUMENT
    parent_id: str | None = None
    change: Change | None = None
    mode: str = ""
    of: str = ""


async def seed(visit: Visit, mode: str, of: str) -> Seed:
    """NotFound for a document that is not of this agency."""
    if mode not in MODES:
        return Seed(draft=Draft())
    if not of:
        raise NotFound("the other document is not named")
    if mode == "tra-loi":
        return Seed(draft=await _answer(visit, of), mode=mode, of=of)
    async with visit.deps.store.read(visit.scope()) as work:
        parent = await work.outgoing.get(of)
    if parent.is_sealed:
        raise Clash(f"{of} is sealed", code="GW-UNREADABLE")
    if not visit.may(Right.SEE_CONTENT, Manner.YES) and parent.accepted_by != visit.person.person.id:
        raise Denied("this document is not one of this person", code="GW-RIGHT")
    if mode == "dinh-chinh":
        return Seed(draft=_correction(visit, parent), mode=mode, of=of)
    if not visit.may(Right.RECALL, *_PREPARES):
        raise Denied("this person may not change what was sent", code="GW-RIGHT")
    return _change(parent, mode)


def in_query(visit: Visit) -> tuple[str, str]:
    """The mode that the address asks for, and of which document."""
    return next(((mode, visit.ask(mode)) for mode in MODES if visit.ask(mode)), ("", ""))


async def _answer(visit: Visit, of: str) -> Draft:
    async with visit.deps.store.read(visit.scope()) as work:
        asked = await work.incoming.get(of)
    _must_see(visit, asked)
    link = ReplyLink(
        agency=asked.sender_code,
        number=f"{asked.number}/{asked.symbol}",
        date=asked.issued_on or local(asked.arrived_at).date(),
        document_id=asked.document_id,
    )
    to = Recipient(code=asked.sender_code, name=asked.sender_name, role=RecipientRole.TO_ACT)
    return Draft(recipients=(to,), replies_to=(link,), reply_required=False)


def _must_see(visit: Visit, asked: IncomingDocument) -> None:
    if visit.may(Right.SEE_CONTENT, Manner.YES):
        return
    unit = visit.person.require(Right.SEE_CONTENT).unit
    given = asked.assignment
    if given is None or not unit or unit not in (given.lead_unit, *given.coordinating_units):
        raise Denied("this document is not one of this unit", code="GW-RIGHT")


def _correction(visit: Visit, parent: OutgoingDocument) -> Draft:
    """R72: an ordinary letter that names what it corrects."""
    said = parent.draft
    if said.issued_on is None:
        raise Clash(f"{parent.id} has no date", code="GW-NO-DRAFT")
    link = ReplyLink(
        agency=visit.here.code, number=said.code, date=said.issued_on, document_id=parent.document_id
    )
    on = said.issued_on.strftime("%d/%m/%Y")
    return Draft(
        type_key="cong_van",
        type_name=labels.say("type.cong_van", "vi"),
        subject=labels.say("compose.correction", "vi", type=said.type_name, code=said.code, date=on),
        recipients=parent.draft.recipients,
        replies_to=(link,),
        reply_required=False,
    )


def _change(parent: OutgoingDocument, mode: str) -> Seed:
    said, kind = parent.draft, _CHANGES[mode]
    change = Change(reason="", target=parent.document_id)
    draft = replace(said, external_id=None, callback_data=None, signed_at=None)
    if kind is Kind.REPLACEMENT:
        # A document of its own: with a number of its own.
        change = Change(reason="", replaces=((parent.document_id, ()),))
        draft = replace(draft, number="", issued_on=None, pages=None)
    return Seed(draft=draft, kind=kind, parent_id=parent.id, change=change, mode=mode, of=parent.id)
