"""Hand-over to a document system that uses the protocol of the national axis's clients: it lists open documents, fetches
them one by one, and reports each as processing, done or failed. In: the agency's scope, the system, its report. Out: the
open lines, the committed report, or a file to stream. A fetch leases, `done` acknowledges, and a failed document is
offered again after a pause, until a person has to look.

A system gets only the statuses of documents that it sent, since it could not match others. They are collected from the
agency's events whenever it asks, from the last position on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway import log
from gateway.domain import system_box
from gateway.domain.account import AgencyScope
from gateway.domain.document import Source
from gateway.domain.event import Event, EventKind
from gateway.domain.system_box import BoxItem, BoxKind, BoxState
from gateway.errors import Clash, NotFound
from gateway.incoming import reading
from gateway.incoming.services import IncomingServices
from gateway.stored_content import Door, OpenFile, record_reading
from gateway_foreign.compat import status_files

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
_PAGE_SIZE = 200
# Events that are read in one call; the next call continues behind them.
_MAX_EVENTS = 10_000
_STATUS_KINDS = (EventKind.DELIVERY_STATUS, EventKind.REQUEST_ANSWERED)
_STATUS_ID_PREFIX = "evt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Document system that reads, with the scope of the principal that it sends as."""

    system: str
    scope: AgencyScope

    @property
    def client(self) -> str:
        """Name of the system at the hand-over, which does not change with its secret."""
        return f"vxp:{self.system}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxLine:
    """Line in a list of open documents or statuses."""

    doc_id: str
    kind: BoxKind
    sender: str
    state: BoxState
    offered_at: datetime
    updated_at: datetime


async def documents(services: IncomingServices, reader: Reader, most: int) -> list[BoxLine]:
    """List the documents that the system has not acknowledged, oldest first. Mail on paper has no file to fetch."""
    lines: list[BoxLine] = []
    now, cursor = services.clock.now(), None
    while len(lines) < most:
        async with services.store.read(reader.scope) as work:
            rows = await work.systems.documents(reader.system, reader.client, cursor, _PAGE_SIZE)
        for row in rows:
            item = row.item
            if row.document.source is not Source.AXIS or (item is not None and not item.is_offered(now)):
                continue
            lines.append(
                BoxLine(
                    doc_id=row.document.id,
                    kind=BoxKind.EDOC,
                    sender=row.document.sender_code,
                    state=item.state if item is not None else BoxState.OPEN,
                    offered_at=row.offered_at,
                    updated_at=item.updated_at if item is not None else row.offered_at,
                )
            )
        if len(rows) < _PAGE_SIZE:
            break
        cursor = rows[-1].place
    return lines[:most]


async def statuses(services: IncomingServices, reader: Reader, most: int) -> list[BoxLine]:
    """List the statuses of the system's own documents, oldest first."""
    await _note_new_statuses(services, reader)
    async with services.store.read(reader.scope) as work:
        box_items = await work.systems.statuses(reader.system, most)
        events = await _load_events(work, [item.doc_id for item in box_items])
    return [
        BoxLine(
            doc_id=item.doc_id,
            kind=BoxKind.STATUS,
            sender=str(events[item.doc_id].data.get("from", "")),
            state=item.state,
            offered_at=item.offered_at,
            updated_at=item.updated_at,
        )
        for item in box_items
    ]


async def _note_new_statuses(services: IncomingServices, reader: Reader) -> None:
    """Note the system's statuses among the events since the last call."""
    async with services.store.read(reader.scope) as work:
        start = position = await work.systems.read_position(reader.system)
    while position - start < _MAX_EVENTS:
        events = await services.store.events_after(reader.scope.agency_id, position, _PAGE_SIZE)
        if not events:
            return
        position = events[-1].agency_seq or position
        async with services.store.changing(reader.scope) as work:
            await work.systems.note(reader.system, await _select_own(work, reader, events), position)
        if len(events) < _PAGE_SIZE:
            return


async def _select_own(work: SqlWork, reader: Reader, events: Sequence[Event]) -> list[BoxItem]:
    """Return box items for those events that are statuses of documents that the system sent."""
    statuses = [e for e in events if e.kind in _STATUS_KINDS]
    documents = await work.outgoing.of_many({e.subject_id for e in statuses})
    sent_by = {document.id: document.accepted_by for document in documents}
    return [
        BoxItem(
            system=reader.system,
            doc_id=e.id,
            kind=BoxKind.STATUS,
            subject_id=e.subject_id,
            offered_at=e.at,
            updated_at=e.at,
        )
        for e in statuses
        if sent_by.get(e.subject_id) == reader.scope.principal_id
    ]


