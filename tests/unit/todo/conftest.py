"""A to-do list over a real store, with certificates that a test names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from gateway.domain.office_calendar import OfficeCalendar
from gateway.ports import EndingCertificate
from gateway.store.store import SqlStore
from gateway.todo.desk import TodoDesk
from tests.support.clock import ManualClock
from tests.unit.store.conftest import blank_database as blank_database
from tests.unit.store.conftest import clock as clock
from tests.unit.store.conftest import store as store


@dataclass
class Certificates:
    known: list[EndingCertificate] = field(default_factory=list)

    async def endings(self, now: datetime) -> Sequence[EndingCertificate]:
        return self.known


@pytest.fixture
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
def desk(store: SqlStore, clock: ManualClock, certificates: Certificates) -> TodoDesk:
    plain = OfficeCalendar()
    return TodoDesk(
        store=store,
        calendar=store.calendar,
        certificates=certificates,
        clock=clock,
        weekdays=plain.weekdays,
        spans=plain.spans,
        wake=lambda: None,
    )
