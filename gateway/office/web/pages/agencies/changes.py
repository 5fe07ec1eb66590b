"""What changed the registry, and its undoing as a whole within seven days. Changes of the organisation that were approved:
the list with the duty to report each within fifteen days, one change with what it did, and the note that it was reported.
Files of codes: the file, its columns, a preview row by row, then exactly what was shown, in one transaction; where known
agencies change, a second person approves it first; what the file leaves out stays as it is. Also one import that was
applied: what it changed, and what came with it. Who undoes shows password and second factor in the same form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from aiohttp import web

from gateway.deciding import registry_changes
from gateway.domain.person import ProposalState
from gateway.domain.registry_change import Plan, RegistryChange
from gateway.domain.registry_reform import ReformRecord, ReformState
from gateway.edxml import workbook
from gateway.errors import BadForm, Clash
from gateway.office.web import answers, forms
from gateway.office.web.answers import FileContent
from gateway.office.web.deps import Preview
from gateway.office.web.forms import Problems
from gateway.office.web.pages.agencies import ground
from gateway.office.web.pages.agencies.changing import both, get, post
from gateway.office.web.pages.agencies.ground import ImportWord, Shown
from gateway.office.web.pages.agencies.proposals import LIST
from gateway.office.web.routes import FormBody
from gateway.office.web.visits import Visit, where
from gateway.policy import code_file, reform_words
from gateway.policy.code_file import CodeFile

REFORMS = "/co-quan/thay-doi"
_ask = partial(Visit.question, part="agencies/_questions.html")
_MOST_REFORMS = 100
_MOST_OPEN = 50
_NAMED = 10
_LONGEST_HOW = 200


async def reforms_listed(visit: Visit) -> web.StreamResponse:
    desk, today, text = visit.deps.deciding, visit.deps.out.today(), visit.ask("ma")[:300]
    code, fault = await ground.known_code(visit, text) if text else ("", "")
    found = await registry_changes.list_reforms(desk, _MOST_REFORMS, code.upper() or None)
    async with desk.decisions.read() as view:
        waiting = await view.proposals.listed((ProposalState.OPEN,), _MOST_OPEN)
    now = visit.deps.clock.now()
    return await visit.page(
        "agencies/changes.html",
        title=visit.say("agencies.changes"),
        rows=[_reform_row(each, today) for each in found],
        open_ones=[each for each in waiting if each.content.reforms and now < each.expires_at],
        duties=await registry_changes.duties(desk),
        text=text,
        problems=[("ma", fault)] if fault else [],
        most=_MOST_REFORMS,
    )


async def reform_shown(visit: Visit) -> web.StreamResponse:
    kept = await registry_changes.kept_reform(visit.deps.deciding, visit.path("id"))
    record = kept.record
    return await visit.page(
        "agencies/change.html",
        title=_reform_title(visit, record),
        row=_reform_row(record, visit.deps.out.today()),
        kept=kept,
        sentences=ground.remarks_said(visit, kept.sentences),
        lines=ground.code_lines(kept.before, kept.after),
        against=ground.remarks_said(visit, kept.against_undo),
        names=await ground.names_of_people(visit, record.people),
        may_report=record.state is ReformState.APPROVED and record.reported_at is None,
    )


async def reform_undone(visit: Visit) -> web.StreamResponse:
    desk, id, problems = visit.deps.deciding, visit.path("id"), Problems()
    if visit.is_act:
        reason = visit.form.text("reason")
        _, problems = await ground.signed(
            visit, visit.short_reason(), lambda who: registry_changes.undo_reform(desk, who, id, reason)
        )
        if not problems:
            return visit.said(f"{REFORMS}/{id}", "reforms.undone")
    kept = await registry_changes.kept_reform(desk, id)
    row = _reform_row(kept.record, visit.deps.out.today())
    return await _ask(
        visit,
        problems,
        *("reforms.undo", "", "reforms.undo.do"),
        back=row["path"],
        which="undo",
        grave=True,
        row=row,
        lines=ground.code_lines(kept.after, {code: life for code, life in kept.before.items() if life}),
        begun=[code for code, life in kept.before.items() if life is None],
        against=ground.remarks_said(visit, kept.against_undo),
        closed=bool(kept.against_undo),
    )


async def reform_reported(visit: Visit) -> web.StreamResponse:
    desk, how, id = visit.deps.deciding, visit.form.text("how")[:_LONGEST_HOW], visit.path("id")
    if how and visit.is_act:
        await registry_changes.report_reform(desk, visit.person.person.id, id, how)
        return visit.said(f"{REFORMS}/{id}", "reforms.reported")
    row = _reform_row(await registry_changes.get_reform(desk, id), visit.deps.out.today())
    missing = [visit.missing("how", "reforms.report.how")]
    words = ("reforms.report", "reforms.report.will", "reforms.report.do")
    return await _ask(visit, missing, *words, back=row["path"], which="report", row=row)


def _reform_row(record: ReformRecord, today: date) -> Shown:
    """`standing` is undone, upcoming or in_force; `due_on` is None once nothing is owed."""
    is_undone = record.state is ReformState.UNDONE
    standing = "upcoming" if today < record.reform.effective_on else "in_force"
    owes = not is_undone and record.reported_at is None
    return {
        "record": record,
        "path": where(f"{REFORMS}/{record.id}"),
        "standing": "undone" if is_undone else standing,
        "due_on": reform_words.report_due_on(record.reform) if owes else None,
    }


def _reform_title(visit: Visit, record: ReformRecord) -> str:
    reform = record.reform
    named = reform.sources or reform.ended or tuple(each.code for each in reform.targets)
    codes = ", ".join(named[:_NAMED]) + (" …" if len(named) > _NAMED else "")
    return f"{visit.say(f'reform.kind.{reform.kind}')}: {codes}"


_NEEDS_TWO = "REG-TWO-PEOPLE"
PATH = "/co-quan/nhap"
MOST_BYTES = code_file.LARGEST
_ROWS = 200
_LATEST = 20
_CHANGES = 1_000


async def file_uploaded(visit: Visit) -> web.StreamResponse:
    """Looked at whole; nothing is written."""
    content, name = bytearray(), ""
    async for part in forms.parts(visit.request, visit.token):
        name = (part.filename or "")[:200]
        await forms.hold(part, content, MOST_BYTES, f"a registry file may have {MOST_BYTES} bytes")
    if not content:
        return await file_asked(visit, [("file", visit.say("reforms.import.no_file"))])
    try:
        read = await visit.deps.pool.run(lambda: code_file.opened(bytes(content), workbook.first_sheet))
    except BadForm as why:
        return await file_asked(visit, [("file", visit.say(f"clash.{why.code}"))])
    names = code_file.headings_of(read.csv)
    return await _planned(visit, name, read, names, code_file.guess_columns(names))


async def columns_matched(visit: Visit) -> web.StreamResponse:
    """The same file with its columns as the person says."""
    if (kept := await _kept_preview(visit)) is None:
        return visit.said(PATH, "reforms.import_gone")
    said = tuple(visit.form.text(f"column_{n}") for n in range(len(kept.headings)))
    taken = [each for each in said if each]
    if not set(taken) <= set(code_file.COLUMNS) or len(set(taken)) < len(taken):
        return await _preview_page(visit, kept, [("column_0", visit.say("reforms.import.twice"))])
    return await _planned(visit, kept.name, kept.read, kept.headings, said)


async def previewed(visit: Visit) -> web.StreamResponse:
    if (kept := await _kept_preview(visit)) is None:
        return visit.said(PATH, "reforms.import_gone")
    return await _preview_page(visit, kept, [])


async def faults_given(visit: Visit) -> web.StreamResponse:
    """The faulty rows as a table, to be handed to whoever made the file."""
    if (kept := await _kept_preview(visit)) is None:
        return visit.said(PATH, "reforms.import_gone")
    content = FileContent(name="dong-loi.csv", found_type="csv", pieces=_faults(visit, kept.plan))
    return await answers.give_file(visit.request, content)


async def _faults(visit: Visit, plan: Plan) -> AsyncIterator[bytes]:
    names = ("line", "column", "found", "advice")
    # The mark by which spreadsheets know UTF-8.
    yield "\ufeff".encode() + answers.csv_line([visit.say(f"reforms.import.fault.{each}") for each in names])
    for each in plan.problems:
        column = visit.say_or(f"reforms.column.{each.column}", each.column)
        yield answers.csv_line(
            [str(each.line), column, each.found, ground.row_advice(each.advice, visit.lang)]
        )


async def import_applied(visit: Visit) -> web.StreamResponse:
    if (kept := await _kept_preview(visit)) is None:
        return visit.said(PATH, "reforms.import_gone")
    try:
        await visit.deps.registry.apply(kept.plan, visit.person.person.id)
    except Clash as why:
        known = {_NEEDS_TWO: "reforms.import.two"} if not kept.plan.problems else {}
        key = "reforms.import.faulty" if kept.plan.problems else "reforms.import.moved"
        return await _preview_page(visit, kept, [("", visit.say(known.get(why.code, key)))])
    await visit.deps.previews.forget(visit.path("key"))
    return visit.said(PATH, "reforms.imported")


async def import_proposed(visit: Visit) -> web.StreamResponse:
    """For a second person, who finds the number of the decision nowhere on the page."""
    if (kept := await _kept_preview(visit)) is None:
        return visit.said(PATH, "reforms.import_gone")
    number, desk, reason = visit.form.text("number"), visit.deps.deciding, visit.form.text("reason")
    made, problems = await ground.signed(
        visit,
        [] if number else [visit.missing("number", "reforms.import.number")],
        lambda who: registry_changes.propose_import(
            desk, who, kept.plan, kept.whole, kept.name, number, reason
        ),
    )
    if made is None:
        return await _preview_page(visit, kept, problems)
    await visit.deps.previews.forget(visit.path("key"))
    return visit.said(f"{LIST}/{made.id}", "reforms.proposed")


async def _planned(
    visit: Visit, name: str, read: CodeFile, names: Sequence[str], said: Sequence[str]
) -> web.StreamResponse:
    deps = visit.deps
    whole = await deps.pool.run(lambda: code_file.under_own_names(read.csv, said))
    plan = await deps.registry.plan_import(whole)
    made = Preview(
        name=name,
        headings=tuple(names),
        columns=tuple(said),
        read=read,
        effect=plan.effect,
        plan=plan,
        whole=whole,
    )
    key = await deps.previews.keep(made, visit.person.session.id, deps.clock.now())
    return visit.go(f"{PATH}/xem/{key}")


async def _kept_preview(visit: Visit) -> Preview | None:
    session, now = visit.person.session.id, visit.deps.clock.now()
    return await visit.deps.previews.find(visit.path("key"), session, now)


async def file_asked(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    found = await visit.deps.registry.changes(limit=_CHANGES)
    imports = [each for each in found if each.is_import]
    undone = {str(each.summary["undid"]): each.by for each in found if "undid" in each.summary}
    return await visit.form_page(
        "agencies/import.html",
        problems,
        title=visit.say("reforms.import"),
        columns=code_file.COLUMNS,
        changes=[_told_of_import(each, undone) for each in reversed(imports[-_LATEST:])],
        names=await ground.names_of_people(visit, {each.by for each in imports[-_LATEST:]}),
        action=PATH,
    )


async def _preview_page(visit: Visit, kept: Preview, problems: Problems) -> web.StreamResponse:
    plan, key = kept.plan, visit.path("key")
    lines = ground.plan_lines(visit, plan)
    counts = ground.count_words(lines, plan)
    wanted = visit.ask("loc")
    shown = [each for each in lines if each.word == wanted] if wanted in tuple(ImportWord) else lines
    path = f"{PATH}/xem/{key}"
    faulty = len({each.line for each in plan.problems})
    good = len(plan.added) + len(plan.changed) + len(plan.closed) + plan.unchanged
    return await visit.form_page(
        "agencies/preview.html",
        problems,
        title=visit.say("reforms.import.preview"),
        kept=kept,
        lines=shown[:_ROWS],
        faulty=faulty,
        good=good,
        doubts=ground.plan_doubts(visit, plan),
        more=max(len(shown) - _ROWS, 0),
        counts=[(word, counts[word], where(path, loc=str(word))) for word in ImportWord],
        wanted=wanted,
        path=path,
        columns=[("", visit.say("reforms.column.none"))]
        + [(each, visit.say(f"reforms.column.{each}")) for each in code_file.COLUMNS],
        may_apply=not plan.problems and bool(plan.rows),
        needs_two=visit.deps.registry.needs_two(plan),
        given=visit.form.flat() if problems else {},
        is_same=not plan.problems and not plan.rows,
    )


def _told_of_import(change: RegistryChange, undone: Mapping[str, str]) -> Mapping[str, object]:
    counts = {name: change.summary.get(name, 0) for name in ("added", "changed", "closed", "unchanged")}
    path = where(f"{PATH}/lan/{change.id}")
    return {"path": path, "at": change.at, "by": change.by, "is_undone": change.id in undone, **counts}


ONE_IMPORT = f"{PATH}/lan"
_CODES_SHOWN = 200


async def import_undone(visit: Visit) -> web.StreamResponse:
    desk, id, problems = visit.deps.deciding, visit.path("id"), Problems()
    if visit.is_act:
        reason = visit.form.text("reason")
        _, problems = await ground.signed(
            visit, visit.short_reason(), lambda who: registry_changes.undo_import(desk, who, id, reason)
        )
        if not problems:
            return visit.said(f"{ONE_IMPORT}/{id}", "reforms.import_undone")
    told = await _told_of_kept(visit)
    words = ("reforms.import.undo", "", "reforms.undo.do")
    shown = {"back": told["path"], "which": "import", "grave": True, "closed": bool(told["against"])}
    return await _ask(visit, problems, *words, look="card", **shown, **told)


async def import_shown(visit: Visit) -> web.StreamResponse:
    title, told = visit.say("reforms.import.one"), await _told_of_kept(visit)
    return await visit.page("agencies/imported.html", title=title, **told)


async def _told_of_kept(visit: Visit) -> dict[str, Any]:  # Any: what a template is given
    kept = await registry_changes.kept_import(visit.deps.deciding, visit.path("id"))
    people = list(filter(None, (kept.record.by, kept.record.undone_by)))
    return {
        "path": where(f"{ONE_IMPORT}/{kept.record.id}"),
        "record": kept.record,
        "lines": ground.import_lines(kept.lines, code_file.COLUMNS),
        "begun": list(kept.begun[:_CODES_SHOWN]),
        "beyond": max(len(kept.begun) - _CODES_SHOWN, 0) + max(kept.record.changed - len(kept.lines), 0),
        "against": ground.remarks_said(visit, kept.against_undo),
        "names": await ground.names_of_people(visit, people),
    }


ROUTES = (
    get(REFORMS, "reforms", reforms_listed),
    get(f"{REFORMS}/{{id}}", "reform", reform_shown),
    *both(f"{REFORMS}/{{id}}/hoan-tac", "reform_undo_page", "reform_undo", reform_undone),
    *both(f"{REFORMS}/{{id}}/bao-cao", "reform_report_page", "reform_report", reform_reported),
    get(PATH, "import", file_asked),
    post(PATH, "import_uploaded", file_uploaded, body=FormBody.PARTS),
    get(f"{PATH}/xem/{{key}}", "import_preview", previewed),
    get(f"{PATH}/xem/{{key}}/dong-loi.csv", "import_faults", faults_given),
    post(f"{PATH}/xem/{{key}}", "import_applied", import_applied),
    post(f"{PATH}/xem/{{key}}/de-nghi", "import_proposed", import_proposed),
    post(f"{PATH}/xem/{{key}}/cot", "import_matched", columns_matched),
    get(f"{ONE_IMPORT}/{{id}}", "import_one", import_shown),
    *both(f"{ONE_IMPORT}/{{id}}/hoan-tac", "import_undo_page", "import_undo", import_undone),
)
