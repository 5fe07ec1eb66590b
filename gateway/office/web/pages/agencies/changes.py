"""Changes of the organisation that were approved: the list with the duty to report each within fifteen days, one change
with what it did, its undoing within seven days, and the note that it was reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from aiohttp import web

from gateway.deciding import registry_changes
from gateway.domain.person import ProposalState
from gateway.domain.registry_reform import ReformRecord, ReformState
from gateway.errors import Clash, Denied
from gateway.office.web.forms import Problems
from gateway.office.web.pages.agencies import ground
from gateway.office.web.pages.agencies.changing import get, post
from gateway.office.web.visits import Visit, where
from gateway.policy import reform_words

LIST = "/co-quan/thay-doi"
_ROWS = 100
_OPEN = 50
_NAMED = 10
_LONGEST_HOW = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReform:
    """One change in the list. `standing` is undone, upcoming or in_force; `due_on` is None once nothing is owed."""

    record: ReformRecord
    path: str
    standing: str
    due_on: date | None


async def listed(visit: Visit) -> web.StreamResponse:
    desk, today, text = visit.deps.deciding, visit.deps.out.today(), visit.ask("ma")[:300]
    code, fault = await ground.known_code(visit, text) if text else ("", "")
    found = await registry_changes.list_reforms(desk, _ROWS, code.upper() or None)
    async with desk.decisions.read() as view:
        waiting = await view.proposals.listed((ProposalState.OPEN,), _OPEN)
    now = visit.deps.clock.now()
    return await visit.page(
        "agencies/changes.html",
        title=visit.say("agencies.changes"),
        rows=[_row(each, today) for each in found],
        open_ones=[each for each in waiting if each.content.reforms and now < each.expires_at],
        duties=await registry_changes.duties(desk),
        text=text,
        problems=[("ma", fault)] if fault else [],
        most=_ROWS,
    )


async def one(visit: Visit) -> web.StreamResponse:
    kept = await registry_changes.kept_reform(visit.deps.deciding, visit.path("id"))
    record = kept.record
    return await visit.page(
        "agencies/change.html",
        title=_title(visit, record),
        row=_row(record, visit.deps.out.today()),
        kept=kept,
        sentences=ground.remarks_said(visit, kept.sentences),
        lines=ground.code_lines(kept.before, kept.after),
        against=ground.remarks_said(visit, kept.against_undo),
        names=await ground.names_of_people(visit, record.people),
        may_report=record.state is ReformState.APPROVED and record.reported_at is None,
    )


async def undone(visit: Visit) -> web.StreamResponse:
    reason = visit.form.text("reason")
    if problems := visit.short_reason() + ground.proof_missing(visit):
        return await undo_page(visit, problems)
    desk, id = visit.deps.deciding, visit.path("id")
    try:
        await registry_changes.undo_reform(desk, await ground.signed_in_here(visit), id, reason)
    except (Denied, Clash) as why:
        return await undo_page(visit, ground.proof_refused(visit, why))
    return visit.said(f"{LIST}/{id}", "reforms.undone")


async def reported(visit: Visit) -> web.StreamResponse:
    how, id = visit.form.text("how")[:_LONGEST_HOW], visit.path("id")
    if not how:
        return await report_page(visit, [visit.missing("how", "reforms.report.how")])
    await registry_changes.report_reform(visit.deps.deciding, visit.person.person.id, id, how)
    return visit.said(f"{LIST}/{id}", "reforms.reported")


async def undo_page(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    kept = await registry_changes.kept_reform(visit.deps.deciding, visit.path("id"))
    return await visit.form_page(
        "agencies/undo.html",
        problems,
        title=visit.say("reforms.undo"),
        row=_row(kept.record, visit.deps.out.today()),
        lines=ground.code_lines(kept.after, {code: life for code, life in kept.before.items() if life}),
        begun=[code for code, life in kept.before.items() if life is None],
        against=ground.remarks_said(visit, kept.against_undo),
    )


async def report_page(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    record = await registry_changes.get_reform(visit.deps.deciding, visit.path("id"))
    return await visit.form_page(
        "agencies/report.html",
        problems,
        title=visit.say("reforms.report"),
        row=_row(record, visit.deps.out.today()),
    )


def _row(record: ReformRecord, today: date) -> ShownReform:
    is_undone = record.state is ReformState.UNDONE
    standing = "upcoming" if today < record.reform.effective_on else "in_force"
    owes = not is_undone and record.reported_at is None
    return ShownReform(
        record=record,
        path=where(f"{LIST}/{record.id}"),
        standing="undone" if is_undone else standing,
        due_on=reform_words.report_due_on(record.reform) if owes else None,
    )


def _title(visit: Visit, record: ReformRecord) -> str:
    reform = record.reform
    named = reform.sources or reform.ended or tuple(each.code for each in reform.targets)
    codes = ", ".join(named[:_NAMED]) + (" …" if len(named) > _NAMED else "")
    return f"{visit.say(f'reform.kind.{reform.kind}')}: {codes}"


ROUTES = (
    get(LIST, "reforms", listed),
    get(f"{LIST}/{{id}}", "reform", one),
    get(f"{LIST}/{{id}}/hoan-tac", "reform_undo_page", undo_page),
    post(f"{LIST}/{{id}}/hoan-tac", "reform_undo", undone),
    get(f"{LIST}/{{id}}/bao-cao", "reform_report_page", report_page),
    post(f"{LIST}/{{id}}/bao-cao", "reform_report", reported),
)
