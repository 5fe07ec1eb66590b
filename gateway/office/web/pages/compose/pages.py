"""The pages of a new document: begun, opened again, given up, sent with time to call it back."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.document import OutState
from gateway.errors import Clash
from gateway.office.letters import undo
from gateway.office.web.failing import of_error
from gateway.office.web.pages.compose import editor, seeds
from gateway.office.web.visit import Visit
from gateway.outgoing import manage, recheck


async def new(visit: Visit) -> web.StreamResponse:
    """Nothing is stored before the first form comes back."""
    mode, of = seeds.in_query(visit)
    return await editor.show(visit, editor.of_seed(await seeds.seed(visit, mode, of)))


async def moved(visit: Visit) -> web.StreamResponse:
    """The page's other address."""
    return visit.go("/phat-hanh", **dict(visit.request.query))


async def draft(visit: Visit) -> web.StreamResponse:
    document = await editor.load(visit, visit.path("id"))
    if document.state is not OutState.DRAFT:
        return visit.go(f"/van-ban-di/{document.id}")
    checked = None
    if visit.ask("kiem-tra") == "1":
        checked = await recheck.run(visit.deps.out, visit.scope(), document.id)
    return await editor.show(visit, editor.of_document(document), checked=checked)


async def discarding(visit: Visit) -> web.StreamResponse:
    """Nothing was sent, so nobody needs a reason: what goes is named, and that is all."""
    document = await editor.load(visit, visit.path("id"))
    if document.state is not OutState.DRAFT:
        return visit.go(f"/van-ban-di/{document.id}")
    return await visit.page("compose/discard.html", title=visit.say("compose.discard"), document=document)


async def discarded(visit: Visit) -> web.StreamResponse:
    document = await editor.load(visit, visit.path("id"))
    if document.state is not OutState.DRAFT:
        raise Clash(f"{document.id} is no draft any more", code="GW-NO-DRAFT")
    await manage.cancel(visit.deps.out, visit.scope(), document.id, document.version)
    return visit.said("/van-ban-di", "compose.discarded")


async def sent(visit: Visit) -> web.StreamResponse:
    """Sent, and how long it can still be called back."""
    document = await editor.load(visit, visit.path("id"))
    if document.state in (OutState.DRAFT, OutState.BLOCKED):
        return visit.go(f"/phat-hanh/{document.id}")
    now, leaves_at = visit.deps.clock.now(), document.leaves_at
    waits = document.state is OutState.QUEUED and leaves_at is not None and leaves_at > now
    left = int((leaves_at - now).total_seconds()) + 1 if waits and leaves_at else 0
    return await visit.page(
        "compose/sent.html",
        title=visit.say("compose.sent.title"),
        document=document,
        left=left,
        problem="",
        may_undo=waits and editor.may_send(visit, document.kind),
    )


async def undone(visit: Visit) -> web.StreamResponse:
    document = await editor.load(visit, visit.path("id"))
    try:
        again = await undo.run(visit.deps.out, visit.scope(), document.id)
    except Clash as why:
        return await visit.page(
            "compose/sent.html",
            409,
            title=visit.say("compose.sent.title"),
            document=document,
            left=0,
            may_undo=False,
            problem=of_error(why, visit.lang).title,
        )
    return visit.said(f"/phat-hanh/{again.id}", "compose.undone")
