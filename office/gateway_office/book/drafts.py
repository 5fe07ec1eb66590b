"""Makes drafts about a document that the agency sent, and reserves a draft's number. In: the document, or the draft; for
the notice of a recall also reason, recipients and signer. Out: the draft, its number, the notice with its printed sheet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.agency_profile import Letterhead
from gateway.domain.document import Draft, FileRole, OutgoingDocument, ReplyLink, Signer
from gateway.domain.numbers import printed
from gateway.domain.wall_clock import day_text
from gateway.errors import Clash, Denied
from gateway.outgoing import drafting, numbering
from gateway.outgoing.intake import receive_files
from gateway.outgoing.services import profile_of
from gateway.policy.numbering import gives_numbers, propose_symbol
from gateway.stored_content import stream_pieces
from gateway.words import labels
from gateway_office.book.books import next_number
from gateway_office.services import BookServices, OfficeOutgoingServices

_NOTICE, _NOTICE_FILE, _PIECE = "thong_bao", "thong-bao-thu-hoi.pdf", 64 * 1024


async def reserve_number(
    services: OfficeOutgoingServices,
    book: BookServices,
    scope: AgencyScope,
    stored: OutgoingDocument,
    *,
    may_give: bool,
) -> Draft | None:
    """Reserve the next number for this draft, and return the draft with it; None without type and notation. Where the
    node gives no numbers, it is only not offered to other drafts."""
    today = services.today()
    profile, draft = await profile_of(services, scope), stored.draft
    issued_on = draft.issued_on or today
    symbol = draft.symbol or propose_symbol(profile, draft.type_key, issued_on.year)
    draft = replace(draft, symbol=symbol, issued_on=issued_on)
    if not gives_numbers(profile):
        return replace(draft, number=await next_number(book, scope, draft, today))
    if not may_give:
        raise Denied("only a clerk gives numbers", code="GW-RIGHT")
    if not (draft.symbol or draft.type_key):
        return None
    reserved = await numbering.reserve_for(services, scope, draft, subject_id=stored.id)
    return replace(draft, number=printed(reserved.number))


def link_to_own(agency_code: str, document: OutgoingDocument) -> ReplyLink:
    """Make the link of a letter to a document that this agency sent."""
    if document.draft.issued_on is None:
        raise Clash(f"{document.id} has no date", code="GW-NO-DRAFT")
    return ReplyLink(
        agency=agency_code,
        number=document.draft.code,
        date=document.draft.issued_on,
        document_id=document.document_id,
    )


def subject_about(key: str, document: Draft) -> str:
    on = day_text(document.issued_on) if document.issued_on else ""
    return labels.say(key, "vi", type=document.type_name, code=document.code, date=on)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWish:
    """Values of a recall's form, from which its notice is drafted."""

    reason: str
    recipients: Collection[str]
    signer: Signer | None


async def draft_notice(
    services: OfficeOutgoingServices,
    book: BookServices,
    scope: AgencyScope,
    agency: HostedAgency,
    letterhead: Letterhead,
    withdrawn: OutgoingDocument,
    wish: NoticeWish,
    *,
    may_give: bool,
) -> OutgoingDocument:
    """Draft the notice of a recall. A person who may give numbers gives it the next one; its number stays open for another
    person, and where the agency's tables propose no notation."""
    draft = Draft(
        type_key=_NOTICE,
        type_name=labels.say(f"type.{_NOTICE}", "vi"),
        subject=subject_about("compose.recall_notice", withdrawn.draft),
        recipients=tuple(r for r in withdrawn.draft.recipients if r.code in wish.recipients),
        replies_to=(link_to_own(agency.code, withdrawn),),
        reply_required=False,
        issued_on=services.today(),
        place=letterhead.place or None,
        signer=wish.signer,
    )
    stored = await drafting.begin(services, scope, draft)
    has_notation = propose_symbol(await profile_of(services, scope), _NOTICE, services.today().year)
    if (
        may_give
        and has_notation
        and (numbered := await reserve_number(services, book, scope, stored, may_give=True))
    ):
        stored = await drafting.save(services, scope, stored.id, numbered, expect_version=stored.version)
    return await _attach_notice(services, scope, letterhead, withdrawn.draft, wish.reason, stored)


async def _attach_notice(
    services: OfficeOutgoingServices,
    scope: AgencyScope,
    letterhead: Letterhead,
    withdrawn: Draft,
    reason: str,
    stored: OutgoingDocument,
) -> OutgoingDocument:
    from gateway_office.book import recall_notice

    notice = recall_notice.Notice(withdrawn=withdrawn, reason=reason, draft=stored.draft)
    async with receive_files(services) as files:
        with services.blobs.scratch() as scratch:
            await services.pool.run(partial(recall_notice.write, notice, letterhead, scratch.file))
            await services.pool.run(partial(scratch.file.seek, 0))
            pieces = stream_pieces(services.pool, iter(partial(scratch.file.read, _PIECE), b""))
            await files.add(FileRole.LEAD, _NOTICE_FILE, FileRole.LEAD, pieces)
        return await drafting.add_files(services, scope, stored.id, files, stored.version)
