"""Stores for tests: a database's address, two hosted agencies, and builders of invented documents."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    Delivery,
    Draft,
    IncomingDocument,
    InState,
    Kind,
    Lane,
    OutgoingDocument,
    OutState,
    Recipient,
    Signer,
    Urgency,
)
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.queues import InboxPacket, OutboxItem, OutboxTarget
from gateway.ports.services import Clock
from gateway.store import migrate
from gateway.store.engine import EngineRole, open_engine
from gateway.store.memory import Memory
from gateway.store.store import SqlStore
from gateway.store.work import SqlWork
from tests.support.clock import ManualClock
from tests.support.once import once

S = TypeVar("S", bound=SqlStore)
U = TypeVar("U", bound=SqlWork)
Unit_co = TypeVar("Unit_co", bound=SqlWork, covariant=True)

NORTH = AgencyScope(agency_id="agy_north", principal_id="prn_north")
SOUTH = AgencyScope(agency_id="agy_south", principal_id="prn_south")


def migrated(folder: Path) -> Path:
    """Copy an empty database file with the newest schema into the folder: migrating anew takes longer than most tests."""
    with once("database") as (cache_folder, is_new):
        if is_new:
            asyncio.run(migrate.up(f"sqlite:///{cache_folder / 'blank.db'}"))
    return Path(shutil.copy(cache_folder / "blank.db", folder))


class BeginsUnits(Protocol[Unit_co]):
    """A store, of the exchange or a larger one, whose units of work have that type."""

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[Unit_co]: ...

    def changing(self, scope: AgencyScope) -> AbstractAsyncContextManager[Unit_co]: ...


@asynccontextmanager
async def refused(store: BeginsUnits[U], scope: AgencyScope, error: type[Exception]) -> AsyncIterator[U]:
    """Open a unit of work in which a statement is refused with that error, at the latest when it ends."""
    with pytest.raises(error):
        async with store.changing(scope) as work:
            yield work


def committing(store: BeginsUnits[U], scope: AgencyScope = NORTH) -> AbstractAsyncContextManager[U]:
    """Open a unit of work that commits at its end."""
    return store.changing(scope)


def copied(blank: Path, folder: Path) -> str:
    """Copy that database file, and return the address of the copy."""
    return f"sqlite:///{shutil.copy(blank, folder / 'node.db')}"


def opened(url: str, clock: Clock) -> AbstractAsyncContextManager[SqlStore]:
    """Open a store on that database."""
    return opening(SqlStore(url, clock))


@asynccontextmanager
async def opening(store: S) -> AsyncIterator[S]:
    """Open that store; close it at the end, because an open connection outlives the event loop badly."""
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def remembering(url: str) -> AsyncIterator[Memory]:
    """Open the memory of one more process on that migrated database."""
    engine = open_engine(url, EngineRole.NEAR_READER)
    memory = Memory(engine)
    try:
        yield memory
    finally:
        await memory.close()
        await engine.dispose()


def with_agencies(url: str, clock: Clock) -> AbstractAsyncContextManager[SqlStore]:
    """Open a store on that migrated database that hosts NORTH and SOUTH."""
    return hosting(SqlStore(url, clock))


@asynccontextmanager
async def hosting(store: S) -> AsyncIterator[S]:
    """Open that store on a migrated database, and let it host NORTH and SOUTH."""
    async with opening(store):
        await store.accounts.add_hosted(HostedAgency(id=NORTH.agency_id, code="Z91.01", name="North"))
        await store.accounts.add_hosted(HostedAgency(id=SOUTH.agency_id, code="Z91.02", name="South"))
        yield store


def digest(seed: object) -> Digest:
    return Digest(hashlib.sha256(str(seed).encode()).hexdigest())


def draft(**fields: Any) -> Draft:
    values: dict[str, Any] = {
        "number": "12",
        "symbol": "UBND-VP",
        "issued_on": date(2026, 11, 20),
        "type_name": "Letter",
        "subject": "About the flood",
        "signer": Signer(name="Signer One"),
        "recipients": (Recipient(code="Z91.02", name="South"),),
        "reply_required": False,
    }
    return Draft(**(values | fields))


def outgoing(clock: Clock, *, scope: AgencyScope = NORTH, **fields: Any) -> OutgoingDocument:
    """Build a sent document; `draft` and the document's own fields may be given, and the rest is invented."""
    id = clock.new_id("msg_")
    document = OutgoingDocument(
        id=id,
        agency_id=scope.agency_id,
        kind=Kind.DOCUMENT,
        packet_id=PacketId(f"packet-{id}"),
        document_id=DocumentId(f"Z91.01,2026/11/20,{id}"),
        draft=draft(),
        files=(),
        state=OutState.QUEUED,
        created_at=clock.now(),
        accepted_by=scope.principal_id,
    )
    return replace(document, **fields)


