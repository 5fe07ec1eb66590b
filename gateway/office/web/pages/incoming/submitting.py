"""A document is submitted to a leader, and the leader's opinion. In: a visit and its form. Out: the form with the
agency's leaders; on the form of the assignment what the clerk wrote and sentences that are ready; the opinion kept with
the assignment that it led to, or alone."""

from __future__ import annotations

from aiohttp import web

from gateway.office.accounts import acting
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Submission, SubmissionState
from gateway.office.letters import submitting
from gateway.office.web.forms import Problems
from gateway.office.web.pages.incoming import seen
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.visits import Visit
from gateway.words import labels

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


async def submit_form(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    found = await seen.find(visit)
    if found.whole.state not in submitting.WORKED_ON or waiting(await submissions_of(visit, found)):
        return await seen.late_page(visit, found)
    leaders = await acting.heads_of(visit.deps.accounts, visit.here.id)
    return await visit.form_page(
        "incoming/submit.html",
        problems,
        title=visit.say("incoming.submit.title", name=found.name),
        found=found,
        document=found.whole,
        leaders=[(each.id, ", ".join(part for part in (each.name, each.title) if part)) for each in leaders],
        version=visit.form.text("version") or str(found.whole.version),
    )


async def submitted(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    leader, note = visit.form.text("leader"), visit.form.text("note")
    known = {each.id for each in await acting.heads_of(visit.deps.accounts, visit.here.id)}
    if leader not in known:
        return await submit_form(visit, [visit.missing("leader", "incoming.leader")])
    doing = submitting.submit(visit.deps.inn, visit.scope(), found.whole.id, leader, note)
    return await seen.done_or_late(visit, found, doing, "incoming.submitted")


async def opinion_given(visit: Visit, found: SeenIncoming) -> web.StreamResponse | None:
    """An opinion alone: nobody is given the document by it. None where no words were given."""
    words = opinion_typed(visit)
    if not words:
        return None
    doing = submitting.decide(visit.deps.inn, visit.scope(), found.whole.id, words)
    return await seen.done_or_late(visit, found, doing, "incoming.opinion")
