"""Shows the page of a new document: a place for its files, and once there is one the document beside its fields, its
recipients and the open points, filled from a draft or from a refused form; its beginning: empty, an answer to one that
came, a correction, an update or a replacement of one that was sent; and the list of checks before sending. In: a `Sheet`,
the address's question, `CheckedDraft`. Out: the page, or the values of its parts. Reads the directory, the groups and, in
the agency's own scope, other documents; writes nothing. A form is answered with the page and its problems; a script with
sentences, or the changed parts of the page; and with the differences between a page and the stored draft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiohttp import web

from gateway.domain.agency_profile import letterhead_of
from gateway.domain.document import (
    STANDING,
    URGENCY_KEYS,
    DeliveryMode,
    DocumentChange,
    Draft,
    FileRole,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    Recipient,
    RecipientRole,
    ReplyLink,
)
from gateway.domain.numbers import NumberState, printed
from gateway.domain.seals import SealWord
from gateway.domain.signatures import ORIGINALS, FileVerdict
from gateway.domain.text import sort_key
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, GatewayError, NotFound
from gateway.outgoing import drafting, files, numbering
from gateway.outgoing.addressing import groups
from gateway.outgoing.drafting import remaining
from gateway.outgoing.services import profile_of
from gateway.policy.numbering import gives_numbers, propose_symbol
from gateway.policy.seal_verdict import seal_word
from gateway.words import labels
from gateway_office.book import drafts
from gateway_office.domain.roles import Manner, Right
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.compose import addressing, checking, fields
from gateway_office.web.pages.incoming import access as incoming_access
from gateway_office.web.pages.incoming import detail as incoming_detail
from gateway_office.web.pages.incoming.access import IncomingView
from gateway_office.web.pages.incoming.assigning import quick_days
from gateway_office.web.pages.outgoing import detail


class SheetMode(StrEnum):
    """Kinds of a new sheet beside another document, by the words of its address."""

    REPLY = "tra-loi"
    CORRECTION = "dinh-chinh"
    REPLACEMENT = "thay-the"
    UPDATE = "cap-nhat"


_CHANGES = {SheetMode.REPLACEMENT: Kind.REPLACEMENT, SheetMode.UPDATE: Kind.UPDATE}
# Rights to prepare a change; sending is checked again.
_PREPARES = (Manner.RECORDED, Manner.APPROVE, Manner.PROPOSE, Manner.YES)
NO_STORE = {"Cache-Control": "no-store"}
_CHOICES = {
    "type": "type.{}",
    "urgency": "urgency.{}",
    "secrecy": "compose.secrecy.{}",
    "delivery": "delivery.{}",
}
_REPLY = {"yes": "reply.required", "no": "reply.not_required"}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Subject of the page: a stored draft, or one that is only begun. `values` and `recipients` are those that the form
    shows; `ticked` the confirmed points of the last part. `mode` and `of` say where it came from, so that the first
    returned form begins alike."""

    draft: Draft
    kind: Kind = Kind.DOCUMENT
    change: DocumentChange | None = None
    document: OutgoingDocument | None = None
    mode: str = ""
    parent_id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    ticked: tuple[str, ...] = ()


def _new_sheet(draft: Draft, **fields_of_sheet: Any) -> Sheet:  # Any: other fields of a sheet
    """Make a sheet without a stored draft."""
    values = fields.values(draft, fields_of_sheet.get("change"))
    return Sheet(draft=draft, values=values, recipients=draft.recipients, **fields_of_sheet)


