"""Acts on an incoming document. A clerk takes it in, puts it on hold, or refuses it (statuses 03 and 02). It is assigned to
units with a deadline, and a unit reports its progress (04 to 06). The sender's request is answered: recall, take-back,
update (15 agrees, 16 refuses). In: a request and its form. Out: a page that describes effect and recipient, then the
document as it stands; the assignment, kept beside every earlier one: R67 (assignments are kept); the answer on its way. A
refused form comes back with everything that was typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args
from urllib.parse import urlencode

from aiohttp import web

from gateway.domain.account import NumberingMode
from gateway.domain.document import WORKED_ON, IncomingDocument, InState, Source
from gateway.domain.handling import PartState, Share, UnitPart
from gateway.domain.states import AT_WORK_CODES, CODES, State
from gateway.errors import BadForm, Clash, Denied, Refused, StaleVersion
from gateway.incoming import act, handling
from gateway.incoming.act import RefusalReason, StatusCall
from gateway_office.accounts import tags_and_views
from gateway_office.domain.listing import Side
from gateway_office.domain.pending import ActKind, ActValues
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import Submission
from gateway_office.letters import comments, pending, received
from gateway_office.web import answers, dates
from gateway_office.web.addresses import merged
from gateway_office.web.forms import SHORTEST_REASON, Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import lists
from gateway_office.web.pages.incoming import access, assigning, detail
from gateway_office.web.pages.incoming.access import IncomingView

REASONS = get_args(RefusalReason)
# Word of a form for the page that it was sent from.
_FROM_LIST = "danh-sach"
_STATUS_MESSAGES = {code: f"incoming.{CODES[code].key}" for code in AT_WORK_CODES}


async def take_in(request: PageRequest) -> web.StreamResponse:
    incoming = await access.find(request)
    request.person.require(Right.TAKE_IN, Manner.YES)
    if not incoming.is_open:
        return await access.late_page(request, incoming)
    note, number = request.form.text("note"), request.form.text("register_no")
    records = await detail.load_records(request, incoming.main)
    has_own_numbers = records.agency.numbering is NumberingMode.C
    panel, from_list = detail.panel_of(request, incoming, records), request.form.text("tu") == _FROM_LIST
    if from_list and not panel.is_clean:
        # A person must look at it: its page gives the reasons.
        return request.go(incoming.path, **merged({"ds": request.ask("ds")}))
    problems = [request.missing("register_no", "incoming.number")] if has_own_numbers and not number else []
    if not panel.is_clean:
        problems += _text_problems(request, "note", "incoming.note", note)
    if problems:
        return await take_in_form(request, problems)
    leader = await detail.usual_leader(request) if request.form.text("trinh") else None
    values = ActValues(
        register_no=number if has_own_numbers else None,
        note=note or None,
        staff=access.staff_of(request),
        leader=leader[0] if leader is not None else None,
    )
    next_id = None if request.is_piece else await lists.next_document(request, Side.IN, incoming.main.id)
    version = incoming.main.version if from_list else None
    try:
        result = await access.begin_act(request, incoming, ActKind.TAKE_IN, values, version)
    except StaleVersion:
        return await access.late_page(request, incoming)
    except Refused as error:
        return await take_in_form(request, request.problems_of(error))
    except Clash as error:
        if error.code in ("GW-STATUS", "GW-ACT-WAITS"):
            return await access.late_page(request, incoming)
        return await take_in_form(request, [("register_no", request.why(error))])
    if result.due is not None:
        return await access.confirm_waiting(request, incoming, result.due, next_id or "")
    letter = result.document
    message = "incoming.registered" if letter.register_no else "incoming.taken_in"
    if request.is_piece:
        word = request.say("listing.arrival_no", number=letter.register_no) if letter.register_no else ""
        return access.confirm(
            request, incoming, message, word or request.say("listing.deed.accepted"), letter.register_no or ""
        )
    return request.confirm(incoming.path, message, **merged({"ds": request.ask("ds"), "sau": next_id or ""}))


async def take_in_form(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    incoming = await access.find(request)
    if not incoming.is_open:
        return await access.late_page(request, incoming)
    records = await detail.load_records(request, incoming.main)
    return await request.form_page(
        "incoming/take_in.html",
        problems,
        title=request.say("incoming.take_in.title", name=incoming.name),
        found=incoming,
        document=incoming.main,
        panel=detail.panel_of(request, incoming, records),
        note_draft=detail.note_draft(request, incoming, records),
        mode=records.agency.numbering.value,
        query=urlencode(merged({"ds": request.ask("ds")})),
        version=request.form.text("version") or str(incoming.main.version),
    )


async def put_on_hold(request: PageRequest) -> web.StreamResponse:
    """Put a new document on hold; a decided one cannot be."""
    incoming, reason = await access.find(request), request.form.text("reason")
    request.person.require(Right.TAKE_IN, Manner.YES)
    if not incoming.is_open or incoming.main.state is not InState.NEW:
        return await access.late_page(request, incoming)
    problems = _text_problems(request, "reason", "incoming.reason", reason)
    if problems or not request.is_act:
        return await access.ask(request, incoming, "hold", problems, query=merged({"ds": request.ask("ds")}))
    return await access.done_or_late(
        request, incoming, _set_aside(request, incoming, reason), "incoming.held", end_state="held"
    )


async def _set_aside(request: PageRequest, incoming: IncomingView, reason: str) -> None:
    version = access.form_version(request)
    await act.set_aside(*request.incoming, incoming.main.id, reason, expect_version=version)
    await request.deps.looking.forget(request.scope(), incoming.main.id)


async def refuse(request: PageRequest) -> web.StreamResponse:
    incoming, code, note = await access.find(request), request.form.text("reason"), request.form.text("note")
    request.person.require(Right.TAKE_IN, Manner.YES)
    if not incoming.is_open:
        return await access.late_page(request, incoming)
    problems = [] if code in REASONS else [("reason", request.say("incoming.refuse.choose"))]
    problems += _text_problems(request, "note", "incoming.refuse.text", note)
    if problems or not request.is_act:
        query = merged({"ds": request.ask("ds")})
        reasons = [(reason, request.say(f"reason.{reason}")) for reason in REASONS]
        choices = [("", request.say("incoming.refuse.none")), *reasons]
        return await access.ask(
            request, incoming, "refuse", problems, query=query, grave=True, reasons=choices
        )
    values = ActValues(reason=code, note=note, staff=access.staff_of(request))
    refusal = access.begin_act(request, incoming, ActKind.REFUSE, values)
    return await access.done_or_late(request, incoming, refusal, "incoming.refused", end_state=State.REJECTED)


async def undo(request: PageRequest) -> web.StreamResponse:
    """Undo an act that waits, or put away one that could not be done."""
    incoming = await access.find(request)
    try:
        undone = await pending.undo(*request.incoming, incoming.main.id)
    except Clash:
        return await access.late_page(request, incoming, request.say("incoming.undo.late"))
    message = "incoming.undone" if undone.waits else "incoming.put_away"
    return request.confirm(incoming.path, message, **merged({"ds": request.ask("ds")}))


def _text_problems(request: PageRequest, field: str, label: str, text: str) -> Problems:
    if not text:
        return [request.missing(field, label)]
    is_short = len(text) < SHORTEST_REASON
    return [(field, request.say("incoming.short", field=request.say(label)))] if is_short else []


async def assign(request: PageRequest) -> web.StreamResponse:
    incoming = await _find_to_assign(request)
    if incoming.main.state not in WORKED_ON:
        return await access.late_page(request, incoming)
    submission = assigning.waiting(await submissions_of(request, incoming))
    if submission is not None and request.form.text("only") == "1":
        answer = await record_opinion(request, incoming)
        return answer or await assign_form(request, [request.missing("instruction", "incoming.opinion")])
    is_returned = any(part.state is PartState.RETURNED for part in await _load_parts(request, incoming))
    rows = await assigning.list_receivers(request, incoming.main.assignment)
    assignment, problems = assigning.read_assignment(request, incoming.main, rows, is_returned)
    if problems:
        return await assign_form(request, problems)
    values = ActValues(
        assignment=assignment,
        staff=access.staff_of(request),
        why=request.form.text("why"),
        decides=submission is not None,
    )
    operation = access.begin_act(request, incoming, ActKind.ASSIGN, values)
    try:
        return await access.done_or_late(
            request, incoming, operation, "incoming.assigned", end_state=State.ASSIGNED
        )
    except Refused as error:
        return await assign_form(request, _unit_problems(request, error))


def _unit_problems(request: PageRequest, error: Refused) -> Problems:
    return [
        ("lead_unit" if "/lead_unit" in pointer else "other_units", words)
        for pointer, words in answers.reasons_of(error, request.lang)
    ]


async def report_progress(request: PageRequest) -> web.StreamResponse:
    """Report the unit's progress."""
    incoming = await access.find(request)
    access.granted_over(request, incoming, Right.PROGRESS, Manner.OWN)
    code = request.form.text("code")
    if code not in _STATUS_MESSAGES:
        raise BadForm(f"there is no step {code[:20]!r}")
    if code not in detail.STEPS.get(incoming.main.state, ()):
        return await access.late_page(request, incoming)
    call = StatusCall(code=code, note=request.form.text("note") or None, staff=access.staff_of(request))
    return await access.done_or_late(
        request, incoming, access.give_status(request, incoming, call), _STATUS_MESSAGES[code]
    )


