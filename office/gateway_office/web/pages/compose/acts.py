"""Acts of the one form of a new document: every button saves first; then come files, recipients, reading the signed PDF,
the check, the sending. In: the form, streamed. Out: the next page, or the same page with its problems and everything that
was typed; to a script the address to open, or the changed parts of the page. Of two windows on one draft the later one is
shown the differences between this page and the stored draft, field by field, so that no text is overwritten unseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from aiohttp import web

from gateway.domain.document import DocumentChange, Draft, FileRole, Kind, OutgoingDocument, OutState, Urgency
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, Refused, StaleVersion
from gateway.outgoing import drafting, manage, numbering
from gateway.outgoing.addressing import ReadDocument
from gateway.outgoing.intake import RequestFiles, receive_files
from gateway_office.book import drafts
from gateway_office.letters.habits import remembered
from gateway_office.web.forms import Form
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.compose import addressing, checking, editor, fields, uploads
from gateway_office.web.pages.compose.editor import Sheet

_PARTS = {
    **dict.fromkeys(("file", "drop-file", "up-file"), "tep"),
    **dict.fromkeys(("number", "number-back"), "van-ban"),
}
_ADDRESSES = frozenset({"paste", "add-to", "add-group", "save-group", "drop-to", "swap"})
_QUICK = "autosave"
# Acts on the whole draft.
_DRAFT_ACTS = frozenset({_QUICK, "save", "check", "send"})


@dataclass(frozen=True, kw_only=True)
class TypedForm:
    """Form that was read, over the draft as it was before."""

    form: Form
    act: str
    detail: str
    base: Sheet
    draft: Draft
    change: DocumentChange | None
    wrong: list[tuple[str, str]]
    refused: list[tuple[str, str]]
    doubled: bool

    @property
    def sheet(self) -> Sheet:
        """Make the page again, with all that was typed."""
        shown_values = {**self.base.values, **self.form.flat()}
        return replace(
            self.base, values=shown_values, recipients=self.draft.recipients, ticked=_ticked(self.form)
        )


async def begin(request: PageRequest) -> web.StreamResponse:
    """Handle the first form of a document that is not stored yet."""
    async with receive_files(request.deps.out) as files:
        brought = await uploads.read_form(request, files)
        base = await editor.begin_sheet(request, brought.form.text("mode"), brought.form.text("of"))
        return await _run_form(request, base, brought, files)


async def change(request: PageRequest) -> web.StreamResponse:
    document = await editor.load_draft(request, request.path("id"))
    async with receive_files(request.deps.out) as files:
        files.total = sum(file.size for file in document.files)
        brought = await uploads.read_form(request, files, document.files)
        if document.state is not OutState.DRAFT:
            # The document is no draft any more: its page shows its state.
            if brought.form.text("act") == _QUICK:
                return web.json_response({"problems": []}, status=409, headers=editor.NO_STORE)
            return request.go(f"/phat-hanh/{document.id}/da-gui")
        return await _run_form(request, editor.sheet_of_document(document), brought, files)


async def _run_form(
    request: PageRequest, base: Sheet, brought: uploads.UploadedForm, files: RequestFiles
) -> web.StreamResponse:
    answer = await _save_and_act(request, base, brought, files)
    if request.is_piece and answer.status == 303:
        return web.json_response({"go": answer.headers["Location"]}, headers=editor.NO_STORE)
    return answer


async def _save_and_act(
    request: PageRequest, base: Sheet, brought: uploads.UploadedForm, files: RequestFiles
) -> web.StreamResponse:
    typed_form = _read_typed(request, base, brought)
    document = base.document
    is_stale = document is not None and typed_form.form.text("version") != str(document.version)
    # Equal versions lose nothing; but a button about a file may mean another file by now.
    if is_stale and (
        typed_form.act not in _DRAFT_ACTS
        or editor.differences(request, base, typed_form.draft, typed_form.change)
    ):
        return await _conflict(request, typed_form)
    if typed_form.act == _QUICK:
        return await _autosave(request, typed_form)
    if typed_form.wrong:
        return await editor.refused(request, typed_form.sheet, typed_form.wrong)
    try:
        lead = await uploads.read_lead(request, files) if typed_form.act == "file" else None
        stored = await _save(request, typed_form)
        stored = await _with_files(request, typed_form, stored, files)
    except Refused as error:
        return await editor.refused(request, typed_form.sheet, editor.reasons(request, error, ""))
    except StaleVersion:
        return await _conflict(request, typed_form)
    except Clash as error:
        return await editor.refused(request, typed_form.sheet, [(uploads.ANY, request.why(error))])
    if typed_form.refused:
        sheet = replace(editor.sheet_of_document(stored), ticked=typed_form.sheet.ticked)
        return await editor.refused(request, sheet, typed_form.refused)
    return await _after_saving(request, typed_form, stored, lead)


def _read_typed(request: PageRequest, base: Sheet, brought: uploads.UploadedForm) -> TypedForm:
    form = brought.form
    act, _, detail = (form.text("act") or "save").partition(":")
    draft, wrong_fields = fields.read_draft(form, base.draft, request.deps.out.today())
    recipients = addressing.read_rows(form, base.recipients)
    if act == "drop-to" and detail.isdigit():
        recipients = tuple(r for n, r in enumerate(recipients) if n != int(detail))
    return TypedForm(
        form=form,
        act=act,
        detail=detail,
        base=base,
        draft=replace(draft, recipients=recipients),
        change=fields.read_change(form, base.change),
        wrong=[(name, request.say(key)) for name, key in wrong_fields],
        refused=[r for why in brought.refused for r in editor.reasons(request, why, uploads.ANY)],
        doubled=bool(brought.doubled),
    )


async def _save(request: PageRequest, typed_form: TypedForm) -> OutgoingDocument:
    """Save the form's values in the draft."""
    out, scope, base = *request.outgoing, typed_form.base
    document = base.document
    draft, change = typed_form.draft, typed_form.change
    is_renamed = (draft.signer.name if draft.signer else "") != base.values.get("name", "")
    # Only where the page is shown again with it.
    if is_renamed and typed_form.act != _QUICK and not request.is_piece:
        draft = replace(draft, signer=remembered(draft.signer, await request.deps.habits.load(out, scope)))
    if base.kind is Kind.UPDATE and change is not None:
        parent_id = document.parent_id if document else base.parent_id
        draft, change = await _limit_to_receivers(request, draft, change, parent_id)
    if document is None:
        parent_of = base.parent_id if base.kind is not Kind.DOCUMENT else None
        return await drafting.begin(out, scope, draft, base.kind, parent_of, change)
    new_values = fields.values(draft, change)
    doubts = fields.still_doubted(document.doubts, typed_form.form.all("ok"), base.values, new_values)
    from_file = [name for name in document.from_file if base.values.get(name, "") == new_values.get(name, "")]
    return await uploads.save_over(
        request, document, draft, change=change, doubts=doubts, from_file=from_file
    )


