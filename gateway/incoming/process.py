"""Runs steps 2 to 5 on one landed packet, and gives every outcome its place (G4, nothing is dropped): admitted, applied,
repeat, waiting, held, returned with 02, malformed, or in quarantine with its reason. In: a leased inbox row. Out: the row
settled. A bad packet never stops the next good one: a full disk and a packet that our code cannot process have different
outcomes. A person releases, returns or discards a packet that became no document; every act records an event."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.domain.identity import Digest
from gateway.domain.queues import InboxPacket, Lease, LeasedInbox
from gateway.edxml.verify import CODES
from gateway.errors import (
    BreaksRule,
    CannotTell,
    Clash,
    Conflict,
    ContentStoreDown,
    GatewayError,
    InvalidEnvelope,
    MalformedXml,
    OtherContent,
    Refused,
    ScannerDown,
    StaleLease,
    StoreFailure,
    as_gateway_error,
)
from gateway.incoming import acknowledge, admit, check, rejudge, settle, track, verify
from gateway.incoming.act import StatusCall, complete
from gateway.incoming.services import IncomingServices, LandsFirst
from gateway.incoming.verify import Proved
from gateway.policy import upkeep
from gateway.policy.incoming import Admission
from gateway.policy.verdict import ReasonCode, Verdict, reason

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
# Pauses while a scanner is away or a disk is full: neither is the packet's fault, so these attempts are not counted.
SCANNER_PAUSE, STORAGE_PAUSE = timedelta(seconds=30), timedelta(minutes=1)
_LEASE = timedelta(minutes=1)
# Larger than content that is kept in a database row, so that a file is written.
_PROBE = b"does the content store take a file?\n" * 2_000
_UNDECIDED_STATES = frozenset({"held", "waiting", "quarantined", "malformed"})
_DECISION_EVENTS = {
    "landed": EventKind.INBOX_HELD,
    "returned": EventKind.INBOX_RETURNED,
    "discarded": EventKind.INBOX_INVALID,
}


async def run(services: IncomingServices, leased: LeasedInbox) -> None:
    """Bring one packet to its end. After a failure of the node's own storage it is tried again; a packet that fails every
    attempt, even by killing the process, goes to quarantine at the limit."""
    if leased.lease.attempt > upkeep.MOST_UNFORESEEN:
        await _keep_out(services, leased, "quarantined", _poison_error(leased), None)
        return
    proved: Proved | None = None
    try:
        proved = await verify.run(services, leased.item)
        await _end(services, leased, proved)
    except StaleLease:
        log.action(_log, "inbox.discarded", "another worker owns this packet now", inbox=leased.item.id)
    except MalformedXml as error:
        is_attack = CODES[error.code].outcome == "REJ-SEC"  # only attackers send a document type
        await _keep_out(services, leased, "quarantined" if is_attack else "malformed", error, proved)
    except (InvalidEnvelope, Conflict) as error:
        await _keep_out(services, leased, "quarantined", error, proved)
    except (CannotTell, OtherContent, BreaksRule) as error:
        await _keep_out(services, leased, "held", error, proved)
    except Exception as error:  # reason: an unforeseen error counts as an attempt, up to the limit
        if not isinstance(error, GatewayError):
            log.log_unforeseen(_log, "inbox.broke", error, inbox=leased.item.id)
        await _postpone(services, leased, as_gateway_error(error))


def _poison_error(leased: LeasedInbox) -> GatewayError:
    return StoreFailure(
        f"packet {leased.item.id} was taken {leased.lease.attempt - 1} times and never came to an end; look into the log "
        "for its id, then release it to try once more",
        code="GW-POISON",
    )


async def take_in(
    services: IncomingServices,
    row: InboxPacket,
    opener: Callable[[], BinaryIO],
    body: bytes | None,
    keep: Callable[[], Awaitable[Callable[[], BinaryIO]]] | None = None,
) -> bool:
    """Bring a packet that has just arrived to its end with one commit; return whether that succeeded. Any obstacle leaves
    nothing written: then the packet lands by itself, and `run` processes it. A packet without a `body` in memory is
    stored by `keep` once it is proved, and read from there."""
    # No other worker sees this lease: it begins and ends in that unit.
    lease = Lease(id=row.id, token=services.clock.new_id(), ends_at=services.clock.now() + _LEASE, attempt=1)
    try:
        proved = await verify.run(services, row, opener)
        if keep is not None:
            proved = replace(proved, open=await keep())
        await _end(services, LeasedInbox(item=row, lease=lease, body=body, has_landed=False), proved)
    except (
        Exception
    ) as error:  # reason: a packet that our code fails on lands too, and its attempts are counted
        log.action(_log, "arrival.lands_first", str(error), inbox=row.id)
        return False
    return True


async def _end(services: IncomingServices, leased: LeasedInbox, proved: Proved) -> None:
    """Bring a proved packet to the unit of work that settles it."""
    if proved.envelope.model.kind is Kind.STATUS:
        await track.run(services, leased, proved)
        return
    source = await _keep_octets(services, leased, proved)
    checked = await check.run(services, leased, proved, source)
    if not leased.has_landed and checked.ruling.decision is not Admission.ALLOWED:
        raise LandsFirst(f"it is {checked.ruling.decision}")
    await admit.run(services, leased, proved, checked)


async def _keep_octets(services: IncomingServices, leased: LeasedInbox, proved: Proved) -> Digest:
    """Store the canonical octets of a general-path envelope beside it, because the file slices lie in them; return the
    digest of the octets that hold the slices. A worker whose lease ran out stores nothing: another may have sealed the
    packet (R4, sealed hold)."""
    packet, octets = leased.item, proved.octets
    if octets is None:
        return packet.file_digest
    if not leased.has_landed:
        raise LandsFirst("its canonical octets are kept beside it")
    digest = Digest.of_bytes(hashlib.sha256(octets).digest())
    async with services.store.read(_scope(packet)) as work:
        await work.inbox.check_held(leased.lease)
    with services.blobs.scratch() as scratch:

        def write() -> None:
            scratch.file.write(octets)
            scratch.file.flush()

        await services.pool.run(write)
        blob = await services.blobs.keep(scratch, digest, len(octets))
    try:
        async with services.store.changing(_scope(packet)) as work:
            await work.inbox.check_held(leased.lease)
            await work.blobs.keep(blob, "inbox", packet.id)
    except StaleLease:
        await services.blobs.forget([digest])
        raise
    return digest


async def _keep_out(
    services: IncomingServices, leased: LeasedInbox, state: str, error: GatewayError, proved: Proved | None
) -> None:
    """Settle the packet as not admitted: it is kept byte for byte with its reason, and not answered."""
    packet, now = leased.item, services.clock.now()
    log.action(_log, f"inbox.{state}", str(error), inbox=packet.id, code=error.code, file=packet.file_digest)
    row = (
        settle.proved_row(packet, proved, state=state, code=error.code, reason=str(error))
        if proved is not None
        else settle.unproved_row(
            packet, state=state, code=error.code, reason=str(error), steps=getattr(error, "steps", ())
        )
    )
    kind = EventKind.INBOX_HELD if state == "held" else EventKind.INBOX_INVALID
    try:
        async with services.store.begin(_scope(packet)) as work:
            if error.code in verify.FALSE_WORDS and await _try_next_copy(services, work, leased):
                await work.commit()
                services.wake()
                return
            await work.inbox.settle(row, leased.lease)
            if proved is not None:
                await rejudge.note_pending(work, packet, proved)
            if isinstance(error, CannotTell) and error.certificate_der is not None:
                await work.pending.add(rejudge.pending_of(packet, error.certificate_der))
            await work.events.append(kind, packet.id, now, {"state": state, "code": error.code})
            await work.commit()
    except StaleLease:
        log.action(_log, "inbox.discarded", "another worker owns this packet now", inbox=packet.id)


async def _try_next_copy(services: IncomingServices, work: SqlWork, leased: LeasedInbox) -> bool:
    """Judge the same bytes again with the routing of their next copy; False where there is none."""
    routing = await work.inbox.try_next(leased.lease)
    if routing is None:
        return False
    packet = replace(
        leased.item,
        transport_packet_id=routing.packet_id,
        transport_node=routing.node,
        transport_session=routing.session,
    )
    await work.events.append(EventKind.INBOX_LANDED, packet.id, services.clock.now(), settle.landed(packet))
    return True


async def _postpone(services: IncomingServices, leased: LeasedInbox, error: GatewayError) -> None:
    """Postpone the packet. The attempt is counted only where the packet may be at fault."""
    packet, lease = leased.item, leased.lease
    log.action(_log, "inbox.postponed", str(error), inbox=packet.id, code=error.code)
    pause = await _pause(services, packet, error)
    retry_at = services.clock.now() + (pause or upkeep.retry_delay(lease.attempt))
    try:
        async with services.store.changing(_scope(packet)) as work:
            await work.inbox.postpone(lease, retry_at, f"{error.code}: {error}", counted=pause is None)
    except StaleLease:
        log.action(_log, "inbox.discarded", "another worker owns this packet now", inbox=packet.id)


async def _pause(services: IncomingServices, packet: InboxPacket, error: GatewayError) -> timedelta | None:
    """Return the pause after a failure that is surely not the packet's fault; None where it may be."""
    if isinstance(error, ScannerDown):
        return SCANNER_PAUSE
    if isinstance(error, ContentStoreDown):
        return STORAGE_PAUSE
    # The size is doubled because canonical octets may be stored beside the file.
    if (
        isinstance(error, StoreFailure)
        and not error.permanent
        and not await storage_takes(services, 2 * packet.size)
    ):
        return STORAGE_PAUSE
    return None


