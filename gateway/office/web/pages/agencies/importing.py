"""Brings a file of codes into the registry: the file, its columns, a preview row by row, then exactly what was shown, in
one transaction; where known agencies change, a second person approves it first. What the file leaves out stays as it
is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aiohttp import web

from gateway.deciding import codes
from gateway.domain.registry_change import RegistryChange
from gateway.errors import BadForm, Clash, Denied
from gateway.office.web import forms
from gateway.office.web.pages.agencies import import_lines, signing
from gateway.office.web.pages.agencies.changing import CHANGES
from gateway.office.web.pages.agencies.import_lines import Word
from gateway.office.web.pages.agencies.proposals import LIST
from gateway.office.web.previews import Preview
from gateway.office.web.routes import Body, Who, get, post
from gateway.office.web.visit import Visit, where
from gateway.policy import code_columns, code_file
from gateway.policy.code_file import CodeFile

_NEEDS_TWO = "REG-TWO-PEOPLE"
PATH = "/co-quan/nhap"
MOST_BYTES = code_file.LARGEST
_ROWS = 200
_LATEST = 20
_CHANGES = 1_000


async def asked(visit: Visit) -> web.StreamResponse:
    return await _upload(visit, [])


async def uploaded(visit: Visit) -> web.StreamResponse:
    """Looked at whole; nothing is written."""
    content, name = bytearray(), ""
    async for part in forms.parts(visit.request, visit.token):
        name = (part.filename or "")[:200]
        while piece := await part.read_chunk(65_536):
            content += piece
            if len(content) > MOST_BYTES:
                raise BadForm(f"a registry file may have {MOST_BYTES} bytes", code="GW-FORM-SIZE")
    if not content:
        return await _upload(visit, [("file", visit.say("reforms.import.no_file"))])
    try:
        read = await visit.deps.pool.run(lambda: code_file.opened(bytes(content), visit.deps.workbook))
    except BadForm as why:
        return await _upload(visit, [("file", visit.say(f"clash.{why.code}"))])
    names = code_columns.headings(read.csv)
    return await _planned(visit, name, read, names, code_columns.guessed(names))


async def matched(visit: Visit) -> web.StreamResponse:
    """The same file with its columns as the person says."""
    kept = await _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    said = tuple(visit.form.text(f"column_{n}") for n in range(len(kept.headings)))
    taken = [each for each in said if each]
    if not set(taken) <= set(code_columns.COLUMNS) or len(set(taken)) < len(taken):
        return await _preview(visit, kept, [("column_0", visit.say("reforms.import.twice"))])
    return await _planned(visit, kept.name, kept.read, kept.headings, said)


async def previewed(visit: Visit) -> web.StreamResponse:
    kept = await _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    return await _preview(visit, kept, [])


async def applied(visit: Visit) -> web.StreamResponse:
    kept = await _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    try:
        await visit.deps.registry.apply(kept.plan, visit.person.person.id)
    except Clash as why:
        known = {_NEEDS_TWO: "reforms.import.two"} if not kept.plan.problems else {}
        key = "reforms.import.faulty" if kept.plan.problems else "reforms.import.moved"
        return await _preview(visit, kept, [("", visit.say(known.get(why.code, key)))])
    await visit.deps.previews.forget(visit.path("key"))
    return visit.said(PATH, "reforms.imported")


async def proposed(visit: Visit) -> web.StreamResponse:
    """For a second person, who finds the number of the decision nowhere on the page."""
    kept = await _kept(visit)
    if kept is None:
        return visit.said(PATH, "reforms.import_gone")
    number, problems = visit.form.text("number"), signing.missing(visit)
    if not number:
        problems.insert(0, ("number", visit.say("form.missing", field=visit.say("reforms.import.number"))))
    if problems:
        return await _preview(visit, kept, problems)
    desk, reason = visit.deps.deciding, visit.form.text("reason")
    try:
        who = await signing.here(visit)
        made = await codes.proposed(desk, who, kept.plan, kept.whole, kept.name, number, reason)
    except (Denied, Clash) as why:
        return await _preview(visit, kept, signing.refused(visit, why))
    await visit.deps.previews.forget(visit.path("key"))
    return visit.said(f"{LIST}/{made.id}", "reforms.proposed")


async def _planned(
    visit: Visit, name: str, read: CodeFile, names: Sequence[str], said: Sequence[str]
) -> web.StreamResponse:
    deps = visit.deps
    whole = await deps.pool.run(lambda: code_columns.rewritten(read.csv, said))
    key = await deps.previews.keep(
        Preview(
            name=name,
            headings=tuple(names),
            columns=tuple(said),
            plan=await deps.registry.plan_import(whole),
            read=read,
            whole=whole,
            at=deps.clock.now(),
            session_id=visit.person.session.id,
        )
    )
    return visit.go(f"{PATH}/xem/{key}")


async def _kept(visit: Visit) -> Preview | None:
    session, now = visit.person.session.id, visit.deps.clock.now()
    return await visit.deps.previews.find(visit.path("key"), session, now)


async def _upload(visit: Visit, problems: list[tuple[str, str]]) -> web.StreamResponse:
    found = await visit.deps.registry.changes(limit=_CHANGES)
    imports = [each for each in found if each.is_import]
    undone = {str(each.summary["undid"]): each.by for each in found if "undid" in each.summary}
    return await visit.page(
        "agencies/import.html",
        422 if problems else 200,
        title=visit.say("reforms.import"),
        problems=problems,
        columns=code_columns.COLUMNS,
        changes=[_told(each, undone) for each in reversed(imports[-_LATEST:])],
        names=await _names(visit, {each.by for each in imports[-_LATEST:]}),
        action=PATH,
    )


async def _preview(visit: Visit, kept: Preview, problems: list[tuple[str, str]]) -> web.StreamResponse:
    plan, key = kept.plan, visit.path("key")
    lines = import_lines.of_plan(visit, plan)
    counts = import_lines.counted(lines, plan)
    wanted = visit.ask("loc")
    shown = [each for each in lines if each.word == wanted] if wanted in tuple(Word) else lines
    path = f"{PATH}/xem/{key}"
    return await visit.page(
        "agencies/preview.html",
        422 if problems else 200,
        title=visit.say("reforms.import.preview"),
        kept=kept,
        lines=shown[:_ROWS],
        doubts=import_lines.doubts(visit, plan),
        more=max(len(shown) - _ROWS, 0),
        counts=[(word, counts[word], where(path, loc=str(word))) for word in Word],
        wanted=wanted,
        path=path,
        columns=[("", visit.say("reforms.column.none"))]
        + [(each, visit.say(f"reforms.column.{each}")) for each in code_columns.COLUMNS],
        may_apply=not plan.problems and bool(plan.rows),
        needs_two=visit.deps.registry.needs_two(plan),
        given=visit.form.flat() if problems else {},
        is_same=not plan.problems and not plan.rows,
        problems=problems,
    )


def _told(change: RegistryChange, undone: Mapping[str, str]) -> Mapping[str, object]:
    counts = {name: change.summary.get(name, 0) for name in ("added", "changed", "closed", "unchanged")}
    path = where(f"{PATH}/lan/{change.id}")
    return {"path": path, "at": change.at, "by": change.by, "is_undone": change.id in undone, **counts}


async def _names(visit: Visit, ids: Collection[str]) -> Mapping[str, str]:
    async with visit.deps.deciding.decisions.read() as view:
        return await view.people.names(ids)


ROUTES = (
    get(PATH, "import", asked, who=Who.READY, needs=CHANGES, key="agencies"),
    post(
        PATH,
        "import_uploaded",
        uploaded,
        who=Who.READY,
        needs=CHANGES,
        key="agencies",
        body=Body.PARTS,
    ),
    get(f"{PATH}/xem/{{key}}", "import_preview", previewed, who=Who.READY, needs=CHANGES, key="agencies"),
    post(f"{PATH}/xem/{{key}}", "import_applied", applied, who=Who.READY, needs=CHANGES, key="agencies"),
    post(
        f"{PATH}/xem/{{key}}/de-nghi",
        "import_proposed",
        proposed,
        who=Who.READY,
        needs=CHANGES,
        key="agencies",
    ),
    post(
        f"{PATH}/xem/{{key}}/cot",
        "import_matched",
        matched,
        who=Who.READY,
        needs=CHANGES,
        key="agencies",
    ),
)
