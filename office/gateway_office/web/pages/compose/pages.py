"""The pages of a new document beside its form: begun, opened again, discarded, sent with time to call it back; recipients
chosen rather than typed: offers while a name is typed, the tree of agencies, the saved groups; and the agency's own
signature on the lead file of a draft, put on in person: R23a (two kinds of keys). It shows the place of the signature,
asks for the PIN of the token, and replaces the old file by the signed one. In: a draft's id, typed or ticked fields. Out: a
page, a region for the form, or the draft as it now is. The PIN is typed for each signature and never kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from aiohttp import web

from gateway.domain.document import FileItem, FileRole, OutgoingDocument, OutState, RecipientRole
from gateway.domain.pdf import CopyForm, Purpose, Wish
from gateway.domain.registry import AgencyEntry
from gateway.errors import Clash, Denied, GatewayError, NotFound, Refused, StaleVersion
from gateway.outgoing import drafting, manage
from gateway.outgoing.addressing import groups, remove_group
from gateway.outgoing.drafting import remaining
from gateway.outgoing.intake import receive_files
from gateway.policy.verdict import Reason, ReasonCode
from gateway.words import labels
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import follow_up, habits
from gateway_office.web import answers
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.compose import addressing, editor, fields
from gateway_office.web.pages.compose.acts import put_recipients
from gateway_office.web.pages.compose.editor import at_part

_MOST_OFFERS, _MOST_USUAL = 12, 8
# More than the page shows, so that the usual ones are among them.
_MOST_RESULTS = 40
_MOST_BRANCHES = 400
_DEEPEST = 12
COPIES = {"sao-y": CopyForm.SY, "trich-sao": CopyForm.TRS, "sao-luc": CopyForm.SL}
SEAL = "dau"


async def new_document(request: PageRequest) -> web.StreamResponse:
    """Show a place for files; with fields where they are begun already, or are to be typed first. No draft is stored before
    the first form comes back."""
    mode, parent_id = next(
        ((mode.value, request.ask(mode)) for mode in editor.SheetMode if request.ask(mode)), ("", "")
    )
    sheet = await editor.begin_sheet(request, mode, parent_id)
    recipient = await request.deps.registry.entry(request.ask("noi-nhan").upper()[:75])
    if recipient is not None:
        chosen = addressing.with_codes(sheet.recipients, [recipient.code], RecipientRole.TO_ACT)
        sheet = replace(sheet, recipients=chosen)
    is_bare = not mode and recipient is None and request.ask("nhap") != "tay"
    return await editor.show_sheet(request, sheet, is_bare=is_bare)


async def move_new_document(request: PageRequest) -> web.StreamResponse:
    """Redirect from the page's other address."""
    return request.go("/phat-hanh", **dict(request.http.query))


async def show_draft(request: PageRequest) -> web.StreamResponse:
    document = await editor.load_draft(request, request.path("id"))
    if document.state is not OutState.DRAFT:
        return request.go(f"/van-ban-di/{document.id}")
    checked = None
    if request.ask("kiem-tra") == "1":
        checked = await drafting.recheck(*request.outgoing, document.id)
    return await editor.show_sheet(request, editor.sheet_of_document(document), checked=checked)


async def discard(request: PageRequest) -> web.StreamResponse:
    """Discard a draft. It was not sent, so no reason is needed: the page names the draft, no more."""
    if request.is_act:
        document = await _open_draft(request)
        await manage.cancel(*request.outgoing, document.id, document.version)
        await request.deps.looking.forget(request.scope(), document.id)
        return request.confirm("/van-ban-di", "compose.discarded")
    document = await editor.load_draft(request, request.path("id"))
    if document.state is not OutState.DRAFT:
        return request.go(f"/van-ban-di/{document.id}")
    return await request.question(
        None,
        "compose.discard",
        "compose.discard.text",
        "compose.discard",
        back=f"/phat-hanh/{document.id}",
        about=(document.draft.code, document.draft.subject),
        look="card",
        grave=True,
    )


async def show_sent(request: PageRequest) -> web.StreamResponse:
    """Show that it was sent, and the time left to call it back."""
    document = await editor.load_draft(request, request.path("id"))
    if document.state in (OutState.DRAFT, OutState.BLOCKED):
        return request.go(f"/phat-hanh/{document.id}")
    now, leaves_at = request.deps.clock.now(), document.leaves_at
    is_waiting = document.state is OutState.QUEUED and leaves_at is not None and leaves_at > now
    seconds_left = int((leaves_at - now).total_seconds()) + 1 if is_waiting and leaves_at else 0
    return await request.page(
        "compose/sent.html",
        title=request.say("compose.sent.title"),
        document=document,
        left=seconds_left,
        problem="",
        may_undo=is_waiting and editor.may_send(request, document.kind),
    )


