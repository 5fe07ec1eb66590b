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
from gateway.policy import code_file, reform_words
from gateway.policy.code_file import CodeFile, CodeFileForm
from gateway.registry_authoring.axis_lists import list_all, to_look_at, waiting_lines
from gateway_office.book import table_files
from gateway_office.web import answers, forms
from gateway_office.web.addresses import url_for
from gateway_office.web.answers import FileContent
from gateway_office.web.deps import Preview
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.pages.agencies.change_wizard import PROPOSES, both, get, post
from gateway_office.web.pages.agencies.common import ImportWord, TemplateValues
from gateway_office.web.pages.agencies.headlines import headline, names_in
from gateway_office.web.routes import FormBody

REFORMS = "/co-quan/thay-doi"
_ask = partial(PageRequest.question, part="agencies/_questions.html")
_MOST_REFORMS = 100
_MOST_OPEN = 50
_LONGEST_HOW = 200
_NEEDS_TWO = "REG-TWO-PEOPLE"
PATH = "/co-quan/nhap"
AXIS_LIST = f"{PATH}/truc"
MOST_BYTES = code_file.LARGEST
_ROWS = 200
_LATEST = 20
_CHANGES = 1_000
ONE_IMPORT = f"{PATH}/lan"
_MOST_CODES = 200


async def list_reforms(request: PageRequest) -> web.StreamResponse:
    services, today, text = request.deps.deciding, request.deps.out.today(), request.ask("ma")[:300]
    code, fault = await common.known_code(request, text) if text else ("", "")
    reforms = await registry_changes.list_reforms(services, _MOST_REFORMS, code.upper() or None)
    async with services.decisions.read() as view:
        open_proposals = await view.proposals.list_in_states((ProposalState.OPEN,), _MOST_OPEN)
    now = request.deps.clock.now()
    open_changes = [p for p in open_proposals if p.content.reforms and now < p.expires_at]
    duties = await registry_changes.duties(services)
    shown_reforms = [
        *(record.reform for record in reforms),
        *(proposal.content.reforms[0] for proposal in open_changes),
        *(duty.record.reform for duty in duties),
    ]
    names = await names_in(request, shown_reforms)
    return await request.page(
        "agencies/changes.html",
        title=request.say("agencies.changes"),
        rows=[_reform_row(reform, today) for reform in reforms],
        open_ones=open_changes,
        duties=duties,
        headline=lambda reform: headline(request, reform, names),
        text=text,
        problems=[("ma", fault)] if fault else [],
    )


async def show_reform(request: PageRequest) -> web.StreamResponse:
    kept_reform = await registry_changes.kept_reform(request.deps.deciding, request.path("id"))
    record = kept_reform.record
    return await request.page(
        "agencies/change.html",
        title=headline(request, record.reform, await names_in(request, [record.reform])),
        names_of=await names_in(request, [record.reform]),
        row=_reform_row(record, request.deps.out.today()),
        sentences=common.render_remarks(request, kept_reform.sentences),
        lines=common.code_lines(kept_reform.lives_before, kept_reform.lives_after),
        against=common.render_remarks(request, kept_reform.against_undo),
        names=await common.names_of_people(request, record.people),
        may_report=record.state is ReformState.APPROVED and record.reported_at is None,
    )


async def undo_reform(request: PageRequest) -> web.StreamResponse:
    services, id, problems = request.deps.deciding, request.path("id"), Problems()
    if request.is_act:
        problems = await common.decide_signed(
            request, lambda person, reason: registry_changes.undo_reform(services, person, id, reason)
        )
        if not problems:
            return request.confirm(f"{REFORMS}/{id}", "reforms.undone")
    kept_reform = await registry_changes.kept_reform(services, id)
    row = _reform_row(kept_reform.record, request.deps.out.today())
    return await _ask(
        request,
        problems,
        "reforms.undo",
        "",
        "reforms.undo.do",
        back=row["path"],
        which="undo",
        grave=True,
        row=row,
        lines=common.code_lines(
            kept_reform.lives_after, {code: life for code, life in kept_reform.lives_before.items() if life}
        ),
        begun=[code for code, life in kept_reform.lives_before.items() if life is None],
        against=common.render_remarks(request, kept_reform.against_undo),
        closed=bool(kept_reform.against_undo),
    )


