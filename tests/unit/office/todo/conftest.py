"""A to-do list over a real store, with certificates that a test names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from gateway.bootstrap.guards import office_hours
from gateway.office.desks import TodoDesk
from gateway.office.store.store import SqlOfficeStore
from gateway.policy.upkeep import CertificateEnding
from gateway.settings import Settings
from tests.support.clock import ManualClock


@dataclass
class Certificates:
    known: list[CertificateEnding] = field(default_factory=list)

    async def endings(self, now: datetime) -> Sequence[CertificateEnding]:
        return self.known


@pytest.fixture
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
def desk(store: SqlOfficeStore, clock: ManualClock, certificates: Certificates) -> TodoDesk:
    return TodoDesk(
        store=store,
        calendar=store.calendar,
        certificates=certificates.endings,
        clock=clock,
        office=office_hours(Settings(), store.calendar),
        wake=lambda: None,
    )
