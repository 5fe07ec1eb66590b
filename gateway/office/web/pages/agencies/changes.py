"""Changes of the registry, and their undoing as a whole within seven days. Approved changes of the organisation: the list
with the duty to report each within fifteen days, one change with its effect, and the note that it was reported. Files of
codes: the file, its columns, a preview row by row, then exactly the shown plan in one transaction; where known agencies
change, a second person approves it first; agencies that the file leaves out stay as they are. Also one applied import with
its changes. Undoing needs password and second factor in the same form."""

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
from gateway.office.web.pages.agencies.ground import ImportWord, TemplateValues
from gateway.office.web.pages.agencies.proposals import LIST
from gateway.office.web.routes import FormBody
from gateway.office.web.visits import Visit, url_for
from gateway.policy import code_file, reform_words
from gateway.policy.code_file import CodeFile

REFORMS = "/co-quan/thay-doi"
_ask = partial(Visit.question, part="agencies/_questions.html")
_MOST_REFORMS = 100
_MOST_OPEN = 50
_MOST_CODES_IN_TITLE = 10
_LONGEST_HOW = 200


async def list_reforms(visit: Visit) -> web.StreamResponse:
    desk, today, text = visit.deps.deciding, visit.deps.out.today(), visit.ask("ma")[:300]
    code, fault = await ground.known_code(visit, text) if text else ("", "")
    reforms = await registry_changes.list_reforms(desk, _MOST_REFORMS, code.upper() or None)
    async with desk.decisions.read() as view:
        open_proposals = await view.proposals.listed((ProposalState.OPEN,), _MOST_OPEN)
    now = visit.deps.clock.now()
    return await visit.page(
        "agencies/changes.html",
        title=visit.say("agencies.changes"),
        rows=[_reform_row(reform, today) for reform in reforms],
        open_ones=[p for p in open_proposals if p.content.reforms and now < p.expires_at],
        duties=await registry_changes.duties(desk),
        text=text,
        problems=[("ma", fault)] if fault else [],
        most=_MOST_REFORMS,
    )


async def show_reform(visit: Visit) -> web.StreamResponse:
    kept_reform = await registry_changes.kept_reform(visit.deps.deciding, visit.path("id"))
    record = kept_reform.record
    return await visit.page(
        "agencies/change.html",
        title=_reform_title(visit, record),
        row=_reform_row(record, visit.deps.out.today()),
        kept=kept_reform,
        sentences=ground.render_remarks(visit, kept_reform.sentences),
        lines=ground.code_lines(kept_reform.lives_before, kept_reform.lives_after),
        against=ground.render_remarks(visit, kept_reform.against_undo),
        names=await ground.names_of_people(visit, record.people),
        may_report=record.state is ReformState.APPROVED and record.reported_at is None,
    )


async def undo_reform(visit: Visit) -> web.StreamResponse:
    desk, id, problems = visit.deps.deciding, visit.path("id"), Problems()
    if visit.is_act:
        reason = visit.form.text("reason")
        _, problems = await ground.perform_signed(
            visit, visit.short_reason(), lambda person: registry_changes.undo_reform(desk, person, id, reason)
        )
        if not problems:
            return visit.confirm(f"{REFORMS}/{id}", "reforms.undone")
    kept_reform = await registry_changes.kept_reform(desk, id)
    row = _reform_row(kept_reform.record, visit.deps.out.today())
    return await _ask(
        visit,
        problems,
        *("reforms.undo", "", "reforms.undo.do"),
        back=row["path"],
        which="undo",
        grave=True,
        row=row,
        lines=ground.code_lines(
            kept_reform.lives_after, {code: life for code, life in kept_reform.lives_before.items() if life}
        ),
        begun=[code for code, life in kept_reform.lives_before.items() if life is None],
        against=ground.render_remarks(visit, kept_reform.against_undo),
        closed=bool(kept_reform.against_undo),
    )


