"""Lists that are about nobody's inbox: the agencies of this node's registry, what a system sent and how far it got. In: a
signed call. Out: rows while they are read, page by page. The registry is kept by its own people and by no client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from gateway.api.problems import BadCall, RequestFault
from gateway.api.vxp import answers, box
from gateway.api.vxp.caller import VxpCall
from gateway.api.words import state_word
from gateway.domain import vxp
from gateway.domain.account import ApiScope
from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.system_box import BoxKind

_AT_ONCE = 500
_NOT_THERE = frozenset({"queued", "sending", "sent", "paper"})
_OVER = frozenset({"failed", "rejected", "cancelled"})


async def agencies(call: VxpCall) -> web.StreamResponse:
    call.caller.may(ApiScope.AGENCIES_READ)
    directory, today = call.deps.api.directory, call.deps.api.out.today()

    async def rows() -> AsyncIterator[Mapping[str, Any]]:  # Any: JSON
        cursor = None
        while True:
            page = await directory.entries(_AT_ONCE, cursor)
            for each in page.items:
                is_gone = each.valid_to is not None and each.valid_to <= today
                yield vxp.agency(
                    each.code,
                    each.parent or "",
                    each.alias or "",
                    each.name,
                    each.email or "",
                    is_gone=is_gone,
                )
            cursor = page.next_cursor
            if cursor is None:
                return

    return await answers.listed(call.request, rows())


async def not_here(call: VxpCall) -> web.Response:
    raise BadCall("forbidden", RequestFault(code="vxp-registry"))


async def sent(call: VxpCall) -> web.StreamResponse:
    """A `docId` is not looked at: it sticks from the call before. Statuses are not listed: said again, one is harmless."""
    call.caller.may(ApiScope.MESSAGES_READ)
    kind, since = box.kind_of(call), call.deps.api.clock.now() - call.deps.sent
    by = call.caller.key.principal.id

    async def rows() -> AsyncIterator[Mapping[str, Any]]:  # Any: JSON
        for agency in call.agencies if kind is BoxKind.EDOC else ():
            cursor = None
            while True:
                async with call.deps.api.store.read(call.scope(agency)) as work:
                    page = await work.outgoing.page(limit=_AT_ONCE, cursor=cursor, created_from=since)
                    mine = [each for each in page.items if each.accepted_by == by]
                    deliveries = await work.deliveries.of_many([each.id for each in mine])
                for document in mine:
                    for each in deliveries.get(document.id, ()):
                        yield _row(call, agency.code, document, each)
                cursor = page.next_cursor
                if cursor is None:
                    break

    return await answers.listed(call.request, rows())


def _row(call: VxpCall, code: str, document: OutgoingDocument, delivery: Delivery) -> Mapping[str, Any]:
    state = delivery.state
    word = "initial" if state in _NOT_THERE else "fail" if state in _OVER else "done"
    return vxp.went(
        document.id,
        BoxKind.EDOC.value,
        code,
        delivery.recipient.code,
        "" if document.is_sealed else document.draft.subject,
        document.draft.code,
        document.created_at,
        delivery.updated_at,
        word,
        state_word(state, call.lang),
    )
