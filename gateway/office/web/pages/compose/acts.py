"""What the one form of a new document does: whichever button was pressed, it is saved first; then files, recipients,
reading the signed PDF, the check, the sending. In: the form, streamed. Out: the page that follows, or the same page
with what is wrong and everything that was typed; to a script that asks for a piece, where to go, or the parts of the page
that are others by now. Of two windows on one draft the later one is told what this page
says and what is stored by now, field by field, so that nobody puts words over others unseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from aiohttp import web

from gateway.domain.document import DocumentChange, Draft, FileRole, Kind, OutgoingDocument, OutState, Urgency
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, Refused, StaleVersion
from gateway.office.book.books import next_number
from gateway.office.letters.habits import remembered
from gateway.office.web.forms import Form
from gateway.office.web.pages.compose import addressing, checking, editor, fields, uploads
from gateway.office.web.pages.compose.editor import Sheet
from gateway.office.web.visits import Visit
from gateway.outgoing import drafting, manage
from gateway.outgoing.addressing import ReadDocument
from gateway.outgoing.intake import Tray, tray

_PARTS = {"file": "tep", "drop-file": "tep", "up-file": "tep", "number": "van-ban"}
_ADDRESSES = frozenset({"paste", "add-to", "add-group", "save-group", "drop-to", "swap"})
_QUICK = "autosave"
# What acts on the whole of the draft.
_WHOLE = frozenset({_QUICK, "save", "check", "send"})


@dataclass(frozen=True, kw_only=True)
class TypedForm:
    """One form, understood: what it says over what was there before."""

    form: Form
    act: str
    detail: str
    before: Sheet
    draft: Draft
    change: DocumentChange | None
    wrong: list[tuple[str, str]]
    refused: list[tuple[str, str]]
    doubled: bool

    @property
    def sheet(self) -> Sheet:
        """The page again, with all that was typed."""
        shown = {**self.before.values, **self.form.flat()}
        return replace(self.before, values=shown, recipients=self.draft.recipients, ticked=_ticked(self.form))


async def begun(visit: Visit) -> web.StreamResponse:
    """The first form of a document that is not stored yet."""
    async with tray(visit.deps.out) as held:
        brought = await uploads.read_form(visit, held)
        before = await editor.sheet_begun(visit, brought.form.text("mode"), brought.form.text("of"))
        return await _run_form(visit, before, brought, held)


async def changed(visit: Visit) -> web.StreamResponse:
    document = await editor.load_draft(visit, visit.path("id"))
    async with tray(visit.deps.out) as held:
        held.total = sum(each.size for each in document.files)
        brought = await uploads.read_form(visit, held, document.files)
        if document.state is not OutState.DRAFT:
            # It is no draft any more: to where it is told what became of it.
            if brought.form.text("act") == _QUICK:
                return web.json_response({"problems": []}, status=409, headers=editor.NO_STORE)
            return visit.go(f"/phat-hanh/{document.id}/da-gui")
        return await _run_form(visit, editor.sheet_of_document(document), brought, held)


async def _run_form(visit: Visit, before: Sheet, brought: uploads.Brought, held: Tray) -> web.StreamResponse:
    answer = await _acted(visit, before, brought, held)
    if visit.is_piece and answer.status == 303:
        return web.json_response({"go": answer.headers["Location"]}, headers=editor.NO_STORE)
    return answer


async def _acted(visit: Visit, before: Sheet, brought: uploads.Brought, held: Tray) -> web.StreamResponse:
    typed = _understood(visit, before, brought)
    document = before.document
    is_stale = document is not None and typed.form.text("version") != str(document.version)
    # Where both say the same nothing is lost; a button about a file may mean another one by now.
    if is_stale and (typed.act not in _WHOLE or editor.differences(visit, before, typed.draft, typed.change)):
        return await _conflict(visit, typed)
    if typed.act == _QUICK:
        return await _quick(visit, typed)
    if typed.wrong:
        return await editor.refused(visit, typed.sheet, typed.wrong)
    try:
        found = await uploads.read_lead(visit, held) if typed.act == "file" else None
        stored = await _stored(visit, typed)
        stored = await _with_files(visit, typed, stored, held)
    except Refused as why:
        return await editor.refused(visit, typed.sheet, editor.reasons(visit, why, ""))
    except StaleVersion:
        return await _conflict(visit, typed)
    except Clash as why:
        return await editor.refused(visit, typed.sheet, [(uploads.ANY, visit.why(why))])
    if typed.refused:
        sheet = replace(editor.sheet_of_document(stored), ticked=typed.sheet.ticked)
        return await editor.refused(visit, sheet, typed.refused)
    return await _then(visit, typed, stored, found)


def _understood(visit: Visit, before: Sheet, brought: uploads.Brought) -> TypedForm:
    form = brought.form
    act, _, detail = (form.text("act") or "save").partition(":")
    draft, wrong = fields.typed(form, before.draft, visit.deps.out.today())
    recipients = addressing.typed(form, before.recipients)
    if act == "drop-to" and detail.isdigit():
        recipients = tuple(each for n, each in enumerate(recipients) if n != int(detail))
    return TypedForm(
        form=form,
        act=act,
        detail=detail,
        before=before,
        draft=replace(draft, recipients=recipients),
        change=fields.changed(form, before.change),
        wrong=[(name, visit.say(key)) for name, key in wrong],
        refused=[each for why in brought.refused for each in editor.reasons(visit, why, uploads.ANY)],
        doubled=bool(brought.doubled),
    )


async def _stored(visit: Visit, typed: TypedForm) -> OutgoingDocument:
    """The draft says what the form says."""
    out, scope, before = visit.deps.out, visit.scope(), typed.before
    document = before.document
    draft, change = typed.draft, typed.change
    named = (draft.signer.name if draft.signer else "") != before.values.get("name", "")
    # Where the page comes again with it, and nowhere else.
    if named and typed.act != _QUICK and not visit.is_piece:
        draft = replace(draft, signer=remembered(draft.signer, await visit.deps.habits.of(out, scope)))
    if before.kind is Kind.UPDATE and change is not None:
        parent_id = document.parent_id if document else before.of
        draft, change = await _of_receivers(visit, draft, change, parent_id)
    if document is None:
        parent_of = before.of if before.kind is not Kind.DOCUMENT else None
        return await drafting.begin(out, scope, draft, before.kind, parent_of, change)
    now = fields.values(draft, change)
    doubts = fields.still_doubted(document.doubts, typed.form.all("ok"), before.values, now)
    from_file = [name for name in document.from_file if before.values.get(name, "") == now.get(name, "")]
    return await uploads.save_over(visit, document, draft, change=change, doubts=doubts, from_file=from_file)


async def _with_files(
    visit: Visit, typed: TypedForm, stored: OutgoingDocument, held: Tray
) -> OutgoingDocument:
    out, scope = visit.deps.out, visit.scope()
    stored = await drafting.arrange(out, scope, stored.id, _order(typed, stored), stored.version)
    return await drafting.add_files(out, scope, stored.id, held) if held.received else stored


def _order(typed: TypedForm, stored: OutgoingDocument) -> list[tuple[int, FileRole]]:
    """The files with the roles that were chosen; one taken away, or one step up."""
    found = [(each.n, _role(typed.form.text(f"role.{each.n}"), each.role)) for each in stored.files]
    at = next((n for n, (number, _) in enumerate(found) if str(number) == typed.detail), -1)
    if typed.act == "drop-file" and at >= 0:
        del found[at]
    elif typed.act == "up-file" and at > 0:
        found[at - 1], found[at] = found[at], found[at - 1]
    return found


def _role(text: str, before: FileRole) -> FileRole:
    return FileRole(text) if text in tuple(FileRole) else before


async def _then(
    visit: Visit, typed: TypedForm, stored: OutgoingDocument, found: ReadDocument | None
) -> web.StreamResponse:
    """What the pressed button wants beyond saving."""
    path = f"/phat-hanh/{stored.id}"
    if typed.act in _ADDRESSES:
        return await _addressed(visit, typed, stored)
    if found is not None:
        told = await uploads.fill_draft(visit, stored, found)
        return visit.said(path, told)
    if typed.act == "number":
        return await _numbered(visit, stored)
    if typed.act == "file" and typed.doubled:
        return editor.at_part(visit.said(path, "compose.file.doubled"), "tep")
    if typed.act == "check":
        return editor.at_part(visit.go(path, **{"kiem-tra": "1"}), "gui")
    if typed.act == "send":
        return await _send(visit, typed, stored)
    if typed.act in ("sign", "tree"):
        return visit.go(f"{path}/{'ky-so' if typed.act == 'sign' else 'cay-co-quan'}")
    return editor.at_part(visit.said(path, "compose.saved"), _PARTS.get(typed.act, ""))


async def _numbered(visit: Visit, stored: OutgoingDocument) -> web.StreamResponse:
    """The next number is this draft's from now on: nobody else is offered it."""
    draft = stored.draft
    number = await next_number(visit.deps.book, visit.scope(), draft, visit.deps.out.today())
    issued_on = draft.issued_on or visit.deps.out.today()
    await uploads.save_over(visit, stored, replace(draft, number=number, issued_on=issued_on))
    return editor.at_part(visit.said(f"/phat-hanh/{stored.id}", "compose.numbered"), "van-ban")