def _scope(packet: InboxPacket) -> AgencyScope:
    return AgencyScope(agency_id=packet.agency_id, principal_id="node")


async def probe_storage(services: IncomingServices, size: int = 0) -> None:
    """Check that the storage takes a file and its row, as for a packet, with room for so many bytes; and that the bucket
    takes an object, where large content goes there. The sweeper removes the file, since it has no owner."""
    if (bucket := services.blobs.bucket) is not None and bucket.takes_new:
        await bucket.try_out()
    with services.blobs.scratch() as scratch:
        if size:
            await services.pool.run(lambda: os.posix_fallocate(scratch.file.fileno(), 0, size))
    with services.blobs.scratch() as scratch:

        def write() -> None:
            scratch.file.write(_PROBE)
            scratch.file.flush()

        await services.pool.run(write)
        await services.blobs.keep(scratch, Digest(hashlib.sha256(_PROBE).hexdigest()), len(_PROBE))


async def storage_takes(services: IncomingServices, size: int) -> bool:
    try:
        await probe_storage(services, size)
    except StoreFailure:
        return False
    return True


async def release(services: IncomingServices, scope: AgencyScope, inbox_id: str, why: str) -> InboxPacket:
    """Verify the packet again from its first step, since the obstacle may be gone (a binding added, an earlier request
    answered). A released packet may have an odd signing time, or other content under a known DocumentId; all else is
    checked as before."""
    return await _decide(services, scope, inbox_id, "landed", why)


