"""The hand-over to a document system that speaks as the national axis's clients do: it lists what it has not settled,
fetches one by one, and says of each that it is at work, that it is done, or that it failed. In: the agency's scope, the
system, what it says. Out: what waits, committed words, a file to stream. A fetch leases, `done` acknowledges, and what
failed is offered again after a pause, until a person has to look.

It is told the statuses of what it sent itself and of nothing else: those of others it could not place. They are found
in the agency's events, read on from where it was, when it asks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
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
from gateway.incoming import reading, status_files
from gateway.incoming.services import IncomingServices
from gateway.stored_content import OpenFile

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
_AT_ONCE = 200
# Of one look; what is behind them is found at the next.
_MOST_EVENTS = 10_000
_STATUSES = (EventKind.DELIVERY_STATUS, EventKind.REQUEST_ANSWERED)
_OF_STATUS = "evt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: the system, and the principal by which it sends."""

    system: str
    scope: AgencyScope

    @property
    def client(self) -> str:
        """Its name at the hand-over, whatever secret it has just now."""
        return f"vxp:{self.system}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One line of a list."""

    doc_id: str
    kind: BoxKind
    sender: str
    state: BoxState
    offered_at: datetime
    updated_at: datetime


async def documents(services: IncomingServices, reader: Reader, most: int) -> list[Waiting]:
    """What nobody has acknowledged, the oldest first. What came on paper has no file of the axis's kind."""
    found: list[Waiting] = []
    now, after = services.clock.now(), None
    while len(found) < most:
        async with services.store.read(reader.scope) as work:
            rows = await work.systems.documents(reader.system, reader.client, after, _AT_ONCE)
        for each in rows:
            item = each.item
            if each.document.source is not Source.AXIS or (item is not None and not item.is_offered(now)):
                continue
            found.append(
                Waiting(
                    doc_id=each.document.id,
                    kind=BoxKind.EDOC,
                    sender=each.document.sender_code,
                    state=item.state if item is not None else BoxState.OPEN,
                    offered_at=each.offered_at,
                    updated_at=item.updated_at if item is not None else each.offered_at,
                )
            )
        if len(rows) < _AT_ONCE:
            break
        after = rows[-1].place
    return found[:most]


async def statuses(services: IncomingServices, reader: Reader, most: int) -> list[Waiting]:
    """What the recipients of its documents said, the oldest first."""
    await _look(services, reader)
    async with services.store.read(reader.scope) as work:
        found = await work.systems.statuses(reader.system, most)
        events = {each.doc_id: await _event(work, each) for each in found}
    return [
        Waiting(
            doc_id=each.doc_id,
            kind=BoxKind.STATUS,
            sender=str(events[each.doc_id].data.get("from", "")),
            state=each.state,
            offered_at=each.offered_at,
            updated_at=each.updated_at,
        )
        for each in found
    ]


async def _look(services: IncomingServices, reader: Reader) -> None:
    """Notes the statuses that came since the last look."""
    async with services.store.read(reader.scope) as work:
        began = seen = await work.systems.looked_at(reader.system)
    while seen - began < _MOST_EVENTS:
        events = await services.store.events_after(reader.scope.agency_id, seen, _AT_ONCE)
        if not events:
            return
        seen = events[-1].agency_seq or seen
        async with services.store.begin(reader.scope) as work:
            await work.systems.note(reader.system, await _of_its_own(work, reader, events), seen)
            await work.commit()
        if len(events) < _AT_ONCE:
            return


async def _of_its_own(work: SqlWork, reader: Reader, events: Sequence[Event]) -> list[BoxItem]:
    told = [each for each in events if each.kind in _STATUSES]
    sent_by = {
        id: (await work.outgoing.get(id)).accepted_by for id in sorted({each.subject_id for each in told})
    }
    return [
        BoxItem(
            system=reader.system,
            doc_id=each.id,
            kind=BoxKind.STATUS,
            subject_id=each.subject_id,
            offered_at=each.at,
            updated_at=each.at,
        )
        for each in told
        if sent_by[each.subject_id] == reader.scope.principal_id
    ]


async def _event(work: SqlWork, item: BoxItem) -> Event:
    found = next((each for each in await work.events.of(item.subject_id) if each.id == item.doc_id), None)
    if found is None:
        raise NotFound(f"there is no status {item.doc_id}")
    return found


async def fetch(services: IncomingServices, reader: Reader, doc_id: str, lease: timedelta) -> OpenFile:
    """The file, the system's from now on. What is settled can be fetched again; Clash while another has it."""
    if doc_id.startswith(_OF_STATUS):
        async with services.store.read(reader.scope) as work:
            item = await _status_item(work, reader, doc_id)
            agency = await work.agency()
            raw = await status_files.written(work, agency, await _event(work, item), services.clock.now())
        return status_files.as_file(doc_id, raw, _once(raw))
    async with services.store.begin(reader.scope) as work:
        document = await work.incoming.get(doc_id)
        await work.handovers.take(document.id, reader.client, services.clock.now() + lease)
        await work.commit()
    return await reading.open_envelope(services, reader.scope, doc_id)


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def say(
    services: IncomingServices, reader: Reader, doc_id: str, word: BoxState | None, why: str, lease: timedelta
) -> None:
    """`word` is processing or done; None says that it failed. What is over stays over, and a repeat is harmless."""
    async with services.store.begin(reader.scope) as work:
        if doc_id.startswith(_OF_STATUS):
            await _say_of_status(services, work, reader, doc_id, word, why)
        else:
            await _say_of_document(services, work, reader, doc_id, word, why, lease)
        await work.commit()
    services.wake()


async def _say_of_status(
    services: IncomingServices, work: SqlWork, reader: Reader, doc_id: str, word: BoxState | None, why: str
) -> None:
    item, now = await _status_item(work, reader, doc_id), services.clock.now()
    if item.state is BoxState.DONE:
        return
    if word is not None:
        await work.systems.save(replace(item, state=word, not_before=None, updated_at=now))
        return
    if item.is_offered(now):
        await _fail(work, item, why, now)


async def _say_of_document(
    services: IncomingServices,
    work: SqlWork,
    reader: Reader,
    doc_id: str,
    word: BoxState | None,
    why: str,
    lease: timedelta,
) -> None:
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
        told = {"client": reader.client, "reason": why[: system_box.LONGEST_REASON], "tries": item.tries + 1}
        await work.events.append(EventKind.INBOX_UNTAKEN, document.id, now, told)


async def _fail(work: SqlWork, item: BoxItem, why: str, now: datetime) -> BoxItem:
    later = system_box.failed(item, why, now)
    await work.systems.save(later)
    log.action(
        _log, "system.failed", later.reason, document=item.doc_id, system=item.system, tries=later.tries
    )
    return later


async def _status_item(work: SqlWork, reader: Reader, doc_id: str) -> BoxItem:
    item = await work.systems.item(reader.system, doc_id)
    if item is None:
        raise NotFound(f"there is no status {doc_id} for this system")
    return item


async def offer_again(services: IncomingServices, scope: AgencyScope, system: str, doc_id: str) -> BoxItem:
    """A person has looked at what was given up. Clash for what was not."""
    async with services.store.begin(scope) as work:
        item = await work.systems.item(system, doc_id)
        if item is None or item.state is not BoxState.STUCK:
            raise Clash(f"{doc_id} was not given up by the system {system}", code="GW-SYSTEM-NOT-STUCK")
        again = system_box.reoffer(item, services.clock.now())
        await work.systems.save(again)
        await work.commit()
    return again
