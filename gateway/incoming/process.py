"""Runs steps 2 to 5 over one landed packet and gives every ending its place (G4): admitted, applied, repeat, waiting,
held, returned with 02, malformed, or in quarantine with its reason. In: a leased inbox row. Out: the row settled. The
next good packet is never stopped by a bad one."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from datetime import timedelta

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.edxml.checklist import CODES
from gateway.errors import (
    BreaksRule,
    CannotTell,
    Conflict,
    GatewayError,
    InvalidEnvelope,
    MalformedXml,
    OtherContent,
    ScannerDown,
    StaleLease,
    StoreFailure,
)
from gateway.incoming import admit, asked_again, check, settle, storage, track, verify
from gateway.incoming.desk import InDesk
from gateway.incoming.verify import Proved
from gateway.policy import retry
from gateway.ports import InboxItem, LeasedInbox, Work

_log = logging.getLogger(__name__)
# Of a packet that our own code cannot get through, or that kills the process; hours, by `policy.retry`.
MOST_TRIES = 12
# A scanner that is away, or a disk that is full, is no fault of the packet: those tries are not counted.
SCANNER_PAUSE, STORAGE_PAUSE = timedelta(seconds=30), timedelta(minutes=1)


async def run(desk: InDesk, leased: LeasedInbox) -> None:
    """One packet, to its end. What the node's own storage refuses is put off and tried again; what broke every try, even
    by killing the process, is not tried for ever."""
    if leased.lease.attempt > MOST_TRIES:
        await _keep_out(desk, leased, "quarantined", _poison(leased), None)
        return
    proved: Proved | None = None
    try:
        proved = await verify.run(desk, leased.item)
        await _after_proof(desk, leased, proved)
    except StaleLease:
        log.action(_log, "inbox.discarded", "another worker owns this packet now", inbox=leased.item.id)
    except MalformedXml as error:
        attack = CODES[error.code].outcome == "REJ-SEC"  # well-meant software sends no document type
        await _keep_out(desk, leased, "quarantined" if attack else "malformed", error, proved)
    except (InvalidEnvelope, Conflict) as error:
        await _keep_out(desk, leased, "quarantined", error, proved)
    except (CannotTell, OtherContent, BreaksRule) as error:
        await _keep_out(desk, leased, "held", error, proved)
    except GatewayError as error:
        await _put_off(desk, leased, error)


def _poison(leased: LeasedInbox) -> GatewayError:
    return StoreFailure(
        f"packet {leased.item.id} was taken {leased.lease.attempt - 1} times and never came to an end; look into the log "
        "for its id, then release it to try once more",
        code="GW-POISON",
    )


async def _after_proof(desk: InDesk, leased: LeasedInbox, proved: Proved) -> None:
    if proved.envelope.model.kind is Kind.STATUS:
        await track.run(desk, leased, proved)
        return
    source = await _keep_octets(desk, leased, proved)
    checked = await check.run(desk, leased.item, proved, source)
    await admit.run(desk, leased, proved, checked)


async def _keep_octets(desk: InDesk, leased: LeasedInbox, proved: Proved) -> Digest:
    """Files of a general-path envelope are slices of its canonical octets, so these are kept beside it. Not by a worker
    whose lease ran out: meanwhile another one may have put the packet under seal, and no plain octets come back (R4)."""
    item, octets = leased.item, proved.octets
    if octets is None:
        return item.file_digest
    digest = Digest.of_bytes(hashlib.sha256(octets).digest())
    async with desk.store.read(_scope(item)) as work:
        await work.inbox.still_held(leased.lease)
    with desk.blobs.scratch() as scratch:

        def write() -> None:
            scratch.file.write(octets)
            scratch.file.flush()

        await desk.pool.run(write)
        kept = await desk.blobs.keep(scratch, digest, len(octets))
    try:
        async with desk.store.begin(_scope(item)) as work:
            await work.inbox.still_held(leased.lease)
            await work.blobs.keep(kept, "inbox", item.id)
            await work.commit()
    except StaleLease:
        await desk.blobs.forget([digest])
        raise
    return digest


async def _keep_out(
    desk: InDesk, leased: LeasedInbox, state: str, error: GatewayError, proved: Proved | None
) -> None:
    """The packet stays byte for byte, with its reason; nobody is answered."""
    item, now = leased.item, desk.clock.now()
    log.action(_log, f"inbox.{state}", str(error), inbox=item.id, code=error.code, file=item.file_digest)
    row = (
        settle.known(item, proved, state=state, code=error.code, reason=str(error))
        if proved is not None
        else settle.unproved(
            item, state=state, code=error.code, reason=str(error), steps=getattr(error, "steps", ())
        )
    )
    kind = EventKind.INBOX_HELD if state == "held" else EventKind.INBOX_INVALID
    try:
        async with desk.store.begin(_scope(item)) as work:
            if error.code in verify.FALSE_WORDS and await _another_copy(desk, work, leased):
                await work.commit()
                desk.wake()
                return
            await work.inbox.settle(row, leased.lease)
            if proved is not None:
                await asked_again.note(work, item, proved)
            if isinstance(error, CannotTell) and error.certificate_der is not None:
                await work.pending.add(asked_again.of(item, error.certificate_der))
            await work.events.append(kind, item.id, now, {"state": state, "code": error.code})
            await work.commit()
    except StaleLease:
        log.action(_log, "inbox.discarded", "another worker owns this packet now", inbox=item.id)


async def _another_copy(desk: InDesk, work: Work, leased: LeasedInbox) -> bool:
    """The same bytes came under other words too: they are judged by those next, and the last verdict stands."""
    told = await work.inbox.try_next(leased.lease)
    if told is None:
        return False
    item = replace(leased.item, transport_packet_id=told.packet_id, transport_node=told.node)
    await work.events.append(EventKind.INBOX_LANDED, item.id, desk.clock.now(), settle.landed(item))
    return True


async def _put_off(desk: InDesk, leased: LeasedInbox, error: GatewayError) -> None:
    """Counted only where the packet may be at fault."""
    item, lease = leased.item, leased.lease
    log.action(_log, "inbox.postponed", str(error), inbox=item.id, code=error.code)
    pause = await _pause(desk, item, error)
    later = desk.clock.now() + (pause or retry.delay_of(lease.attempt))
    try:
        async with desk.store.begin(_scope(item)) as work:
            await work.inbox.postpone(lease, later, f"{error.code}: {error}", counted=pause is None)
            await work.commit()
    except StaleLease:
        log.action(_log, "inbox.discarded", "another worker owns this packet now", inbox=item.id)


async def _pause(desk: InDesk, item: InboxItem, error: GatewayError) -> timedelta | None:
    """How long to wait for what is no fault of the packet, however long that lasts; None where it may be one."""
    if isinstance(error, ScannerDown):
        return SCANNER_PAUSE
    # Its canonical octets may lie beside the file.
    if (
        isinstance(error, StoreFailure)
        and not error.permanent
        and not await storage.takes(desk, 2 * item.size)
    ):
        return STORAGE_PAUSE
    return None


def _scope(item: InboxItem) -> AgencyScope:
    return AgencyScope(agency_id=item.agency_id, principal_id="node")
