"""A log with events and seals in it, and an attacker who changes its database past the program. In: a store. Out: events
recorded, sealed and stamped; SQL done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import PublishedSeal
from gateway.ops.audit import Inputs, verify
from gateway.ops.audit_checks import AuditReport
from gateway.policy.upkeep import Rhythm
from gateway.pool import ThreadPool
from gateway.store.engine import EngineRole, open_engine
from gateway.store.log_reading import seal_numbered
from gateway.store.store import SqlStore
from gateway.trust.seals import SealKey
from gateway.workers.event_log import LogSealer, TimeAuthority
from tests.support.clock import ManualClock
from tests.support.pki import key
from tests.support.stores import NORTH

OTHER_KEY = "another seal"


def seal_key(owner: str = "seal") -> SealKey:
    private_key = key("p256", owner)
    return SealKey(private_key)  # type: ignore[arg-type]  # that kind is on P-256


@dataclass(kw_only=True)
class Book:
    """One node's log at work."""

    store: SqlStore
    clock: ManualClock
    pool: ThreadPool
    authority: TimeAuthority | None = None
    key: SealKey = field(default_factory=seal_key)
    rhythm: Rhythm = field(default_factory=Rhythm)

    def sealer(self) -> LogSealer:
        return LogSealer(
            log=self.store.log,
            open_key=lambda **_: self.key,
            clock=self.clock,
            pool=self.pool,
            rhythm=self.rhythm,
            authority=self.authority,
        )

    async def tell(
        self, count: int = 1, data: Mapping[str, object] | None = None, scope: AgencyScope = NORTH
    ) -> None:
        """Record so many events, and number them."""
        new_events = [(EventKind.DELIVERY_STATUS, {"n": n, **(data or {})}) for n in range(count)]
        async with self.store.changing(scope) as work:
            await work.events.append_many("msg_1", self.clock.now(), new_events)
        while await self.store.number_events():
            pass

    async def seal(self) -> PublishedSeal:
        """Seal all events, a minute later."""
        self.clock.advance(timedelta(minutes=1))
        sealer = self.sealer()
        while await sealer.step():
            pass
        return await seal_numbered(self.store)

    async def pages(self, *counts: int, data: Mapping[str, object] | None = None) -> list[PublishedSeal]:
        """Record so many events and seal them, once for each count; return the seals."""
        seals = []
        for count in counts:
            await self.tell(count, data)
            seals.append(await self.seal())
        return seals

    async def examine(self, *published: PublishedSeal, **inputs: Any) -> AuditReport:
        return await verify(self.store, Inputs(published=published, **inputs), self.pool)


def codes(report: AuditReport) -> list[tuple[str, str]]:
    """List the code and place of each finding."""
    return [(finding.code, finding.place) for finding in report.findings]


async def tamper(url: str, *statements: str, **values: object) -> None:
    """Run SQL past the program, as the owner of the database can."""
    engine = open_engine(url, EngineRole.MIGRATOR)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                # Only what is given is a parameter; JSON has colons of its own.
                plain = re.sub(r":(\w+)", lambda m: m[0] if m[1] in values else "\\" + m[0], statement)
                names = {name: value for name, value in values.items() if f":{name}" in statement}
                changed = await connection.execute(text(plain), names)
                assert changed.rowcount, f"changed nothing: {statement}"
    finally:
        await engine.dispose()


async def fill_log(book: Book) -> None:
    """Record twelve events and three seals; people wrote something in the middle four."""
    for n in range(3):
        await book.tell(4, {"reason": "Sai địa chỉ"} if n == 1 else None)
        await book.seal()