async def report_reform(request: PageRequest) -> web.StreamResponse:
    services, how, id = request.deps.deciding, request.form.text("how")[:_LONGEST_HOW], request.path("id")
    if how and request.is_act:
        await registry_changes.report_reform(services, request.person.person.id, id, how)
        return request.confirm(f"{REFORMS}/{id}", "reforms.reported")
    row = _reform_row(await registry_changes.get_reform(services, id), request.deps.out.today())
    missing = [request.missing("how", "reforms.report.how")]
    return await _ask(request, missing, "reforms.report", back=row["path"], which="report", row=row)


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


async def upload_file(request: PageRequest) -> web.StreamResponse:
    """Look at the file; nothing is written."""
    content, name = bytearray(), ""
    async for part in forms.parts(request.http, request.token):
        name = (part.filename or "")[:200]
        await forms.hold(part, content, MOST_BYTES, f"a registry file may have {MOST_BYTES} bytes")
    if not content:
        return await ask_file(request, [("file", request.say("reforms.import.no_file"))])
    try:
        file = await request.deps.pool.run(lambda: code_file.open_table(bytes(content), workbook.first_sheet))
    except BadForm as error:
        return await ask_file(request, [("file", request.say(f"clash.{error.code}"))])
    names = code_file.headings_of(file.csv)
    return await _plan_and_preview(request, name, file, names, code_file.guess_columns(names))


async def match_columns(request: PageRequest) -> web.StreamResponse:
    """Read the same file with the columns that the person chose."""
    if (preview := await _kept_preview(request)) is None:
        return request.confirm(PATH, "reforms.import_gone")
    columns = tuple(request.form.text(f"column_{n}") for n in range(len(preview.headings)))
    named_columns = [column for column in columns if column]
    if not set(named_columns) <= set(code_file.COLUMNS) or len(set(named_columns)) < len(named_columns):
        return await _preview_page(request, preview, [("column_0", request.say("reforms.import.twice"))])
    return await _plan_and_preview(request, preview.name, preview.read, preview.headings, columns)


async def show_preview(request: PageRequest) -> web.StreamResponse:
    if (preview := await _kept_preview(request)) is None:
        return request.confirm(PATH, "reforms.import_gone")
    return await _preview_page(request, preview, [])


async def send_faults(request: PageRequest) -> web.StreamResponse:
    """Send the faulty rows as a table, for the person who made the file."""
    if (preview := await _kept_preview(request)) is None:
        return request.confirm(PATH, "reforms.import_gone")
    content = FileContent(name="dong-loi.csv", found_type="csv", pieces=_fault_lines(request, preview.plan))
    return await answers.give_file(request.http, content)


async def _fault_lines(request: PageRequest, plan: Plan) -> AsyncIterator[bytes]:
    names = ("line", "column", "found", "advice")
    yield table_files.csv_heading([request.say(f"reforms.import.fault.{name}") for name in names])
    for name in plan.problems:
        column = request.say_or(f"reforms.column.{name.column}", name.column)
        yield table_files.csv_line(
            [str(name.line), column, name.found, common.row_advice(name.advice, request.lang)]
        )


async def apply_import(request: PageRequest) -> web.StreamResponse:
    if (preview := await _kept_preview(request)) is None:
        return request.confirm(PATH, "reforms.import_gone")
    try:
        await request.deps.directory_changes.apply(preview.plan, request.person.person.id)
    except Clash as error:
        texts = {_NEEDS_TWO: "reforms.import.two"} if not preview.plan.problems else {}
        key = "reforms.import.faulty" if preview.plan.problems else "reforms.import.moved"
        return await _preview_page(request, preview, [("", request.say(texts.get(error.code, key)))])
    await request.deps.previews.forget(request.path("key"))
    return request.confirm(PATH, "reforms.imported")


