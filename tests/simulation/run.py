"""Runs the world of one seed to its end. In: a seed, virtual hours, a folder. Out: a `Result`: what happened, a hash over
all events, rows and files, and the promises that were broken."""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.simulation import checkers, office_part, sources, stage
from tests.simulation.axis import Rates
from tests.simulation.callers import Crowd
from tests.simulation.disk import watched
from tests.simulation.faults import KINDS, Faults
from tests.simulation.film import FILM_LENGTH, Film
from tests.simulation.ledger import Ledger
from tests.simulation.loop import Standstill, VirtualLoop, context_of
from tests.simulation.office_part import OfficePart
from tests.simulation.stage import Site
from tests.simulation.world import World, install

# Virtual hours after the last fault within which everything must have come to its end.
_QUIET_H = 12.0
_LOOK_S = 600.0
# After that time without faults nodes have nothing to complain of any more.
_SETTLED_S = 600.0
_CALM = 0.15
_WITH_OFFICE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Plan of one run. `without` names kinds of faults that are left out, `callers` the agencies that send (none
    named: all); `has_office` None lets the seed decide; the film has the
    `film_length` last events, up to the event `last_event`."""

    seed: int
    hours: float = 1.5
    without: frozenset[str] = frozenset()
    callers: frozenset[str] = frozenset()
    has_office: bool | None = None
    last_event: int = 0
    film_length: int = FILM_LENGTH

    def temper(self) -> Temper:
        """Draw what kind of world this seed makes: worlds that differ find more than worlds that are all alike."""
        chance = Random(f"{self.seed} temper")
        is_calm = chance.random() < _CALM
        harm = 0.0 if is_calm else chance.choice((0.0, 1.0, 1.0, 3.0))
        rates = Rates(delay_s=chance.choice((0.05, 2.0, 2.0, 60.0)), ring_lost=chance.choice((0.0, 0.1, 0.5)))
        for name in ("cut", "answer_lost", "postponed", "doubled", "settle_lost"):
            setattr(rates, name, getattr(rates, name) * harm)
        if is_calm:
            rates.ring_lost, rates.delay_s = 0.0, 0.05
        return Temper(
            is_calm=is_calm,
            pause_s=chance.choice((60.0, 150.0, 150.0, 400.0)),
            fault_pause_s=chance.choice((150.0, 400.0, 400.0, 1200.0)),
            slowness=0.2 if is_calm else chance.choice((0.2, 1.0, 1.0, 10.0)),
            rates=rates,
            has_office=self._draw_office(),
        )

    def _draw_office(self) -> bool:
        """Draw whether the nodes run with the office, from a source of its own."""
        drawn = Random(f"{self.seed} office").random() < _WITH_OFFICE
        return office_part.is_installed() and (drawn if self.has_office is None else self.has_office)


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """`pause_s` is the mean time between two acts of a caller, `fault_pause_s` between two faults; a calm
    world has no faults."""

    is_calm: bool
    pause_s: float
    fault_pause_s: float
    slowness: float
    rates: Rates
    has_office: bool


@dataclass(slots=True)
class Result:
    plan: Plan
    hash: str = ""
    events: int = 0
    documents: int = 0
    kills: int = 0
    faults: int = 0
    virtual_h: float = 0.0
    cpu_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    film: list[str] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.plan.seed,
            "hash": self.hash,
            "events": self.events,
            "documents": self.documents,
            "kills": self.kills,
            "faults": self.faults,
            "virtual_h": round(self.virtual_h, 2),
            "cpu_s": round(self.cpu_s, 2),
            "broken": self.broken,
        }


@contextmanager
def a_folder() -> Iterator[Path]:
    """Yield a new folder in memory, where the machine has one."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder below it has a new name
    place = tempfile.mkdtemp(prefix="simulation-", dir=memory if memory.is_dir() else None)
    try:
        yield Path(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def lay_out(folder: Path, office: OfficePart | None) -> dict[str, Site]:
    """Lay out the nodes, the same for every seed, with or without an office."""
    loop = VirtualLoop("stage")
    try:
        with sources.in_force(loop.time, "stage"):
            return loop.run_until_complete(stage.lay_out(folder, office))
    finally:
        loop.close()


def run(plan: Plan, folder: Path) -> Result:
    """Run one world in an empty folder."""
    began = sources.cpu_s()
    temper = plan.temper()
    office = office_part.new_part() if temper.has_office else None
    sites = lay_out(folder, office)
    seed = str(plan.seed)
    loop = VirtualLoop(seed)
    loop.now = 3600.0
    film = Film(loop.time, plan.film_length, plan.last_event)
    loop.usual_slowness = loop.slowness = temper.slowness
    world = World(seed, loop, film, temper.rates)
    if office is not None:
        world.open_node = office.open_node
    result = Result(plan)
    asyncio.set_event_loop(loop)
    # What the collector ends may write: it comes at moments of the world's own.
    gc.disable()
    with sources.in_force(loop.time, seed), watched(loop):
        install(world)
        logging.getLogger().addHandler(world.complaints)
        ledger = Ledger()
        try:
            loop.run_until_complete(_live(plan, world, ledger, result, sites, office))
        except Standstill:
            world.broken("the world stands still: no timer is left")
        except BaseException as error:  # reason: the film tells what led to it
            world.broken(f"the run itself: {error!r}", error)
    logging.getLogger().removeHandler(world.complaints)
    result.hash = film.hash
    result.events, result.kills = film.count, world.kills
    result.faults = sum(world.hub.faults.values()) + result.detail.get("faults", 0)
    result.documents = len(ledger.sent)
    result.virtual_h = loop.now / 3600
    result.cpu_s = sources.cpu_s() - began
    result.broken = world.broken_promises
    result.film = list(film.last())
    result.detail["errors"] = ["".join(traceback.format_exception(error)) for error in world.errors]
    return result


async def _live(
    plan: Plan,
    world: World,
    ledger: Ledger,
    result: Result,
    sites: dict[str, Site],
    office: OfficePart | None,
) -> None:
    loop = world.loop
    world.open(sites)
    for host in world.hosts.values():
        host.start()
    await world.all_open()
    temper = plan.temper()
    crowd = Crowd(world=world, ledger=ledger, pause_s=temper.pause_s)
    callers = [
        loop.create_task(caller.run(), context=context_of(None))
        for caller in (
            *crowd.programs(plan.callers),
            *(office.callers(crowd, plan.callers) if office is not None else ()),
        )
    ]
    without = frozenset(KINDS) if temper.is_calm else plan.without
    faults = Faults(world, temper.fault_pause_s, without)
    striking = loop.create_task(faults.run(), context=context_of(None))
    end_s = loop.now + plan.hours * 3600
    while loop.now < end_s and not world.broken_promises:
        await asyncio.sleep(60.0)
        gc.collect()
        _look_at(callers, world)
    crowd.ends = True
    striking.cancel()
    faults.heal()
    healed_s = loop.now
    await _until_quiet(world, crowd, callers, office)
    result.detail |= {"faults": faults.count, "kinds": dict(film_kinds(world)), "acts": crowd.acts}
    result.detail["hub"] = dict(world.hub.faults)
    result.detail["cuts"] = {host.name: host.disk.cuts for host in world.hosts.values()}
    if not world.broken_promises:
        promises = checkers.check(world, ledger, is_calm=temper.is_calm)
        promises += await checkers.check_running(world)
        if office is not None:
            promises += office.check(world) + await office.check_running(world)
        late = {line for at_s, line in world.complaints.lines if at_s > healed_s + _SETTLED_S}
        for promise in (*promises, *(f"still complains: {line}" for line in sorted(late))):
            world.broken(promise)
    for task in callers:
        task.cancel()
    if not world.broken_promises:
        await world.stop()
        checkers.add_to_hash(world)


def film_kinds(world: World) -> dict[str, int]:
    return dict(sorted(world.film.kinds.items()))


def _look_at(callers: list[asyncio.Task[None]], world: World) -> None:
    for caller in callers:
        if caller.done() and not caller.cancelled() and (error := caller.exception()) is not None:
            world.broken(f"a caller ended: {error!r}", error)


async def _until_quiet(
    world: World, crowd: Crowd, callers: list[asyncio.Task[None]], office: OfficePart | None
) -> None:
    """Wait last_event nothing is under way any more; a broken promise where that takes too long."""
    last_s = world.loop.now + _QUIET_H * 3600
    was_quiet = False
    while not world.broken_promises:
        await asyncio.sleep(_LOOK_S)
        gc.collect()
        _look_at(callers, world)
        await world.all_open()
        world.hub.retry_dead()
        remains = checkers.remains(world, crowd.busy)
        remains += office.remains(world) if office is not None else ()
        if not remains and was_quiet:
            return
        was_quiet = not remains
        if was_quiet:
            continue
        world.tell("waits", "", f"{len(remains)}: {remains[0]}")
        if world.loop.now > last_s:
            for remain in remains[:20]:
                world.broken(f"{_QUIET_H:g} hours after the last fault: {remain}")
            return
