"""Shows the page of a new document: a place for its files, and once there is one the document beside its fields, its
recipients and what is left to do, filled from a draft or from a form that was not taken; what it begins as: empty, an
answer to one that came, a correction, an update or a replacement of one that was sent; and the list of checks before it is
sent: every subject with the sentences behind it, what must be confirmed, what was sent under the same number. In: a
`Sheet`, the address's question, `CheckedDraft`. Out: the page, or the values of its parts. Reads the directory, the groups
and, in the agency's own scope, other documents; writes nothing. And what its form is answered with: the page again with
what is wrong; to a script that asks for a piece the sentences, or the parts of the page that are others by now; and wherein
a page and what is stored differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from gateway.domain.document import (
    URGENCY_KEYS,
    DeliveryMode,
    DocumentChange,
    Draft,
    FileRole,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
    RecipientRole,
    ReplyLink,
)
from gateway.domain.signatures import FileVerdict, LegalValue
from gateway.domain.text import sort_key
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, GatewayError, NotFound
from gateway.office.domain.roles import Manner, Right
from gateway.office.web.dates import day_text
from gateway.office.web.forms import Problems
from gateway.office.web.pages.compose import addressing, checking, fields
from gateway.office.web.pages.outgoing import detail
from gateway.office.web.visits import Visit
from gateway.outgoing import drafting, files
from gateway.outgoing.addressing import groups
from gateway.outgoing.drafting import remaining
from gateway.words import labels

MODES = ("tra-loi", "dinh-chinh", "thay-the", "cap-nhat")
_SENT = (OutState.QUEUED, OutState.PACKED, OutState.PAPER)
_CHANGES = {"thay-the": Kind.REPLACEMENT, "cap-nhat": Kind.UPDATE}
# Who may prepare one; sending is asked for again (rules.md 13).
_PREPARES = (Manner.RECORDED, Manner.APPROVE, Manner.PROPOSE, Manner.YES)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What the page is about: a stored draft, or one that is only begun. `values` and `recipients` are what the form shows;
    `ticked` what was confirmed in the last part. `mode` and `of` say where it came from, so that the first form that
    comes back begins alike."""

    draft: Draft
    kind: Kind = Kind.DOCUMENT
    change: DocumentChange | None = None
    document: OutgoingDocument | None = None
    mode: str = ""
    of: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    ticked: tuple[str, ...] = ()


def _begun(draft: Draft, **rest: Any) -> Sheet:  # Any: other fields of a sheet
    """One that nothing is stored of yet."""
    values = fields.values(draft, rest.get("change"))
    return Sheet(draft=draft, values=values, recipients=draft.recipients, **rest)


async def sheet_begun(visit: Visit, mode: str, of: str) -> Sheet:
    """NotFound for a document that is not of this agency."""
    today = visit.deps.out.today()
    if mode not in MODES:
        return _begun(Draft(issued_on=today))
    if not of:
        raise NotFound("the other document is not named")
    if mode == "tra-loi":
        return _begun(await _answer_draft(visit, of), mode=mode, of=of)
    async with visit.deps.store.read(visit.scope()) as work:
        parent = await work.outgoing.get(of)
    if parent.is_sealed:
        raise Clash(f"{of} is sealed", code="GW-UNREADABLE")
    if not visit.may(Right.SEE_CONTENT, Manner.YES) and parent.accepted_by != visit.person.person.id:
        raise Denied("this document is not one of this person", code="GW-RIGHT")
    if mode == "dinh-chinh":
        return _begun(_correction_draft(visit, parent), mode=mode, of=of)
    if not visit.may(Right.RECALL, *_PREPARES):
        raise Denied("this person may not change what was sent", code="GW-RIGHT")
    return _change_begun(parent, mode)


async def _answer_draft(visit: Visit, of: str) -> Draft:
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
    today = visit.deps.out.today()
    return Draft(recipients=(to,), replies_to=(link,), reply_required=False, issued_on=today)


