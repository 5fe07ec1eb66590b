"""The exchange's own wiring: builds every adapter from the settings and hands it to the flows. In: settings, and in tests a
clock or a wrapper around each port. Out: an open `OpenNode`, closed in reverse order whatever happens. It also makes the
chronicle of this process, which records its loops, the last backup, the registry feed and the timestamps of the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gateway.bootstrap import core, guards
from gateway.bootstrap.axis import open_axis
from gateway.bootstrap.core import NodeCore, check_note_token, data_room, open_bucket, open_core, open_marks
from gateway.bootstrap.guards import log_sealer, published_seal, stamp_gate
from gateway.clock import SettledClock, SystemClock
from gateway.domain.pace import Beat
from gateway.edxml import schema
from gateway.holding import HoldService
from gateway.incoming.services import IncomingServices
from gateway.outgoing import package
from gateway.outgoing.services import OutgoingServices
from gateway.policy import upkeep
from gateway.policy.first_page import read_first_page
from gateway.policy.upkeep import OF_OFFICE
from gateway.ports.axis import Axis, ForeignAxis, ManagedAxis, ManyAxes, each_axis, each_state
from gateway.ports.services import Clock, Scanner
from gateway.registry_authoring.feed import SqlFeed
from gateway.settings import Settings
from gateway.stopwatch import Stopwatch
from gateway.store import data_folder, figures, reporting, restored
from gateway.store.blobs import FileBlobs
from gateway.store.data_folder import Room
from gateway.store.events import EVENTS_WRITTEN
from gateway.store.folder_marks import LOOK_EVERY, FolderMarks
from gateway.store.identity import DatabaseIdentity
from gateway.store.maintenance import EXCHANGING, RING, Maintenance
from gateway.store.maintenance import LOOK_EVERY as MAINTENANCE_READ_EVERY
from gateway.store.store import SqlStore
from gateway.store.wake import ANY
from gateway.trust import authorities
from gateway.trust.evidence import NodeTrust
from gateway.trust.inspector import FileInspector
from gateway.trust.pdf_signatures.sandbox import SignatureReader
from gateway.webhooks import WebhookService
from gateway.workers import couriers, event_log
from gateway.workers import loop as drain
from gateway.workers.clock_guard import ClockGuard
from gateway.workers.clocks import (
    AsideClock,
    AxisListsClock,
    Clocks,
    FiguresClock,
    GrowthClock,
    HoldsClock,
    ListsClock,
    ListSource,
    QuarantineClock,
    SignaturesClock,
    take_axis_list,
)
from gateway.workers.couriers import HostingReporter
from gateway.workers.event_log import LogSealer, StampGate
from gateway.workers.heartbeat import EVERY, HEARTBEAT, Chronicle, Pulse
from gateway.workers.loop import (
    LANDING_FIRST_S,
    Lookout,
    Loop,
    Step,
    StepResult,
    Turn,
    Waker,
    forever,
    longest_sleep_s,
    paced,
)
from gateway.workers.revocation import RevocationAsker
from gateway.workers.webhooks import Pusher

if TYPE_CHECKING:
    from gateway.store.bucket_content import BucketContent

MB = 1024 * 1024
# So many batches of packets may wait for the couriers of this process.
_OWN_BATCHES = 4
# Loops that neither claim work nor write anything that a wrong time would spoil.
_CLAIM_NOTHING = frozenset({"pulse", "hosting"})
P = TypeVar("P")
# An authority is asked every hour and again a little later; three hours are no hiccup any more.
UNSTAMPED_TOO_LONG = timedelta(hours=3)


class Wrap:
    """A wrapper around each port that does nothing. Tests bring one that raises or kills at call N."""

    def __call__(self, name: str, port: P) -> P:
        return port


class NodeWakers:
    """Bells of the loops, rung by the maker of work for one, in this process or another."""

    def __init__(self, store: SqlStore) -> None:
        self._bells: dict[str, Waker] = {}
        store.wake.listen(self._ring)

    def __getitem__(self, name: str) -> Waker:
        return self._bells.setdefault(name, Waker())

    def ring_all(self) -> None:
        for waker in self._bells.values():
            waker.ring()

    def _ring(self, names: Collection[str]) -> None:
        for name, waker in self._bells.items():
            if ANY in names or name in names:
                waker.ring()


@dataclass(frozen=True, kw_only=True)
class OpenNode(NodeCore):
    """One open node: its adapters and the services of its flows."""

    blobs: FileBlobs
    bucket: BucketContent | None
    axis: ManagedAxis
    trust: NodeTrust
    scanner: Scanner
    hold: HoldService
    out: OutgoingServices
    inn: IncomingServices
    wakers: NodeWakers
    pulse: Pulse
    stopwatch: Stopwatch
    room: Room
    gate: StampGate
    sealer: LogSealer
    guard: ClockGuard
    marks: FolderMarks
    maintenance: Maintenance
    identity: DatabaseIdentity
    settled: SettledClock
    asking: RevocationAsker
    webhooks: WebhookService

    async def run_workers(self, stop: asyncio.Event) -> None:
        """Run every loop of this process, until `stop`; then each finishes its step, within `workers.drain_s`."""
        workers, lease = self.settings.workers, float(self.settings.workers.lease_s)
        await self.store.begin_work()
        self.settled.begin(await reporting.last_written(self.store))
        tasks = asyncio.TaskGroup()
        pusher = self._pusher(tasks, lease, stop)
        loops = {**self._loops(lease), **self.more_loops()}
        loops["webhooks"] = Loop(step=pusher.step, is_due=pusher.is_due)
        chronicle = open_chronicle(self, unused_jobs(loops))
        loops = {
            name: loop
            if name in _CLAIM_NOTHING
            else replace(
                loop,
                step=self.maintenance.paused(
                    name, self.marks.unless_strange(self.guard.unless_apart(loop.step))
                ),
            )
            for name, loop in loops.items()
        }
        loops["marks"] = paced(LOOK_EVERY, partial(self._look_around, stop), self.clock)
        loops[RING] = self._maintenance_loop()
        loops["clock"] = Loop(step=self.guard.step, is_due=self.guard.is_due)
        loops["history"] = Loop(step=chronicle.step, is_due=chronicle.is_due)
        lookout = Lookout(
            clock=self.clock,
            wakers=self.wakers,
            times={name: loop.is_due for name, loop in loops.items() if loop.is_due is not None},
            look=partial(self.store.signs, lease, couriers.PACKED_KINDS),
        )
        loops["lookout"] = Loop(step=lookout.step)
        turning: list[asyncio.Task[None]] = []
        self.store.wake.start()
        courier, dispatcher = (self.wakers[name].ring for name in ("courier", "dispatcher"))
        self.store.own_rows.open(courier, _OWN_BATCHES * workers.send_batch, lease, dispatcher)
        self.store.numbered.listen(pusher.hear_of_events)
        async with tasks:
            for name, loop in loops.items():
                then = partial(self.store.wake.ring, *loop.then)
                counted, net_s = self.pulse.counted(name, loop.step), longest_sleep_s(name, workers.poll_s)
                endless = forever(name, counted, self.wakers[name], stop, net_s, then, loop.first_s)
                turning.append(tasks.create_task(endless, name=name))
            tasks.create_task(self._ring_at_stop(stop))
            tasks.create_task(pusher.drain(stop, workers.drain_s))
            tasks.create_task(drain.drain_loops(turning, stop, workers.drain_s, self.store))
        self.pulse.stop()
        await self._refuse_other_database()

    def more_loops(self) -> Mapping[str, Loop]:
        """Return the loops that an extension adds."""
        return {}

    def _pusher(self, tasks: asyncio.TaskGroup, lease: float, stop: asyncio.Event) -> Pusher:
        """Make the pusher of webhooks; its tasks end with those of the loops."""
        webhooks = self.settings.webhooks
        return Pusher(
            store=self.store,
            rows=self.webhooks.rows,
            sender=self.webhooks.sender,
            clock=self.clock,
            spawn=tasks.create_task,
            stop=stop,
            wake=self.wakers["webhooks"].ring,
            announce=partial(self.store.wake.ring, EVENTS_WRITTEN),
            at_once=webhooks.at_once,
            # A batch is recorded long before the lease ends.
            lease_s=max(lease, 3.0 * webhooks.timeout_s),
            retention=timedelta(days=webhooks.log_days),
            aging=self.settled,
        )

    def _loops(self, lease: float) -> dict[str, Loop]:
        workers, aging = self.settings.workers, replace(self.inn, clock=self.settled)
        hosted = HostingReporter(
            self.store, self.inn.axis, self.settings.node.name, self.directory, self.clock
        )
        clocks, intake = Clocks(self.settings.node.data_dir), couriers.Intake()
        packer, dispatcher = couriers.Packer(self.out), couriers.Dispatcher(self.out)
        holds, quarantine = HoldsClock(), QuarantineClock()
        signatures, lists, mail_clock = SignaturesClock(), ListsClock(), AsideClock()
        renew_days = self.settings.keys.renew_days
        watch = core.key_watch(self.store, self.directory, self.keys, self.trust, self.deciding, renew_days)

        async def landing() -> bool | StepResult:
            if await self.gate.is_closed():
                return False
            return await intake.step(self.inn, workers.receive_batch, lease)

        # Loops that get work are rung, so that they look at once, also in other processes; the lookout is the net.
        events = (EVENTS_WRITTEN,)
        # Where there is an office, arrivals are soon shown to a person.
        drawn = (*events, "drawer")
        return {
            "pulse": Loop(step=self.pulse.beat, is_due=self.pulse.is_due),
            "hosting": Loop(step=hosted.step, then=("landing",)),
            "packer": Loop(step=lambda: packer.step(workers.pack_batch, lease), then=("dispatcher", *events)),
            "dispatcher": Loop(
                step=lambda: dispatcher.step(workers.send_batch, lease),
                then=("landing", *events),
                is_due=dispatcher.is_due,
            ),
            "courier": Loop(
                step=lambda: couriers.send_own(self.out, workers.send_batch, lease), then=("landing", *events)
            ),
            # Bells for other work than letters to draw are rung by the step itself.
            "landing": Loop(step=landing, then=drawn, first_s=LANDING_FIRST_S),
            "receiver": Loop(
                step=lambda: couriers.process_batch(self.inn, workers.receive_batch, lease),
                # Its 01 is signed in the same step; other statuses are signed by a job.
                then=("packer", "dispatcher", "receiver", *drawn),
            ),
            "sequencer": Loop(step=lambda: event_log.number_paced(self.store)),
            "sealer": Loop(step=lambda: event_log.seal_paced(self.sealer), is_due=self.sealer.is_due),
            "revocation": Loop(
                step=self.asking.step, then=("revocation", "receiver", *events), is_due=self.asking.is_due
            ),
            "clocks": Loop(step=lambda: clocks.step(aging), then=events, is_due=clocks.is_due),
            "signatures": Loop(step=lambda: signatures.step(self.inn), then=events, is_due=signatures.is_due),
            "figures": self._figures_loop(),
            "keys": Loop(step=watch.step, then=events, is_due=watch.is_due),
            "delegation": Loop(step=lambda: lists.step(self.deciding), then=events, is_due=lists.is_due),
            "holds": Loop(step=lambda: holds.step(self.hold), then=events, is_due=holds.is_due),
            **self._growth_loop(),
            **self._folder_loop(events),
            **self._axis_lists_loop(),
            **self._letter_loops(),
            "aside": Loop(
                step=lambda: mail_clock.step(self.inn, self.axis), then=("landing",), is_due=mail_clock.is_due
            ),
            "quarantine": Loop(step=lambda: quarantine.step(self.inn), then=events, is_due=quarantine.is_due),
        }

    def _figures_loop(self) -> Loop:
        """Make the loop that counts events. It waits for news of them, and then gathers what a moment brings."""
        clock = FiguresClock()
        self.store.numbered.listen(clock.hear)
        fold_next = partial(figures.fold_next, self.store)
        return Loop(step=lambda: clock.step(fold_next, self.clock.now()), is_due=clock.is_due)

    def _maintenance_loop(self) -> Loop:
        """Make the loop that reads whether the node is under maintenance: when it is rung, and every few seconds."""
        turn = Turn(MAINTENANCE_READ_EVERY)

        async def look() -> bool:
            turn.mark_done(self.clock.now())
            return await self.maintenance.step()

        return Loop(step=look, then=EXCHANGING, is_due=turn.has_come)

    def _growth_loop(self) -> dict[str, Loop]:
        growth, clock = self.store.growth, GrowthClock()
        if growth is None:
            return {}
        step = partial(clock.step, growth.measure)
        return {"growth": Loop(step=lambda: step(self.clock.now()), is_due=clock.is_due)}

    def _letter_loops(self) -> dict[str, Loop]:
        """Return the loops that write letters to other nodes; none where the settings name no node."""
        if not self.settings.log.witnesses and not self.settings.log.compares:
            return {}
        from gateway.bootstrap.witnesses import letter_loops

        return letter_loops(self, self.axis)

    def _axis_lists_loop(self) -> dict[str, Loop]:
        """Return the loop for lists of foreign axes, for the issuer's signed list, and for the receipt of that; none where
        the settings name none of them."""
        rules, sources = self.settings.registry, dict[str, ListSource]()
        tell_issuer: Callable[[], Awaitable[None]] | None = None
        if rules.axis_list_h:
            foreign = {n: axis for n, axis in each_axis(self.axis).items() if isinstance(axis, ForeignAxis)}
            for name, axis in foreign.items():
                take = partial(take_axis_list, self.axis_lists, axis.read_agencies)
                sources[name] = ListSource(every=timedelta(hours=rules.axis_list_h), take=take)
        if rules.feed_url:
            from gateway.bootstrap.feed_fetch import fetch_feed
            from gateway.registry_authoring.axis_lists import FETCHED_FEED

            take = partial(fetch_feed, self)
            sources[FETCHED_FEED] = ListSource(every=timedelta(hours=rules.feed_h), take=take)
        if rules.receipt_url:
            from gateway.bootstrap.feed_fetch import send_receipt

            tell_issuer = partial(send_receipt, self)
        if not sources and tell_issuer is None:
            return {}
        clock = AxisListsClock()
        step = partial(clock.step, self.axis_lists, sources, tell_issuer)
        return {"axis_lists": Loop(step=lambda: step(self.clock.now()), is_due=clock.is_due)}

    def _folder_loop(self, events: tuple[str, ...]) -> dict[str, Loop]:
        rules = guards.folder_rules(self.settings)
        if rules is None:
            return {}
        # It loads the words of the API, which are large; most commands open a node without it.
        from gateway.folder.worker import FolderLoop

        loop = FolderLoop(rules, self.out, self.inn, self.webhooks.rows.client_words)
        return {"folder": Loop(step=loop.step, then=("packer", "dispatcher", *events), is_due=loop.is_due)}

    async def run_beside(self, stop: asyncio.Event) -> None:
        """Run the loops of a process that only answers, until `stop`: it reports its speed to the others."""
        await self.store.begin_work()
        tell, every_s = partial(self.pulse.beat, works=False), EVERY.total_seconds()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("pulse", tell, self.wakers["pulse"], stop, every_s), name="pulse")
            steps: Mapping[str, Step] = {"clock": self.guard.step, "marks": partial(self._look_around, stop)}
            steps = {**steps, RING: self.maintenance.step}
            for name, step in steps.items():
                tasks.create_task(forever(name, step, self.wakers[name], stop, every_s), name=name)
            tasks.create_task(self._ring_at_stop(stop))
        self.pulse.stop()
        await self._refuse_other_database()

    async def _look_around(self, stop: asyncio.Event) -> bool:
        """Compare folders and database with what they were. On another database this process ends."""
        await self.marks.step()
        if await self.identity.renew():
            stop.set()
        return False

    async def _refuse_other_database(self) -> None:
        if self.identity.is_other:
            await restored.refuse_unconfirmed(self.store)

    async def _ring_at_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.store.own_rows.close()
        self.wakers.ring_all()


def unused_jobs(loops: Mapping[str, Loop]) -> set[str]:
    """Name the jobs without reports: those that are not set up, and the office's where there is none."""
    return {name for name, loop in loops.items() if not loop.is_used} | (OF_OFFICE - loops.keys())


