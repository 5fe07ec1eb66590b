"""Lists beyond the inbox: the agencies of this node's registry, documents that a system sent and their progress. In: a
signed call. Out: rows while they are read, page by page. Clients never change the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.api.words import Lang
from gateway.document_view.facts import code_text, state_word, without_reference
from gateway.domain.account import ApiScope
from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.registry import AgencyEntry, Revision
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.domain.states import NOT_HELD, SILENT, STATES, State, Track
from gateway.domain.status import Fact, began, counts_at
from gateway.domain.system_box import BoxKind
from gateway.domain.wall_clock import midnight
from gateway_foreign.compat import answers, box
from gateway_foreign.compat.caller import VxpCall
from gateway_foreign.vxp import wire

_AT_ONCE = 500
_OF_MESSAGE = "msg_"
_UNSENT_STATES = SILENT | {State.PAPER}


async def agencies(call: VxpCall) -> web.StreamResponse:
    """List the agencies of today."""
    return await _agencies(call, with_closed=False)


async def changed_agencies(call: VxpCall) -> web.StreamResponse:
    """List closed agencies too, for a client that keeps a list of its own."""
    return await _agencies(call, with_closed=True)


async def _agencies(call: VxpCall, *, with_closed: bool) -> web.StreamResponse:
    call.caller.may(ApiScope.AGENCIES_READ)
    directory, today = call.deps.api.directory, call.deps.api.out.today()

    async def rows() -> AsyncIterator[Mapping[str, Any]]:  # Any: JSON
        cursor = None
        while True:
            page = await directory.entries(_AT_ONCE, cursor)
            revisions = await directory.revisions([entry.code for entry in page.items])
            for entry in page.items:
                is_closed = entry.valid_to is not None and entry.valid_to < today
                has_begun = entry.valid_from is None or entry.valid_from <= today
                # Old clients would address the provisional sign of a body without a code.
                if has_begun and not entry.has_no_code and (with_closed or not is_closed):
                    yield _agency_row(entry, revisions.get(entry.code), is_closed=is_closed)
            cursor = page.next_cursor
            if cursor is None:
                return

    return await answers.send_list(call.request, rows())


def _agency_row(entry: AgencyEntry, revision: Revision | None, *, is_closed: bool) -> Mapping[str, Any]:
    """Make a row; a code that has ended is a change of its own, on the day of its end."""
    ended = midnight(entry.valid_to + timedelta(days=1)) if is_closed and entry.valid_to is not None else None
    times = [at for at in (revision.at if revision else None, ended) if at is not None]
    return wire.agency(
        entry.code,
        entry.parent or "",
        entry.alias or "",
        entry.name,
        entry.email or "",
        is_gone=is_closed,
        version=(revision.number if revision else 1) + is_closed,
        modified=max(times, default=None),
    )


async def refuse_registry_change(call: VxpCall) -> web.Response:
    raise BadCall("forbidden", RequestFault(code="vxp-registry"))


async def sent(call: VxpCall) -> web.StreamResponse:
    """List sent documents. A `docId` that `sendEdoc` answered narrows the list; any other one is left from an earlier
    fetch. Statuses are not listed: repeating one is harmless."""
    call.caller.may(ApiScope.MESSAGES_READ)
    wanted_id = call.doc_id if call.doc_id.startswith(_OF_MESSAGE) else ""
    kind, since = box.kind_of(call), call.deps.api.clock.now() - call.deps.sent
    author = call.caller.key.principal.id

    async def rows() -> AsyncIterator[Mapping[str, Any]]:  # Any: JSON
        for agency in call.agencies if kind is BoxKind.EDOC else ():
            cursor = None
            while True:
                async with call.deps.api.store.read(call.scope(agency)) as work:
                    page = await work.outgoing.page(limit=_AT_ONCE, cursor=cursor, created_from=since)
                    own_docs = [d for d in page.items if d.accepted_by == author and wanted_id in ("", d.id)]
                    deliveries = await work.deliveries.of_documents([d.id for d in own_docs])
                    facts = await work.facts.of_subjects(
                        [d.id for group in deliveries.values() for d in group]
                    )
                for document in own_docs:
                    for delivery in deliveries.get(document.id, ()):
                        yield _row(call, agency.code, document, delivery, facts[delivery.id])
                cursor = page.next_cursor
                if cursor is None:
                    break

    return await answers.send_list(call.request, rows())


def _row(
    call: VxpCall, code: str, document: OutgoingDocument, delivery: Delivery, facts: Sequence[Fact]
) -> Mapping[str, Any]:
    state = delivery.state
    word = "initial" if state in _UNSENT_STATES else "fail" if state in NOT_HELD else "done"
    return wire.went(
        document.id,
        BoxKind.EDOC.value,
        code,
        delivery.recipient.code,
        "" if document.is_sealed else document.draft.subject,
        document.draft.code,
        document.created_at,
        _received_at(facts),
        word,
        ": ".join(filter(None, (state_word(state, call.lang), _cause(state, facts, call.lang)))),
    )


def _received_at(facts: Sequence[Fact]) -> datetime | None:
    """Return when the other side had it, by its own word."""
    since = began(facts)
    return min((counts_at(fact, since) for fact in facts if fact.track is Track.BUSINESS), default=None)


def _cause(state: str, facts: Sequence[Fact], lang: Lang) -> str | None:
    """Return why a delivery came to its state: the words of the other side, or of our own transport."""
    code = STATES[state].wire or state
    reasoned = [fact for fact in facts if fact.code == code and fact.reason]
    last = max(reasoned, key=lambda fact: fact.at, default=None)
    if last is None:
        return None
    return code_text(last.reason, lang) if last.track is Track.TRANSPORT else without_reference(last.reason)
