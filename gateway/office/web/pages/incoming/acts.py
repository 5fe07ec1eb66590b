"""Acts on an incoming document. A clerk takes it in, puts it on hold, or refuses it (statuses 03 and 02). It is assigned to
units with a deadline, and a unit reports its progress (04 to 06). The sender's request is answered: recall, take-back,
update (15 agrees, 16 refuses). In: a visit and its form. Out: a page that describes effect and recipient, then the document
as it stands; the assignment, kept beside every earlier one: R67 (assignments are kept); the answer on its way. A refused
form comes back with everything that was typed."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import get_args
from urllib.parse import urlencode

from aiohttp import web

from gateway.domain.account import NumberingMode
from gateway.domain.document import WORKED_ON, Assignment, IncomingDocument, InState, Source, UnitDeadline
from gateway.domain.fields import STATUS
from gateway.domain.handling import PartState, UnitPart, unit_key
from gateway.domain.status import AT_WORK_CODES, CODES
from gateway.errors import BadForm, Clash, Denied, Refused, StaleVersion
from gateway.incoming import act, handling
from gateway.incoming.act import RefusalReason, StatusCall
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Submission, SubmissionState
from gateway.office.letters import received
from gateway.office.web import answers, dates
from gateway.office.web.forms import SHORTEST_REASON, Problems
from gateway.office.web.pages import lists
from gateway.office.web.pages.incoming import detail, seen
from gateway.office.web.pages.incoming.seen import IncomingView
from gateway.office.web.visits import Visit, merged
from gateway.words import labels

REASONS = get_args(RefusalReason)


async def take_in(visit: Visit) -> web.StreamResponse:
    incoming = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not incoming.is_open:
        return await seen.late_page(visit, incoming)
    note, number = visit.form.text("note"), visit.form.text("register_no")
    records = await detail.load_records(visit, incoming.main)
    has_own_numbers = records.agency.numbering is NumberingMode.C
    panel, from_list = detail.panel_of(visit, incoming, records), visit.form.text("tu") == "danh-sach"
    if from_list and not panel.is_clean:
        # A person must look at it: its page gives the reasons.
        return visit.go(incoming.path, **merged({"ds": visit.ask("ds")}))
    problems = [visit.missing("register_no", "incoming.number")] if has_own_numbers and not number else []
    if not panel.is_clean:
        problems += _text_problems(visit, "note", "incoming.note", note)
    if problems:
        return await take_in_form(visit, problems)
    call = StatusCall(
        code="03",
        register_no=number if has_own_numbers else None,
        note=note or None,
        staff=seen.staff_of(visit),
    )
    next_id = None if visit.is_piece else await lists.next_document(visit, Side.IN, incoming.main.id)
    try:
        letter = await seen.give_status(visit, incoming, call, incoming.main.version if from_list else None)
    except StaleVersion:
        return await seen.late_page(visit, incoming)
    except Refused as error:
        return await take_in_form(visit, _field_problems(visit, error))
    except Clash as error:
        if error.code == "GW-STATUS":
            return await seen.late_page(visit, incoming)
        return await take_in_form(visit, [("register_no", visit.why(error))])
    message = "incoming.registered" if letter.register_no else "incoming.taken_in"
    if visit.is_piece:
        word = visit.say("listing.arrival_no", number=letter.register_no) if letter.register_no else ""
        return seen.confirm(
            visit, incoming, message, word or visit.say("listing.deed.accepted"), letter.register_no or ""
        )
    return visit.confirm(incoming.path, message, **merged({"ds": visit.ask("ds"), "sau": next_id or ""}))


async def take_in_form(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    incoming = await seen.find(visit)
    if not incoming.is_open:
        return await seen.late_page(visit, incoming)
    records = await detail.load_records(visit, incoming.main)
    return await visit.form_page(
        "incoming/take_in.html",
        problems,
        title=visit.say("incoming.take_in.title", name=incoming.name),
        found=incoming,
        document=incoming.main,
        panel=detail.panel_of(visit, incoming, records),
        mode=records.agency.numbering.value,
        query=urlencode(merged({"ds": visit.ask("ds")})),
        version=visit.form.text("version") or str(incoming.main.version),
    )


async def put_on_hold(visit: Visit) -> web.StreamResponse:
    """Put a new document on hold; a decided one cannot be."""
    incoming, reason = await seen.find(visit), visit.form.text("reason")
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not incoming.is_open or incoming.main.state is not InState.NEW:
        return await seen.late_page(visit, incoming)
    problems = _text_problems(visit, "reason", "incoming.reason", reason)
    if problems or not visit.is_act:
        return await seen.ask(visit, incoming, "hold", problems, query=merged({"ds": visit.ask("ds")}))
    return await seen.done_or_late(
        visit, incoming, _set_aside(visit, incoming, reason), "incoming.held", end_state="held"
    )


async def _set_aside(visit: Visit, incoming: IncomingView, reason: str) -> None:
    version = seen.form_version(visit)
    await act.set_aside(visit.deps.inn, visit.scope(), incoming.main.id, reason, expect_version=version)
    await visit.deps.looking.forget(visit.scope(), incoming.main.id)


async def refuse(visit: Visit) -> web.StreamResponse:
    incoming, code, note = await seen.find(visit), visit.form.text("reason"), visit.form.text("note")
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not incoming.is_open:
        return await seen.late_page(visit, incoming)
    problems = [] if code in REASONS else [("reason", visit.say("incoming.refuse.choose"))]
    problems += _text_problems(visit, "note", "incoming.refuse.text", note)
    if problems or not visit.is_act:
        query = merged({"ds": visit.ask("ds")})
        reasons = [(reason, visit.say(f"reason.{reason}")) for reason in REASONS]
        choices = [("", visit.say("incoming.refuse.none")), *reasons]
        return await seen.ask(visit, incoming, "refuse", problems, query=query, grave=True, reasons=choices)
    call = StatusCall(code="02", reason=code, note=note, staff=seen.staff_of(visit))
    refusal = seen.give_status(visit, incoming, call)
    return await seen.done_or_late(visit, incoming, refusal, "incoming.refused", end_state="rejected")


def _text_problems(visit: Visit, field: str, label: str, text: str) -> Problems:
    if not text:
        return [visit.missing(field, label)]
    is_short = len(text) < SHORTEST_REASON
    return [(field, visit.say("incoming.short", field=visit.say(label)))] if is_short else []


def _field_problems(visit: Visit, error: Refused) -> Problems:
    """Return every broken rule beside its field."""
    return [
        (pointer.strip("/").partition("/")[0], words)
        for pointer, words in answers.reasons_of(error, visit.lang)
    ]


_LONGEST_INSTRUCTION = STATUS["assignment/instruction"].longest
_LONGEST_UNIT = STATUS["assignment/lead_unit"].longest
_STATUS_MESSAGES = {code: f"incoming.{CODES[code].key}" for code in AT_WORK_CODES}


async def assign(visit: Visit) -> web.StreamResponse:
    incoming = await _find_to_assign(visit)
    if incoming.main.state not in WORKED_ON:
        return await seen.late_page(visit, incoming)
    submission = waiting(await submissions_of(visit, incoming))
    if submission is not None and visit.form.text("only") == "1":
        answer = await record_opinion(visit, incoming)
        return answer or await assign_form(visit, [visit.missing("instruction", "incoming.opinion")])
    is_returned = any(part.state is PartState.RETURNED for part in await _load_parts(visit, incoming))
    assignment, problems = _read_assignment(visit, incoming.main, await _units(visit), is_returned)
    if problems:
        return await assign_form(visit, problems)
    if incoming.main.state is InState.ACCEPTED:
        call = StatusCall(code="04", assignment=assignment, staff=seen.staff_of(visit))
        operation: Awaitable[object] = seen.give_status(visit, incoming, call)
    else:
        version, reason = seen.form_version(visit), visit.form.text("why")
        operation = act.assign(
            visit.deps.inn, visit.scope(), incoming.main.id, assignment, expect_version=version, why=reason
        )
    if submission is not None:
        operation = _decide_by_assigning(visit, incoming, assignment, operation)
    try:
        return await seen.done_or_late(visit, incoming, operation, "incoming.assigned")
    except Refused as error:
        return await assign_form(visit, _unit_problems(visit, error))


def _unit_problems(visit: Visit, error: Refused) -> Problems:
    return [
        ("other_units" if "/coordinating_units" in pointer else "lead_unit", words)
        for pointer, words in answers.reasons_of(error, visit.lang)
    ]


async def _decide_by_assigning(
    visit: Visit, incoming: IncomingView, assignment: Assignment, assigning: Awaitable[object]
) -> None:
    """Record the assignment as the opinion on the submission."""
    await assigning
    words = assignment.instruction or labels.say("incoming.given.lead", "vi", unit=assignment.lead_unit)
    await received.decide(visit.deps.inn, visit.scope(), incoming.main.id, words)


async def report_progress(visit: Visit) -> web.StreamResponse:
    """Report the unit's progress."""
    incoming = await seen.find(visit)
    seen.granted_over(visit, incoming, Right.PROGRESS, Manner.OWN)
    code = visit.form.text("code")
    if code not in _STATUS_MESSAGES:
        raise BadForm(f"there is no step {code[:20]!r}")
    if code not in detail.STEPS.get(incoming.main.state, ()):
        return await seen.late_page(visit, incoming)
    call = StatusCall(code=code, note=visit.form.text("note") or None, staff=seen.staff_of(visit))
    return await seen.done_or_late(
        visit, incoming, seen.give_status(visit, incoming, call), _STATUS_MESSAGES[code]
    )