@asynccontextmanager
async def open_node(
    settings: Settings, clock: Clock | None = None, wrap: Wrap | None = None, store: SqlStore | None = None
) -> AsyncIterator[OpenNode]:
    """Open a node on a migrated database. Misconfigured says what is missing, and the mending. `store`: another
    extension's."""
    wrapper = wrap or Wrap()
    schema.check_files()
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_core(settings, clock or SystemClock(), store))
        time, pool = core.clock, core.pool
        identity = await _check_database(core)
        await core.directory_changes.report_differences()
        await check_note_token(settings, pool)
        marks, guard = await open_marks(core), guards.clock_guard(settings, core.store, time)
        axis = await stack.enter_async_context(open_axis(settings, time, core.host_of))
        room = data_room(settings, marks)
        if (bucket := open_bucket(settings, core.store, time)) is not None:
            await bucket.settle()
        blobs = FileBlobs(room.folder, core.store, time, pool, room, bucket)
        judges = guards.make_judging(settings, time)
        scanner = guards.scanner(settings, pool)
        signatures = guards.signature_reader(core, stack)
        gate, maintenance = stamp_gate(settings, core.store.log, time), Maintenance(core.store, time)
        await maintenance.step()
        stopwatch, settled = Stopwatch(settings.axis_kind, time), SettledClock(time)
        gates = (maintenance.check, gate.check, guard.check)
        out = _outgoing_services(core, wrapper, blobs, axis, scanner, signatures, gates, stopwatch, settled)
        inn = _incoming_services(core, wrapper, out, judges)
        poster = guards.LatePoster(settings, pool)
        stack.push_async_callback(poster.close)
        vault = wrapper("vault", guards.vault(settings, pool))
        yield OpenNode(
            settings=settings,
            clock=time,
            pool=pool,
            store=core.store,
            directory=core.directory,
            deciding=core.deciding,
            feed=core.feed,
            keys=core.keys,
            blobs=blobs,
            bucket=bucket,
            axis=axis,
            trust=judges.trust,
            scanner=scanner,
            hold=guards.make_hold(settings, out.store, out.blobs, vault, time, pool),
            out=out,
            inn=inn,
            wakers=NodeWakers(core.store),
            pulse=_pulse(core, axis, stopwatch, partial(guards.own_view, settings, marks, guard)),
            stopwatch=stopwatch,
            room=room,
            gate=gate,
            sealer=log_sealer(settings, core.store.log, time, pool),
            guard=guard,
            marks=marks,
            maintenance=maintenance,
            identity=identity,
            settled=settled,
            asking=await guards.make_asking(inn, judges, core.store.revocation, core.directory),
            webhooks=guards.webhook_service(settings, core.store, wrapper("poster", poster), time, pool),
        )