async def report_reform(visit: Visit) -> web.StreamResponse:
    desk, how, id = visit.deps.deciding, visit.form.text("how")[:_LONGEST_HOW], visit.path("id")
    if how and visit.is_act:
        await registry_changes.report_reform(desk, visit.person.person.id, id, how)
        return visit.confirm(f"{REFORMS}/{id}", "reforms.reported")
    row = _reform_row(await registry_changes.get_reform(desk, id), visit.deps.out.today())
    missing = [visit.missing("how", "reforms.report.how")]
    words = ("reforms.report", "reforms.report.will", "reforms.report.do")
    return await _ask(visit, missing, *words, back=row["path"], which="report", row=row)


def _reform_row(record: ReformRecord, today: date) -> TemplateValues:
    """Describe one change: `standing` is undone, upcoming or in_force; `due_on` is None once nothing is owed."""
    is_undone = record.state is ReformState.UNDONE
    standing = "upcoming" if today < record.reform.effective_on else "in_force"
    owes = not is_undone and record.reported_at is None
    return {
        "record": record,
        "path": url_for(f"{REFORMS}/{record.id}"),
        "standing": "undone" if is_undone else standing,
        "due_on": reform_words.report_due_on(record.reform) if owes else None,
    }


def _reform_title(visit: Visit, record: ReformRecord) -> str:
    reform = record.reform
    named_codes = reform.sources or reform.ended or tuple(target.code for target in reform.targets)
    codes = ", ".join(named_codes[:_MOST_CODES_IN_TITLE]) + (
        " …" if len(named_codes) > _MOST_CODES_IN_TITLE else ""
    )
    return f"{visit.say(f'reform.kind.{reform.kind}')}: {codes}"


_NEEDS_TWO = "REG-TWO-PEOPLE"
PATH = "/co-quan/nhap"
MOST_BYTES = code_file.LARGEST
_ROWS = 200
_LATEST = 20
_CHANGES = 1_000


async def upload_file(visit: Visit) -> web.StreamResponse:
    """Look at the file; nothing is written."""
    content, name = bytearray(), ""
    async for part in forms.parts(visit.request, visit.token):
        name = (part.filename or "")[:200]
        await forms.hold(part, content, MOST_BYTES, f"a registry file may have {MOST_BYTES} bytes")
    if not content:
        return await ask_file(visit, [("file", visit.say("reforms.import.no_file"))])
    try:
        file = await visit.deps.pool.run(lambda: code_file.open_table(bytes(content), workbook.first_sheet))
    except BadForm as error:
        return await ask_file(visit, [("file", visit.say(f"clash.{error.code}"))])
    names = code_file.headings_of(file.csv)
    return await _plan_and_preview(visit, name, file, names, code_file.guess_columns(names))


async def match_columns(visit: Visit) -> web.StreamResponse:
    """Read the same file with the columns that the person chose."""
    if (preview := await _kept_preview(visit)) is None:
        return visit.confirm(PATH, "reforms.import_gone")
    columns = tuple(visit.form.text(f"column_{n}") for n in range(len(preview.headings)))
    named_columns = [column for column in columns if column]
    if not set(named_columns) <= set(code_file.COLUMNS) or len(set(named_columns)) < len(named_columns):
        return await _preview_page(visit, preview, [("column_0", visit.say("reforms.import.twice"))])
    return await _plan_and_preview(visit, preview.name, preview.read, preview.headings, columns)


async def show_preview(visit: Visit) -> web.StreamResponse:
    if (preview := await _kept_preview(visit)) is None:
        return visit.confirm(PATH, "reforms.import_gone")
    return await _preview_page(visit, preview, [])


async def send_faults(visit: Visit) -> web.StreamResponse:
    """Send the faulty rows as a table, for the person who made the file."""
    if (preview := await _kept_preview(visit)) is None:
        return visit.confirm(PATH, "reforms.import_gone")
    content = FileContent(name="dong-loi.csv", found_type="csv", pieces=_fault_lines(visit, preview.plan))
    return await answers.give_file(visit.request, content)