async def propose_import(request: PageRequest) -> web.StreamResponse:
    """Propose the import to a second person, who finds the number of the decision nowhere on the page."""
    if (preview := await _kept_preview(request)) is None:
        return request.confirm(PATH, "reforms.import_gone")
    number, services = request.form.text("number"), request.deps.deciding
    confirmation, problems = await common.propose_signed(
        request,
        [] if number else [request.missing("number", "reforms.import.number")],
        lambda person, reason: registry_changes.propose_import(
            services, person, preview.plan, preview.table, preview.name, number, reason
        ),
    )
    if confirmation is None:
        return await _preview_page(request, preview, problems)
    await request.deps.previews.forget(request.path("key"))
    return confirmation


async def _plan_and_preview(
    request: PageRequest, name: str, file: CodeFile, names: Sequence[str], columns: Sequence[str]
) -> web.StreamResponse:
    deps = request.deps
    table = await deps.pool.run(lambda: code_file.rename_columns(file.csv, columns))
    plan = await deps.directory_changes.plan_import(table)
    preview = Preview(
        name=name,
        headings=tuple(names),
        columns=tuple(columns),
        read=file,
        effect=plan.effect,
        plan=plan,
        table=table,
    )
    key = await deps.previews.keep(preview, request.person.session.id, deps.clock.now())
    return request.go(f"{PATH}/xem/{key}")


async def _kept_preview(request: PageRequest) -> Preview | None:
    session, now = request.person.session.id, request.deps.clock.now()
    return await request.deps.previews.find(request.path("key"), session, now)