async def give_back(
    services: IncomingServices, scope: AgencyScope, inbox_id: str, why: str, code: str
) -> InboxPacket:
    """Return the packet to its sender with a 02, after proving the sender once more (A7, unproved senders)."""
    agency = await services.agency(scope.agency_id)
    _require_reason(why)
    call = tidy(StatusCall(code="02", reason=code, note=why))
    complete(call)
    words = settle.refusal_text(code, call.note)
    async with services.store.read(scope) as work:
        packet = _require_undecided(await work.inbox.get(inbox_id))
    proved = await verify.run(services, replace(packet, released=True))
    if proved.envelope.model.kind is Kind.STATUS:
        raise Clash("a status packet is never answered by a status; discard it with its reason")
    async with services.store.changing(scope) as work:
        packet = _require_undecided(await work.inbox.get(inbox_id))
        await _claim(services, work, packet, proved)
        await acknowledge.queue_answer(
            services,
            work,
            agency,
            acknowledge.of_packet(packet, proved),
            "02",
            description=words,
        )
        returned = settle.proved_row(packet, proved, state="returned", code=code, reason=why)
        await work.inbox.settle(returned, None)
        await work.events.append(
            EventKind.INBOX_RETURNED,
            inbox_id,
            services.clock.now(),
            {"reason": code, "by": scope.principal_id},
        )
    services.wake()
    return returned


async def _claim(services: IncomingServices, work: SqlWork, packet: InboxPacket, proved: Proved) -> None:
    """Claim the identity of the packet that the 02 answers, so that its body is known from now on. Raises Clash where the
    same content was answered before."""
    first = await admit.came_before(work, proved)
    if first is not None:
        raise Clash(
            f"the same content came before as {first.incoming_id or first.inbox_id} and has its answer; release this "
            "one, and it is told that answer again"
        )
    await admit.claim_identity(work, packet, proved, None, services.clock.now())


async def return_unanswered(
    services: IncomingServices, scope: AgencyScope, inbox_id: str, why: str
) -> InboxPacket:
    """Record that a person returned the packet outside the axis, as an unproved sender gets no answer (A7)."""
    return await _decide(services, scope, inbox_id, "returned", why)


async def discard(services: IncomingServices, scope: AgencyScope, inbox_id: str, why: str) -> InboxPacket:
    """Discard the packet: it is kept byte for byte, but never becomes a document."""
    return await _decide(services, scope, inbox_id, "discarded", why)


async def _decide(
    services: IncomingServices, scope: AgencyScope, inbox_id: str, state: str, why: str
) -> InboxPacket:
    """Record a person's decision on an undecided packet: judge it again, or settle it in this state."""
    _require_reason(why)
    async with services.store.changing(scope) as work:
        packet = _require_undecided(await work.inbox.get(inbox_id))
        if state == "landed":
            await work.inbox.reopen(inbox_id, released=True)
        else:
            await work.inbox.settle(replace(packet, state=state, reason=why), None)
        await work.events.append(
            _DECISION_EVENTS[state],
            inbox_id,
            services.clock.now(),
            {"state": state, "why": why, "by": scope.principal_id},
        )
        ended = await work.inbox.get(inbox_id)
    services.wake()
    return ended


def _require_reason(why: str) -> None:
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))


def _require_undecided(row: InboxPacket) -> InboxPacket:
    """Return the row if a person may still decide on it; raise Clash otherwise. Called in the deciding transaction, since
    a worker or another person may have settled the packet meanwhile."""
    if row.state not in _UNDECIDED_STATES:
        raise Clash(f"{row.id} is {row.state}; only a packet that is held or in quarantine can be decided")
    return row
