"""The form for assigning a letter, with an opinion: the agency's units in the order of their tree, under each the persons
of it; and what was chosen or typed, read into an `Assignment` with its problems. An agency without units has fields in
which their names are typed. In: a request, the letter, its submissions and parts. Out: values of the template; an
assignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.domain.document import Assignment, IncomingDocument, Informed, InState, UnitDeadline, UnitPerson
from gateway.domain.fields import STATUS
from gateway.domain.handling import PartState, Unit, UnitPart, unit_key, walk_tree
from gateway.policy.timers import working_day_after
from gateway.words import labels
from gateway_office.domain.task import Submission, SubmissionState
from gateway_office.web import dates
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.incoming import access
from gateway_office.web.pages.incoming.suggesting import OpenChoice, SuggestedChoice, suggest_receiver

READY = ("handle", "reply", "together", "report", "know", "file")
"""Keys of ready sentences, worded by `incoming.ready.…`."""

_LONGEST_INSTRUCTION = STATUS["assignment/instruction"].longest
_LONGEST_UNIT = STATUS["assignment/lead_unit"].longest
_QUICK_DAYS = (3, 5, 10)
_MANY_UNITS = 8
"""From so many units on a list has a field that narrows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Row of the picker: a unit, or with `person` a person of it. `value` stands in the form's fields."""

    unit: Unit
    value: str
    name: str
    person: str | None = None
    leads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRows:
    """A unit with its depth in the tree and the persons in it; `day` is its own deadline as typed."""

    unit: Receiver
    depth: int
    persons: tuple[Receiver, ...]
    day: str = ""

    @property
    def day_field(self) -> str:
        return f"deadline_{self.unit.unit.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Values that are chosen in the picker."""

    lead: str = ""
    helping: frozenset[str] = frozenset()
    informed: frozenset[str] = frozenset()

    def is_open(self, row: UnitRows) -> bool:
        """Tell whether the unit's persons are shown: one of them is chosen, or the unit has a day of its own."""
        values = {self.lead, *self.helping, *self.informed}
        return bool(row.day) or any(person.value in values for person in row.persons)


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
    assignment, submission, values = document.assignment, waiting(submissions), request.form.flat()
    rows = await list_receivers(request, assignment)
    if not values and assignment:
        values = {"deadline": dates.day_text(assignment.deadline), "lead_unit": assignment.lead_unit}
        values["other_units"] = "\n".join(assignment.coordinating_units)
    is_typed = bool(request.form.fields) or assignment is None
    return {
        "rows": rows,
        "chosen": _chosen_in(request) if is_typed else _chosen_of(rows, assignment),
        "narrows": len(rows) > _MANY_UNITS,
        "before": assignment,
        "handed_back": [d for d in parts if d.state is PartState.RETURNED],
        "asked": submission,
        "asked_by": await access.name_of(request, submission.asked_by) if submission else "",
        "ready": [("", request.say("incoming.ready.none")), *((d, d) for d in ready_sentences())],
        "given": values,
        "suggestion": await _suggest(request, document, rows) if not values and assignment is None else None,
        "quick_days": await quick_days(request),
        "version": request.form.text("version") or str(document.version),
    }


async def _suggest(
    request: PageRequest, document: IncomingDocument, rows: Sequence[UnitRows]
) -> SuggestedChoice | None:
    from gateway_office.policy.suggestions import receiver_key

    receivers = {
        receiver_key(key, r.person): OpenChoice(
            value=r.value, name=f"{r.name} ({r.unit.name})" if r.person else r.name
        )
        for row in rows
        for r in (row.unit, *row.persons)
        for key in r.unit.keys
    }
    return await suggest_receiver(request, document, receivers)


async def quick_days(request: PageRequest) -> Sequence[tuple[str, str, str]]:
    """List days for a deadline that one press fills in, each with its words in short and in full: working days."""
    office, today = await request.deps.todo.office(request.own_agency.id), request.today
    words = request.say("form.day.today")
    days = [(words, words, dates.day_text(today))] if office.works(today) else []
    for n in _QUICK_DAYS:
        day = dates.day_text(working_day_after(office, today, n))
        days.append((f"+{n}", request.say("form.day.working", count=n), day))
    return days


async def list_receivers(request: PageRequest, assignment: Assignment | None) -> Sequence[UnitRows]:
    """List the open units in the order of their tree, with their persons; each with its own day, as typed or assigned."""
    async with request.deps.store.read(request.scope()) as work:
        units = await work.units.open()
        members = await work.units.members(request.deps.clock.now()) if units else ()
    days = {unit_key(d.unit): dates.day_text(d.deadline) for d in assignment.deadlines} if assignment else {}
    rows = []
    for unit, depth in walk_tree(units):
        persons = [
            Receiver(
                unit=unit, value=f"{m.person_id}@{unit.id}", name=m.name, person=m.person_id, leads=m.leads
            )
            for m in members
            if unit_key(m.unit) == unit.key
        ]
        day = request.form.text(f"deadline_{unit.id}")
        if not request.form.fields:
            day = next((days[key] for key in unit.keys if key in days), "")
        rows.append(
            UnitRows(
                unit=Receiver(unit=unit, value=unit.name, name=unit.name),
                depth=depth,
                # A person may hold two posts in a unit.
                persons=tuple({p.value: p for p in reversed(persons)}.values())[::-1],
                day=day,
            )
        )
    return rows


def _chosen_in(request: PageRequest) -> Chosen:
    """Return what is chosen in the submitted form."""
    form = request.form
    return Chosen(
        lead=form.text("lead_unit"),
        helping=frozenset(form.all("helping")),
        informed=frozenset(form.all("informed")),
    )