async def begin_sheet(request: PageRequest, mode: str, parent_id: str) -> Sheet:
    """Begin a sheet. Raise NotFound for a document that is not of this agency."""
    today = request.deps.out.today()
    if mode not in {*SheetMode}:
        return _new_sheet(Draft(issued_on=today, place=await _own_place(request)))
    if not parent_id:
        raise NotFound("the other document is not named")
    if mode == SheetMode.REPLY:
        return _new_sheet(await _answer_draft(request, parent_id), mode=mode, parent_id=parent_id)
    async with request.deps.store.read(request.scope()) as work:
        parent = await work.outgoing.get(parent_id)
    if parent.is_sealed:
        raise Clash(f"{parent_id} is sealed", code="GW-UNREADABLE")
    if not request.may(Right.SEE_CONTENT, Manner.YES) and parent.accepted_by != request.person.person.id:
        raise Denied("this document is not one of this person", code="GW-RIGHT")
    if mode == SheetMode.CORRECTION:
        return _new_sheet(_correction_draft(request, parent), mode=mode, parent_id=parent_id)
    if not request.may(Right.RECALL, *_PREPARES):
        raise Denied("this person may not change what was sent", code="GW-RIGHT")
    return _change_sheet(parent, mode)


async def _answer_draft(request: PageRequest, document_id: str) -> Draft:
    async with request.deps.store.read(request.scope()) as work:
        incoming = await work.incoming.get(document_id)
    _check_may_see(request, incoming)
    link = ReplyLink(
        agency=incoming.sender_code,
        number=f"{incoming.number}/{incoming.symbol}",
        date=incoming.issued_on or local(incoming.arrived_at).date(),
        document_id=incoming.document_id,
    )
    sender = Recipient(code=incoming.sender_code, name=incoming.sender_name, role=RecipientRole.TO_ACT)
    today = request.deps.out.today()
    return Draft(
        recipients=(sender,),
        replies_to=(link,),
        reply_required=False,
        issued_on=today,
        place=await _own_place(request),
    )


async def _own_place(request: PageRequest) -> str | None:
    """Return the place name that stands before the date of the agency's documents, where it chose one."""
    agency, chosen = await request.deps.store.accounts.with_profile(request.scope().agency_id)
    return letterhead_of(agency, chosen).place or None


def _check_may_see(request: PageRequest, incoming: IncomingDocument) -> None:
    if request.may(Right.SEE_CONTENT, Manner.YES):
        return
    request.person.require(Right.SEE_CONTENT)
    if not request.share_of(Right.SEE_CONTENT).covers_assignment(incoming.assignment):
        raise Denied("this document is not one of this unit", code="GW-RIGHT")


def _correction_draft(request: PageRequest, parent: OutgoingDocument) -> Draft:
    """Begin an ordinary letter that names the corrected document: R72 (correction by letter)."""
    return Draft(
        type_key="cong_van",
        type_name=labels.say("type.cong_van", "vi"),
        subject=drafts.subject_about("compose.correction", parent.draft),
        recipients=parent.draft.recipients,
        replies_to=(drafts.link_to_own(request.own_agency.code, parent),),
        reply_required=False,
    )


def _change_sheet(parent: OutgoingDocument, mode: str) -> Sheet:
    sent_draft, kind = parent.draft, _CHANGES[SheetMode(mode)]
    change = DocumentChange(reason="", target=parent.document_id)
    draft = replace(sent_draft, external_id=None, callback_data=None, signed_at=None)
    if kind is Kind.REPLACEMENT:
        # A replacement is a document of its own, with its own number.
        change = DocumentChange(reason="", replaces=((parent.document_id, ()),))
        draft = replace(draft, number="", issued_on=None, pages=None)
    return _new_sheet(draft, kind=kind, change=change, mode=mode, parent_id=parent.id)


def sheet_of_document(document: OutgoingDocument) -> Sheet:
    return Sheet(
        draft=document.draft,
        kind=document.kind,
        change=document.change,
        document=document,
        values=fields.values(document.draft, document.change),
        recipients=remaining(document.draft, document.change),
    )


async def load_draft(request: PageRequest, id: str) -> OutgoingDocument:
    """Load a draft for a person who may work on it: officers and heads of units their own ones. Raise Clash when it is
    sealed."""
    async with request.deps.store.read(request.scope()) as work:
        document = await work.outgoing.get(id)
    is_own = document.accepted_by == request.person.person.id
    sees_all = request.may(Right.DRAFT, Manner.YES) and request.may(Right.SEE_CONTENT, Manner.YES)
    if not (is_own or sees_all):
        raise Denied("this draft is not one of this person", code="GW-RIGHT")
    files.refuse_sealed(document)
    return document


