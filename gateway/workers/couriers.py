"""Steps of the loops that move packets: land arrivals of the axis as inbox rows, process these to their end, pack jobs into
outbox rows, dispatch outbox rows to the axis, the urgent lane first; and report to the axis which codes this node hosts.
In: batches of arrivals, leased rows, due jobs. Out: settled rows. Batches bound the memory that packets take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gateway import log
from gateway.domain.queues import Job, LeasedInbox, LeasedOutbox
from gateway.domain.wall_clock import local
from gateway.errors import StoreFailure
from gateway.incoming import process, receive
from gateway.incoming.services import IncomingServices
from gateway.outgoing import dispatch, package
from gateway.outgoing.services import OutgoingServices
from gateway.ports.axis import TO_NODE, Arrival, Axis
from gateway.ports.services import Clock
from gateway.registry.directory import SqlDirectory
from gateway.store.store import SqlStore
from gateway.workers.loop import StepResult, keep_leases, together

# Answers come first, because senders wait for them, and they are small.
PACKED_KINDS = ("answer", "pack")
# One short transaction, beside callers who write too.
MOST_HASTENED = 500


class Intake:
    """Step that lands arrivals. After a failure of the node's storage it takes nothing from the axis until a small test
    file can be stored: each take counts as a delivery, so with a full disk good parcels would soon be dead."""

    def __init__(self) -> None:
        self._failed = False

    async def step(self, services: IncomingServices, batch: int, lease_s: float) -> StepResult:
        """Land one batch of arrivals. StoreFailure while the storage fails; the loop tries again later."""
        if self._failed:
            await process.probe_storage(services)
            self._failed = False
        try:
            return await land_batch(services, batch, lease_s)
        except StoreFailure:
            self._failed = True
            raise


async def land_batch(services: IncomingServices, batch: int, lease_s: float) -> StepResult:
    """Take one batch of arrivals from the axis and land each. Most documents are also processed here to their end, with a
    signed status 01; a status gets no answer."""
    arrivals = await services.axis.take(batch, lease_s)
    with services.store.memory.moment():
        await together([_land_arrival(services, arrival) for arrival in arrivals])
    return StepResult.batch(len(arrivals), batch)


async def process_batch(services: IncomingServices, batch: int, lease_s: float) -> StepResult:
    """Claim one batch of landed packets and process each to its end."""
    rows = await services.store.claim_inbox(batch, lease_s)
    with services.store.memory.moment():
        await together([_process_row(services, row, lease_s) for row in rows])
    return StepResult.batch(len(rows), batch)


async def _land_arrival(services: IncomingServices, arrival: Arrival) -> None:
    with log.bound(packet=arrival.packet_id):
        await receive.run(services, arrival)


async def _process_row(services: IncomingServices, row: LeasedInbox, lease_s: float) -> None:
    with log.bound(inbox=row.item.id, packet=row.item.transport_packet_id):
        async with keep_leases(services.store, "inbox", row.lease, lease_s=lease_s):
            await process.run(services, row)


class Packer:
    """Step that packs envelopes. At its start all jobs that wait for another attempt are due: who started the process may
    have mended what was in their way, such as the password of the keys."""

    def __init__(self, services: OutgoingServices) -> None:
        self._services, self._to_hasten = services, list(PACKED_KINDS)

    async def step(self, batch: int, lease_s: float) -> StepResult:
        """Pack one batch; after the start, jobs that waited are made due before."""
        if self._to_hasten:
            kind = self._to_hasten[-1]
            if await self._services.store.hasten_jobs(kind, MOST_HASTENED) < MOST_HASTENED:
                self._to_hasten.pop()
        packed = await pack_batch(self._services, batch, lease_s)
        return StepResult.MORE if self._to_hasten else packed


async def pack_batch(services: OutgoingServices, batch: int, lease_s: float) -> StepResult:
    """Claim one batch of jobs of each kind and pack their envelopes."""
    batches = [await services.store.claim_jobs(kind, batch, lease_s) for kind in PACKED_KINDS]
    with services.store.memory.moment():
        await together([_pack_job(services, job, lease_s) for jobs in batches for job in jobs])
    return StepResult.batch(max(map(len, batches)), batch)


async def _pack_job(services: OutgoingServices, job: Job, lease_s: float) -> None:
    with log.bound(job=job.id, document=job.subject_id):
        async with keep_leases(services.store, "job", job.lease, lease_s=lease_s):
            await package.run(services, job)


class Dispatcher:
    """Step that dispatches outbox rows. When the axis works again, all rows that wait for another attempt are due: after a
    long outage that would come up to an hour later."""

    def __init__(self, services: OutgoingServices) -> None:
        self._services, self._word, self._hastens = services, "idle", False

    def is_due(self, _: datetime) -> bool:
        """Tell whether the state of the axis has changed since the last step."""
        return self._services.axis.state().word != self._word

    async def step(self, batch: int, lease_s: float) -> StepResult:
        """Dispatch one batch; while rows have to be made due, some of them first."""
        former, self._word = self._word, self._services.axis.state().word
        self._hastens = self._hastens or (self._word == "up" and former != "up")
        if self._hastens:
            self._hastens = await self._services.store.hasten_outbox(MOST_HASTENED) == MOST_HASTENED
        sent = await dispatch_batch(self._services, batch, lease_s)
        return StepResult.MORE if self._hastens else sent


async def dispatch_batch(services: OutgoingServices, batch: int, lease_s: float) -> StepResult:
    """Claim one batch of outbox rows and publish them, together with large rows that this process wrote itself; passes run
    concurrently."""
    own = services.own_rows.take(batch, large=True)
    rows = [*own, *await services.store.claim_outbox(batch, lease_s)]
    with services.store.memory.moment():
        await together([_dispatch_rows(services, p, lease_s) for p in dispatch.group_into_passes(rows)])
    return StepResult.batch(len(rows), batch)


async def send_own(services: OutgoingServices, batch: int, lease_s: float) -> StepResult:
    """Publish one batch of small rows that this process has just written and leased, without a claim in the database."""
    rows = services.own_rows.take(batch)
    with services.store.memory.moment():
        await together([_dispatch_rows(services, p, lease_s) for p in dispatch.group_into_passes(rows)])
    return StepResult.batch(len(rows), batch)


async def _dispatch_rows(services: OutgoingServices, rows: Sequence[LeasedOutbox], lease_s: float) -> None:
    async with keep_leases(services.store, "outbox", *(row.lease for row in rows), lease_s=lease_s):
        await dispatch.run(services, rows)


@dataclass(slots=True)
class HostingReporter:
    """Step that reports the hosted codes to the axis. It remembers the last report, and sends only changes."""

    store: SqlStore
    axis: Axis
    node_name: str
    directory: SqlDirectory
    clock: Clock
    _reported: Sequence[str] | None = None

    async def step(self) -> bool:
        """Report the codes of hosted agencies, and the node itself, if they have changed; return whether they have."""
        codes = [code for agency in await self.store.hosted() for code in (agency.code, *agency.aliases)]
        today = local(self.clock.now()).date()
        # Mail to an ended code is delivered to its successor (R83, closed recipients), unless another node still hosts the
        # code: that one has the documents that answers are about, and two nodes would take them from each other.
        former = sorted(set(await self.directory.former(codes, today)) - set(codes))
        codes += [code for code in former if not await self._is_elsewhere(code, today)]
        codes.append(f"{TO_NODE}{self.node_name}")
        if codes == self._reported:
            return False
        await self.axis.host(codes)
        self._reported = codes
        return True

    async def _is_elsewhere(self, code: str, today: date) -> bool:
        """Tell whether the registry names another node for the code."""
        entry = (await self.directory.resolve(code, today)).entry
        return entry is not None and entry.host_on(today) not in (None, self.node_name)