async def ask_file(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    changes = await request.deps.directory_changes.list_applied(limit=_CHANGES)
    imports = [change for change in changes if change.is_import]
    undone = {str(change.summary["undid"]): change.by for change in changes if "undid" in change.summary}
    return await request.form_page(
        "agencies/import.html",
        problems,
        title=request.say("reforms.import"),
        columns=code_file.COLUMNS,
        axis_lists=to_look_at(await list_all(request.deps.store.reader)),
        axis_action=AXIS_LIST,
        changes=[_import_row(change, undone) for change in reversed(imports[-_LATEST:])],
        names=await common.names_of_people(request, {change.by for change in imports[-_LATEST:]}),
        action=PATH,
    )


async def look_at_axis_list(request: PageRequest) -> web.StreamResponse:
    """Preview the lines that wait of a foreign axis's list, as if they were a file."""
    id = request.form.text("id")
    try:
        content = await waiting_lines(request.deps.store.reader, id)
    except Clash:
        return request.confirm(PATH, "reforms.axis_list.gone")
    file = CodeFile(form=CodeFileForm.CSV, csv=content)
    names = code_file.headings_of(content)
    return await _plan_and_preview(request, f"{id}.csv", file, names, code_file.guess_columns(names))


async def _preview_page(request: PageRequest, preview: Preview, problems: Problems) -> web.StreamResponse:
    plan, key = preview.plan, request.path("key")
    lines = common.plan_lines(request, plan)
    counts = common.count_words(lines, plan)
    chosen_word = request.ask("loc")
    chosen_lines = (
        [line for line in lines if line.word == chosen_word] if chosen_word in tuple(ImportWord) else lines
    )
    path = f"{PATH}/xem/{key}"
    faulty = len({problem.line for problem in plan.problems})
    good = len(plan.added) + len(plan.changed) + len(plan.closed) + plan.unchanged
    return await request.form_page(
        "agencies/preview.html",
        problems,
        title=request.say("reforms.import.preview"),
        kept=preview,
        lines=chosen_lines[:_ROWS],
        faulty=faulty,
        good=good,
        doubts=common.plan_doubts(request, plan),
        more=max(len(chosen_lines) - _ROWS, 0),
        counts=[(word, counts[word], url_for(path, loc=str(word))) for word in ImportWord],
        wanted=chosen_word,
        path=path,
        columns=[("", request.say("reforms.column.none"))]
        + [(column, request.say(f"reforms.column.{column}")) for column in code_file.COLUMNS],
        may_apply=not plan.problems and bool(plan.rows),
        needs_two=request.deps.directory_changes.needs_two(plan),
        given=request.form.flat() if problems else {},
        is_same=not plan.problems and not plan.rows,
    )


def _import_row(change: RegistryChange, undone: Mapping[str, str]) -> Mapping[str, object]:
    counts = {name: change.summary.get(name, 0) for name in ("added", "changed", "closed", "unchanged")}
    path = url_for(f"{PATH}/lan/{change.id}")
    return {"path": path, "at": change.at, "by": change.by, "is_undone": change.id in undone, **counts}


async def undo_import(request: PageRequest) -> web.StreamResponse:
    services, id, problems = request.deps.deciding, request.path("id"), Problems()
    if request.is_act:
        problems = await common.decide_signed(
            request, lambda person, reason: registry_changes.undo_import(services, person, id, reason)
        )
        if not problems:
            return request.confirm(f"{ONE_IMPORT}/{id}", "reforms.import_undone")
    page_values = await _import_values(request)
    words = ("reforms.import.undo", "", "reforms.undo.do")
    options = {
        "back": page_values["path"],
        "which": "import",
        "grave": True,
        "closed": bool(page_values["against"]),
    }
    return await _ask(request, problems, *words, look="card", **options, **page_values)


async def show_import(request: PageRequest) -> web.StreamResponse:
    title, page_values = request.say("reforms.import.one"), await _import_values(request)
    return await request.page("agencies/imported.html", title=title, **page_values)


async def _import_values(request: PageRequest) -> dict[str, Any]:  # Any: values of a template
    stored = await registry_changes.kept_import(request.deps.deciding, request.path("id"))
    people = list(filter(None, (stored.record.by, stored.record.undone_by)))
    return {
        "path": url_for(f"{ONE_IMPORT}/{stored.record.id}"),
        "record": stored.record,
        "lines": common.import_lines(stored.lines, code_file.COLUMNS),
        "begun": list(stored.begun[:_MOST_CODES]),
        "beyond": max(len(stored.begun) - _MOST_CODES, 0) + max(stored.record.changed - len(stored.lines), 0),
        "against": common.render_remarks(request, stored.against_undo),
        "names": await common.names_of_people(request, people),
    }


ROUTES = (
    get(REFORMS, "reforms", list_reforms),
    get(f"{REFORMS}/{{id}}", "reform", show_reform),
    *both(f"{REFORMS}/{{id}}/hoan-tac", "reform_undo_page", "reform_undo", undo_reform, needs=PROPOSES),
    *both(f"{REFORMS}/{{id}}/bao-cao", "reform_report_page", "reform_report", report_reform),
    get(PATH, "import", ask_file),
    post(PATH, "import_uploaded", upload_file, body=FormBody.PARTS),
    get(f"{PATH}/xem/{{key}}", "import_preview", show_preview),
    get(f"{PATH}/xem/{{key}}/dong-loi.csv", "import_faults", send_faults),
    post(f"{PATH}/xem/{{key}}", "import_applied", apply_import),
    post(f"{PATH}/xem/{{key}}/de-nghi", "import_proposed", propose_import, needs=PROPOSES),
    post(f"{PATH}/xem/{{key}}/cot", "import_matched", match_columns),
    post(AXIS_LIST, "axis_list_look", look_at_axis_list),
    get(f"{ONE_IMPORT}/{{id}}", "import_one", show_import),
    *both(f"{ONE_IMPORT}/{{id}}/hoan-tac", "import_undo_page", "import_undo", undo_import, needs=PROPOSES),
)