async def _fault_lines(visit: Visit, plan: Plan) -> AsyncIterator[bytes]:
    names = ("line", "column", "found", "advice")
    # Spreadsheets recognise UTF-8 by this mark.
    yield "\ufeff".encode() + answers.csv_line([visit.say(f"reforms.import.fault.{name}") for name in names])
    for name in plan.problems:
        column = visit.say_or(f"reforms.column.{name.column}", name.column)
        yield answers.csv_line(
            [str(name.line), column, name.found, ground.row_advice(name.advice, visit.lang)]
        )


async def apply_import(visit: Visit) -> web.StreamResponse:
    if (preview := await _kept_preview(visit)) is None:
        return visit.confirm(PATH, "reforms.import_gone")
    try:
        await visit.deps.registry.apply(preview.plan, visit.person.person.id)
    except Clash as error:
        texts = {_NEEDS_TWO: "reforms.import.two"} if not preview.plan.problems else {}
        key = "reforms.import.faulty" if preview.plan.problems else "reforms.import.moved"
        return await _preview_page(visit, preview, [("", visit.say(texts.get(error.code, key)))])
    await visit.deps.previews.forget(visit.path("key"))
    return visit.confirm(PATH, "reforms.imported")


async def propose_import(visit: Visit) -> web.StreamResponse:
    """Propose the import to a second person, who finds the number of the decision nowhere on the page."""
    if (preview := await _kept_preview(visit)) is None:
        return visit.confirm(PATH, "reforms.import_gone")
    number, desk, reason = visit.form.text("number"), visit.deps.deciding, visit.form.text("reason")
    proposal, problems = await ground.perform_signed(
        visit,
        [] if number else [visit.missing("number", "reforms.import.number")],
        lambda person: registry_changes.propose_import(
            desk, person, preview.plan, preview.table, preview.name, number, reason
        ),
    )
    if proposal is None:
        return await _preview_page(visit, preview, problems)
    await visit.deps.previews.forget(visit.path("key"))
    return visit.confirm(f"{LIST}/{proposal.id}", "reforms.proposed")


async def _plan_and_preview(
    visit: Visit, name: str, file: CodeFile, names: Sequence[str], columns: Sequence[str]
) -> web.StreamResponse:
    deps = visit.deps
    table = await deps.pool.run(lambda: code_file.rename_columns(file.csv, columns))
    plan = await deps.registry.plan_import(table)
    preview = Preview(
        name=name,
        headings=tuple(names),
        columns=tuple(columns),
        read=file,
        effect=plan.effect,
        plan=plan,
        table=table,
    )
    key = await deps.previews.keep(preview, visit.person.session.id, deps.clock.now())
    return visit.go(f"{PATH}/xem/{key}")


async def _kept_preview(visit: Visit) -> Preview | None:
    session, now = visit.person.session.id, visit.deps.clock.now()
    return await visit.deps.previews.find(visit.path("key"), session, now)


async def ask_file(visit: Visit, problems: Problems | None = None) -> web.StreamResponse:
    changes = await visit.deps.registry.changes(limit=_CHANGES)
    imports = [change for change in changes if change.is_import]
    undone = {str(change.summary["undid"]): change.by for change in changes if "undid" in change.summary}
    return await visit.form_page(
        "agencies/import.html",
        problems,
        title=visit.say("reforms.import"),
        columns=code_file.COLUMNS,
        changes=[_import_row(change, undone) for change in reversed(imports[-_LATEST:])],
        names=await ground.names_of_people(visit, {change.by for change in imports[-_LATEST:]}),
        action=PATH,
    )


async def _preview_page(visit: Visit, preview: Preview, problems: Problems) -> web.StreamResponse:
    plan, key = preview.plan, visit.path("key")
    lines = ground.plan_lines(visit, plan)
    counts = ground.count_words(lines, plan)
    chosen_word = visit.ask("loc")
    chosen_lines = (
        [line for line in lines if line.word == chosen_word] if chosen_word in tuple(ImportWord) else lines
    )
    path = f"{PATH}/xem/{key}"
    faulty = len({problem.line for problem in plan.problems})
    good = len(plan.added) + len(plan.changed) + len(plan.closed) + plan.unchanged
    return await visit.form_page(
        "agencies/preview.html",
        problems,
        title=visit.say("reforms.import.preview"),
        kept=preview,
        lines=chosen_lines[:_ROWS],
        faulty=faulty,
        good=good,
        doubts=ground.plan_doubts(visit, plan),
        more=max(len(chosen_lines) - _ROWS, 0),
        counts=[(word, counts[word], url_for(path, loc=str(word))) for word in ImportWord],
        wanted=chosen_word,
        path=path,
        columns=[("", visit.say("reforms.column.none"))]
        + [(column, visit.say(f"reforms.column.{column}")) for column in code_file.COLUMNS],
        may_apply=not plan.problems and bool(plan.rows),
        needs_two=visit.deps.registry.needs_two(plan),
        given=visit.form.flat() if problems else {},
        is_same=not plan.problems and not plan.rows,
    )


