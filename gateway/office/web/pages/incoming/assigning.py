"""The form for assigning a letter to units, with an opinion: its values, as the letter's page shows it beside the
paper and as its own page shows it; and what was typed, read into an `Assignment` with its problems. In: a request, the
letter, its submissions and parts. Out: values of the template; an assignment."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.document import Assignment, IncomingDocument, InState, UnitDeadline
from gateway.domain.fields import STATUS
from gateway.domain.handling import PartState, UnitPart
from gateway.office.domain.task import Submission, SubmissionState
from gateway.office.web import dates
from gateway.office.web.forms import Problems
from gateway.office.web.page_requests import PageRequest
from gateway.office.web.pages.incoming import access
from gateway.words import labels

READY = ("handle", "reply", "together", "report", "know", "file")
"""Keys of ready sentences, worded by `incoming.ready.…`."""

_LONGEST_INSTRUCTION = STATUS["assignment/instruction"].longest
_LONGEST_UNIT = STATUS["assignment/lead_unit"].longest


def waiting(submissions: Sequence[Submission]) -> Submission | None:
    """Return the submission that waits for an opinion."""
    return next((s for s in submissions if s.state is SubmissionState.OPEN), None)


async def form_values(
    request: PageRequest,
    document: IncomingDocument,
    submissions: Sequence[Submission],
    parts: Sequence[UnitPart],
) -> dict[str, object]:
    """Make the values of the form: as typed, else as the letter is assigned now."""
    assignment, submission = document.assignment, waiting(submissions)
    assigned_values = (
        {"lead_unit": assignment.lead_unit, "deadline": dates.day_text(assignment.deadline)}
        if assignment
        else {}
    )
    field_values, units = request.form.flat() or assigned_values, await units_of(request)
    lead = field_values.get("lead_unit", "")
    return {
        "units": units,
        "before": assignment,
        "handed_back": [d for d in parts if d.state is PartState.RETURNED],
        "asked": submission,
        "asked_by": await access.name_of(request, submission.asked_by) if submission else "",
        "ready": [("", request.say("incoming.ready.none")), *((d, d) for d in ready_sentences())],
        "own_days": {d.unit: dates.day_text(d.deadline) for d in assignment.deadlines} if assignment else {},
        "given": field_values if lead in units else {"lead_other": lead, **field_values},
        "ticked": request.form.all("helping")
        if request.form.fields or not assignment
        else assignment.coordinating_units,
        "version": request.form.text("version") or str(document.version),
    }


async def units_of(request: PageRequest) -> Sequence[str]:
    """List the departments that persons of the agency belong to."""
    async with request.deps.store.read(request.scope()) as work:
        return await work.parts.units(request.deps.clock.now())


def ready_sentences() -> list[str]:
    """List the sentences in Vietnamese, as the instruction is kept, in any language of the page."""
    return [labels.say(f"incoming.ready.{key}", "vi") for key in READY]


def opinion_typed(request: PageRequest) -> str:
    """Join the chosen sentence and the typed text."""
    chosen, text = request.form.text("ready"), request.form.text("instruction")
    sentence = chosen if chosen in ready_sentences() else ""
    return "\n".join(part for part in (sentence, text) if part)


def read_assignment(
    request: PageRequest, document: IncomingDocument, units: Sequence[str], is_returned: bool
) -> tuple[Assignment, Problems]:
    """Read the assignment; a unit typed beside the list comes before one chosen from it. After a unit has handed it back no
    reason is needed: the unit gave one."""
    form = request.form
    lead = " ".join((form.text("lead_other") or form.text("lead_unit")).split())[:_LONGEST_UNIT]
    other_units = form.text("other_units").replace(";", "\n").splitlines()
    helping = [
        unit
        for name in (*form.all("helping"), *other_units)
        if (unit := " ".join(name.split())[:_LONGEST_UNIT])
    ]
    today = request.today
    deadline = dates.typed_day(form.text("deadline"), today) if form.text("deadline") else None
    problems: Problems = []
    if not lead:
        problems.append(request.missing("lead_unit", "incoming.lead_unit"))
    if form.text("deadline") and deadline is None:
        problems.append(("deadline", request.say("incoming.deadline.unreadable")))
    elif deadline is not None and deadline < today:
        problems.append(("deadline", request.say("incoming.deadline.past")))
    if len(opinion_typed(request)) > _LONGEST_INSTRUCTION:
        problems.append(("instruction", request.say("incoming.instruction.long", most=_LONGEST_INSTRUCTION)))
    unit_deadlines, deadline_problems = _read_unit_deadlines(request, units, helping)
    problems += deadline_problems
    if document.state is not InState.ACCEPTED and not is_returned:
        problems += request.short_reason("why")
    assignment = Assignment(
        lead_unit=lead,
        coordinating_units=tuple(dict.fromkeys(name for name in helping if name != lead)),
        deadline=deadline,
        instruction=opinion_typed(request)[:_LONGEST_INSTRUCTION] or None,
        deadlines=tuple(name for name in unit_deadlines if name.unit != lead),
    )
    return assignment, problems


def _read_unit_deadlines(
    request: PageRequest, units: Sequence[str], helping: Sequence[str]
) -> tuple[list[UnitDeadline], Problems]:
    """Read the days of ticked units, each in the field of its place in the list."""
    deadlines: list[UnitDeadline] = []
    problems: Problems = []
    for n, unit in enumerate(units, start=1):
        text = request.form.text(f"deadline_{n}")
        if not text or unit not in helping:
            continue
        day = dates.typed_day(text, request.today)
        if day is None or day < request.today:
            words = "incoming.deadline.unreadable" if day is None else "incoming.deadline.past"
            problems.append(("deadline", f"{unit}: {request.say(words)}"))
        else:
            deadlines.append(UnitDeadline(unit=unit, deadline=day))
    return deadlines, problems