def _must_see(visit: Visit, asked: IncomingDocument) -> None:
    if visit.may(Right.SEE_CONTENT, Manner.YES):
        return
    unit = visit.person.require(Right.SEE_CONTENT).unit
    given = asked.assignment
    if given is None or not unit or unit not in (given.lead_unit, *given.coordinating_units):
        raise Denied("this document is not one of this unit", code="GW-RIGHT")


def _correction_draft(visit: Visit, parent: OutgoingDocument) -> Draft:
    """R72: an ordinary letter that names what it corrects."""
    said = parent.draft
    if said.issued_on is None:
        raise Clash(f"{parent.id} has no date", code="GW-NO-DRAFT")
    link = ReplyLink(
        agency=visit.here.code, number=said.code, date=said.issued_on, document_id=parent.document_id
    )
    on = day_text(said.issued_on)
    return Draft(
        type_key="cong_van",
        type_name=labels.say("type.cong_van", "vi"),
        subject=labels.say("compose.correction", "vi", type=said.type_name, code=said.code, date=on),
        recipients=parent.draft.recipients,
        replies_to=(link,),
        reply_required=False,
    )


def _change_begun(parent: OutgoingDocument, mode: str) -> Sheet:
    said, kind = parent.draft, _CHANGES[mode]
    change = DocumentChange(reason="", target=parent.document_id)
    draft = replace(said, external_id=None, callback_data=None, signed_at=None)
    if kind is Kind.REPLACEMENT:
        # A document of its own: with a number of its own.
        change = DocumentChange(reason="", replaces=((parent.document_id, ()),))
        draft = replace(draft, number="", issued_on=None, pages=None)
    return _begun(draft, kind=kind, change=change, mode=mode, of=parent.id)


def sheet_of_document(document: OutgoingDocument) -> Sheet:
    return Sheet(
        draft=document.draft,
        kind=document.kind,
        change=document.change,
        document=document,
        values=fields.values(document.draft, document.change),
        recipients=remaining(document.draft, document.change),
    )


async def load_draft(visit: Visit, id: str) -> OutgoingDocument:
    """The draft of that id, for who may work on it: officers and heads of units on their own ones. Clash when it is
    sealed."""
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.outgoing.get(id)
    is_own = document.accepted_by == visit.person.person.id
    everything = visit.may(Right.DRAFT, Manner.YES) and visit.may(Right.SEE_CONTENT, Manner.YES)
    if not (is_own or everything):
        raise Denied("this draft is not one of this person", code="GW-RIGHT")
    files.refuse_sealed(document)
    return document


def may_send(visit: Visit, kind: Kind) -> bool:
    """Issuing is the clerk's; to change what was sent the same clerk names who approved it."""
    if not visit.may(Right.ISSUE, Manner.YES):
        return False
    return kind is Kind.DOCUMENT or visit.may(Right.RECALL, Manner.RECORDED, Manner.YES)


async def show_sheet(
    visit: Visit,
    sheet: Sheet,
    *,
    problems: Problems | None = None,
    checked: drafting.CheckedDraft | None = None,
    status: int = 422,
    is_torn: bool = False,
    is_bare: bool = False,
) -> web.Response:
    """The page whole; `is_bare`: nothing but the place for files. `is_torn`: somebody else saved other words meanwhile, and
    both are offered."""
    document = sheet.document
    name = visit.say(
        f"compose.title.{sheet.kind.value if sheet.kind is not Kind.DOCUMENT else sheet.mode or 'new'}"
    )
    title = f"{visit.say('compose.error')} {name}" if problems else name
    path = f"/phat-hanh/{document.id}" if document else "/phat-hanh"
    values = await part_values(visit, sheet, problems, checked)
    return await visit.page(
        "compose/edit.html",
        status if problems is not None else 200,
        title=title,
        heading=name,
        path=path,
        is_bare=is_bare,
        is_torn=is_torn,
        leaf=await detail.leaf_of(visit, document, path) if document else None,
        unsigned=document is not None and _is_unsigned(document),
        twins=await _same_lead(visit, document) if document else [],
        groups=await groups(visit.deps.store, visit.scope()),
        signers=(await visit.deps.habits.of(visit.deps.out, visit.scope())).signers,
        check=checking.checks_told(visit, checked) if checked else None,
        may_send=may_send(visit, sheet.kind),
        may_sign=visit.may(Right.SIGN_AGENCY, Manner.YES),
        limit=visit.deps.out.profile.max_file_bytes,
        whole_limit=visit.deps.out.profile.max_document_bytes,
        **values,
    )