def delivery(document: OutgoingDocument, code: str, state: str = "queued") -> Delivery:
    return Delivery(
        id=f"dlv-{document.id}-{code}",
        agency_id=document.agency_id,
        document_id=document.id,
        recipient=Recipient(code=code),
        attempt=1,
        state=state,
        updated_at=document.created_at,
    )


def incoming(clock: Clock, *, scope: AgencyScope = NORTH, **fields: Any) -> IncomingDocument:
    id = clock.new_id("inc_")
    document = IncomingDocument(
        id=id,
        agency_id=scope.agency_id,
        inbox_id=f"inbox-{id}",
        kind=Kind.DOCUMENT,
        sender_code="Z91.02",
        sender_name="South",
        document_id=DocumentId(f"Z91.02,2026/11/20,{id}"),
        packet_id=PacketId(f"packet-{id}"),
        attempt=1,
        number="7",
        symbol="SNN",
        issued_on=date(2026, 11, 20),
        type_name="Letter",
        subject="About the harvest",
        signer=None,
        urgency=Urgency.NORMAL,
        due_on=None,
        body_digest=digest(f"body {id}"),
        envelope_digest=digest(f"file {id}"),
        envelope_size=1000,
        vouched_by="signature",
        arrived_at=clock.now(),
        state=InState.NEW,
    )
    return replace(document, **fields)


def outbox_item(clock: ManualClock, *, scope: AgencyScope = NORTH, **fields: Any) -> OutboxItem:
    id = clock.new_id("out_")
    row = OutboxItem(
        id=id,
        agency_id=scope.agency_id,
        packet_id=f"packet-{id}",
        kind=Kind.DOCUMENT,
        sender_code="Z91.01",
        lane=Lane.NORMAL,
        envelope_digest=digest(id),
        envelope_size=1000,
        targets=(
            OutboxTarget(code="Z91.02", delivery_id="dlv-1"),
            OutboxTarget(code="Z91.03", delivery_id="dlv-2"),
        ),
        created_at=clock.now(),
        subject_id="msg-1",
    )
    return replace(row, **fields)


def inbox_item(clock: ManualClock, *, scope: AgencyScope = NORTH, **fields: Any) -> InboxPacket:
    id = clock.new_id("box_")
    packet = InboxPacket(
        id=id,
        agency_id=scope.agency_id,
        file_digest=digest(id),
        size=1000,
        received_at=clock.now(),
        transport_packet_id=f"packet-{id}",
        transport_kind="edoc",
        transport_sender="Z91.02",
        lane=Lane.NORMAL,
    )
    return replace(packet, **fields)


async def stored(
    store: SqlStore,
    *rows: OutgoingDocument | Delivery | IncomingDocument | OutboxItem | InboxPacket,
    scope: AgencyScope = NORTH,
) -> None:
    """Keep all of them in one unit of work, in this order."""
    async with committing(store, scope) as work:
        for row in rows:
            match row:
                case OutgoingDocument():
                    await work.outgoing.add(row)
                case Delivery():
                    await work.deliveries.add([row])
                case IncomingDocument():
                    await work.incoming.add(row)
                case OutboxItem():
                    await work.outbox.add(row)
                case InboxPacket():
                    await work.inbox.land(row)


async def seed_incoming(store: SqlStore, document: IncomingDocument) -> IncomingDocument:
    """Store and commit an incoming document, for tests about what hangs on it."""
    scope = AgencyScope(agency_id=document.agency_id, principal_id="prn_seed")
    async with store.changing(scope) as work:
        await work.incoming.add(document)
    return document
