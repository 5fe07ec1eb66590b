"""The only wiring: builds every adapter from the settings and hands it to the flows. In: settings, and in tests a clock
or a wrapper around each port. Out: an open `Node`, closed in reverse order whatever happens. Nothing runs on import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gateway import (
    bootstrap_accounts,
    bootstrap_deadlines,
    bootstrap_history,
    bootstrap_keys,
    bootstrap_log,
    bootstrap_registry,
    bootstrap_rules,
    bootstrap_safety,
    bootstrap_trust,
)
from gateway.accounts.desk import AccountDesk
from gateway.book.desk import BookDesk
from gateway.bootstrap_axis import open_axis
from gateway.clock import SystemClock
from gateway.deciding.desk import DecidingDesk
from gateway.edxml import schema
from gateway.holding.desk import HoldDesk
from gateway.incoming.desk import InDesk
from gateway.incoming.feed import FeedDoor
from gateway.outgoing.desk import OutDesk
from gateway.pool import ThreadPool
from gateway.ports import AxisDesk, Clock, Scanner
from gateway.registry.directory import SqlDirectory
from gateway.registry.feed import SqlFeed
from gateway.registry.feed_judge import FeedRoom
from gateway.settings import Settings
from gateway.stopwatch import Stopwatch
from gateway.store import restored
from gateway.store.blobs import FileBlobs
from gateway.store.engine import ServerLimits
from gateway.store.room import Room
from gateway.store.store import SqlStore
from gateway.store.wake import ANY
from gateway.todo.desk import TodoDesk
from gateway.todo.remind import Reminders
from gateway.trust.evidence import Trust
from gateway.trust.inspector import FileInspector
from gateway.trust.keys import KeyDirectory
from gateway.trust.pdf_signatures.sandbox import SignatureReader
from gateway.workers import dispatcher, drain, packer, receiver, sealer, sequencer
from gateway.workers.chronicle import WatchedMail
from gateway.workers.clocks import Clocks
from gateway.workers.digest import Digest
from gateway.workers.gate import StampGate
from gateway.workers.holds import Holds
from gateway.workers.hosting import Hosting
from gateway.workers.idle_accounts import IdleAccounts
from gateway.workers.lister import Lister
from gateway.workers.loop import Bell, forever
from gateway.workers.pulse import EVERY, HEARTBEAT, Pulse
from gateway.workers.quarantine import Quarantine
from gateway.workers.revocation import Asking
from gateway.workers.sealer import Sealer

if TYPE_CHECKING:
    pass

MB = 1024 * 1024
P = TypeVar("P")
Step = Callable[[], Coroutine[object, object, bool]]

# Other nodes' parcels ring no bell here, so this is what each of them waits; an empty look costs one read.
LANDING_POLL_S = 0.2
# Whom each loop makes work for, so that they look at once, also in other processes; polling is the net.
_THEN: Mapping[str, tuple[str, ...]] = {
    "packer": ("dispatcher", "sequencer"),
    "dispatcher": ("landing", "sequencer"),
    "landing": ("packer", "receiver", "sequencer"),
    "receiver": ("packer", "receiver", "sequencer"),
    "sequencer": (),
    "hosting": ("landing",),
    "sealer": (),
    "revocation": ("revocation", "receiver", "sequencer"),
    "clocks": ("sequencer",),
    "lister": (),
    "keys": ("sequencer",),
    "holds": ("sequencer",),
    "quarantine": ("sequencer",),
    "accounts": ("sequencer",),
    "digest": (),
    "pulse": (),
    "history": (),
}


class Wrap:
    """Around each port, nothing. Tests bring one that raises or kills at call N."""

    def __call__(self, name: str, port: P) -> P:
        return port


@dataclass(frozen=True, kw_only=True)
class Office:
    """The node's accounts, registry and keys: what is there before trust and an axis are."""

    clock: Clock
    pool: ThreadPool
    store: SqlStore
    directory: SqlDirectory
    deciding: DecidingDesk
    accounts: AccountDesk
    feed: SqlFeed
    keys: KeyDirectory


