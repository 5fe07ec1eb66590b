"""Puts one document into a file of records, or links it to another one: a letter that came in or left, beside its paper, or
one that left on paper. In: the document's address; a file that is suggested, or typed; a number. Out: the form, with the
likeliest file chosen; the document with its files and links."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.errors import Clash, NotFound
from gateway_office.domain.document_link import LinkKind
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import links, work_files
from gateway_office.web import routes
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.incoming import access as incoming_access
from gateway_office.web.pages.outgoing import access as outgoing_access
from gateway_office.web.routes import Needs

FILES = (Needs(right=Right.RECORDS),)
_LINE = "/so-van-ban/dong/{id:ppr_[0-9A-Za-z]+}"


async def put_in(request: PageRequest, side: str) -> web.StreamResponse:
    id, back, name = await _find(request, side)
    problems = Problems()
    if request.is_act:
        code = request.form.text("code") or request.form.text("file")
        if not code:
            problems.append(request.missing("code", "timer.file.code"))
        else:
            try:
                is_new = await work_files.put_in(*request.filing, id, code)
                return request.confirm(back, "books.file.put_in" if is_new else "books.file.was_in")
            except Clash as error:
                problems.append(("code", request.why(error)))
    async with request.deps.store.read(request.scope()) as work:
        suggested = await work_files.suggest_files(work, await work_files.load_document(work, id))
    return await request.question(
        problems,
        "books.file.put",
        back=back,
        part="books/_filing.html",
        name=name,
        suggested=suggested,
        at_work=await work_files.list_at_work(*request.filing),
    )


async def link(request: PageRequest, side: str) -> web.StreamResponse:
    """Record a link to another document, or remove one."""
    id, back, name = await _find(request, side)
    form, problems = request.form, Problems()
    if request.is_act and form.text("remove"):
        kind, _, target = form.text("remove").partition(":")
        if kind in tuple(LinkKind):
            await links.remove_link(*request.filing, id, LinkKind(kind), target)
        return request.confirm(back, "books.link.removed")
    if request.is_act and form.text("kind") in tuple(LinkKind):
        try:
            await links.add_link(*request.filing, id, LinkKind(form.text("kind")), form.text("target"))
            return request.confirm(back, "books.link.added")
        except (Clash, NotFound) as error:
            problems.append(("target", request.why(error)))
    async with request.deps.store.read(request.scope()) as work:
        recorded = [row for row in await links.links_of(work, id) if row.is_target]
    return await request.question(
        problems,
        "books.link.add",
        back=back,
        part="books/_linking.html",
        name=name,
        recorded=recorded,
        kinds=[(kind.value, request.say(f"books.link.{kind}")) for kind in LinkKind],
    )


async def _find(request: PageRequest, side: str) -> tuple[str, str, str]:
    """Return the id, the address and the number of a document that the person may see."""
    if side == "in":
        incoming = await incoming_access.find(request)
        return incoming.main.id, incoming.path, incoming.name
    if side == "out":
        outgoing = await outgoing_access.find(request)
        return outgoing.document.id, outgoing.path, outgoing.document.draft.code
    async with request.deps.store.read(request.scope()) as work:
        letter = await work.office.books.letter(request.path("id"))
    return letter.id, f"/so-van-ban/dong/{letter.id}", letter.code


ROUTES = tuple(
    route
    for side, path, needs, key in (
        ("in", incoming_access.PATH, FILES, "incoming"),
        ("out", outgoing_access.PATH, FILES, "outgoing"),
        ("paper", _LINE, (Needs(right=Right.BOOK, manners=(Manner.YES,)),), "books"),
    )
    for act, word, handler in (("vao-ho-so", "file", put_in), ("lien-ket", "link", link))
    for route in routes.both(
        f"{path}/{act}",
        f"{word}_put_{side}",
        f"{word}_was_put_{side}",
        partial(handler, side=side),
        needs=needs,
        key=key,
    )
)