async def _with_files(
    request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument, files: RequestFiles
) -> OutgoingDocument:
    out, scope = request.outgoing
    stored = await drafting.arrange(out, scope, stored.id, _ordered_files(typed_form, stored), stored.version)
    return await drafting.add_files(out, scope, stored.id, files) if files.received else stored


def _ordered_files(typed_form: TypedForm, stored: OutgoingDocument) -> list[tuple[int, FileRole]]:
    """Return the files in order with their chosen roles; one removed, or moved up by one."""
    ordered = [(file.n, _role(typed_form.form.text(f"role.{file.n}"), file.role)) for file in stored.files]
    at = next((n for n, (number, _) in enumerate(ordered) if str(number) == typed_form.detail), -1)
    if typed_form.act == "drop-file" and at >= 0:
        del ordered[at]
    elif typed_form.act == "up-file" and at > 0:
        ordered[at - 1], ordered[at] = ordered[at], ordered[at - 1]
    return ordered


def _role(text: str, previous: FileRole) -> FileRole:
    return FileRole(text) if text in tuple(FileRole) else previous


async def _after_saving(
    request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument, lead: ReadDocument | None
) -> web.StreamResponse:
    """Do the pressed button's act, after saving."""
    path = f"/phat-hanh/{stored.id}"
    stored = await _with_named(request, typed_form, stored)
    if typed_form.act in _ADDRESSES:
        return await _change_recipients(request, typed_form, stored)
    if lead is not None:
        message = await uploads.fill_draft(request, stored, lead)
        return request.confirm(path, message)
    if typed_form.act == "number":
        return await _reserve_number(request, typed_form, stored)
    if typed_form.act == "number-back":
        return await _give_number_back(request, stored)
    if typed_form.act == "file" and typed_form.doubled:
        return editor.at_part(request.confirm(path, "compose.file.doubled"), "tep")
    if typed_form.act == "check":
        return editor.at_part(request.go(path, **{"kiem-tra": "1"}), "gui")
    if typed_form.act == "send":
        return await _send(request, typed_form, stored)
    if typed_form.act in ("sign", "tree"):
        return request.go(f"{path}/{'ky-so' if typed_form.act == 'sign' else 'cay-co-quan'}")
    return editor.at_part(request.confirm(path, "compose.saved"), _PARTS.get(typed_form.act, ""))


