"""Reports that are sent by the calendar, as rows: what an agency wants, which period is next, how the last try ended. In:
an agency's unit of work; a lease for the process that sends. Out: schedules as they are stored. Each change by a process
that sends names the lease's token, so that a process whose lease ran out changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.pace import CLOCKS_APART
from gateway.store.figures import read_place
from gateway.store.repository import AgencyRows
from gateway.store.row import to_json, value_of
from gateway.store.tables_figures import ReportScheduleRow
from gateway.store.tables_node import EventRow
from gateway.store.transaction import Transaction
from gateway_office.policy.report_schedules import ReportSchedule

LEASE = timedelta(minutes=5)
_R = ReportScheduleRow
_PEOPLE = tuple[str, ...]
# Columns that sending changes; people change the others.
_OF_SENDING = ("due_on", "sent_at", "sent_to", "problem", "tries", "not_before")
to_domain = partial(value_of, ReportSchedule)


class SqlReportSchedules(AgencyRows):
    """Schedules of one agency."""

    async def all(self) -> Sequence[ReportSchedule]:
        """List schedules, the oldest first."""
        return await self._list(to_domain, _R, "made_at", "id")

    async def get(self, id: str) -> ReportSchedule:
        missing = f"the agency has no report schedule {id[:80]}"
        return await self._load(to_domain, _R, missing, lock=False, id=id)

    def add(self, schedule: ReportSchedule) -> None:
        self._tx.insert(self._make_row(schedule))

    async def set_pause(self, id: str, paused_at: datetime | None, due_on: date) -> bool:
        """Pause it, or let it go on with the period that ends on the day before `due_on`; False where it is so already."""
        paused = col(_R.paused_at)
        was = paused.is_(None) if paused_at is not None else paused.is_not(None)
        columns = {"paused_at": paused_at, "due_on": due_on, "sent_to": "[]", "tries": 0, "not_before": None}
        if paused_at is not None:
            columns = {"paused_at": paused_at}
        return await self._tx.change(update(_R).where(self._where(_R, was, id=id)).values(columns)) == 1

    async def remove(self, id: str) -> bool:
        return await self._delete(_R, id=id) == 1

    async def claim(self, schedule: ReportSchedule, token: str, now: datetime) -> ReportSchedule | None:
        """Lease the schedule for the period that it names, and return it; None where another has it or sent it."""
        free = self._where(_R, _is_free(now), id=schedule.id, due_on=schedule.due_on)
        lease = {"lease_token": token, "lease_until": now + LEASE}
        if not await self._tx.change(update(_R).where(free).values(lease)):
            return None
        return await self.get(schedule.id)

    async def mark_sent(self, id: str, token: str, person_ids: _PEOPLE, now: datetime) -> None:
        """Note the persons that have the report, and hold the lease longer. StaleLease where it is no longer ours."""
        columns = {"sent_to": to_json(_PEOPLE, person_ids), "lease_until": now + LEASE}
        await self._change(id, token, columns)

    async def release(self, schedule: ReportSchedule, token: str) -> None:
        """Store how sending ended, and give the lease back. StaleLease where it is no longer ours."""
        row = self._make_row(schedule)
        columns = {name: getattr(row, name) for name in _OF_SENDING}
        await self._change(schedule.id, token, columns | {"lease_token": None, "lease_until": None})

    async def _change(self, id: str, token: str, columns: dict[str, object]) -> None:
        mine = self._where(_R, id=id, lease_token=token)
        if not await self._tx.change(update(_R).where(mine).values(columns)):
            raise errors.StaleLease(f"the lease on the report schedule {id} has run out")

    def _make_row(self, schedule: ReportSchedule) -> ReportScheduleRow:
        return _R.from_value(schedule, agency_id=self._agency_id, lease_token=None, lease_until=None)


async def load_all(tx: Transaction) -> Sequence[tuple[str, ReportSchedule]]:
    """List schedules of all agencies, the oldest first, each with its agency's id."""
    rows = await tx.rows(_R, select(_R).order_by(col(_R.made_at), col(_R.id)))
    return [(row.agency_id, to_domain(row)) for row in rows]


async def find_due(tx: Transaction, today: date, now: datetime) -> Sequence[tuple[str, ReportSchedule]]:
    """List schedules of all agencies whose period is over and that no process sends now, each with its agency's id."""
    query = select(_R).where(col(_R.due_on) <= today, _is_free(now))
    rows = await tx.rows(_R, query.order_by(col(_R.due_on), col(_R.agency_id), col(_R.id)))
    return [(row.agency_id, to_domain(row)) for row in rows]


async def are_counted(tx: Transaction, end: datetime) -> bool:
    """Tell whether the figures have followed every event from before that moment."""
    number, is_earlier = col(EventRow.node_seq), col(EventRow.at) < end
    place = await read_place(tx)
    # Two queries, because each has an index of its own.
    for behind in (number.is_(None), number > place):
        if await tx.tuples(select(col(EventRow.position)).where(behind, is_earlier).limit(1)):
            return False
    return True


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Return the condition that it is not paused, waits for no further try and is not leased. A time that only a clock
    which was ahead can have written does not count."""
    lease, pause = col(_R.lease_until), col(_R.not_before)
    ahead = now + 2 * LEASE + CLOCKS_APART
    return and_(
        col(_R.paused_at).is_(None),
        or_(pause.is_(None), pause <= now, pause > now + timedelta(days=1)),
        or_(lease.is_(None), lease <= now, lease > ahead),
    )