@dataclass(frozen=True, kw_only=True)
class Node:
    """One open node: its adapters and the two desks."""

    settings: Settings
    clock: Clock
    pool: ThreadPool
    store: SqlStore
    blobs: FileBlobs
    axis: AxisDesk
    directory: SqlDirectory
    deciding: DecidingDesk
    accounts: AccountDesk
    feed: SqlFeed
    keys: KeyDirectory
    trust: Trust
    scanner: Scanner
    hold: HoldDesk
    out: OutDesk
    inn: InDesk
    bells: Mapping[str, Bell]
    pulse: Pulse
    stopwatch: Stopwatch
    room: Room
    gate: StampGate
    sealer: Sealer
    asking: Asking
    todo: TodoDesk
    book: BookDesk
    reminders: Reminders

    async def run_workers(self, stop: asyncio.Event) -> None:
        """Every loop of this process, until `stop`; then each finishes the step it is in, within `workers.drain_s`."""
        workers, bells, lease = self.settings.workers, self.bells, float(self.settings.workers.lease_s)
        hosted = Hosting(self.store, self.inn.axis, self.settings.node.name, self.directory, self.clock)
        clocks, intake, lister = Clocks(), receiver.Intake(), Lister()
        mail = WatchedMail(mailer=self.reminders.mailer, pulse=self.pulse)
        digest = Digest(replace(self.reminders, mailer=mail))
        chronicle = bootstrap_history.chronicle(
            self.settings, self.store, self.axis, self.feed, self.pulse, self.reminders.mailer, self.room
        )
        watch = bootstrap_keys.watch(self.store, self.directory, self.keys, self.trust, self.deciding)
        holds, quarantine, idle = Holds(), Quarantine(), IdleAccounts()

        async def landing() -> bool:
            if await self.gate.is_closed():
                return False
            return await intake.step(self.inn, workers.receive_batch, lease)

        steps: dict[str, Step] = {
            "pulse": self.pulse.beat,
            "hosting": hosted.step,
            "packer": lambda: packer.step(self.out, workers.pack_batch, lease),
            "dispatcher": lambda: dispatcher.step(self.out, workers.send_batch, lease),
            "landing": landing,
            "receiver": lambda: receiver.work(self.inn, workers.receive_batch, lease),
            "sequencer": lambda: sequencer.paced(self.store),
            "sealer": lambda: sealer.paced(self.sealer),
            "revocation": self.asking.step,
            "clocks": lambda: clocks.step(self.inn),
            "lister": lambda: lister.step(self.store, self.clock),
            "keys": watch.step,
            "holds": lambda: holds.step(self.hold),
            "quarantine": lambda: quarantine.step(self.inn),
            "accounts": lambda: idle.step(self.accounts),
            "digest": digest.step,
            "history": chronicle.step,
        }
        loops: list[asyncio.Task[None]] = []
        self.store.wake.start()
        async with asyncio.TaskGroup() as tasks:
            for name, step in steps.items():
                then = partial(self.store.wake.ring, *_THEN[name])
                poll_s = min(workers.poll_s, LANDING_POLL_S) if name == "landing" else workers.poll_s
                turning = forever(name, self.pulse.counted(name, step), bells[name], stop, poll_s, then)
                loops.append(tasks.create_task(turning, name=name))
            tasks.create_task(self._ring_at_stop(stop))
            tasks.create_task(drain.bounded(loops, stop, workers.drain_s, self.store))
        self.pulse.stop()

    async def run_beside(self, stop: asyncio.Event) -> None:
        """What a process does besides that only answers, until `stop`: it tells the others how fast it was."""
        tell, every_s = partial(self.pulse.beat, works=False), EVERY.total_seconds()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(forever("pulse", tell, self.bells["pulse"], stop, every_s), name="pulse")
            tasks.create_task(self._ring_at_stop(stop))
        self.pulse.stop()

    async def _ring_at_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        for bell in self.bells.values():
            bell.ring()


@asynccontextmanager
async def open_office(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Office]:
    """The parts that need neither trust nor an axis: a new node must have keys and accounts before it can open whole."""
    time = clock or SystemClock()
    async with AsyncExitStack() as stack:
        pool = ThreadPool(settings.workers.threads)
        stack.callback(pool.close)
        store = SqlStore(
            settings.database.address, time, _server_limits(settings), bootstrap_deadlines.waiting(settings)
        )
        stack.push_async_callback(store.close)
        await store.open()
        yield Office(
            clock=time,
            pool=pool,
            store=store,
            directory=bootstrap_registry.directory(settings, store, time, pool),
            deciding=bootstrap_keys.deciding(settings, store, time, pool),
            accounts=bootstrap_accounts.desk(settings, store, time, pool),
            feed=SqlFeed(
                FeedRoom(
                    writer=store.writer,
                    reader=store.reader,
                    clock=time,
                    pool=pool,
                    issuers=settings.trust.folder / "feed",
                    scratch=settings.node.data_dir,
                )
            ),
            keys=bootstrap_keys.exchange_keys(settings),
        )