async def reopen(request: PageRequest) -> web.StreamResponse:
    """Reopen work that was closed by mistake."""
    incoming, problems = await access.find(request), request.short_reason()
    if not access.may_reopen(request, incoming):
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    if incoming.main.state is not InState.DONE:
        return await access.late_page(request, incoming)
    if problems or not request.is_act:
        will = "" if incoming.main.source is Source.AXIS else ".by_hand"
        return await access.ask(request, incoming, "reopen", problems, will=f"will{will}")
    call = StatusCall(
        code="05", note=request.form.text("reason"), reopens=True, staff=access.staff_of(request)
    )
    return await access.done_or_late(
        request, incoming, access.give_status(request, incoming, call), "incoming.reopened"
    )


async def hand_back(request: PageRequest) -> web.StreamResponse:
    """Hand it back, as a unit's head, to the person who assigns."""
    incoming, problems = await access.find(request), request.short_reason()
    access.granted_over(request, incoming, Right.INSTRUCT, Manner.OWN)
    share = request.share_of(Right.INSTRUCT)
    part = await _open_part(request, incoming, share)
    if part is None:
        return await access.late_page(request, incoming)
    if problems or not request.is_act:
        return await access.ask(request, incoming, "hand_back", problems, unit=part.unit)
    version, reason = access.form_version(request), request.form.text("reason")
    handing_back = handling.hand_back(*request.incoming, incoming.main.id, share, reason, version)
    return await access.done_or_late(request, incoming, handing_back, "incoming.handed_back")


