"""The mailbox of a document system: lists, counts, one file, and its word on one. In: a signed call. Out: unacknowledged
documents over all agencies that the system serves; a file, leased with its fetch; recorded words. A fetched document stays
in its lists until it says `done`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from gateway.api import downloads
from gateway.domain.account import ApiScope, HostedAgency
from gateway.domain.request_fault import bad_value
from gateway.domain.system_box import BoxKind, BoxState
from gateway.stored_content import OpenFile
from gateway_foreign.compat import answers, hand_over
from gateway_foreign.compat.caller import VxpCall
from gateway_foreign.compat.hand_over import BoxLine
from gateway_foreign.vxp import wire

MOST_LISTED = 1000
"""Per agency: later ones are listed once these are settled."""
_WORDS = {"processing": BoxState.PROCESSING, "done": BoxState.DONE, "fail": None}
_SHOWN_STATES = {BoxState.OPEN: "initial"}
_OF_STATUS = "evt_"


async def list_received(call: VxpCall) -> web.StreamResponse:
    kind = kind_of(call)

    async def rows() -> AsyncIterator[Mapping[str, Any]]:  # Any: JSON
        for agency in call.agencies:
            for row in await _list_waiting(call, agency, kind):
                yield wire.waits(
                    row.doc_id,
                    row.kind,
                    row.sender,
                    agency.code,
                    _SHOWN_STATES.get(row.state, row.state.value),
                    row.offered_at,
                    row.updated_at,
                )

    return await answers.send_list(call.request, rows())


async def documents_counted(call: VxpCall) -> web.Response:
    return await _answer_count(call, BoxKind.EDOC)


async def statuses_counted(call: VxpCall) -> web.Response:
    return await _answer_count(call, BoxKind.STATUS)


async def _answer_count(call: VxpCall, kind: BoxKind) -> web.Response:
    return answers.success(count=sum([len(await _list_waiting(call, a, kind)) for a in call.agencies]))


async def _list_waiting(call: VxpCall, agency: HostedAgency, kind: BoxKind) -> list[BoxLine]:
    services = call.deps.api.inn
    if kind is BoxKind.STATUS:
        call.caller.may(ApiScope.MESSAGES_READ)
        return await hand_over.statuses(services, call.reader(agency), MOST_LISTED)
    call.caller.may(ApiScope.INBOX_READ)
    return await hand_over.documents(services, call.reader(agency), MOST_LISTED)


async def get_document(call: VxpCall) -> web.StreamResponse:
    return await answers.send_file(call.request, await _fetch(call))


async def download(call: VxpCall) -> web.StreamResponse:
    file = await _fetch(call)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": downloads.disposition(file.name),
    }
    return await downloads.send_file(call.request, file.pieces, lambda _: headers, file.size)


async def _fetch(call: VxpCall) -> OpenFile:
    _may_act(call)
    return await call.of_any(
        lambda reader: hand_over.fetch(call.deps.api.inn, reader, call.doc_id, call.deps.lease)
    )


async def update_status(call: VxpCall) -> web.Response:
    _may_act(call)
    word, reason = call.params.get("status", "").strip().lower(), call.params.get("description", "")
    if word not in _WORDS:
        raise bad_value("", ", ".join(_WORDS), "status")
    await call.of_any(
        lambda reader: hand_over.say(
            call.deps.api.inn, reader, call.doc_id, _WORDS[word], reason, call.deps.lease
        )
    )
    return answers.success()


def _may_act(call: VxpCall) -> None:
    """Check the scopes: a status is about the system's own sending; fetching a document hides it from others."""
    if call.doc_id.startswith(_OF_STATUS):
        call.caller.may(ApiScope.MESSAGES_READ)
    else:
        call.caller.may(ApiScope.INBOX_READ, ApiScope.INBOX_ACT)


def kind_of(call: VxpCall) -> BoxKind:
    """Return the kind asked for; a document by default."""
    word = call.params.get("messagetype", "").strip().lower() or BoxKind.EDOC.value
    if word not in tuple(BoxKind):
        raise bad_value("", ", ".join(BoxKind), "messagetype")
    return BoxKind(word)