async def part_values(
    visit: Visit,
    sheet: Sheet,
    problems: Problems | None = None,
    checked: drafting.CheckedDraft | None = None,
) -> dict[str, Any]:  # Any: values of a template
    """What the parts need that a script takes anew: the recipients, and what is left to do."""
    document = sheet.document
    shown = await addressing.rows(visit, sheet.recipients)
    ticked = sheet.ticked if checked is not None else None
    if checked is None and document is not None:
        checked = await drafting.recheck(visit.deps.out, visit.scope(), document.id)
    left = checking.left(visit, sheet.draft, document, shown, checked, ticked)
    return {
        "sheet": sheet,
        "values": sheet.values,
        "problems": problems or [],
        "doubts": _doubts(visit, document.doubts if document else ()),
        "from_file": document.from_file if document else (),
        "rows": shown,
        "asked": sum(each.is_asked for each in shown),
        "files": file_rows(document) if document else [],
        "options": _options(visit, sheet),
        "further": [(each, fields.name_of(each.name, visit.lang)) for each in fields.FURTHER],
        "left": [*_unapproved(visit, sheet), *left],
    }


def _unapproved(visit: Visit, sheet: Sheet) -> list[tuple[str, str]]:
    asked = sheet.kind is not Kind.DOCUMENT and not (sheet.change and sheet.change.approved_by)
    return [("approved_by", visit.say("compose.approved_by"))] if asked else []


async def _same_lead(visit: Visit, document: OutgoingDocument) -> list[tuple[OutgoingDocument, bool]]:
    """What was sent with the same file; whether this person may open it."""
    lead = next((each for each in document.files if each.role is FileRole.LEAD), None)
    if lead is None:
        return []
    async with visit.deps.store.read(visit.scope()) as work:
        same = await work.outgoing.by_lead(lead.sha256)
    sees = visit.may(Right.SEE_CONTENT, Manner.YES)
    return [
        (each, sees or each.accepted_by == visit.person.person.id)
        for each in same
        if each.id != document.id and each.state in _SENT and each.kind is Kind.DOCUMENT
    ]


