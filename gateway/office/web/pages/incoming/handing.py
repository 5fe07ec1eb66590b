"""Who works on a document, until when, and how far it is (statuses 04 to 06). In: a visit and its form. Out: the
assignment, kept beside every earlier one (R67), or the state that a unit reports; its sender learns of both."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from aiohttp import web

from gateway.domain.document import Assignment, IncomingDocument, InState
from gateway.domain.fields import STATUS
from gateway.domain.wall_clock import local
from gateway.errors import BadForm
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.office.domain.right import Manner, Right
from gateway.office.web import dates
from gateway.office.web.forms import SHORTEST_REASON
from gateway.office.web.pages.incoming import conflict, detail
from gateway.office.web.pages.incoming import found as seen
from gateway.office.web.pages.incoming.found import Found
from gateway.office.web.pages.incoming.taking import Problems
from gateway.office.web.visit import Visit

_OPEN = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING)
_LONGEST = STATUS["assignment/instruction"].longest
_UNIT = STATUS["assignment/lead_unit"].longest
_TOLD = {"04": "incoming.assigned", "05": "incoming.processing", "06": "incoming.done"}


async def assign_form(visit: Visit) -> web.StreamResponse:
    return await _form(visit)


async def assigned(visit: Visit) -> web.StreamResponse:
    found = await _found(visit)
    if found.whole.state not in _OPEN:
        return await conflict.page(visit, found)
    given, problems = _read(visit, found.whole)
    if problems:
        return await _form(visit, problems)
    if found.whole.state is InState.ACCEPTED:
        call = StatusCall(code="04", assignment=given, staff=seen.staff(visit))
        done: Awaitable[object] = conflict.status(visit, found, call)
    else:
        version, why = conflict.version(visit), visit.form.text("why")
        done = act.assign(
            visit.deps.inn, visit.scope(), found.whole.id, given, expect_version=version, why=why
        )
    return await conflict.done(visit, found, done, "incoming.assigned")


async def moved(visit: Visit) -> web.StreamResponse:
    """The unit says how far it is."""
    found = await seen.find(visit)
    seen.over(visit, found, Right.PROGRESS, Manner.OWN)
    code = visit.form.text("code")
    if code not in _TOLD:
        raise BadForm(f"there is no step {code[:20]!r}")
    if code not in detail.STEPS.get(found.whole.state, ()):
        return await conflict.page(visit, found)
    call = StatusCall(code=code, note=visit.form.text("note") or None, staff=seen.staff(visit))
    return await conflict.done(visit, found, conflict.status(visit, found, call), _TOLD[code])


async def _found(visit: Visit) -> Found:
    found = await seen.find(visit)
    seen.over(visit, found, Right.INSTRUCT, Manner.YES, Manner.OWN)
    return found


async def _form(visit: Visit, problems: Sequence[tuple[str, str]] = ()) -> web.StreamResponse:
    found = await _found(visit)
    document = found.whole
    if document.state not in _OPEN:
        return await conflict.page(visit, found)
    units = await _units(visit)
    before = document.assignment
    return await visit.page(
        "incoming/assign.html",
        422 if problems else 200,
        title=visit.say("incoming.assign.title", name=found.name),
        found=found,
        document=document,
        units=units,
        before=before,
        problems=list(problems),
        given=visit.form.flat() or _earlier(before),
        ticked=visit.form.all("helping")
        if visit.form.fields
        else (before.coordinating_units if before else ()),
        version=visit.form.text("version") or str(document.version),
    )


def _earlier(before: Assignment | None) -> dict[str, str]:
    if before is None:
        return {}
    deadline = before.deadline.strftime("%d/%m/%Y") if before.deadline else ""
    return {"lead_unit": before.lead_unit, "deadline": deadline}


async def _units(visit: Visit) -> list[str]:
    """The departments that persons of the agency belong to."""
    async with visit.deps.accounts.accounts.read() as view:
        posts = await view.posts.in_agency(visit.here.id)
    now = visit.deps.clock.now()
    return sorted({each.unit for each in posts if each.unit and each.holds(now)})


def _read(visit: Visit, document: IncomingDocument) -> tuple[Assignment, Problems]:
    form = visit.form
    lead = " ".join(form.text("lead_unit").split())[:_UNIT]
    more = form.text("other_units").replace(";", "\n").splitlines()
    helping = [unit for each in (*form.all("helping"), *more) if (unit := " ".join(each.split())[:_UNIT])]
    today = local(visit.deps.clock.now()).date()
    deadline = dates.day(form.text("deadline"), today) if form.text("deadline") else None
    problems: Problems = []
    if not lead:
        problems.append(("lead_unit", visit.say("form.missing", field=visit.say("incoming.lead_unit"))))
    if form.text("deadline") and deadline is None:
        problems.append(("deadline", visit.say("incoming.deadline.unreadable")))
    elif deadline is not None and deadline < today:
        problems.append(("deadline", visit.say("incoming.deadline.past")))
    if len(form.text("instruction")) > _LONGEST:
        problems.append(("instruction", visit.say("incoming.instruction.long", most=_LONGEST)))
    if document.state is not InState.ACCEPTED and len(form.text("why")) < SHORTEST_REASON:
        problems.append(("why", visit.say("form.reason.short")))
    given = Assignment(
        lead_unit=lead,
        coordinating_units=tuple(dict.fromkeys(each for each in helping if each != lead)),
        deadline=deadline,
        instruction=form.text("instruction") or None,
    )
    return given, problems