def may_send(request: PageRequest, kind: Kind) -> bool:
    """Tell whether the person may send. Issuing is the clerk's; to change a sent document the same clerk names its
    approver."""
    if not request.may(Right.ISSUE, Manner.YES):
        return False
    return kind is Kind.DOCUMENT or request.may(Right.RECALL, Manner.RECORDED, Manner.YES)


async def show_sheet(
    request: PageRequest,
    sheet: Sheet,
    *,
    problems: Problems | None = None,
    checked: drafting.CheckedDraft | None = None,
    status: int = 422,
    is_torn: bool = False,
    is_bare: bool = False,
) -> web.Response:
    """Show the whole page; `is_bare`: only the place for files. `is_torn`: another person saved other words meanwhile, and
    both are offered."""
    document = sheet.document
    name = request.say(
        f"compose.title.{sheet.kind.value if sheet.kind is not Kind.DOCUMENT else sheet.mode or 'new'}"
    )
    title = f"{request.say('compose.error')} {name}" if problems else name
    path = f"/phat-hanh/{document.id}" if document else "/phat-hanh"
    values = await part_values(request, sheet, problems, checked)
    leaf = await detail.make_preview(request, document, path) if document else None
    answered = await _answered_letter(request, sheet) if leaf is None else None
    return await request.page(
        "compose/edit.html",
        status if problems is not None else 200,
        title=title,
        heading=name,
        path=path,
        is_bare=is_bare,
        is_torn=is_torn,
        leaf=await incoming_detail.make_preview(request, answered, path) if answered else leaf,
        answered_letter=answered,
        unsigned=document is not None and _is_unsigned(document),
        twins=await _same_lead(request, document) if document else [],
        groups=await groups(request.deps.store, request.scope()),
        signers=(await request.deps.habits.load(*request.outgoing)).signers,
        check=checking.make_check_list(request, checked) if checked else None,
        may_send=may_send(request, sheet.kind),
        quick_days=await quick_days(request),
        may_sign=request.may(Right.SIGN_AGENCY, Manner.YES),
        limit=request.deps.out.profile.max_file_bytes,
        whole_limit=request.deps.out.profile.max_document_bytes,
        **values,
    )


async def _answered_letter(request: PageRequest, sheet: Sheet) -> IncomingView | None:
    """Find the letter that the document answers, where this person may see it: it stands beside the form until the document
    has a file of its own."""
    if sheet.mode == SheetMode.REPLY:
        return await incoming_access.find(request, sheet.parent_id)
    async with request.deps.store.read(request.scope()) as work:
        letters = [
            letter
            for link in sheet.draft.replies_to
            if link.document_id is not None
            for letter in await work.incoming.by_document_id(link.agency, link.document_id)
        ]
    with suppress(Denied):
        return await incoming_access.find(request, letters[0].id) if letters else None
    return None


async def part_values(
    request: PageRequest,
    sheet: Sheet,
    problems: Problems | None = None,
    checked: drafting.CheckedDraft | None = None,
) -> dict[str, Any]:  # Any: values of a template
    """Make the values of the parts that a script loads anew: the recipients, and the open points."""
    document = sheet.document
    rows = await addressing.rows(request, sheet.recipients)
    ticked = sheet.ticked if checked is not None else None
    if checked is None and document is not None:
        checked = await drafting.recheck(*request.outgoing, document.id)
    number = await number_state(request, sheet)
    to_come = "01" if number.is_given else ""  # any number: it is given on sending
    numbered = replace(sheet.draft, number=sheet.draft.number or to_come)
    open_points = checking.open_points(request, numbered, document, rows, checked, ticked)
    return {
        "number": number,
        "sheet": sheet,
        "values": sheet.values,
        "problems": problems or [],
        "doubts": _doubts(request, document.doubts if document else ()),
        "from_file": document.from_file if document else (),
        "rows": rows,
        "asked": sum(row.is_asked for row in rows),
        "files": file_rows(document) if document else [],
        "options": _options(request, sheet),
        "further": [(row, fields.name_of(row.name, request.lang)) for row in fields.MORE_FIELDS],
        "left": [*_missing_approval(request, sheet), *open_points],
    }