async def _check_database(core: NodeCore) -> DatabaseIdentity:
    """Check that the database is the one that this node worked on. Misconfigured until a restore is confirmed."""
    store, clock, node = core.store, core.clock, core.settings.node
    log_id = (await store.log.head()).log_id
    published = await core.pool.run(partial(published_seal, core.settings, log_id))
    identity = DatabaseIdentity(store, clock, node.name, node.data_dir)
    await identity.check()
    await restored.mark_if_behind(store, clock, node.name, published)
    await restored.refuse_unconfirmed(store)
    return identity


def _pulse(
    core: NodeCore, axis: ManagedAxis, stopwatch: Stopwatch, sees: Callable[[], Mapping[str, object]]
) -> Pulse:
    return Pulse(
        folder=core.settings.node.data_dir / HEARTBEAT,
        clock=core.clock,
        pool=core.pool,
        holds=axis.in_hand,
        axes=lambda: {**each_state(axis), "": axis.state()},
        slots=stopwatch.slots,
        sees=sees,
    )


def _outgoing_services(
    core: NodeCore,
    wrapper: Wrap,
    blobs: FileBlobs,
    axis: ManagedAxis,
    scanner: Scanner,
    signatures: SignatureReader,
    gates: Sequence[Callable[[], Awaitable[None]]],
    stopwatch: Stopwatch,
    settled: SettledClock,
) -> OutgoingServices:
    async def admit() -> None:
        for check in gates:
            await check()

    return OutgoingServices(
        store=wrapper("store", core.store),
        blobs=wrapper("blobs", blobs),
        axis=wrapper("axis", axis),
        directory=wrapper("directory", core.directory),
        keys=wrapper("keys", core.keys),
        inspector=wrapper("inspector", FileInspector(read_fields=read_first_page)),
        scanner=wrapper("scanner", scanner),
        signatures=wrapper("signatures", signatures),
        clock=core.clock,
        aging=settled,
        pool=core.pool,
        profile=guards.profile(core.settings),
        xml=guards.xml_policy(core.settings),
        stopwatch=stopwatch,
        # Rung for results of an act: a job to pack, an outbox row, a packet to look at again, events.
        wake=partial(core.store.wake.ring, "packer", "dispatcher", "receiver", EVENTS_WRITTEN),
        wake_couriers=partial(core.store.wake.ring, "dispatcher", EVENTS_WRITTEN),
        office=core.office,
        own_rows=core.store.own_rows,
        admits=admit,
        unsent=guards.unsent_budget(core, blobs),
    )