async def finish_part(request: PageRequest) -> web.StreamResponse:
    """Finish the part of a helping unit."""
    incoming = await access.find(request)
    access.granted_over(request, incoming, Right.PROGRESS, Manner.OWN)
    share, version = request.share_of(Right.PROGRESS), access.form_version(request)
    finishing = handling.finish(*request.incoming, incoming.main.id, share, version)
    return await access.done_or_late(request, incoming, finishing, "incoming.part_done")


async def give_part_on(request: PageRequest) -> web.StreamResponse:
    """Give the unit's part to a person of the unit, as the unit's head."""
    incoming, form = await access.find(request), request.form
    access.granted_over(request, incoming, Right.INSTRUCT, Manner.OWN)
    share, version = request.share_of(Right.INSTRUCT), access.form_version(request)
    part, person = form.text("part"), form.text("person")
    giving = handling.give_on(*request.incoming, incoming.main.id, share, part, person, version)
    return await access.done_or_late(request, incoming, giving, "incoming.part_given")


async def confirm_reading(request: PageRequest) -> web.StreamResponse:
    """Mark a letter as seen that the person, or a unit of theirs, got for information."""
    incoming = await access.find(request)
    share = request.share_of(Right.SEE_CONTENT)
    marking = handling.confirm_reading(*request.incoming, incoming.main.id, share)
    return await access.done_or_late(request, incoming, marking, "incoming.seen", end_state="seen")


async def comment(request: PageRequest) -> web.StreamResponse:
    """Add a comment for the others of the agency who may read the letter."""
    incoming = await access.find(request)
    if not incoming.may_comment:
        raise Denied("comments are of those who may read the letter", code="GW-RIGHT")
    text = request.form.text("text")
    if not text or len(text) > comments.LONGEST:
        problem = request.say("incoming.comment.length", most=comments.LONGEST)
        return await access.ask(request, incoming, "comment", [("text", problem)])
    adding = comments.add_comment(*request.incoming, incoming.main.id, text)
    return await access.done_or_late(request, incoming, adding, "incoming.commented")


async def put_label(request: PageRequest) -> web.StreamResponse:
    """Put the label on the letter that the page suggested."""
    incoming = await access.find(request)
    services = request.deps.store, request.deps.clock, request.scope()
    await tags_and_views.put_tag(*services, request.form.text("name"), incoming.main.id)
    return request.confirm(incoming.path, "incoming.labelled")


async def _load_parts(request: PageRequest, incoming: IncomingView) -> Sequence[UnitPart]:
    async with request.deps.store.read(request.scope()) as work:
        return (await work.parts.of_documents([incoming.main.id]))[incoming.main.id]


async def _open_part(request: PageRequest, incoming: IncomingView, share: Share) -> UnitPart | None:
    own_parts = handling.open_parts(await _load_parts(request, incoming), share)
    working_parts = (part for part in own_parts if not part.is_informed)
    return next(working_parts, None) if incoming.main.state in WORKED_ON else None


