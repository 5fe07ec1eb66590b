"""Maintenance of the node: until a time it exchanges nothing, and reading goes on. In: an operator's
statement, which is an event of the node and so in its log. Out: the newest statement, which every process of the node reads
every ten seconds, and at once when it is rung; InMaintenance for what would be taken in, and no work for the loops that
exchange documents. It ends by itself at its time. Deadlines wait a little longer: the mail of the time between comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import col

from gateway import errors, log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local, moment_text
from gateway.ports.services import Clock
from gateway.store.events import NODE, to_domain
from gateway.store.row import equal
from gateway.store.store import SqlStore
from gateway.store.tables_node import EventRow

T = TypeVar("T")
_log = logging.getLogger(__name__)
SUBJECT = "maintenance"
RING = "maintenance"
LOOK_EVERY = timedelta(seconds=10)
# So long after the end answers of partners may still wait at the axis, so that no partner is called silent.
SETTLES = timedelta(hours=1)
# Loops that exchange documents, statuses and lists with partners, or with programs through a folder.
EXCHANGING = (
    *("packer", "dispatcher", "courier", "landing", "receiver"),
    *("folder", "aside", "axis_lists"),
)
# Loops that measure how long partners take.
MEASURING = ("clocks",)
_NEWEST = (
    select(EventRow)
    .where(equal(EventRow, agency_id=NODE, subject_id=SUBJECT))
    .order_by(col(EventRow.position).desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Newest statement: a maintenance, or the early end of one, which has the same two times."""

    ends_at: datetime
    since: datetime
    reason: str = ""


class Maintenance:
    """Maintenance of the node, as this process read it last."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._newest: Statement | None = None
        self._was_on = False

    @property
    def current(self) -> Statement | None:
        """The maintenance that goes on now; None for none."""
        is_on = self._newest is not None and self._clock.now() < self._newest.ends_at
        return self._newest if is_on else None

    @property
    def is_settling(self) -> bool:
        """Tell whether one goes on, or has ended lately."""
        return self._newest is not None and self._clock.now() < self._newest.ends_at + SETTLES

    async def look(self) -> None:
        """Read the newest statement."""
        async with self._store.viewing_few() as tx:
            row = await tx.first(EventRow, _NEWEST)
        if row is None:
            return
        event = to_domain(row)
        ends_at = event.data.get("until") if event.kind is EventKind.NODE_MAINTENANCE else None
        self._newest = Statement(
            ends_at=datetime.fromisoformat(str(ends_at)) if ends_at else event.at,
            since=event.at,
            reason=str(event.data.get("reason", "")),
        )

    async def step(self) -> bool:
        """Read the newest statement, and tell whether a maintenance has ended since the last look."""
        await self.look()
        statement, was_on = self.current, self._was_on
        self._was_on = statement is not None
        if statement is not None and not was_on:
            log.action(_log, "node.maintenance", until=statement.ends_at.isoformat())
        elif statement is None and was_on:
            log.action(_log, "node.maintenance_ended")
        return was_on and statement is None

    async def check(self) -> None:
        """Check that none goes on; InMaintenance otherwise."""
        if (statement := self.current) is not None:
            remaining = statement.ends_at - self._clock.now()
            raise errors.InMaintenance(
                f"the node is under maintenance until {moment_text(statement.ends_at)}; nothing is taken in or sent",
                ends=moment_text(statement.ends_at),
                seconds=max(1, round(remaining.total_seconds())),
            )

    def paused(
        self, name: str, step: Callable[[], Coroutine[object, object, T]]
    ) -> Callable[[], Coroutine[object, object, bool | T]]:
        """Wrap the step of the loop of that name so that it waits as long as the maintenance is its concern."""

        async def guarded() -> bool | T:
            waits = self.is_settling if name in MEASURING else self.current is not None
            return not waits and await step()

        return guarded if name in EXCHANGING + MEASURING else step


async def begin(store: SqlStore, clock: Clock, by: str, ends_at: datetime, reason: str) -> None:
    """State a maintenance until that time, in place of one that goes on."""
    facts = {"until": local(ends_at).isoformat(timespec="seconds"), "reason": reason}
    await _state(store, clock, by, EventKind.NODE_MAINTENANCE, facts)


async def end(store: SqlStore, clock: Clock, by: str) -> None:
    """End the maintenance that goes on before its time."""
    await _state(store, clock, by, EventKind.NODE_MAINTENANCE_ENDED, {})


async def _state(
    store: SqlStore, clock: Clock, by: str, kind: EventKind, facts: Mapping[str, object]
) -> None:
    async with store.changing(AgencyScope(agency_id=NODE, principal_id=by)) as work:
        await work.events.append(kind, SUBJECT, clock.now(), facts)
    store.wake.ring(RING, "sequencer")
