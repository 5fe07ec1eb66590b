"""The end of a packet that can never be made. In: a leased `pack` or `answer` job and the error that no time heals. Out,
in one transaction: every recipient failed with the reason, or the answer laid aside, an event, and with it a task for a
person."""

from __future__ import annotations

import logging
from dataclasses import replace

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import OutState
from gateway.domain.event import EventKind
from gateway.domain.receipt import StatusPacket
from gateway.domain.status import Fact, Track, fold_delivery
from gateway.errors import GatewayError, StaleLease
from gateway.outgoing import request
from gateway.outgoing.desk import OutDesk
from gateway.ports import Job, Work

_log = logging.getLogger(__name__)


async def run(desk: OutDesk, scope: AgencyScope, job: Job, error: GatewayError) -> None:
    """It is tried no more. What asked its recipients for something asks them no longer."""
    log.action(_log, "job.given_up", str(error), job=job.id, subject=job.subject_id, code=error.code)
    try:
        async with desk.store.begin(scope) as work:
            if job.payload is None:
                await _document(desk, work, job, error)
            else:
                await _answer(desk, work, job, job.payload, error)
            await work.commit()
    except StaleLease:
        log.action(_log, "job.discarded", "another worker owns this job now", job=job.id)
    desk.wake()


async def _document(desk: OutDesk, work: Work, job: Job, error: GatewayError) -> None:
    await work.jobs.done(job.lease)
    document = await work.outgoing.get(job.subject_id)
    if document.state is not OutState.QUEUED:
        return
    deliveries = [each for each in await work.deliveries.of(document.id) if each.state != "cancelled"]
    now = desk.clock.now()
    fact = Fact(
        track=Track.TRANSPORT, code="failed", at=now, reason=error.code, note=str(error), stated_at=now
    )
    known = await work.facts.of_many([each.id for each in deliveries])
    await work.facts.add_many({each.id: fact for each in deliveries})
    standings = {each.id: fold_delivery([*known[each.id], fact]) for each in deliveries}
    states = {id: (standing.shown, standing.marks) for id, standing in standings.items()}
    await work.deliveries.save_states(states, now)
    await request.withdraw(desk, work, document)
    await work.outgoing.save(replace(document, state_reason=f"{error.code}: {error}"))
    why = {"code": error.code, "detail": str(error)}
    told = [
        (EventKind.DELIVERY_FAILED, {"to": each.recipient.code, "delivery": each.id, **why})
        for each in deliveries
    ]
    await work.events.append_many(document.id, now, told)


async def _answer(desk: OutDesk, work: Work, job: Job, packet: StatusPacket, error: GatewayError) -> None:
    await work.jobs.fail(job, f"{error.code}: {error}")
    told = {"to": packet.to_code, "delivery": packet.delivery_id, "code": error.code, "detail": str(error)}
    await work.events.append(EventKind.DELIVERY_FAILED, job.subject_id, desk.clock.now(), told)
    if packet.code == "13":
        await request.withdraw_one(desk, work, await work.deliveries.get(job.subject_id), packet.packet_id)