def _options(visit: Visit, sheet: Sheet) -> Mapping[str, list[tuple[str, str]]]:
    types = sorted(
        ((key, visit.say(f"type.{key}")) for key in fields.TYPES), key=lambda each: sort_key(each[1])
    )
    own = sheet.values.get("type", "")
    if own and own not in fields.TYPES:
        types.insert(0, (own, own))
    return {
        "type": [("", visit.say("compose.choose")), *types],
        "urgency": [(key, visit.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()],
        "delivery": [("", visit.say("compose.delivery.by_class"))]
        + [(each.value, visit.say(f"delivery.{each}")) for each in DeliveryMode],
        "role": [(each.value, visit.say(f"role.{each}")) for each in RecipientRole],
        "file_role": [(each.value, visit.say(f"file_role.{each}")) for each in FileRole],
        "secrecy": [
            (key, visit.say(f"compose.secrecy.{key}")) for key in ("none", "mat", "toi_mat", "tuyet_mat")
        ],
    }


def _doubts(visit: Visit, doubts: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Why a field is to be looked at, by field."""
    return {name: visit.say_or(f"doubt.{why}", visit.say("sure.doubtful")) for name, why in doubts}


def file_rows(document: OutgoingDocument) -> list[dict[str, object]]:
    """`checked` is `clean` only of what a scanner looked at whole and found no malware in."""
    verdicts = {each.n: each for each in document.signatures}
    return [
        {
            "n": item.n,
            "name": item.name,
            "role": item.role.value,
            "type": item.content_type.upper(),
            "size": item.size,
            "pages": item.pages,
            "checked": "clean" if item.scanned_clean else "typed",
            "sha256": item.sha256,
            "verdict": verdicts[item.n].verdict.value if item.n in verdicts else "",
            "signers": _signers(verdicts.get(item.n)),
        }
        for item in document.files
    ]


def _signers(verdict: FileVerdict | None) -> list[str]:
    if verdict is None:
        return []
    return [" – ".join(filter(None, (each.name, each.organisation))) for each in verdict.signers]


def _is_unsigned(document: OutgoingDocument) -> bool:
    """Whether the lead file lacks the agency's own signature."""
    has_lead = any(each.role is FileRole.LEAD for each in document.files)
    return has_lead and document.legal_value is not LegalValue.OFFICIAL


NO_STORE = {"Cache-Control": "no-store"}
_CHOICES = {
    "type": "type.{}",
    "urgency": "urgency.{}",
    "secrecy": "compose.secrecy.{}",
    "delivery": "delivery.{}",
}
_REPLY = {"yes": "reply.required", "no": "reply.not_required"}


def differences(
    visit: Visit, stored: Sheet, draft: Draft, change: DocumentChange | None
) -> list[tuple[str, str]]:
    """None where both say the same."""
    typed = fields.values(draft, change)

    def told(field: str, text: str) -> str:
        said = text or visit.say("compose.conflict.empty")
        return visit.say("compose.conflict.stored", field=field, text=said)

    found = [
        (
            "reply-yes" if name == "reply" else name,
            told(fields.name_of(name, visit.lang) or name, _value_shown(visit, name, text)),
        )
        for name, text in stored.values.items()
        if typed.get(name, "") != text
    ]
    if [(each.code, each.name, each.role) for each in draft.recipients] != [
        (each.code, each.name, each.role) for each in stored.recipients
    ]:
        names = "; ".join(each.name or each.code for each in stored.recipients)
        found.append(("noi-nhan", told(visit.say("compose.check.recipients"), names)))
    return found


def _value_shown(visit: Visit, name: str, text: str) -> str:
    """As the page writes it."""
    key = _REPLY.get(text, "") if name == "reply" else _CHOICES.get(name, "").format(text)
    return visit.say_or(key, text) if key and text else text


def at_part(answer: web.Response, part: str) -> web.Response:
    if part:
        answer.headers["Location"] += f"#{part}"
    return answer


async def refused(visit: Visit, sheet: Sheet, problems: list[tuple[str, str]]) -> web.StreamResponse:
    """The page with what is wrong; to a script the sentences, and which draft it is by now."""
    if not visit.is_piece:
        return await show_sheet(visit, sheet, problems=problems)
    told = {"problems": [text for _, text in problems], **_standing(sheet.document)}
    return web.json_response(told, status=422, headers=NO_STORE)


def _standing(document: OutgoingDocument | None) -> dict[str, object]:
    if document is None:
        return {}
    return {"version": document.version, "path": f"/phat-hanh/{document.id}"}


async def parts(
    visit: Visit, stored: OutgoingDocument, words: str, *, with_recipients: bool = False
) -> web.StreamResponse:
    """To a script: what was done, and the parts of the page that are others by now."""
    values = await part_values(visit, sheet_of_document(stored))
    told = {**_standing(stored), "words": words, "left": visit.piece("compose/_left.html", **values).text}
    if with_recipients:
        told["recipients"] = visit.piece("compose/_recipients.html", **values).text
    return web.json_response(told, headers=NO_STORE)


def reasons(visit: Visit, why: GatewayError, name: str) -> list[tuple[str, str]]:
    found = getattr(getattr(why, "verdict", None), "reasons", ())
    if not found:
        return [(name, visit.why(why))]
    return [(name or place, words) for place, words in (checking.reason_said(visit, each) for each in found)]