async def reopen(visit: Visit) -> web.StreamResponse:
    """Reopen work that was closed by mistake."""
    incoming, problems = await seen.find(visit), visit.short_reason()
    if not seen.may_reopen(visit, incoming):
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    if incoming.main.state is not InState.DONE:
        return await seen.late_page(visit, incoming)
    if problems or not visit.is_act:
        will = "" if incoming.main.source is Source.AXIS else ".by_hand"
        return await seen.ask(visit, incoming, "reopen", problems, will=f"will{will}")
    call = StatusCall(code="05", note=visit.form.text("reason"), reopens=True, staff=seen.staff_of(visit))
    return await seen.done_or_late(
        visit, incoming, seen.give_status(visit, incoming, call), "incoming.reopened"
    )


async def hand_back(visit: Visit) -> web.StreamResponse:
    """Hand it back, as a unit's head, to the person who assigns."""
    incoming, problems = await seen.find(visit), visit.short_reason()
    granted = seen.granted_over(visit, incoming, Right.INSTRUCT, Manner.OWN)
    part = await _open_part(visit, incoming, granted.unit)
    if part is None:
        return await seen.late_page(visit, incoming)
    if problems or not visit.is_act:
        return await seen.ask(visit, incoming, "hand_back", problems, unit=part.unit)
    version, reason = seen.form_version(visit), visit.form.text("reason")
    handing_back = handling.hand_back(
        visit.deps.inn, visit.scope(), incoming.main.id, granted.unit, reason, version
    )
    return await seen.done_or_late(visit, incoming, handing_back, "incoming.handed_back")