async def _load_events(work: SqlWork, ids: Sequence[str]) -> Mapping[str, Event]:
    events = await work.events.of_ids(ids)
    if missing_ids := [id for id in ids if id not in events]:
        raise NotFound(f"there is no status {missing_ids[0]}")
    return events


async def fetch(services: IncomingServices, reader: Reader, doc_id: str, lease: timedelta) -> OpenFile:
    """Open the file of a status or a document, and lease the document to the system. An acknowledged one can be fetched
    again; Clash while another client has it."""
    if doc_id.startswith(_STATUS_ID_PREFIX):
        async with services.store.read(reader.scope) as work:
            item = await _find_status_item(work, reader, doc_id)
            agency = await work.agency()
            events = await _load_events(work, [item.doc_id])
            raw = await status_files.write(work, agency, events[item.doc_id], services.clock.now())
        return status_files.as_file(doc_id, raw, _yield_once(raw))
    async with services.store.changing(reader.scope) as work:
        document, now = await reading.load_readable(work, doc_id), services.clock.now()
        await work.handovers.take(document.id, reader.client, now + lease)
        name = f"{document.id}.edxml"
        await record_reading(work, document_id=document.id, file=name, door=Door.LIBRARY, at=now)
    return await reading.open_envelope(services, reader.scope, doc_id, Door.NODE)


async def _yield_once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def say(
    services: IncomingServices, reader: Reader, doc_id: str, word: BoxState | None, why: str, lease: timedelta
) -> None:
    """Record the system's report on a document or status: processing, done, or None for failed. `done` is final."""
    async with services.store.changing(reader.scope) as work:
        if doc_id.startswith(_STATUS_ID_PREFIX):
            await _report_on_status(services, work, reader, doc_id, word, why)
        else:
            await _report_on_document(services, work, reader, doc_id, word, why, lease)
    services.wake()


async def _report_on_status(
    services: IncomingServices, work: SqlWork, reader: Reader, doc_id: str, word: BoxState | None, why: str
) -> None:
    item, now = await _find_status_item(work, reader, doc_id), services.clock.now()
    if item.state is BoxState.DONE:
        return
    if word is not None:
        await work.systems.save(replace(item, state=word, not_before=None, updated_at=now))
        return
    if item.is_offered(now):
        await _fail(work, item, why, now)


async def _report_on_document(
    services: IncomingServices,
    work: SqlWork,
    reader: Reader,
    doc_id: str,
    word: BoxState | None,
    why: str,
    lease: timedelta,
) -> None:
    """Record a report on a document: acknowledge it, extend its lease, or give it back after a failure."""
    document, now = await work.incoming.get(doc_id), services.clock.now()
    handovers = work.handovers
    if word is BoxState.DONE:
        if await handovers.ack(document.id, reader.client, now):
            await work.events.append(EventKind.INBOX_ACKED, document.id, now, {"client": reader.client})
        await work.systems.forget(reader.system, document.id)
        return
    if not await handovers.take(document.id, reader.client, now + lease):
        return
    item = await work.systems.item(reader.system, document.id) or BoxItem(
        system=reader.system,
        doc_id=document.id,
        kind=BoxKind.EDOC,
        subject_id=document.id,
        offered_at=document.arrived_at,
        updated_at=now,
    )
    if word is not None:
        if item.state is not BoxState.STUCK:
            await work.systems.save(replace(item, state=word, updated_at=now))
        return
    await handovers.give_back(document.id, reader.client)
    if item.is_offered(now) and (await _fail(work, item, why, now)).state is BoxState.STUCK:
        note = {"client": reader.client, "reason": why[: system_box.LONGEST_REASON], "tries": item.tries + 1}
        await work.events.append(EventKind.INBOX_UNTAKEN, document.id, now, note)


async def _fail(work: SqlWork, item: BoxItem, why: str, now: datetime) -> BoxItem:
    failed = system_box.failed(item, why, now)
    await work.systems.save(failed)
    log.action(
        _log, "system.failed", failed.reason, document=item.doc_id, system=item.system, tries=failed.tries
    )
    return failed


async def _find_status_item(work: SqlWork, reader: Reader, doc_id: str) -> BoxItem:
    item = await work.systems.item(reader.system, doc_id)
    if item is None:
        raise NotFound(f"there is no status {doc_id} for this system")
    return item


async def repeat_offer(services: IncomingServices, scope: AgencyScope, system: str, doc_id: str) -> BoxItem:
    """Offer a document again that the system gave up, once a person has looked at it. Clash when it was not."""
    async with services.store.changing(scope) as work:
        item = await work.systems.item(system, doc_id)
        if item is None or item.state is not BoxState.STUCK:
            raise Clash(f"{doc_id} was not given up by the system {system}", code="GW-SYSTEM-NOT-STUCK")
        offered = system_box.reoffer(item, services.clock.now())
        await work.systems.save(offered)
    return offered