def _chosen_of(rows: Sequence[UnitRows], assignment: Assignment | None) -> Chosen:
    """Return what the present assignment chooses; a unit that was renamed since is found by its former name."""
    if assignment is None:
        return Chosen()
    lead = assignment.lead_unit
    values = {
        (key, person.person): person.value
        for row in rows
        for person in (row.unit, *row.persons)
        for key in person.unit.keys
    }

    def of_unit(unit: str) -> Iterator[str]:
        person_ids = [p.person for p in assignment.persons if unit_key(p.unit) == unit_key(unit)]
        yield from (values[unit_key(unit), p] for p in person_ids or (None,) if (unit_key(unit), p) in values)

    leading = list(of_unit(lead))
    return Chosen(
        lead=leading[0] if leading else "",
        helping=frozenset(
            (*leading[1:], *(v for unit in assignment.coordinating_units for v in of_unit(unit)))
        ),
        informed=frozenset(
            values[unit_key(i.unit), i.person]
            for i in assignment.informed
            if (unit_key(i.unit), i.person) in values
        ),
    )


def ready_sentences() -> list[str]:
    """List the sentences in Vietnamese, as the instruction is kept, in any language of the page."""
    return [labels.say(f"incoming.ready.{key}", "vi") for key in READY]


def opinion_typed(request: PageRequest) -> str:
    """Join the chosen sentence and the typed text."""
    chosen, text = request.form.text("ready"), request.form.text("instruction")
    sentence = chosen if chosen in ready_sentences() else ""
    return "\n".join(part for part in (sentence, text) if part)


def read_assignment(
    request: PageRequest, document: IncomingDocument, rows: Sequence[UnitRows], is_returned: bool
) -> tuple[Assignment, Problems]:
    """Read the assignment. After a unit has handed it back no reason is needed: the unit gave one."""
    form, today = request.form, request.today
    deadline = dates.typed_day(form.text("deadline"), today) if form.text("deadline") else None
    assignment, problems = _read_receivers(request, rows) if rows else _read_typed(request)
    if form.text("deadline") and deadline is None:
        problems.append(("deadline", request.say("incoming.deadline.unreadable")))
    elif deadline is not None and deadline < today:
        problems.append(("deadline", request.say("incoming.deadline.past")))
    if len(opinion_typed(request)) > _LONGEST_INSTRUCTION:
        problems.append(("instruction", request.say("incoming.instruction.long", most=_LONGEST_INSTRUCTION)))
    if document.state is not InState.ACCEPTED and not is_returned:
        problems += request.short_reason("why")
    instruction = opinion_typed(request)[:_LONGEST_INSTRUCTION] or None
    return replace(assignment, deadline=deadline, instruction=instruction), problems


def _read_typed(request: PageRequest) -> tuple[Assignment, Problems]:
    """Read the units whose names were typed."""
    form = request.form
    lead = " ".join(form.text("lead_unit").split())[:_LONGEST_UNIT]
    names = form.text("other_units").replace(";", "\n").splitlines()
    helping = [unit for name in names if (unit := " ".join(name.split())[:_LONGEST_UNIT])]
    problems: Problems = [] if lead else [request.missing("lead_unit", "incoming.lead_unit")]
    units = tuple(dict.fromkeys(name for name in helping if name != lead))
    return Assignment(lead_unit=lead, coordinating_units=units), problems


def _read_receivers(request: PageRequest, rows: Sequence[UnitRows]) -> tuple[Assignment, Problems]:
    """Read the units and persons that were chosen in the picker."""
    receivers = {r.value: r for row in rows for r in (row.unit, *row.persons)}
    chosen, problems = _chosen_in(request), Problems()
    lead = receivers.get(chosen.lead)
    if lead is None:
        problems.append(request.missing("lead_unit", "incoming.lead_unit"))
    # In the order of the list; what leads does not help besides.
    helping = [r for value, r in receivers.items() if value in chosen.helping and r is not lead]
    if lead is not None and lead.person is None and any(r.unit == lead.unit for r in helping):
        problems.append(("lead_unit", request.say("incoming.lead_unit.whole", unit=lead.name)))
    working = [r for r in (lead, *helping) if r is not None]
    lead_name = lead.unit.name if lead is not None else ""
    units = tuple(dict.fromkeys(r.unit.name for r in helping if r.unit.name != lead_name))
    deadlines, day_problems = _read_unit_deadlines(request, rows, units)
    assignment = Assignment(
        lead_unit=lead_name,
        coordinating_units=units,
        deadlines=tuple(deadlines),
        persons=tuple(UnitPerson(unit=r.unit.name, person=r.person) for r in working if r.person is not None),
        informed=tuple(
            Informed(unit=r.unit.name, person=r.person)
            for value, r in receivers.items()
            if value in chosen.informed and r not in working
        ),
    )
    return assignment, [*problems, *day_problems]


def _read_unit_deadlines(
    request: PageRequest, rows: Sequence[UnitRows], helping: Sequence[str]
) -> tuple[list[UnitDeadline], Problems]:
    """Read the own days of coordinating units."""
    deadlines: list[UnitDeadline] = []
    problems: Problems = []
    for row in rows:
        text, unit = request.form.text(row.day_field), row.unit.name
        if not text or unit not in helping:
            continue
        day = dates.typed_day(text, request.today)
        if day is None or day < request.today:
            words = "incoming.deadline.unreadable" if day is None else "incoming.deadline.past"
            problems.append((row.day_field, f"{unit}: {request.say(words)}"))
        else:
            deadlines.append(UnitDeadline(unit=unit, deadline=day))
    return deadlines, problems