async def _addressed(visit: Visit, typed: TypedForm, stored: OutgoingDocument) -> web.StreamResponse:
    draft, told = stored.draft, "compose.saved"
    sheet = editor.sheet_of_document(stored)
    now = sheet.recipients
    role = addressing.role_of(typed.form.text("new_role"))
    try:
        if typed.act == "paste":
            now, skipped = await addressing.pasted(visit, now, typed.form.text("paste"), role)
            told = "compose.pasted.skipped" if skipped else "compose.pasted"
        elif typed.act == "add-to":
            now, told = addressing.with_codes(now, [typed.detail], role), "compose.added"
        elif typed.act == "swap":
            old, _, new = typed.detail.partition(">")
            now = tuple(each for each in now if addressing.key_of(each) != old)
            now, told = addressing.with_codes(now, [new], role), "compose.added"
        elif typed.act == "add-group":
            # Its members, as they are today.
            (now, _), told = await addressing.pasted(visit, now, typed.form.text("group")), "compose.added"
        elif typed.act == "save-group":
            await addressing.keep_group(visit, now, typed.form.text("group_name"))
            told = "compose.group.saved"
    except Clash as why:
        return await editor.refused(visit, sheet, [("group_name", visit.why(why))])
    stored = await put_recipients(visit, stored, replace(draft, recipients=now))
    if visit.is_piece:
        return await editor.parts(visit, stored, visit.say(f"told.{told}"), with_recipients=True)
    return editor.at_part(visit.said(f"/phat-hanh/{stored.id}", told), "noi-nhan")