async def _with_named(
    request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument
) -> OutgoingDocument:
    """Add the recipients that stand in the field for a block of names: the next page would not show that text any more.
    A region that is loaded anew leaves the field as it is."""
    text, is_region = typed_form.form.text("paste"), request.is_piece and typed_form.act in _ADDRESSES
    if not text or is_region or typed_form.act == "paste":
        return stored
    recipients = editor.sheet_of_document(stored).recipients
    role = addressing.role_of(typed_form.form.text("new_role"))
    recipients, _ = await addressing.add_pasted(request, recipients, text, role)
    return await put_recipients(request, stored, replace(stored.draft, recipients=recipients))


async def _reserve_number(
    request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument
) -> web.StreamResponse:
    draft = await drafts.reserve_number(
        request.deps.out,
        request.deps.book,
        request.scope(),
        stored,
        may_give=editor.may_send(request, stored.kind),
    )
    if draft is None:
        problem = ("symbol", request.say("compose.number.book"))
        return await editor.refused(request, typed_form.sheet, [problem])
    await uploads.save_over(request, stored, draft)
    return editor.at_part(request.confirm(f"/phat-hanh/{stored.id}", "compose.numbered"), "van-ban")


async def _give_number_back(request: PageRequest, stored: OutgoingDocument) -> web.StreamResponse:
    if not editor.may_send(request, stored.kind):
        raise Denied("only a clerk gives numbers", code="GW-RIGHT")
    await numbering.give_back(*request.outgoing, stored.id)
    await uploads.save_over(request, stored, replace(stored.draft, number=""))
    return editor.at_part(request.confirm(f"/phat-hanh/{stored.id}", "compose.number.back"), "van-ban")


async def _change_recipients(
    request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument
) -> web.StreamResponse:
    draft, message = stored.draft, "compose.saved"
    sheet = editor.sheet_of_document(stored)
    recipients = sheet.recipients
    role = addressing.role_of(typed_form.form.text("new_role"))
    try:
        if typed_form.act == "paste":
            recipients, skipped = await addressing.add_pasted(
                request, recipients, typed_form.form.text("paste"), role
            )
            message = "compose.pasted.skipped" if skipped else "compose.pasted"
        elif typed_form.act == "add-to":
            recipients, message = (
                addressing.with_codes(recipients, [typed_form.detail], role),
                "compose.added",
            )
        elif typed_form.act == "swap":
            old, _, new = typed_form.detail.partition(">")
            recipients, message = addressing.answer_row(recipients, old, new.upper()), "compose.added"
        elif typed_form.act == "add-group":
            # The group's members of today.
            (recipients, _), message = (
                await addressing.add_pasted(request, recipients, typed_form.form.text("group")),
                "compose.added",
            )
        elif typed_form.act == "save-group":
            await addressing.keep_group(request, recipients, typed_form.form.text("group_name"))
            message = "compose.group.saved"
    except Clash as error:
        return await editor.refused(request, sheet, [("group_name", request.why(error))])
    stored = await put_recipients(request, stored, replace(draft, recipients=recipients))
    if request.is_piece:
        return await editor.parts(request, stored, request.say(f"told.{message}"), with_recipients=True)
    return editor.at_part(request.confirm(f"/phat-hanh/{stored.id}", message), fields.RECIPIENTS_PART)