async def _find_to_assign(request: PageRequest) -> IncomingView:
    incoming = await access.find(request)
    access.granted_over(request, incoming, Right.INSTRUCT, Manner.YES, Manner.OWN)
    return incoming


async def assign_form(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    incoming = await _find_to_assign(request)
    document = incoming.main
    if document.state not in WORKED_ON:
        return await access.late_page(request, incoming)
    submissions, parts = await submissions_of(request, incoming), await _load_parts(request, incoming)
    return await request.form_page(
        "incoming/assign.html",
        problems,
        title=request.say("incoming.assign.title", name=incoming.name),
        found=incoming,
        document=document,
        **await assigning.form_values(request, document, submissions, parts),
    )


async def answer_request(request: PageRequest, code: str) -> web.StreamResponse:
    """Answer the sender's sender_request, provided that it is the one that the page showed: 15 agrees, 16 refuses with a
    reason."""
    incoming, agrees = await access.find(request), code == "15"
    request.person.require(Right.ANSWER, Manner.YES)
    records = await detail.load_records(request, incoming.main)
    if records.request is None or incoming.main.state is InState.SEALED:
        return await access.late_page(request, incoming)
    sender_request, child = records.request, records.request.brought_by
    if request.is_act and request.form.text("request") != sender_request.request_id:
        return await access.late_page(request, incoming)
    problems = [] if agrees else request.short_reason()
    if problems or not request.is_act:
        will = "will.update" if sender_request.kind == "update" else "will.cancel"
        return await access.ask(
            request,
            incoming,
            "agree" if agrees else "disagree",
            problems,
            will=will if agrees else "will",
            do=f"do.{sender_request.kind}",
            grave=not agrees or sender_request.kind != "update",
            request_id=sender_request.request_id or "",
            request=sender_request,
            changed=list_changes(request, incoming.main, child) if agrees and child is not None else (),
        )
    call = StatusCall(code=code, note=request.form.text("reason") or None, staff=access.staff_of(request))
    message = "incoming.agreed" if agrees else "incoming.disagreed"
    return await access.done_or_late(request, incoming, access.give_status(request, incoming, call), message)


def list_changes(
    request: PageRequest, earlier: IncomingDocument, changed: IncomingDocument
) -> list[tuple[str, str, str]]:
    """List the changes to the document: a label, before, after; of files their names."""
    pairs = (
        ("incoming.subject", earlier.subject, changed.subject),
        ("incoming.type", earlier.type_name, changed.type_name),
        ("incoming.signer", _signer_text(earlier), _signer_text(changed)),
        ("incoming.urgency", *(request.say(f"urgency.{d.urgency.key}") for d in (earlier, changed))),
        ("incoming.due_on", dates.day_text(earlier.due_on), dates.day_text(changed.due_on)),
        ("incoming.pages", str(earlier.pages or ""), str(changed.pages or "")),
        ("incoming.files", _files_text(earlier), _files_text(changed) or _files_text(earlier)),
    )
    return [
        (request.say(key), str(old or "–"), str(new or "–"))
        for key, old, new in pairs
        if (old or "") != (new or "")
    ]


def _signer_text(document: IncomingDocument) -> str:
    return document.signer.name if document.signer is not None else ""


def _files_text(document: IncomingDocument) -> str:
    return ", ".join(f.name for f in document.files)


async def submissions_of(request: PageRequest, incoming: IncomingView) -> tuple[Submission, ...]:
    async with request.deps.store.read(request.scope()) as work:
        return tuple((await work.office.submissions.of_documents([incoming.main.id]))[incoming.main.id])


async def submit(request: PageRequest) -> web.StreamResponse:
    incoming = await access.find(request)
    request.person.require(Right.TAKE_IN, Manner.YES)
    if incoming.main.state not in WORKED_ON or assigning.waiting(await submissions_of(request, incoming)):
        return await access.late_page(request, incoming)
    leader, note = request.form.text("leader"), request.form.text("note")
    leaders = await access.leaders_of(request)
    problems = [] if leader in dict(leaders) else [request.missing("leader", "incoming.leader")]
    if problems or not request.is_act:
        closed = "" if leaders else request.say("incoming.submit.nobody")
        return await access.ask(request, incoming, "submit", problems, leaders=leaders, closed=closed)
    submitting = received.submit(*request.incoming, incoming.main.id, leader, note)
    return await access.done_or_late(request, incoming, submitting, "incoming.submitted")


async def record_opinion(request: PageRequest, incoming: IncomingView) -> web.StreamResponse | None:
    """Record an opinion without an assignment. None where no words were given."""
    words = assigning.opinion_typed(request)
    if not words:
        return None
    deciding = received.decide(*request.incoming, incoming.main.id, words)
    return await access.done_or_late(request, incoming, deciding, "incoming.opinion")
