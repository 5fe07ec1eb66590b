"""Jobs, which are work to do later. In: a kind and a subject, in the caller's transaction. Out: the job under a lease, at
least once, until it is finished. A finished job is deleted; events record its outcome."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, delete, select, update
from sqlmodel import col

from gateway.domain.pace import LONGEST_DELAY, LONGEST_DELAY_OF
from gateway.domain.proof import StatusPacket
from gateway.domain.queues import Job, Lease
from gateway.ports.services import Clock
from gateway.store import leases
from gateway.store.repository import WatchedRows
from gateway.store.row import to_json, value_of
from gateway.store.tables import JobRow
from gateway.store.transaction import BoundQuery, Transaction

# Jobs whose time a person chose: a document that leaves later. The time of every other job is chosen by the node.
ASKED_FOR = and_(col(JobRow.kind) == "pack", col(JobRow.last_error).is_(None))
_QUEUE = leases.SharedRows.of_table(
    JobRow,
    col(JobRow.kind) == bindparam("kind"),
    (col(JobRow.created_at), col(JobRow.id)),
    asked_for=ASKED_FOR,
)
# Suffix to the kind of a job that can never be done: no worker claims such a kind, and its row keeps the error.
NEVER = ".never"
NEVER_ANSWERED = f"answer{NEVER}"
# Only while the lease is valid, so that a worker that wakes late changes nothing (G7, leases).
_FENCE = (col(JobRow.agency_id) == bindparam("agency"), *leases.fence(JobRow))
_UPDATE = update(JobRow).where(*_FENCE)
_HASTEN = leases.hastening(JobRow, col(JobRow.kind) == bindparam("of_kind"))
_DELETE = delete(JobRow).where(*_FENCE)


async def claim(tx: Transaction, clock: Clock, kind: str, limit: int, lease_s: float) -> list[Job]:
    """Lease up to `limit` due jobs of that kind, of all agencies, the oldest first."""
    leased_rows = await leases.claim(tx, _QUEUE, clock, limit, lease_s, longest=_longest(kind), kind=kind)
    return [to_domain(row, lease) for row, lease in leased_rows]


def any_due(now: datetime, lease_s: float, kind: str) -> BoundQuery:
    return leases.any_due(_QUEUE, now, lease_s, _longest(kind), kind=kind)


async def hasten(tx: Transaction, kind: str, now: datetime, most: int) -> int:
    """Make up to `most` jobs of that kind due that wait for another attempt; return how many they were."""
    return await tx.change(_HASTEN, of_kind=kind, now=now, most=most)


def _longest(kind: str) -> timedelta:
    return LONGEST_DELAY_OF.get(kind, LONGEST_DELAY)


def is_open() -> ColumnElement[bool]:
    """Return the SQL condition of open jobs: all but those that can never be done."""
    return col(JobRow.kind).not_like(f"%{NEVER}")


class SqlJobs(WatchedRows):
    """Repository of one agency's jobs. Each runs at least once, and may run twice when its worker crashed."""

    async def add(
        self,
        kind: str,
        subject_id: str,
        not_before: datetime | None = None,
        payload: StatusPacket | None = None,
    ) -> None:
        """Add a job in the caller's transaction; it is due at `not_before`, or at once."""
        self._tx.insert(
            JobRow(
                agency_id=self._agency_id,
                id=self._clock.new_id("job_"),
                kind=kind,
                subject_id=subject_id,
                created_at=self._clock.now(),
                not_before=not_before,
                payload=to_json(StatusPacket, payload) if payload is not None else None,
            )
        )

    async def finish(self, lease: Lease) -> None:
        """Delete a finished job. StaleLease when the lease is no longer ours."""
        await leases.change(self._tx, _DELETE, self._agency_id, lease, {})

    async def retry(self, lease: Lease, not_before: datetime, error: str) -> None:
        columns = leases.released(not_before, error)
        await leases.change(self._tx, _UPDATE, self._agency_id, lease, columns)

    async def fail(self, job: Job, error: str) -> None:
        """Mark a job as never to be tried again and keep its error. StaleLease when the lease is no longer ours."""
        columns = leases.released(None, error) | {"kind": job.kind + NEVER}
        await leases.change(self._tx, _UPDATE, self._agency_id, job.lease, columns)

    async def cancel(self, kind: str, subject_id: str) -> bool:
        """Delete the subject's jobs of that kind that are not leased; return whether there was one."""
        # A worker whose lease ran out may still work on the job; without the row its result is discarded.
        is_unheld = leases.unheld(JobRow, self._clock.now())
        return await self._delete(JobRow, is_unheld, kind=kind, subject_id=subject_id) > 0

    async def error_of(self, subject_id: str) -> str | None:
        """Return the last error of the subject's newest unfinished job that has one, else None."""
        failed = self._where(JobRow, col(JobRow.last_error).is_not(None), subject_id=subject_id)
        newest = select(JobRow).where(failed).order_by(col(JobRow.created_at).desc())
        row = await self._tx.first(JobRow, newest)
        return row.last_error if row is not None else None


def to_domain(row: JobRow, lease: Lease) -> Job:
    return value_of(Job, row, lease=lease)