async def undo(request: PageRequest) -> web.StreamResponse:
    document = await editor.load_draft(request, request.path("id"))
    try:
        draft = await follow_up.call_back(*request.outgoing, document.id)
    except Clash as error:
        return await request.page(
            "compose/sent.html",
            409,
            title=request.say("compose.sent.title"),
            document=document,
            left=0,
            may_undo=False,
            problem=request.why(error),
        )
    return request.confirm(f"/phat-hanh/{draft.id}", "compose.undone")


async def suggest_agencies(request: PageRequest) -> web.StreamResponse:
    """Offer the agencies that match the typed words; without words the usual recipients."""
    text, today = request.ask("q")[:200], request.deps.out.today()
    usual = await request.deps.habits.load(*request.outgoing)
    agencies: Sequence[AgencyEntry]
    if text:
        root = request.own_agency.code.partition(".")[0]
        agencies = await request.deps.registry.search(text, _MOST_RESULTS, root) if len(text) > 1 else ()
    else:
        codes = sorted(usual.codes, key=lambda code: -usual.codes[code])[:_MOST_USUAL]
        answers = await request.deps.registry.resolve_all([(code, None) for code in codes], today)
        agencies = [a.entry for a in answers if a.entry is not None]
    active = [a for a in agencies if a.valid_to is None or today <= a.valid_to]
    offers = habits.ranked(active, request.own_agency.code, usual, text)[:_MOST_OFFERS]
    return request.piece("compose/_suggest.html", found=offers, asked=text, usual=usual.codes)


async def agencies_tree(request: PageRequest) -> web.StreamResponse:
    """Show the tree from the top above the own agency; each agency opens the level below."""
    document = await editor.load_draft(request, request.path("id"))
    root = await _tree_root(request, request.ask("goc") or request.own_agency.code)
    # Each agency of the tree with its direct children.
    branches: list[tuple[AgencyEntry, Sequence[AgencyEntry]]] = []
    if root is not None:
        under = request.deps.registry.children
        top_level = (await under(root.code))[:_MOST_BRANCHES]
        branches = [(a, await under(a.code)) for a in top_level]
    return await request.page(
        "compose/tree.html",
        title=request.say("compose.tree"),
        document=document,
        root=root,
        branches=branches,
        there={a.code for a in remaining(document.draft, document.change)},
        query=request.ask("goc"),
    )


async def tick_agencies(request: PageRequest) -> web.StreamResponse:
    document = await editor.load_draft(request, request.path("id"))
    role = addressing.role_of(request.form.text("new_role"))
    recipients = addressing.with_codes(
        remaining(document.draft, document.change), request.form.all("code"), role
    )
    await put_recipients(request, document, replace(document.draft, recipients=recipients))
    return at_part(request.confirm(f"/phat-hanh/{document.id}", "compose.added"), fields.RECIPIENTS_PART)


async def groups_page(request: PageRequest) -> web.StreamResponse:
    return await request.page(
        "compose/groups.html",
        title=request.say("compose.groups"),
        groups=await groups(request.deps.store, request.scope()),
    )


async def delete_group(request: PageRequest) -> web.StreamResponse:
    await remove_group(request.deps.store, request.scope(), request.form.text("name"))
    return request.confirm("/phat-hanh/nhom", "compose.group.removed")


async def _tree_root(request: PageRequest, code: str) -> AgencyEntry | None:
    """Return the typed agency; without one the top above the own agency."""
    agencies = request.deps.registry
    if request.ask("goc"):
        return await agencies.entry(code) or next(iter(await agencies.search(code, 1)), None)
    entry = await agencies.entry(code)
    for _ in range(_DEEPEST):
        above = await agencies.entry(entry.parent) if entry is not None and entry.parent else None
        if above is None:
            break
        entry = above
    return entry


async def ask_signing(request: PageRequest) -> web.StreamResponse:
    document, lead = await _lead_to_sign(request)
    return await _signing_page(request, document, lead, _signature_kind(request, request.ask("loai")))


async def signing_view(request: PageRequest) -> web.StreamResponse:
    """Draw the page that will bear the signature."""
    _, lead = await _lead_to_sign(request)
    wish = _signature_wish(request, _signature_kind(request, request.ask("loai")))
    opener = await _lead_opener(request, lead)
    _, picture = await request.deps.signing.plan(request.own_agency, opener, wish)
    answer = web.Response(body=picture, content_type="image/png")
    answer.headers.update(answers.page_headers(request.nonce, request.lang))
    return answer