async def _limit_to_receivers(
    request: PageRequest, draft: Draft, change: DocumentChange, parent_id: str | None
) -> tuple[Draft, DocumentChange]:
    """Limit an update to the recipients of the document it changes."""
    async with request.deps.store.read(request.scope()) as work:
        parent = await work.outgoing.get(parent_id or "")
    return drafting.compare_receivers(draft, change, parent.draft.recipients)


async def put_recipients(request: PageRequest, stored: OutgoingDocument, draft: Draft) -> OutgoingDocument:
    """Save the draft with other recipients, everything else unchanged."""
    change = stored.change
    if stored.kind is Kind.UPDATE and change is not None:
        draft, change = await _limit_to_receivers(request, draft, change, stored.parent_id)
    return await uploads.save_over(request, stored, draft, change=change)


async def _send(request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument) -> web.StreamResponse:
    """Send only the draft that was shown with its checks; after a change the checks are shown again."""
    if not editor.may_send(request, stored.kind):
        raise Denied("only a clerk sends documents", code="GW-RIGHT")
    path = f"/phat-hanh/{stored.id}"
    if typed_form.form.text("checked") != str(stored.version):
        return editor.at_part(request.confirm(path, "compose.changed", **{"kiem-tra": "1"}), "gui")
    confirm = tuple(typed_form.form.all("confirm"))
    checked = await drafting.recheck(*request.outgoing, stored.id, confirm)
    problems = [
        *(checking.reason_line(request, reason) for reason in checked.verdict.reasons),
        *_open_questions(request, typed_form, stored, checked),
    ]
    if not problems:
        options = request.deps.settings.pages
        seconds = options.undo_express_s if stored.draft.urgency >= Urgency.EXPRESS else options.undo_s
        try:
            await manage.send_draft(
                *request.outgoing,
                stored.id,
                stored.version,
                confirm,
                timedelta(seconds=seconds),
            )
        except StaleVersion:
            return await _conflict(request, typed_form)
        except Refused as error:
            problems = editor.reasons(request, error, "")
        else:
            return request.go(f"{path}/da-gui")
    sheet = replace(editor.sheet_of_document(stored), ticked=_ticked(typed_form.form))
    return await editor.show_sheet(request, sheet, problems=problems, checked=checked)


def _open_questions(
    request: PageRequest, typed_form: TypedForm, stored: OutgoingDocument, checked: drafting.CheckedDraft
) -> list[tuple[str, str]]:
    questions = []
    if checking.must_ask(checked) and "again" not in typed_form.form:
        questions.append(("again", request.say("compose.twin.tick")))
    if stored.kind is not Kind.DOCUMENT and not (stored.change and stored.change.approved_by):
        questions.append(request.missing("approved_by", "compose.approved_by"))
    return questions


async def _autosave(request: PageRequest, typed_form: TypedForm) -> web.StreamResponse:
    """Save automatically, as far as the form can be read; the page changes only its note about saving."""
    try:
        stored = await _save(request, typed_form)
    except Refused as error:
        return await editor.refused(request, typed_form.sheet, editor.reasons(request, error, ""))
    except StaleVersion:
        return await _conflict(request, typed_form)
    at = local(request.deps.clock.now()).strftime("%H:%M:%S")
    return await editor.parts(request, stored, request.say("compose.kept", time=at))


async def _conflict(request: PageRequest, typed_form: TypedForm) -> web.StreamResponse:
    at = local(request.deps.clock.now()).strftime("%H:%M")
    words = request.say("compose.conflict", person=request.say("compose.somebody"), time=at)
    if typed_form.act == _QUICK or request.is_piece:
        return web.json_response({"problems": [words]}, status=409, headers=editor.NO_STORE)
    document = typed_form.base.document
    if document is None:
        return await editor.show_sheet(request, typed_form.sheet, problems=[("", words)], status=409)
    stored = editor.sheet_of_document(await editor.load_draft(request, document.id))
    differing = editor.differences(request, stored, typed_form.draft, typed_form.change)
    advice = [("", request.say("compose.conflict.over"))] if differing else []
    sheet = replace(typed_form.sheet, document=stored.document)
    return await editor.show_sheet(
        request, sheet, problems=[("", words), *advice, *differing], status=409, is_torn=bool(differing)
    )


def _ticked(form: Form) -> tuple[str, ...]:
    return (*form.all("confirm"), *(["again"] if "again" in form else []))
