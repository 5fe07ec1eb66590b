"""Closed work files that have to go to the archive (T24): a person's own, for clerks all of the agency. In: a file's code,
title, kind and day. Out: the list with the last day of each; an act that closes one, or notes that it was handed in."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import NotFound
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.work_file import LONGEST_CODE, LONGEST_TITLE, FileKind
from gateway_office.letters import work_files
from gateway_office.web import dates, display_names, routes
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.compose import DRAFTS

PATH = "/can-xu-ly/ho-so"
get, post, both = routes.sharing(needs=DRAFTS, key="todo")


async def show_files(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    files = await work_files.list_open(request.deps.todo, request.scope(), everybodys=_is_clerk(request))
    return await request.form_page(
        "work_files.html",
        problems,
        title=request.say("timer.file.title"),
        files=files,
        names=await display_names.names_of(request, {file.owner for file in files}, "incoming.by"),
        kinds=[(kind.value, request.say(f"timer.file.kind.{kind}")) for kind in FileKind],
        today=request.today,
        longest={"code": LONGEST_CODE, "title": LONGEST_TITLE},
    )


async def close(request: PageRequest) -> web.StreamResponse:
    text, problems = request.form.text, Problems()
    code, title, kind = text("code"), text("title"), text("kind")
    closed_on = dates.typed_day(text("closed_on"), request.today)
    if not 0 < len(code) <= LONGEST_CODE:
        problems.append(request.missing("code", "timer.file.code"))
    if not 0 < len(title) <= LONGEST_TITLE:
        problems.append(request.missing("title", "timer.file.name"))
    if closed_on is None or closed_on > request.today:
        problems.append(("closed_on", request.say("timer.file.day")))
    if problems or closed_on is None:
        return await show_files(request, problems)
    is_closed = await work_files.close_file(
        request.deps.todo,
        request.scope(),
        code,
        title,
        FileKind(kind) if kind in tuple(FileKind) else FileKind.USUAL,
        closed_on,
        everybodys=_is_clerk(request),
    )
    if not is_closed:
        return await show_files(request, [("code", request.say("timer.file.taken"))])
    return request.confirm(PATH, "timer.file.closed")


async def archive(request: PageRequest) -> web.StreamResponse:
    """Ask whether a file was handed in, and note it."""
    todo, scope, id, everybodys = request.deps.todo, request.scope(), request.path("id"), _is_clerk(request)
    if request.is_act:
        await work_files.archive_file(todo, scope, id, everybodys=everybodys)
        return request.confirm(PATH, "timer.file.archived")
    files = await work_files.list_open(todo, scope, everybodys=everybodys)
    file = next((file for file in files if file.id == id), None)
    if file is None:
        raise NotFound(f"no file {id[:40]} waits for the archive")
    return await request.question(None, "timer.file.archive", back=PATH, code=file.code)


def _is_clerk(request: PageRequest) -> bool:
    return request.may(Right.BOOK, Manner.YES)


ROUTES = (
    get(PATH, "work_files", show_files),
    post(PATH, "work_file_closed", close),
    *both(f"{PATH}/{{id}}/nop-luu", "work_file_archive", "work_file_archived", archive),
)
