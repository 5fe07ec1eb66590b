"""Work to do later. In: a kind and a subject, in the caller's transaction. Out: the same under a lease, until it is
done, at least once. A job done is deleted; what came of it is told by the events."""

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
from gateway.store.transaction import Asked, Transaction

_R = JobRow
# A document that is to leave later leaves when its sender said; every other time of a job is the node's own.
ASKED_FOR = and_(col(_R.kind) == "pack", col(_R.last_error).is_(None))
_QUEUE = leases.SharedRows.of(
    _R, col(_R.kind) == bindparam("kind"), (col(_R.created_at), col(_R.id)), asked_for=ASKED_FOR
)
# Behind the kind of a job that can never be done: no worker asks for that kind, and what stood in the way stays readable.
NEVER = ".never"
NEVER_ANSWERED = f"answer{NEVER}"
# WHERE id AND lease_token (G7): a worker that wakes late changes nothing.
_FENCE = (col(_R.agency_id) == bindparam("agency"), *leases.fence(_R))
_HELD = update(_R).where(*_FENCE)
_DONE = delete(_R).where(*_FENCE)


async def claim(tx: Transaction, clock: Clock, kind: str, limit: int, lease_s: float) -> list[Job]:
    """Due jobs of that kind, of every agency, oldest first."""
    found = await leases.claim(tx, _QUEUE, clock, limit, lease_s, longest=_longest(kind), kind=kind)
    return [to_domain(row, lease) for row, lease in found]


def any_due(now: datetime, lease_s: float, kind: str) -> Asked:
    return leases.any_due(_QUEUE, now, lease_s, _longest(kind), kind=kind)


def _longest(kind: str) -> timedelta:
    return LONGEST_DELAY_OF.get(kind, LONGEST_DELAY)


def is_open() -> ColumnElement[bool]:
    """What is there is open, but what can never be done."""
    return col(_R.kind).not_like(f"%{NEVER}")


class SqlJobs(WatchedRows):
    """What is to be done later for one agency, at least once: the same job put twice is done twice, as after any crash."""

    async def put(
        self,
        kind: str,
        subject_id: str,
        not_before: datetime | None = None,
        payload: StatusPacket | None = None,
    ) -> None:
        """Commits with the caller's transaction; the adapter turns `payload` to JSON and back."""
        self._tx.put(
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

    async def done(self, lease: Lease) -> None:
        """StaleLease when another worker owns it now."""
        await self._tx.change_surely(_DONE, leases.only(lease), **self._held(lease))

    async def retry(self, lease: Lease, not_before: datetime, error: str) -> None:
        values = leases.released(not_before, error)
        await self._tx.change_surely(_HELD, leases.only(lease), **self._held(lease), **values)

    async def fail(self, job: Job, error: str) -> None:
        """It is kept with its error and never done. StaleLease when another worker owns it now."""
        values = leases.released(None, error) | {"kind": job.kind + NEVER}
        await self._tx.change_surely(_HELD, leases.only(job.lease), **self._held(job.lease), **values)

    async def cancel(self, kind: str, subject_id: str) -> bool:
        """True when a job not yet leased was removed."""
        # A worker whose lease ran out may still be at it: with its row gone, what it brings is discarded.
        this = (*self._about(subject_id), col(_R.kind) == kind)
        unheld = leases.unheld(_R, self._clock.now())
        return await self._tx.change(delete(_R).where(*this, unheld)) > 0

    async def error_of(self, subject_id: str) -> str | None:
        """Why the subject's job has not been done yet, as the last try said; None when nothing went wrong."""
        said = col(_R.last_error).is_not(None)
        query = select(_R).where(*self._about(subject_id), said).order_by(col(_R.created_at).desc())
        row = await self._tx.first(_R, query)
        return row.last_error if row is not None else None

    def _about(self, subject_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return col(_R.agency_id) == self._agency_id, col(_R.subject_id) == subject_id

    def _held(self, lease: Lease) -> dict[str, str]:
        return {"agency": self._agency_id, "at_id": lease.id, "token": lease.token}


def to_domain(row: JobRow, lease: Lease) -> Job:
    return value_of(Job, row, lease=lease)
