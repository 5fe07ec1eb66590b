"""Provides a to-do list over a real store, with certificates that a test names. The clock begins on a Friday at 08:00;
the Tuesday after it, the 24th, is free."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway.bootstrap.stored import office_hours
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.handling import Share, UnitPart, unit_key
from gateway.domain.wall_clock import VIETNAM
from gateway.policy.upkeep import CertificateEnding
from gateway.settings import Settings
from gateway.store.tables_node import EventRow
from gateway_office import todo
from gateway_office.domain.task import Task, TaskKind
from gateway_office.services import TodoServices
from gateway_office.store.store import OfficeWork, SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, delivery, incoming, outgoing, seed_incoming


@dataclass
class Certificates:
    certificates: list[CertificateEnding] = field(default_factory=list)

    async def endings(self, now: datetime) -> Sequence[CertificateEnding]:
        return self.certificates


@pytest.fixture
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
def services(store: SqlOfficeStore, clock: ManualClock, certificates: Certificates) -> TodoServices:
    return TodoServices(
        store=store,
        calendar=store.calendar,
        certificates=certificates.endings,
        clock=clock,
        office=office_hours(Settings(), store),
        wake=lambda: None,
    )


def at(text: str) -> datetime:
    """Return a day and an hour of November 2026."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=VIETNAM)


def share_of(*units: str) -> Share:
    """Return the share of an officer of these units."""
    return Share(units=frozenset(map(unit_key, units)))


@dataclass(frozen=True, kw_only=True)
class TodoOffice:
    """An agency in the north: what comes in, what is sent, and what its list shows."""

    services: TodoServices
    store: SqlOfficeStore
    clock: ManualClock

    def to(self, text: str) -> None:
        """Set the clock forward to that hour."""
        self.clock.advance(at(text) - self.clock.now())

    async def tasks(self, scope: AgencyScope = NORTH, units: Collection[str] | None = None) -> Sequence[Task]:
        share = share_of(*units) if units is not None else None
        return (await todo.gather(self.services, scope, share=share)).tasks

    async def kinds(self) -> list[TaskKind]:
        return [task.kind for task in await self.tasks()]

    async def receive(self, **fields: Any) -> IncomingDocument:
        return await seed_incoming(self.store, incoming(self.clock, **fields))

    async def send(self, state: str, **fields: Any) -> str:
        """Store a document to one recipient with its delivery in this state; return the delivery's id."""
        document = outgoing(self.clock, state=OutState.PACKED, **fields)
        sent_delivery = delivery(document, "Z91.02", state)
        async with self.change() as work:
            await work.outgoing.add(document)
            await work.deliveries.add([sent_delivery])
        return sent_delivery.id

    async def give(self, document_id: str, **fields: Any) -> UnitPart:
        """Give the document to a unit, to be done by Monday."""
        values: dict[str, Any] = {
            "id": self.clock.new_id("prt_"),
            "unit": "Phòng Tổng hợp",
            "is_lead": True,
            "deadline": date(2026, 11, 23),
        }
        part = UnitPart(
            document_id=document_id, given_by="prn_head", given_at=self.clock.now(), **(values | fields)
        )
        async with self.change() as work:
            await work.parts.add(part)
        return part

    async def list_reminders(self) -> list[tuple[str, str]]:
        """List the timers and steps of the reminders to the agency's people, by their events."""
        query = select(EventRow).where(
            col(EventRow.kind) == EventKind.TIMER_TOLD.value, col(EventRow.agency_id) == NORTH.agency_id
        )
        async with self.store.reading() as tx:
            facts = [json.loads(row.data) for row in await tx.rows(EventRow, query)]
        return [(fact["timer"], fact["step"]) for fact in facts]

    @asynccontextmanager
    async def change(self) -> AsyncIterator[OfficeWork]:
        """Open a unit of work that is committed when its block ends."""
        async with self.store.changing(NORTH) as work:
            yield work


@pytest.fixture
def office(services: TodoServices, store: SqlOfficeStore, clock: ManualClock) -> TodoOffice:
    return TodoOffice(services=services, store=store, clock=clock)