@asynccontextmanager
async def open_node(
    settings: Settings, clock: Clock | None = None, wrap: Wrap | None = None
) -> AsyncIterator[Node]:
    """An open node on a migrated database. Misconfigured says what is missing and how to mend it."""
    around = wrap or Wrap()
    schema.load()
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(open_office(settings, clock))
        time, pool, store, directory = office.clock, office.pool, office.store, office.directory
        await restored.refuse_unconfirmed(store)
        await directory.name_untold()
        axis = await stack.enter_async_context(open_axis(settings, time))
        room = _room(settings)
        blobs = FileBlobs(room.folder, store, time, pool, room)
        judges = bootstrap_trust.judging(settings, time)
        scanner = bootstrap_safety.scanner(settings, pool)
        sandboxes = bootstrap_trust.sandboxes(settings)
        for sandbox in sandboxes:
            stack.callback(sandbox.close)
        gate = bootstrap_log.gate(settings, store.log, time)
        stopwatch = Stopwatch(settings.axis.kind, time)
        shared = _shared(settings, around, office) | {
            "stopwatch": stopwatch,
            "blobs": around("blobs", blobs),
            "axis": around("axis", axis),
            "scanner": around("scanner", scanner),
            "signatures": around("signatures", SignatureReader(sandboxes, pool)),
        }
        watch = bootstrap_keys.watch(store, directory, office.keys, judges.trust, office.deciding)
        todo = bootstrap_deadlines.desk(settings, store, watch, time, partial(store.wake.ring, "sequencer"))
        inn = _in_desk(settings, around, office, judges.trust, shared | {"office": todo.office})
        yield Node(
            settings=settings,
            clock=time,
            pool=pool,
            store=store,
            blobs=blobs,
            axis=axis,
            directory=directory,
            deciding=office.deciding,
            accounts=office.accounts,
            feed=office.feed,
            keys=office.keys,
            trust=judges.trust,
            scanner=scanner,
            hold=_holding(settings, around, office, shared),
            bells=_bells(store),
            pulse=_pulse(settings, office, axis, stopwatch),
            stopwatch=stopwatch,
            room=room,
            gate=gate,
            sealer=bootstrap_log.sealer(settings, store.log, time, pool),
            out=OutDesk(keys=around("keys", office.keys), admits=gate.check, **shared),
            inn=inn,
            todo=todo,
            book=bootstrap_rules.books(settings, shared["store"], time, pool),
            reminders=bootstrap_deadlines.reminders(settings, todo, office.accounts, time, pool),
            asking=await bootstrap_trust.asking(inn, judges, store.revocation, directory),
        )


def _pulse(settings: Settings, office: Office, axis: AxisDesk, stopwatch: Stopwatch) -> Pulse:
    folder = settings.node.data_dir / HEARTBEAT
    return Pulse(
        folder=folder, clock=office.clock, pool=office.pool, holds=axis.in_hand, slots=stopwatch.slots
    )


def _bells(store: SqlStore) -> dict[str, Bell]:
    """One for each loop, rung by whoever made work for it, in this process or another."""
    bells = {name: Bell() for name in _THEN}

    def heard(names: Collection[str]) -> None:
        for name in bells if ANY in names else bells.keys() & set(names):
            bells[name].ring()

    store.wake.listen(heard)
    return bells


def _room(settings: Settings) -> Room:
    """Where content lies, and how much of the disk stays free."""
    return Room(folder=settings.node.data_dir / "content", reserve=settings.limits.disk_free_mb * MB)


def _in_desk(
    settings: Settings, around: Wrap, office: Office, trust: Trust, shared: Mapping[str, Any]
) -> InDesk:
    """What arrives by the registry feed goes in by the same axis."""
    feed = around("feed", office.feed)
    return InDesk(
        trust=around("trust", trust),
        trust_policy=bootstrap_rules.trust_policy(settings),
        answers=office.store.revocation,
        **{**shared, "axis": FeedDoor(shared["axis"], feed, shared["blobs"], office.pool)},
    )


def _holding(settings: Settings, around: Wrap, office: Office, shared: Mapping[str, Any]) -> HoldDesk:
    vault = around("vault", bootstrap_safety.vault(settings, office.pool))
    return bootstrap_safety.holding(
        settings, shared["store"], shared["blobs"], vault, office.clock, office.pool
    )


def _shared(settings: Settings, around: Wrap, office: Office) -> dict[str, Any]:
    """What both desks need, of the office and the settings."""
    return {
        "store": around("store", office.store),
        "directory": around("directory", office.directory),
        "inspector": around("inspector", FileInspector()),
        "clock": office.clock,
        "pool": office.pool,
        "profile": bootstrap_rules.profile(settings),
        "xml": bootstrap_rules.xml_policy(settings),
        # What a front door's act may have made: a job to pack, a packet to look at again, events.
        "wake": partial(office.store.wake.ring, "packer", "receiver", "sequencer"),
    }


def _server_limits(settings: Settings) -> ServerLimits:
    database = settings.database
    return ServerLimits(
        connections=database.connections,
        statement_s=database.statement_timeout_s,
        lock_s=database.lock_timeout_s,
        idle_s=database.idle_timeout_s,
    )