async def _of_receivers(
    visit: Visit, draft: Draft, change: DocumentChange, parent_id: str | None
) -> tuple[Draft, DocumentChange]:
    """An update goes to those who have what it changes."""
    async with visit.deps.store.read(visit.scope()) as work:
        parent = await work.outgoing.get(parent_id or "")
    return drafting.receivers(draft, change, parent.draft.recipients)


async def put_recipients(visit: Visit, stored: OutgoingDocument, draft: Draft) -> OutgoingDocument:
    """The draft with other recipients, everything else as it is."""
    change = stored.change
    if stored.kind is Kind.UPDATE and change is not None:
        draft, change = await _of_receivers(visit, draft, change, stored.parent_id)
    return await uploads.save_over(visit, stored, draft, change=change)


async def _send(visit: Visit, typed: TypedForm, stored: OutgoingDocument) -> web.StreamResponse:
    """Only what was shown with its checks is sent: where anything changed since, the checks are shown again."""
    if not editor.may_send(visit, stored.kind):
        raise Denied("only a clerk sends documents", code="GW-RIGHT")
    path = f"/phat-hanh/{stored.id}"
    if typed.form.text("checked") != str(stored.version):
        return editor.at_part(visit.said(path, "compose.changed", **{"kiem-tra": "1"}), "gui")
    confirm = tuple(typed.form.all("confirm"))
    found = await drafting.recheck(visit.deps.out, visit.scope(), stored.id, confirm)
    problems = [
        *(checking.reason_said(visit, each) for each in found.verdict.reasons),
        *_unanswered(visit, typed, stored, found),
    ]
    if not problems:
        options = visit.deps.settings.pages
        seconds = options.undo_express_s if stored.draft.urgency >= Urgency.EXPRESS else options.undo_s
        try:
            await manage.send_draft(
                visit.deps.out, visit.scope(), stored.id, stored.version, confirm, timedelta(seconds=seconds)
            )
        except StaleVersion:
            return await _conflict(visit, typed)
        except Refused as why:
            problems = editor.reasons(visit, why, "")
        else:
            return visit.go(f"{path}/da-gui")
    sheet = replace(editor.sheet_of_document(stored), ticked=_ticked(typed.form))
    return await editor.show_sheet(visit, sheet, problems=problems, checked=found)


def _unanswered(
    visit: Visit, typed: TypedForm, stored: OutgoingDocument, found: drafting.CheckedDraft
) -> list[tuple[str, str]]:
    asks = []
    if checking.must_ask(found) and "again" not in typed.form:
        asks.append(("again", visit.say("compose.twin.tick")))
    if stored.kind is not Kind.DOCUMENT and not (stored.change and stored.change.approved_by):
        asks.append(visit.missing("approved_by", "compose.approved_by"))
    return asks


async def _quick(visit: Visit, typed: TypedForm) -> web.StreamResponse:
    """Saved by itself, as far as it can be read; nothing of the page changes but the word about it."""
    try:
        stored = await _stored(visit, typed)
    except Refused as why:
        return await editor.refused(visit, typed.sheet, editor.reasons(visit, why, ""))
    except StaleVersion:
        return await _conflict(visit, typed)
    at = local(visit.deps.clock.now()).strftime("%H:%M:%S")
    return await editor.parts(visit, stored, visit.say("compose.kept", time=at))


async def _conflict(visit: Visit, typed: TypedForm) -> web.StreamResponse:
    at = local(visit.deps.clock.now()).strftime("%H:%M")
    words = visit.say("compose.conflict", person=visit.say("compose.somebody"), time=at)
    if typed.act == _QUICK or visit.is_piece:
        return web.json_response({"problems": [words]}, status=409, headers=editor.NO_STORE)
    document = typed.before.document
    if document is None:
        return await editor.show_sheet(visit, typed.sheet, problems=[("", words)], status=409)
    now = editor.sheet_of_document(await editor.load_draft(visit, document.id))
    differ = editor.differences(visit, now, typed.draft, typed.change)
    over = [("", visit.say("compose.conflict.over"))] if differ else []
    sheet = replace(typed.sheet, document=now.document)
    return await editor.show_sheet(
        visit, sheet, problems=[("", words), *over, *differ], status=409, is_torn=bool(differ)
    )


def _ticked(form: Form) -> tuple[str, ...]:
    return (*form.all("confirm"), *(["again"] if "again" in form else []))