async def _axes_to(axis: Axis, sender: str, code: str) -> Sequence[str]:
    return await axis.order(sender, code) if isinstance(axis, ManyAxes) else ()


def _incoming_services(
    core: NodeCore, wrapper: Wrap, out: OutgoingServices, judges: guards.Judging
) -> IncomingServices:
    return IncomingServices(
        store=out.store,
        blobs=out.blobs,
        # Arrivals for the node itself come by the same axis.
        axis=guards.node_mail(core, out.axis, wrapper("feed", core.feed), out.blobs),
        directory=out.directory,
        trust=wrapper("trust", judges.trust),
        inspector=out.inspector,
        scanner=out.scanner,
        signatures=out.signatures,
        clock=core.clock,
        pool=core.pool,
        profile=out.profile,
        xml=out.xml,
        stopwatch=out.stopwatch,
        wake=out.wake,
        sign_status=partial(package.sign_status, out),
        axes_to=partial(_axes_to, out.axis),
        trust_policy=guards.trust_policy(core.settings),
        office=out.office,
        answers=core.store.revocation,
        pdf_asking=guards.pdf_asking(core),
        partners=guards.partner_mail(core, out.blobs),
    )


def open_chronicle(node: OpenNode, unused: Collection[str]) -> Chronicle:
    async def reader_beats() -> Sequence[Beat]:
        return [*await _backup_beats(node), *await _feed_beats(node.feed), *await _timestamp_beats(node)]

    async def free_mb() -> int:
        return (await node.pool.run(node.room.space)).bytes // MB

    silent_jobs = set(unused)
    if not authorities.read_sources(node.settings.trust.folder):
        silent_jobs.add("revocation")
    if not node.settings.log.tsa_url:
        silent_jobs.add("timestamp")
    return Chronicle(
        history=node.store.history,
        pulse=node.pulse,
        axis=node.axis,
        clock=node.clock,
        trims=node.settled.is_settled,
        other_beats=reader_beats,
        free_mb=free_mb,
        silent_jobs=frozenset(silent_jobs),
    )


async def _backup_beats(node: OpenNode) -> list[Beat]:
    """Report the last backup, which is made by another process, mostly a timer's."""
    backup = await node.pool.run(partial(data_folder.last_backup, node.settings.node.data_dir))
    return [Beat(job="backup", at=backup.at)] if backup is not None else []


async def _feed_beats(feed: SqlFeed) -> list[Beat]:
    applied, refused = await feed.in_force(), await feed.refusals(1)
    if applied is None and not refused:
        return []
    failed = refused[0] if refused else None
    return [
        Beat(
            job="feed",
            at=applied.applied_at if applied is not None else None,
            failed_at=failed.at if failed is not None else None,
            code=failed.code if failed is not None else "",
        )
    ]


async def _timestamp_beats(node: OpenNode) -> list[Beat]:
    """Report well as long as no line waits too long for a timestamp: a log that does not grow needs none."""
    if not node.settings.log.tsa_url:
        return []
    now = node.clock.now()
    if upkeep.lacks_stamp(await node.store.log.head(), UNSTAMPED_TOO_LONG, now):
        return [Beat(job="timestamp", failed_at=now)]
    return [Beat(job="timestamp", at=now)]