def _import_row(change: RegistryChange, undone: Mapping[str, str]) -> Mapping[str, object]:
    counts = {name: change.summary.get(name, 0) for name in ("added", "changed", "closed", "unchanged")}
    path = url_for(f"{PATH}/lan/{change.id}")
    return {"path": path, "at": change.at, "by": change.by, "is_undone": change.id in undone, **counts}


ONE_IMPORT = f"{PATH}/lan"
_MOST_CODES = 200


async def undo_import(visit: Visit) -> web.StreamResponse:
    desk, id, problems = visit.deps.deciding, visit.path("id"), Problems()
    if visit.is_act:
        reason = visit.form.text("reason")
        _, problems = await ground.perform_signed(
            visit, visit.short_reason(), lambda person: registry_changes.undo_import(desk, person, id, reason)
        )
        if not problems:
            return visit.confirm(f"{ONE_IMPORT}/{id}", "reforms.import_undone")
    page_values = await _import_values(visit)
    words = ("reforms.import.undo", "", "reforms.undo.do")
    options = {
        "back": page_values["path"],
        "which": "import",
        "grave": True,
        "closed": bool(page_values["against"]),
    }
    return await _ask(visit, problems, *words, look="card", **options, **page_values)


async def show_import(visit: Visit) -> web.StreamResponse:
    title, page_values = visit.say("reforms.import.one"), await _import_values(visit)
    return await visit.page("agencies/imported.html", title=title, **page_values)


async def _import_values(visit: Visit) -> dict[str, Any]:  # Any: values of a template
    stored = await registry_changes.kept_import(visit.deps.deciding, visit.path("id"))
    people = list(filter(None, (stored.record.by, stored.record.undone_by)))
    return {
        "path": url_for(f"{ONE_IMPORT}/{stored.record.id}"),
        "record": stored.record,
        "lines": ground.import_lines(stored.lines, code_file.COLUMNS),
        "begun": list(stored.begun[:_MOST_CODES]),
        "beyond": max(len(stored.begun) - _MOST_CODES, 0) + max(stored.record.changed - len(stored.lines), 0),
        "against": ground.render_remarks(visit, stored.against_undo),
        "names": await ground.names_of_people(visit, people),
    }


ROUTES = (
    get(REFORMS, "reforms", list_reforms),
    get(f"{REFORMS}/{{id}}", "reform", show_reform),
    *both(f"{REFORMS}/{{id}}/hoan-tac", "reform_undo_page", "reform_undo", undo_reform),
    *both(f"{REFORMS}/{{id}}/bao-cao", "reform_report_page", "reform_report", report_reform),
    get(PATH, "import", ask_file),
    post(PATH, "import_uploaded", upload_file, body=FormBody.PARTS),
    get(f"{PATH}/xem/{{key}}", "import_preview", show_preview),
    get(f"{PATH}/xem/{{key}}/dong-loi.csv", "import_faults", send_faults),
    post(f"{PATH}/xem/{{key}}", "import_applied", apply_import),
    post(f"{PATH}/xem/{{key}}/de-nghi", "import_proposed", propose_import),
    post(f"{PATH}/xem/{{key}}/cot", "import_matched", match_columns),
    get(f"{ONE_IMPORT}/{{id}}", "import_one", show_import),
    *both(f"{ONE_IMPORT}/{{id}}/hoan-tac", "import_undo_page", "import_undo", undo_import),
)