async def finish_part(visit: Visit) -> web.StreamResponse:
    """Finish the part of a helping unit."""
    incoming = await seen.find(visit)
    granted = seen.granted_over(visit, incoming, Right.PROGRESS, Manner.OWN)
    finishing = handling.finish(
        visit.deps.inn, visit.scope(), incoming.main.id, granted.unit, seen.form_version(visit)
    )
    return await seen.done_or_late(visit, incoming, finishing, "incoming.part_done")


async def _load_parts(visit: Visit, incoming: IncomingView) -> Sequence[UnitPart]:
    async with visit.deps.store.read(visit.scope()) as work:
        return (await work.parts.of([incoming.main.id]))[incoming.main.id]


async def _open_part(visit: Visit, incoming: IncomingView, unit: str) -> UnitPart | None:
    parts = await _load_parts(visit, incoming)
    own_parts = (part for part in parts if part.state is PartState.OPEN and part.key == unit_key(unit))
    return next(own_parts, None) if incoming.main.state in WORKED_ON else None


async def _find_to_assign(visit: Visit) -> IncomingView:
    incoming = await seen.find(visit)
    seen.granted_over(visit, incoming, Right.INSTRUCT, Manner.YES, Manner.OWN)
    return incoming


async def assign_form(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    incoming = await _find_to_assign(visit)
    document = incoming.main
    if document.state not in WORKED_ON:
        return await seen.late_page(visit, incoming)
    assignment = document.assignment
    assigned_values = (
        {"lead_unit": assignment.lead_unit, "deadline": dates.day_text(assignment.deadline)}
        if assignment
        else {}
    )
    submission = waiting(await submissions_of(visit, incoming))
    returned_parts = [d for d in await _load_parts(visit, incoming) if d.state is PartState.RETURNED]
    return await visit.form_page(
        "incoming/assign.html",
        problems,
        title=visit.say("incoming.assign.title", name=incoming.name),
        found=incoming,
        document=document,
        units=await _units(visit),
        before=assignment,
        handed_back=returned_parts,
        asked=submission,
        asked_by=await seen.name_of(visit, submission.asked_by) if submission else "",
        ready=[("", visit.say("incoming.ready.none")), *((d, d) for d in ready_sentences())],
        own_days={d.unit: dates.day_text(d.deadline) for d in assignment.deadlines} if assignment else {},
        given=visit.form.flat() or assigned_values,
        ticked=visit.form.all("helping")
        if visit.form.fields or not assignment
        else assignment.coordinating_units,
        version=visit.form.text("version") or str(incoming.main.version),
    )


async def _units(visit: Visit) -> Sequence[str]:
    """List the departments that persons of the agency belong to."""
    async with visit.deps.store.read(visit.scope()) as work:
        return await work.parts.units(visit.deps.clock.now())


def _read_assignment(
    visit: Visit, document: IncomingDocument, units: Sequence[str], is_returned: bool
) -> tuple[Assignment, Problems]:
    """Read the assignment. After a unit has handed it back no reason is needed: the unit gave one."""
    form = visit.form
    lead = " ".join(form.text("lead_unit").split())[:_LONGEST_UNIT]
    other_units = form.text("other_units").replace(";", "\n").splitlines()
    helping = [
        unit
        for name in (*form.all("helping"), *other_units)
        if (unit := " ".join(name.split())[:_LONGEST_UNIT])
    ]
    today = visit.today
    deadline = dates.typed_day(form.text("deadline"), today) if form.text("deadline") else None
    problems: Problems = []
    if not lead:
        problems.append(visit.missing("lead_unit", "incoming.lead_unit"))
    if form.text("deadline") and deadline is None:
        problems.append(("deadline", visit.say("incoming.deadline.unreadable")))
    elif deadline is not None and deadline < today:
        problems.append(("deadline", visit.say("incoming.deadline.past")))
    if len(opinion_typed(visit)) > _LONGEST_INSTRUCTION:
        problems.append(("instruction", visit.say("incoming.instruction.long", most=_LONGEST_INSTRUCTION)))
    unit_deadlines, deadline_problems = _read_unit_deadlines(visit, units, helping)
    problems += deadline_problems
    if document.state is not InState.ACCEPTED and not is_returned:
        problems += visit.short_reason("why")
    assignment = Assignment(
        lead_unit=lead,
        coordinating_units=tuple(dict.fromkeys(name for name in helping if name != lead)),
        deadline=deadline,
        instruction=opinion_typed(visit)[:_LONGEST_INSTRUCTION] or None,
        deadlines=tuple(name for name in unit_deadlines if name.unit != lead),
    )
    return assignment, problems


def _read_unit_deadlines(
    visit: Visit, units: Sequence[str], helping: Sequence[str]
) -> tuple[list[UnitDeadline], Problems]:
    """Read the days of ticked units, each in the field of its place in the list."""
    deadlines: list[UnitDeadline] = []
    problems: Problems = []
    for n, unit in enumerate(units, start=1):
        text = visit.form.text(f"deadline_{n}")
        if not text or unit not in helping:
            continue
        day = dates.typed_day(text, visit.today)
        if day is None or day < visit.today:
            words = "incoming.deadline.unreadable" if day is None else "incoming.deadline.past"
            problems.append(("deadline", f"{unit}: {visit.say(words)}"))
        else:
            deadlines.append(UnitDeadline(unit=unit, deadline=day))
    return deadlines, problems


async def answer_request(visit: Visit, code: str) -> web.StreamResponse:
    """Answer the sender's request, provided that it is the one that the page showed: 15 agrees, 16 refuses with a
    reason."""
    incoming, agrees = await seen.find(visit), code == "15"
    visit.person.require(Right.ANSWER, Manner.YES)
    records = await detail.load_records(visit, incoming.main)
    if records.request is None or incoming.main.state is InState.SEALED:
        return await seen.late_page(visit, incoming)
    request, child = records.request, records.request.brought_by
    if visit.is_act and visit.form.text("request") != request.request_id:
        return await seen.late_page(visit, incoming)
    problems = [] if agrees else visit.short_reason()
    if problems or not visit.is_act:
        will = "will.update" if request.kind == "update" else "will.cancel"
        return await seen.ask(
            visit,
            incoming,
            "agree" if agrees else "disagree",
            problems,
            will=will if agrees else "will",
            do=f"do.{request.kind}",
            grave=not agrees or request.kind != "update",
            request_id=request.request_id or "",
            request=request,
            changed=list_changes(visit, incoming.main, child) if agrees and child is not None else (),
        )
    call = StatusCall(code=code, note=visit.form.text("reason") or None, staff=seen.staff_of(visit))
    message = "incoming.agreed" if agrees else "incoming.disagreed"
    return await seen.done_or_late(visit, incoming, seen.give_status(visit, incoming, call), message)


def list_changes(
    visit: Visit, earlier: IncomingDocument, changed: IncomingDocument
) -> list[tuple[str, str, str]]:
    """List the changes to the document: a label, before, after; of files their names."""
    pairs = (
        ("incoming.subject", earlier.subject, changed.subject),
        ("incoming.type", earlier.type_name, changed.type_name),
        ("incoming.signer", _signer_text(earlier), _signer_text(changed)),
        ("incoming.urgency", *(visit.say(f"urgency.{d.urgency.key}") for d in (earlier, changed))),
        ("incoming.due_on", dates.day_text(earlier.due_on), dates.day_text(changed.due_on)),
        ("incoming.pages", str(earlier.pages or ""), str(changed.pages or "")),
        ("incoming.files", _files_text(earlier), _files_text(changed) or _files_text(earlier)),
    )
    return [
        (visit.say(key), str(old or "–"), str(new or "–"))
        for key, old, new in pairs
        if (old or "") != (new or "")
    ]


def _signer_text(document: IncomingDocument) -> str:
    return document.signer.name if document.signer is not None else ""


def _files_text(document: IncomingDocument) -> str:
    return ", ".join(f.name for f in document.files)


READY = ("handle", "reply", "together", "report", "know", "file")
"""Keys of ready sentences, worded by `incoming.ready.…`."""


async def submissions_of(visit: Visit, incoming: IncomingView) -> tuple[Submission, ...]:
    async with visit.deps.store.read(visit.scope()) as work:
        return tuple((await work.office.submissions.of_documents([incoming.main.id]))[incoming.main.id])


def waiting(submissions: tuple[Submission, ...]) -> Submission | None:
    return next((s for s in submissions if s.state is SubmissionState.OPEN), None)


def ready_sentences() -> list[str]:
    """List the sentences in Vietnamese, as the instruction is kept, in any language of the page."""
    return [labels.say(f"incoming.ready.{key}", "vi") for key in READY]


def opinion_typed(visit: Visit) -> str:
    """Join the chosen sentence and the typed text."""
    chosen, text = visit.form.text("ready"), visit.form.text("instruction")
    sentence = chosen if chosen in ready_sentences() else ""
    return "\n".join(part for part in (sentence, text) if part)


async def submit(visit: Visit) -> web.StreamResponse:
    incoming = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if incoming.main.state not in WORKED_ON or waiting(await submissions_of(visit, incoming)):
        return await seen.late_page(visit, incoming)
    leader, note = visit.form.text("leader"), visit.form.text("note")
    leaders = await seen.leaders_of(visit)
    problems = [] if leader in dict(leaders) else [visit.missing("leader", "incoming.leader")]
    if problems or not visit.is_act:
        closed = "" if leaders else visit.say("incoming.submit.nobody")
        return await seen.ask(visit, incoming, "submit", problems, leaders=leaders, closed=closed)
    submitting = received.submit(visit.deps.inn, visit.scope(), incoming.main.id, leader, note)
    return await seen.done_or_late(visit, incoming, submitting, "incoming.submitted")


async def record_opinion(visit: Visit, incoming: IncomingView) -> web.StreamResponse | None:
    """Record an opinion without an assignment. None where no words were given."""
    words = opinion_typed(visit)
    if not words:
        return None
    deciding = received.decide(visit.deps.inn, visit.scope(), incoming.main.id, words)
    return await seen.done_or_late(visit, incoming, deciding, "incoming.opinion")