async def sign(request: PageRequest) -> web.StreamResponse:
    document, lead = await _lead_to_sign(request)
    if request.form.text("seen") != lead.sha256:
        raise StaleVersion(f"the file of {document.id} is another one by now; look at it before it is signed")
    kind = _signature_kind(request, request.form.text("kind"))
    repeat = partial(_signing_page, request, document, lead, kind)
    if kind != SEAL and "authorised" not in request.form and not request.may(Right.CERTIFY_COPY, Manner.YES):
        return await repeat([("authorised", request.say("compose.sign.authority"))])
    if not request.form.text("pin"):
        return await repeat([("pin", request.say("compose.sign.pin.missing"))])
    if not request.deps.signing.is_ready:
        raise Denied("no token can be reached from this node", code="GW-RIGHT")
    try:
        await _put_signature(request, document, lead, _signature_wish(request, kind))
    except (Refused, Denied, Clash, NotFound) as error:
        return await repeat(_signing_problems(request, error, lead))
    return request.confirm(f"/phat-hanh/{document.id}", "compose.signed")


async def _put_signature(
    request: PageRequest, document: OutgoingDocument, lead: FileItem, wish: Wish
) -> None:
    """Replace the file by the signed one, which is checked as any other file."""
    opener = await _lead_opener(request, lead)
    pin = request.form.text("pin")
    async with receive_files(request.deps.out) as files:
        files.total = sum(file.size for file in document.files if file.n != lead.n)
        async with request.deps.signing.sign(
            request.scope(), request.own_agency, opener, wish, pin
        ) as pieces:
            await files.add(FileRole.LEAD, lead.name, FileRole.LEAD, pieces)
        await drafting.add_files(*request.outgoing, document.id, files, document.version)


async def _signing_page(
    request: PageRequest,
    document: OutgoingDocument,
    lead: FileItem,
    kind: str,
    problems: Problems | None = None,
) -> web.Response:
    shown_problems, place = list(problems or ()), None
    try:
        place, _ = await request.deps.signing.plan(
            request.own_agency, await _lead_opener(request, lead), _signature_wish(request, kind)
        )
    except GatewayError as error:
        shown_problems += _signing_problems(request, error, lead)
    return await request.form_page(
        "compose/sign.html",
        problems,
        title=request.say("compose.sign.title"),
        document=document,
        lead=lead,
        kind=kind,
        kinds=_signature_kinds(request),
        is_copy=kind != SEAL,
        must_tick=not request.may(Right.CERTIFY_COPY, Manner.YES),
        where=place,
        is_ready=request.deps.signing.is_ready,
        problems=shown_problems,
    )


async def _lead_to_sign(request: PageRequest) -> tuple[OutgoingDocument, FileItem]:
    document = await _open_draft(request)
    lead = next((file for file in document.files if file.role is FileRole.LEAD), None)
    if lead is None or lead.content_type != "pdf":
        raise NotFound("the draft has no PDF that could be signed")
    return document, lead


async def _open_draft(request: PageRequest) -> OutgoingDocument:
    document = await editor.load_draft(request, request.path("id"))
    if document.state is not OutState.DRAFT:
        raise Clash(f"{document.id} is no draft any more", code="GW-NO-DRAFT")
    return document


async def _lead_opener(request: PageRequest, lead: FileItem) -> Callable[[], BinaryIO]:
    async with request.deps.store.read(request.scope()) as work:
        return await request.deps.blobs.open(work, lead.sha256)


def _signature_kind(request: PageRequest, kind: str) -> str:
    return kind if kind in dict(_signature_kinds(request)) else SEAL


def _signature_kinds(request: PageRequest) -> list[tuple[str, str]]:
    kinds = [(SEAL, request.say("compose.sign.seal"))]
    if request.may(Right.CERTIFY_COPY, Manner.YES, Manner.AUTHORISED):
        kinds += [(key, request.say(f"sign.mark.{form}")) for key, form in COPIES.items()]
    return kinds


def _signature_wish(request: PageRequest, kind: str) -> Wish:
    if kind == SEAL:
        return Wish(purpose=Purpose.SEAL, agency_name=request.own_agency.name)
    return Wish(purpose=Purpose.COPY, agency_name=request.own_agency.name, copy_form=COPIES[kind])


def _signing_problems(request: PageRequest, error: GatewayError, lead: FileItem) -> list[tuple[str, str]]:
    """List the problems; the file is named as the clerk knows it, not by its temporary name."""
    reasons = getattr(getattr(error, "verdict", None), "reasons", ())
    renamed = [replace(reason, params={**reason.params, "name": lead.name}) for reason in reasons]
    if not renamed:
        return [("pin" if error.code.startswith("TOKEN") else "", request.why(error))]
    return [("", _signing_words(request, reason)) for reason in renamed]


def _signing_words(request: PageRequest, reason: Reason) -> str:
    if reason.code is ReasonCode.SIGN_NO_PERSON:
        return request.say("compose.sign.no_person", **reason.params)
    return labels.reason_text(reason.code, reason.params, request.lang)