@dataclass(frozen=True, kw_only=True)
class ShownNumber:
    """Number of the document beside its field: the one that the node would give, or the one reserved for this draft with
    the end of the reservation; `symbol` is the notation that the agency's tables propose."""

    is_given: bool = False
    expected: str = ""
    reserved: str = ""
    until: datetime | None = None
    symbol: str = ""


async def number_state(request: PageRequest, sheet: Sheet) -> ShownNumber:
    """Return what the page says about the number. Where the node gives none, only the notation is proposed."""
    out, scope, draft = *request.outgoing, sheet.draft
    profile = await profile_of(out, scope)
    year = (draft.issued_on or out.today()).year
    symbol = "" if draft.symbol else propose_symbol(profile, draft.type_key, year)
    if not (gives_numbers(profile) and sheet.kind.is_whole):
        return ShownNumber(symbol=symbol)
    now, number = out.clock.now(), None
    async with request.deps.store.read(scope) as work:
        if sheet.document is not None:
            number = await work.given.of_subject(sheet.document.id)
        is_placed = bool(draft.symbol or draft.type_key)
        expected = await numbering.expected(work, profile, draft, now) if is_placed else ""
    is_kept = number is not None and number.state is NumberState.RESERVED
    return ShownNumber(
        is_given=True,
        expected=expected,
        reserved=printed(number.number) if number is not None and is_kept else "",
        until=number.until if number is not None and is_kept else None,
        symbol=symbol,
    )


def _missing_approval(request: PageRequest, sheet: Sheet) -> list[tuple[str, str]]:
    is_missing = sheet.kind is not Kind.DOCUMENT and not (sheet.change and sheet.change.approved_by)
    return [("approved_by", request.say("compose.approved_by"))] if is_missing else []


async def _same_lead(request: PageRequest, document: OutgoingDocument) -> list[tuple[OutgoingDocument, bool]]:
    """List documents sent with the same file, and whether this person may open them."""
    lead = next((file for file in document.files if file.role is FileRole.LEAD), None)
    if lead is None:
        return []
    async with request.deps.store.read(request.scope()) as work:
        twins = await work.outgoing.by_lead(lead.sha256)
    sees_all = request.may(Right.SEE_CONTENT, Manner.YES)
    return [
        (file, sees_all or file.accepted_by == request.person.person.id)
        for file in twins
        if file.id != document.id and file.state in STANDING and file.kind is Kind.DOCUMENT
    ]


