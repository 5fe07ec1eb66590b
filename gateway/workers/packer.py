"""Runs `outgoing.package` for `pack` and `answer` jobs. In: due jobs. Out: outbox rows."""

from __future__ import annotations

from gateway import log
from gateway.outgoing import package
from gateway.outgoing.desk import OutDesk
from gateway.ports import Job
from gateway.workers.loop import kept, together

# Answers first: a sender waits for them, and they are small.
KINDS = ("answer", "pack")


async def step(desk: OutDesk, batch: int, lease_s: float) -> bool:
    """One claimed batch of each kind."""
    jobs = [job for kind in KINDS for job in await desk.store.claim_jobs(kind, batch, lease_s)]
    return await together([_run(desk, job, lease_s) for job in jobs])


async def _run(desk: OutDesk, job: Job, lease_s: float) -> None:
    with log.bound(job=job.id, document=job.subject_id):
        async with kept(desk.store, "job", job.lease, lease_s):
            await package.run(desk, job)
