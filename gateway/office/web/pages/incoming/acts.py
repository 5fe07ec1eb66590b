"""What people do with a document that has come. A clerk decides about it: takes it in, puts it on hold, refuses it
(statuses 03 and 02). It is given to who works on it, until when, and a unit says how far it is (04 to 06). What its
sender asks is answered: recall, take-back, update (15 agrees, 16 refuses). In: a visit and its form. Out: a page
that says what will happen and to whom, then the document as it stands; the assignment, kept beside every earlier one
(R67); the answer on its way. A form that was not taken comes back with everything that was typed."""

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
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.visits import Visit, merged
from gateway.words import labels

REASONS = get_args(RefusalReason)


async def taken(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not found.is_open:
        return await seen.late_page(visit, found)
    note, number = visit.form.text("note"), visit.form.text("register_no")
    known = await detail.look_known(visit, found.whole)
    has_own_numbers = known.agency.numbering is NumberingMode.C
    panel, from_list = detail.panel_of(visit, found, known), visit.form.text("tu") == "danh-sach"
    if from_list and not panel.is_clean:
        # It is to be looked at: its page says why.
        return visit.go(found.path, **merged({"ds": visit.ask("ds")}))
    problems = [visit.missing("register_no", "incoming.number")] if has_own_numbers and not number else []
    if not panel.is_clean:
        problems += _written(visit, "note", "incoming.note", note)
    if problems:
        return await take_in_form(visit, problems)
    call = StatusCall(
        code="03",
        register_no=number if has_own_numbers else None,
        note=note or None,
        staff=seen.staff_of(visit),
    )
    after = None if visit.is_piece else await lists.after(visit, Side.IN, found.whole.id)
    try:
        done = await seen.give_status(visit, found, call, found.whole.version if from_list else None)
    except StaleVersion:
        return await seen.late_page(visit, found)
    except Refused as why:
        return await take_in_form(visit, _broken(visit, why))
    except Clash as why:
        if why.code == "GW-STATUS":
            return await seen.late_page(visit, found)
        return await take_in_form(visit, [("register_no", visit.why(why))])
    told = "incoming.registered" if done.register_no else "incoming.taken_in"
    if visit.is_piece:
        word = visit.say("listing.arrival_no", number=done.register_no) if done.register_no else ""
        return seen.acted(
            visit, found, told, word or visit.say("listing.deed.accepted"), done.register_no or ""
        )
    return visit.said(found.path, told, **merged({"ds": visit.ask("ds"), "sau": after or ""}))


async def take_in_form(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    found = await seen.find(visit)
    if not found.is_open:
        return await seen.late_page(visit, found)
    known = await detail.look_known(visit, found.whole)
    return await visit.form_page(
        "incoming/take_in.html",
        problems,
        title=visit.say("incoming.take_in.title", name=found.name),
        found=found,
        document=found.whole,
        panel=detail.panel_of(visit, found, known),
        mode=known.agency.numbering.value,
        query=urlencode(merged({"ds": visit.ask("ds")})),
        version=visit.form.text("version") or str(found.whole.version),
    )


async def held(visit: Visit) -> web.StreamResponse:
    """Nothing can be decided about what was decided before."""
    found, why = await seen.find(visit), visit.form.text("reason")
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not found.is_open or found.whole.state is not InState.NEW:
        return await seen.late_page(visit, found)
    problems = _written(visit, "reason", "incoming.reason", why)
    if problems or not visit.is_act:
        return await seen.ask(visit, found, "hold", problems, query=merged({"ds": visit.ask("ds")}))
    return await seen.done_or_late(visit, found, _set_aside(visit, found, why), "incoming.held", over="held")


async def _set_aside(visit: Visit, found: SeenIncoming, why: str) -> None:
    version = seen.version_shown(visit)
    await act.set_aside(visit.deps.inn, visit.scope(), found.whole.id, why, expect_version=version)
    await visit.deps.looking.forget(visit.scope(), found.whole.id)


async def refused(visit: Visit) -> web.StreamResponse:
    found, code, note = await seen.find(visit), visit.form.text("reason"), visit.form.text("note")
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not found.is_open:
        return await seen.late_page(visit, found)
    problems = [] if code in REASONS else [("reason", visit.say("incoming.refuse.choose"))]
    problems += _written(visit, "note", "incoming.refuse.text", note)
    if problems or not visit.is_act:
        query = merged({"ds": visit.ask("ds")})
        reasons = [(each, visit.say(f"reason.{each}")) for each in REASONS]
        told = [("", visit.say("incoming.refuse.none")), *reasons]
        return await seen.ask(visit, found, "refuse", problems, query=query, grave=True, reasons=told)
    call = StatusCall(code="02", reason=code, note=note, staff=seen.staff_of(visit))
    doing = seen.give_status(visit, found, call)
    return await seen.done_or_late(visit, found, doing, "incoming.refused", over="rejected")


def _written(visit: Visit, field: str, label: str, text: str) -> Problems:
    if not text:
        return [visit.missing(field, label)]
    is_short = len(text) < SHORTEST_REASON
    return [(field, visit.say("incoming.short", field=visit.say(label)))] if is_short else []


def _broken(visit: Visit, why: Refused) -> Problems:
    """Every broken rule beside its field."""
    return [
        (pointer.strip("/").partition("/")[0], words)
        for pointer, words in answers.reasons_of(why, visit.lang)
    ]


_LONGEST_INSTRUCTION = STATUS["assignment/instruction"].longest
_LONGEST_UNIT = STATUS["assignment/lead_unit"].longest
_TOLD_OF_STATUS = {code: f"incoming.{CODES[code].key}" for code in AT_WORK_CODES}


async def assigned(visit: Visit) -> web.StreamResponse:
    found = await _found_to_assign(visit)
    if found.whole.state not in WORKED_ON:
        return await seen.late_page(visit, found)
    asked = waiting(await submissions_of(visit, found))
    if asked is not None and visit.form.text("only") == "1":
        answer = await opinion_given(visit, found)
        return answer or await assign_form(visit, [visit.missing("instruction", "incoming.opinion")])
    is_returned = any(each.state is PartState.RETURNED for each in await _parts(visit, found))
    given, problems = _read_assignment(visit, found.whole, await _units(visit), is_returned)
    if problems:
        return await assign_form(visit, problems)
    if found.whole.state is InState.ACCEPTED:
        call = StatusCall(code="04", assignment=given, staff=seen.staff_of(visit))
        done: Awaitable[object] = seen.give_status(visit, found, call)
    else:
        version, why = seen.version_shown(visit), visit.form.text("why")
        done = act.assign(
            visit.deps.inn, visit.scope(), found.whole.id, given, expect_version=version, why=why
        )
    if asked is not None:
        done = _decided_by(visit, found, given, done)
    try:
        return await seen.done_or_late(visit, found, done, "incoming.assigned")
    except Refused as why:
        return await assign_form(visit, _strange_units(visit, why))


def _strange_units(visit: Visit, why: Refused) -> Problems:
    return [
        ("other_units" if "/coordinating_units" in pointer else "lead_unit", words)
        for pointer, words in answers.reasons_of(why, visit.lang)
    ]


async def _decided_by(visit: Visit, found: SeenIncoming, given: Assignment, doing: Awaitable[object]) -> None:
    """Who assigns what was submitted has given an opinion by it."""
    await doing
    words = given.instruction or labels.say("incoming.given.lead", "vi", unit=given.lead_unit)
    await received.decide(visit.deps.inn, visit.scope(), found.whole.id, words)


async def progress_said(visit: Visit) -> web.StreamResponse:
    """The unit says how far it is."""
    found = await seen.find(visit)
    seen.granted_over(visit, found, Right.PROGRESS, Manner.OWN)
    code = visit.form.text("code")
    if code not in _TOLD_OF_STATUS:
        raise BadForm(f"there is no step {code[:20]!r}")
    if code not in detail.STEPS.get(found.whole.state, ()):
        return await seen.late_page(visit, found)
    call = StatusCall(code=code, note=visit.form.text("note") or None, staff=seen.staff_of(visit))
    return await seen.done_or_late(visit, found, seen.give_status(visit, found, call), _TOLD_OF_STATUS[code])


async def reopened(visit: Visit) -> web.StreamResponse:
    """Work that was closed by mistake is opened again."""
    found, problems = await seen.find(visit), visit.short_reason()
    if not seen.may_reopen(visit, found):
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    if found.whole.state is not InState.DONE:
        return await seen.late_page(visit, found)
    if problems or not visit.is_act:
        will = "" if found.whole.source is Source.AXIS else ".by_hand"
        return await seen.ask(visit, found, "reopen", problems, will=f"will{will}")
    call = StatusCall(code="05", note=visit.form.text("reason"), reopens=True, staff=seen.staff_of(visit))
    return await seen.done_or_late(visit, found, seen.give_status(visit, found, call), "incoming.reopened")


async def handed_back(visit: Visit) -> web.StreamResponse:
    """A unit's head gives it back to who assigns."""
    found, problems = await seen.find(visit), visit.short_reason()
    granted = seen.granted_over(visit, found, Right.INSTRUCT, Manner.OWN)
    part = await _open_part(visit, found, granted.unit)
    if part is None:
        return await seen.late_page(visit, found)
    if problems or not visit.is_act:
        return await seen.ask(visit, found, "hand_back", problems, unit=part.unit)
    version, why = seen.version_shown(visit), visit.form.text("reason")
    doing = handling.hand_back(visit.deps.inn, visit.scope(), found.whole.id, granted.unit, why, version)
    return await seen.done_or_late(visit, found, doing, "incoming.handed_back")


async def part_done(visit: Visit) -> web.StreamResponse:
    """A unit that helps is done with it."""
    found = await seen.find(visit)
    granted = seen.granted_over(visit, found, Right.PROGRESS, Manner.OWN)
    doing = handling.finish(
        visit.deps.inn, visit.scope(), found.whole.id, granted.unit, seen.version_shown(visit)
    )
    return await seen.done_or_late(visit, found, doing, "incoming.part_done")


async def _parts(visit: Visit, found: SeenIncoming) -> Sequence[UnitPart]:
    async with visit.deps.store.read(visit.scope()) as work:
        return (await work.parts.of([found.whole.id]))[found.whole.id]


async def _open_part(visit: Visit, found: SeenIncoming, unit: str) -> UnitPart | None:
    parts = await _parts(visit, found)
    mine = (each for each in parts if each.state is PartState.OPEN and each.key == unit_key(unit))
    return next(mine, None) if found.whole.state in WORKED_ON else None


async def _found_to_assign(visit: Visit) -> SeenIncoming:
    found = await seen.find(visit)
    seen.granted_over(visit, found, Right.INSTRUCT, Manner.YES, Manner.OWN)
    return found


async def assign_form(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    found = await _found_to_assign(visit)
    document = found.whole
    if document.state not in WORKED_ON:
        return await seen.late_page(visit, found)
    before = document.assignment
    earlier = {"lead_unit": before.lead_unit, "deadline": dates.day_text(before.deadline)} if before else {}
    asked = waiting(await submissions_of(visit, found))
    returned = [each for each in await _parts(visit, found) if each.state is PartState.RETURNED]
    return await visit.form_page(
        "incoming/assign.html",
        problems,
        title=visit.say("incoming.assign.title", name=found.name),
        found=found,
        document=document,
        units=await _units(visit),
        before=before,
        handed_back=returned,
        asked=asked,
        asked_by=await seen.name_told(visit, asked.asked_by) if asked else "",
        ready=[
            ("", visit.say("incoming.ready.none")),
            *((each, each) for each in ready_sentences()),
        ],
        own_days={each.unit: dates.day_text(each.deadline) for each in before.deadlines} if before else {},
        given=visit.form.flat() or earlier,
        ticked=visit.form.all("helping") if visit.form.fields or not before else before.coordinating_units,
        version=visit.form.text("version") or str(found.whole.version),
    )


async def _units(visit: Visit) -> Sequence[str]:
    """The departments that persons of the agency belong to."""
    async with visit.deps.store.read(visit.scope()) as work:
        return await work.parts.units(visit.deps.clock.now())


def _read_assignment(
    visit: Visit, document: IncomingDocument, units: Sequence[str], is_returned: bool
) -> tuple[Assignment, Problems]:
    """Of what came back from a unit the reason is known: it gave one."""
    form = visit.form
    lead = " ".join(form.text("lead_unit").split())[:_LONGEST_UNIT]
    more = form.text("other_units").replace(";", "\n").splitlines()
    helping = [
        unit for each in (*form.all("helping"), *more) if (unit := " ".join(each.split())[:_LONGEST_UNIT])
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
    own, strange = _own_days(visit, units, helping)
    problems += strange
    if document.state is not InState.ACCEPTED and not is_returned:
        problems += visit.short_reason("why")
    given = Assignment(
        lead_unit=lead,
        coordinating_units=tuple(dict.fromkeys(each for each in helping if each != lead)),
        deadline=deadline,
        instruction=opinion_typed(visit)[:_LONGEST_INSTRUCTION] or None,
        deadlines=tuple(each for each in own if each.unit != lead),
    )
    return given, problems


def _own_days(
    visit: Visit, units: Sequence[str], helping: Sequence[str]
) -> tuple[list[UnitDeadline], Problems]:
    """The days of units that were ticked, each in the field of its place in the list."""
    found: list[UnitDeadline] = []
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
            found.append(UnitDeadline(unit=unit, deadline=day))
    return found, problems


async def request_answered(visit: Visit, code: str) -> web.StreamResponse:
    """What its sender asks for, as long as it is what the page showed: 15 agrees, 16 refuses and says why."""
    found, agrees = await seen.find(visit), code == "15"
    visit.person.require(Right.ANSWER, Manner.YES)
    known = await detail.look_known(visit, found.whole)
    if known.request is None or found.whole.state is InState.SEALED:
        return await seen.late_page(visit, found)
    request, child = known.request, known.request.brought_by
    if visit.is_act and visit.form.text("request") != request.request_id:
        return await seen.late_page(visit, found)
    problems = [] if agrees else visit.short_reason()
    if problems or not visit.is_act:
        will = "will.update" if request.kind == "update" else "will.cancel"
        return await seen.ask(
            visit,
            found,
            "agree" if agrees else "disagree",
            problems,
            will=will if agrees else "will",
            do=f"do.{request.kind}",
            grave=not agrees or request.kind != "update",
            asked=request.request_id or "",
            request=request,
            changed=changes_asked(visit, found.whole, child) if agrees and child is not None else (),
        )
    call = StatusCall(code=code, note=visit.form.text("reason") or None, staff=seen.staff_of(visit))
    told = "incoming.agreed" if agrees else "incoming.disagreed"
    return await seen.done_or_late(visit, found, seen.give_status(visit, found, call), told)


def changes_asked(
    visit: Visit, before: IncomingDocument, after: IncomingDocument
) -> list[tuple[str, str, str]]:
    """What the document will say otherwise: a label, before, after; of files their names."""
    pairs = (
        ("incoming.subject", before.subject, after.subject),
        ("incoming.type", before.type_name, after.type_name),
        ("incoming.signer", _signer_text(before), _signer_text(after)),
        ("incoming.urgency", *(visit.say(f"urgency.{each.urgency.key}") for each in (before, after))),
        ("incoming.due_on", dates.day_text(before.due_on), dates.day_text(after.due_on)),
        ("incoming.pages", str(before.pages or ""), str(after.pages or "")),
        ("incoming.files", _files_text(before), _files_text(after) or _files_text(before)),
    )
    return [
        (visit.say(key), str(old or "–"), str(new or "–"))
        for key, old, new in pairs
        if (old or "") != (new or "")
    ]


def _signer_text(document: IncomingDocument) -> str:
    return document.signer.name if document.signer is not None else ""


def _files_text(document: IncomingDocument) -> str:
    return ", ".join(each.name for each in document.files)


READY = ("handle", "reply", "together", "report", "know", "file")
"""`incoming.ready.…` has the words."""


async def submissions_of(visit: Visit, found: SeenIncoming) -> tuple[Submission, ...]:
    async with visit.deps.store.read(visit.scope()) as work:
        return tuple((await work.office.submissions.of([found.whole.id]))[found.whole.id])


def waiting(known: tuple[Submission, ...]) -> Submission | None:
    return next((each for each in known if each.state is SubmissionState.ASKED), None)


def ready_sentences() -> list[str]:
    """In Vietnamese, as the instruction is kept, whatever the language of the page."""
    return [labels.say(f"incoming.ready.{each}", "vi") for each in READY]


def opinion_typed(visit: Visit) -> str:
    """The sentence that was chosen, and what was written beside it."""
    chosen, own = visit.form.text("ready"), visit.form.text("instruction")
    kept = chosen if chosen in ready_sentences() else ""
    return "\n".join(each for each in (kept, own) if each)


async def submitted(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if found.whole.state not in WORKED_ON or waiting(await submissions_of(visit, found)):
        return await seen.late_page(visit, found)
    leader, note = visit.form.text("leader"), visit.form.text("note")
    leaders = await seen.leaders_of(visit)
    problems = [] if leader in dict(leaders) else [visit.missing("leader", "incoming.leader")]
    if problems or not visit.is_act:
        closed = "" if leaders else visit.say("incoming.submit.nobody")
        return await seen.ask(visit, found, "submit", problems, leaders=leaders, closed=closed)
    doing = received.submit(visit.deps.inn, visit.scope(), found.whole.id, leader, note)
    return await seen.done_or_late(visit, found, doing, "incoming.submitted")


async def opinion_given(visit: Visit, found: SeenIncoming) -> web.StreamResponse | None:
    """An opinion alone: nobody is given the document by it. None where no words were given."""
    words = opinion_typed(visit)
    if not words:
        return None
    doing = received.decide(visit.deps.inn, visit.scope(), found.whole.id, words)
    return await seen.done_or_late(visit, found, doing, "incoming.opinion")