def _options(request: PageRequest, sheet: Sheet) -> Mapping[str, list[tuple[str, str]]]:
    types = sorted(
        ((key, request.say(f"type.{key}")) for key in fields.TYPES), key=lambda member: sort_key(member[1])
    )
    own = sheet.values.get("type", "")
    if own and own not in fields.TYPES:
        types.insert(0, (own, own))
    return {
        "type": [("", request.say("compose.choose")), *types],
        "urgency": [(key, request.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()],
        "delivery": [("", request.say("compose.delivery.by_class"))]
        + [(member.value, request.say(f"delivery.{member}")) for member in DeliveryMode],
        "role": [(member.value, request.say(f"role.{member}")) for member in RecipientRole],
        "file_role": [(member.value, request.say(f"file_role.{member}")) for member in FileRole],
        "secrecy": [
            (key, request.say(f"compose.secrecy.{key}")) for key in ("none", "mat", "toi_mat", "tuyet_mat")
        ],
    }


def _doubts(request: PageRequest, doubts: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Map fields to the reason why they are to be looked at."""
    return {name: request.say_or(f"doubt.{why}", request.say("sure.doubtful")) for name, why in doubts}


def file_rows(document: OutgoingDocument) -> list[dict[str, object]]:
    """List the files; `checked` is `clean` only where a scanner looked at the whole file and found no malware."""
    verdicts = {verdict.n: verdict for verdict in document.signatures}
    return [
        {
            "n": file.n,
            "name": file.name,
            "role": file.role.value,
            "type": file.content_type.upper(),
            "size": file.size,
            "pages": file.pages,
            "checked": "clean" if file.scanned_clean else "typed",
            "sha256": file.sha256,
            "verdict": verdicts[file.n].verdict.value if file.n in verdicts else "",
            "signers": _signers(verdicts.get(file.n)),
        }
        for file in document.files
    ]


def _signers(verdict: FileVerdict | None) -> list[str]:
    if verdict is None:
        return []
    return [" – ".join(filter(None, (signer.name, signer.organisation))) for signer in verdict.signers]


def _is_unsigned(document: OutgoingDocument) -> bool:
    """Tell whether the lead file lacks the agency's own signature, which does not go on a file with another's seal."""
    has_lead = any(file.role is FileRole.LEAD for file in document.files)
    is_sealed = document.legal_value in ORIGINALS or seal_word(document.lead_verdict) is SealWord.OTHER
    return has_lead and not is_sealed


def differences(
    request: PageRequest, stored: Sheet, draft: Draft, change: DocumentChange | None
) -> list[tuple[str, str]]:
    """List the fields in which page and stored draft differ."""
    typed_values = fields.values(draft, change)

    def sentence_of(field: str, text: str) -> str:
        shown_text = text or request.say("compose.conflict.empty")
        return request.say("compose.conflict.stored", field=field, text=shown_text)

    differing = [
        (
            "reply-yes" if name == "reply" else name,
            sentence_of(fields.name_of(name, request.lang) or name, _value_text(request, name, text)),
        )
        for name, text in stored.values.items()
        if typed_values.get(name, "") != text
    ]
    if [(r.code, r.name, r.role) for r in draft.recipients] != [
        (r.code, r.name, r.role) for r in stored.recipients
    ]:
        names = "; ".join(r.name or r.code for r in stored.recipients)
        differing.append(
            (fields.RECIPIENTS_PART, sentence_of(request.say("compose.check.recipients"), names))
        )
    return differing


def _value_text(request: PageRequest, name: str, text: str) -> str:
    """Render a value as the page writes it."""
    key = _REPLY.get(text, "") if name == "reply" else _CHOICES.get(name, "").format(text)
    return request.say_or(key, text) if key and text else text


def at_part(answer: web.Response, part: str) -> web.Response:
    if part:
        answer.headers["Location"] += f"#{part}"
    return answer


async def refused(request: PageRequest, sheet: Sheet, problems: list[tuple[str, str]]) -> web.StreamResponse:
    """Answer with the page and its problems; to a script with the sentences, and the draft's version."""
    if not request.is_piece:
        return await show_sheet(request, sheet, problems=problems)
    body = {"problems": [text for _, text in problems], **_version_and_path(sheet.document)}
    return web.json_response(body, status=422, headers=NO_STORE)


def _version_and_path(document: OutgoingDocument | None) -> dict[str, object]:
    if document is None:
        return {}
    return {"version": document.version, "path": f"/phat-hanh/{document.id}"}


async def parts(
    request: PageRequest, stored: OutgoingDocument, words: str, *, with_recipients: bool = False
) -> web.StreamResponse:
    """Answer a script: a sentence on the act, and the changed parts of the page."""
    values = await part_values(request, sheet_of_document(stored))
    body = {
        **_version_and_path(stored),
        "words": words,
        "left": request.piece("compose/_left.html", **values).text,
    }
    if with_recipients:
        body["recipients"] = request.piece("compose/_recipients.html", **values).text
    return web.json_response(body, headers=NO_STORE)


def reasons(request: PageRequest, error: GatewayError, name: str) -> list[tuple[str, str]]:
    verdict_reasons = getattr(getattr(error, "verdict", None), "reasons", ())
    if not verdict_reasons:
        return [(name, request.why(error))]
    return [
        (name or place, words)
        for place, words in (checking.reason_line(request, reason) for reason in verdict_reasons)
    ]
