"""One import of codes that was applied: what it changed, what came with it, and its undoing as a whole within seven days by
a person who shows password and second factor in the same form."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aiohttp import web

from gateway.deciding import codes
from gateway.deciding.codes import Kept
from gateway.errors import Clash, Denied
from gateway.office.web.pages.agencies import import_lines, signing, telling
from gateway.office.web.pages.agencies.changing import CHANGES
from gateway.office.web.pages.agencies.importing import PATH
from gateway.office.web.pages.agencies.signing import Problems
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit, where
from gateway.policy import code_columns

ONE = f"{PATH}/lan"
_SHORTEST_REASON = 10
_CODES = 200


async def one(visit: Visit) -> web.StreamResponse:
    return await _page(visit, "agencies/imported.html", [])


async def undo_page(visit: Visit) -> web.StreamResponse:
    return await _page(visit, "agencies/import_undo.html", [])


async def undone(visit: Visit) -> web.StreamResponse:
    reason, problems = visit.form.text("reason"), signing.missing(visit)
    if len(reason) < _SHORTEST_REASON:
        problems.insert(0, ("reason", visit.say("form.reason.short")))
    if problems:
        return await _page(visit, "agencies/import_undo.html", problems)
    id = visit.path("id")
    try:
        await codes.undo(visit.deps.deciding, await signing.here(visit), id, reason)
    except (Denied, Clash) as why:
        return await _page(visit, "agencies/import_undo.html", signing.refused(visit, why))
    return visit.said(f"{ONE}/{id}", "reforms.import_undone")


async def _page(visit: Visit, template: str, problems: Problems) -> web.StreamResponse:
    kept = await codes.kept(visit.deps.deciding, visit.path("id"))
    return await visit.page(
        template,
        422 if problems else 200,
        title=visit.say(
            "reforms.import.one" if template.endswith("imported.html") else "reforms.import.undo"
        ),
        path=where(f"{ONE}/{kept.record.id}"),
        record=kept.record,
        lines=import_lines.of_import(kept.lines, code_columns.COLUMNS),
        begun=list(kept.begun[:_CODES]),
        more=_more(kept),
        against=telling.said(visit, kept.against_undo),
        names=await _names(visit, list(filter(None, (kept.record.by, kept.record.undone_by)))),
        problems=problems,
        given=visit.form.flat(),
    )


def _more(kept: Kept) -> int:
    """Rows that the page leaves out."""
    return max(len(kept.begun) - _CODES, 0) + max(kept.record.changed - len(kept.lines), 0)


async def _names(visit: Visit, ids: Collection[str]) -> Mapping[str, str]:
    async with visit.deps.deciding.decisions.read() as view:
        return await view.people.names(ids)


ROUTES = (
    get(f"{ONE}/{{id}}", "import_one", one, who=Who.READY, needs=CHANGES, key="agencies"),
    get(
        f"{ONE}/{{id}}/hoan-tac", "import_undo_page", undo_page, who=Who.READY, needs=CHANGES, key="agencies"
    ),
    post(f"{ONE}/{{id}}/hoan-tac", "import_undo", undone, who=Who.READY, needs=CHANGES, key="agencies"),
)
