"""Runs the world of one seed to its end. In: a seed, virtual hours, a folder. Out: a `Result`: what happened, a hash over
all events, rows and files, and the promises that were broken."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope
from gateway.errors import GatewayError
from gateway.incoming import process
from tests.simulation import at_rest, checkers, hot_folder, office_part, order, reforms, sources, stage
from tests.simulation.axis import Rates
from tests.simulation.callers import Crowd, Sender
from tests.simulation.certificates import Certificates
from tests.simulation.disk import watched
from tests.simulation.faults import KINDS, Faults
from tests.simulation.film import FILM_LENGTH, Film
from tests.simulation.ledger import Ledger
from tests.simulation.loop import Standstill, VirtualLoop, context_of
from tests.simulation.office_part import OfficePart
from tests.simulation.programs import CERTIFICATES, REFORMS, SEASONS, Opening, Program, draw_opening
from tests.simulation.reforms import Reforms
from tests.simulation.seasons import Seasons
from tests.simulation.shared_axis import SharedAxis
from tests.simulation.stage import CASTS, Site
from tests.simulation.states import States
from tests.simulation.world import Lost, World, install

# Virtual hours after the last fault within which everything must have come to its end. A retry waits up to an hour, and
# a chain of packing, sending, taking in and answering may have one of each.
_QUIET_H = 6.0
# Longer than a poll: work that nothing rang for has begun by the second look.
_LOOK_S = 150.0
_COLLECT_S = 1200.0
# Between two looks at the states of deliveries.
_STATES_S = 20.0
# After that time without faults nodes have nothing to complain of any more.
_SETTLED_S = 600.0
_CALM = 0.05
# The end of every world, without faults: so long senders go on, with such pauses, and mail must be quick.
_CALM_END_S, _CALM_PAUSE_S = 240.0, 100.0
# Then some letters go one by one, too large to be packed and taken in at once.
_ALONE_S, _LARGE = 60.0, 90_000
_WITH_OFFICE, _EMBEDDED, _WITH_HOT_FOLDER = 0.5, 0.3, 0.2
_ODD_TIMES = "SELECT id, agency_id FROM inbox WHERE state = 'held' AND code = 'SIG-TIME'"
AXES = HUB, EMBEDDED = "hub", "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Plan of one run. `without` names kinds of faults and programs left out, `callers` the agencies that send (none
    named: all); the seed decides where `has_office`, `has_hot_folder` or `has_archivists` is None, or `axis` ""; `programs`
    run whatever the seed draws, without an office; the film has the `film_length` last events, up to that event. With
    `is_cut` the world ends after its hours, before it comes to rest, and no promise is checked."""

    seed: int
    hours: float = 1.5
    without: frozenset[str] = frozenset()
    callers: frozenset[str] = frozenset()
    has_office: bool | None = None
    axis: str = ""
    has_hot_folder: bool | None = None
    programs: tuple[str, ...] = ()
    has_archivists: bool | None = None
    last_event: int = 0
    film_length: int = FILM_LENGTH
    is_cut: bool = False

    def temper(self) -> Temper:
        """Draw what kind of world this seed makes: worlds that differ find more than worlds that are all alike."""
        chance = Random(f"{self.seed} temper")
        is_calm = chance.random() < _CALM
        harm = 0.0 if is_calm else chance.choice((0.0, 1.0, 1.0, 3.0))
        rates = Rates(
            delay_s=chance.choice((0.002, 0.05, 2.0, 60.0)),
            ring_lost=chance.choice((0.0, 0.1, 0.5)),
            late=chance.choice((0.02, 0.05, 0.15)),
        )
        for name in ("cut", "answer_lost", "postponed", "doubled", "relabelled", "settle_lost"):
            setattr(rates, name, getattr(rates, name) * harm)
        if is_calm:
            rates.calm()
        return Temper(
            is_calm=is_calm,
            pause_s=chance.choice((20.0, 60.0, 150.0, 400.0)),
            fault_pause_s=chance.choice((10.0, 30.0, 100.0, 400.0)),
            hangs_up=0.0 if is_calm else chance.choice((0.0, 0.03, 0.1, 0.3)),
            slowness=0.2 if is_calm else chance.choice((0.2, 1.0, 1.0, 10.0)),
            rates=rates,
            has_office=self._draw_office(),
            axis=self.axis or self._draw_axis(),
            has_hot_folder=self._draw_hot_folder(),
        )

    def _draw_hot_folder(self) -> bool:
        drawn = Random(f"{self.seed} hot folder").random() < _WITH_HOT_FOLDER
        is_asked = drawn if self.has_hot_folder is None else self.has_hot_folder
        return is_asked and not self.programs and not self._draw_office()

    def _draw_axis(self) -> str:
        """Draw what lies between the nodes, from a source of its own. Idle years on the embedded axis cost too much."""
        is_embedded = Random(f"{self.seed} axis kind").random() < _EMBEDDED and not self.programs
        return EMBEDDED if is_embedded else HUB

    def _draw_office(self) -> bool:
        """Draw whether the nodes run with the office, from a source of its own."""
        drawn = Random(f"{self.seed} office").random() < _WITH_OFFICE
        is_asked = drawn if self.has_office is None else self.has_office
        return office_part.is_installed() and is_asked and not self.programs

    def opening(self) -> Opening:
        """Draw when the world begins, and its programs."""
        return draw_opening(
            self.seed,
            self.hours,
            chosen=self.programs,
            without=self.without,
            has_office=self.temper().has_office,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """`pause_s` is the mean time between two acts of a caller, `fault_pause_s` between two faults; a calm
    world has no faults. `axis` is the hub, or the product's own in a folder of one machine."""

    is_calm: bool
    pause_s: float
    fault_pause_s: float
    hangs_up: float
    slowness: float
    rates: Rates
    has_office: bool
    axis: str
    has_hot_folder: bool


@dataclass(slots=True)
class Result:
    plan: Plan
    hash: str = ""
    events: int = 0
    turns: int = 0
    documents: int = 0
    kills: int = 0
    faults: int = 0
    virtual_h: float = 0.0
    cpu_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    film: list[str] = field(default_factory=list)
    points: Counter[str] = field(default_factory=Counter)
    """Points at which a process was killed, with the number of kills."""
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.plan.seed,
            "hash": self.hash,
            "events": self.events,
            "turns": self.turns,
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


# Folders to copy for worlds without and with an office, each with its nodes. None is kept for worlds with a program: each
# begins on a day of its own.
_laid_out: dict[bool, tuple[Path, dict[str, Site]]] = {}


def lay_out(
    folder: Path, office: OfficePart | None, opening: Opening, *, has_hot_folder: bool = False
) -> dict[str, Site]:
    """Lay out the nodes, with or without an office, the same for every seed: once in a process; a world gets a copy. A
    world with programs has nodes of its own."""
    if opening.names:
        return _lay_out_in(folder, office, opening)
    has_office = office is not None
    if has_office not in _laid_out:
        template = folder.with_name(f"{folder.name}-stage-{has_office}")
        atexit.register(remove_stages, os.getpid())
        _laid_out[has_office] = template, _lay_out_in(template, office, opening)
    template, sites = _laid_out[has_office]
    shutil.copytree(template, folder, dirs_exist_ok=True)
    return {
        name: replace(
            site,
            settings=stage.settings_of(folder, name, has_office=has_office, has_hot_folder=has_hot_folder),
        )
        for name, site in sites.items()
    }


def _lay_out_in(folder: Path, office: OfficePart | None, opening: Opening) -> dict[str, Site]:
    loop = VirtualLoop("stage")
    try:
        with sources.in_force(loop.time, "stage", opening.epoch_s):
            sites = loop.run_until_complete(stage.lay_out(folder, office, opening.terms))
            if opening.has_reforms:
                loop.run_until_complete(reforms.enrol(sites))
            return sites
    finally:
        loop.close()


def lay_out_all(has_office: bool | None) -> None:
    """Lay out nodes with and without an office, or as one of them alone is asked for."""
    for with_office in (False, True) if has_office is None else (has_office,):
        if not with_office or office_part.is_installed():
            with a_folder() as folder:
                lay_out(folder, office_part.new_part() if with_office else None, Opening())


def remove_stages(process_id: int) -> None:
    """Remove the folders that worlds are copied from, in the process that made them."""
    if os.getpid() == process_id:
        for folder, _ in _laid_out.values():
            shutil.rmtree(folder, ignore_errors=True)
        _laid_out.clear()


def run(plan: Plan, folder: Path) -> Result:
    """Run one world in an empty folder."""
    began = sources.cpu_s()
    temper = plan.temper()
    office = office_part.new_part() if temper.has_office else None
    opening = plan.opening()
    sites = lay_out(folder, office, opening, has_hot_folder=temper.has_hot_folder)
    seed = str(plan.seed)
    loop = VirtualLoop(seed)
    loop.now = opening.start_s
    film = Film(loop.time, plan.film_length, plan.last_event)
    loop.usual_slowness = loop.slowness = temper.slowness
    world = World(seed, loop, film, temper.rates)
    if temper.axis == EMBEDDED:
        world.axis = SharedAxis(world, folder / stage.AXIS)
    if office is not None:
        world.open_node = office.open_node
    result = Result(plan)
    asyncio.set_event_loop(loop)
    # What the collector ends may write: it comes at moments of the world's own. Modules and the stage outlive them all.
    gc.disable()
    gc.collect()
    gc.freeze()
    with sources.in_force(loop.time, seed, opening.epoch_s), watched(loop):
        install(world)
        logging.getLogger().addHandler(world.complaints)
        ledger = Ledger()
        try:
            loop.run_until_complete(_live(plan, opening, world, ledger, result, sites, office))
        except Standstill:
            world.broken("the world stands still: no timer is left")
        except BaseException as error:  # reason: the film tells what led to it
            world.broken(f"the run itself: {error!r}", error)
    logging.getLogger().removeHandler(world.complaints)
    result.hash = film.hash
    result.turns = loop.turns
    result.events, result.kills = film.count, world.kills
    result.faults = sum(world.hub.faults.values()) + result.detail.get("faults", 0)
    result.documents = len(ledger.sent)
    result.virtual_h = loop.now / 3600
    result.cpu_s = sources.cpu_s() - began
    result.broken = world.broken_promises
    result.film = list(film.last())
    result.points = world.points
    result.detail["errors"] = ["".join(traceback.format_exception(error)) for error in world.errors]
    return result


async def _live(
    plan: Plan,
    opening: Opening,
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
    hangs_up = 0.0 if "hang_up" in plan.without else temper.hangs_up
    crowd = Crowd(world=world, ledger=ledger, pause_s=temper.pause_s, hangs_up=hangs_up)
    crowd.has_archivists = plan.has_archivists
    if temper.has_hot_folder:
        crowd.makers = hot_folder.MAKERS
    callers = [
        loop.create_task(caller.run(), context=context_of(None))
        for caller in (
            *crowd.programs(plan.callers),
            *(office.callers(crowd, plan.callers) if office is not None else ()),
        )
    ]
    without = frozenset(KINDS) if temper.is_calm else plan.without | opening.unfit_faults
    if world.axis is not None:
        without |= {"away"}
    faults = Faults(world, temper.fault_pause_s, without)
    striking = loop.create_task(faults.run(), context=context_of(None))
    settle = partial(_until_quiet, world, crowd, callers, office)
    programs = [
        make(world=world, crowd=crowd, opening=opening, settle=settle) for make in _programs_of(opening)
    ]
    acting = [loop.create_task(program.run(), context=context_of(None)) for program in programs]
    end_s, states = loop.now + plan.hours * 3600, States()
    while loop.now < end_s and not world.broken_promises:
        await asyncio.sleep(_STATES_S)
        collect(world)
        _look_at([*callers, *acting], world)
        for promise in states.check(world):
            world.broken(promise)
    crowd.ends, crowd.hangs_up = True, 0.0
    striking.cancel()
    faults.heal()
    healed_s = loop.now
    if plan.is_cut:
        result.detail["kinds"] = dict(film_kinds(world))
        await _end([*callers, *acting, *crowd.started], world)
        return
    for program in programs:
        await program.finish()
    _look_at(acting, world)
    await settle()
    if not world.broken_promises:
        for host in world.hosts.values():
            host.at_first_rest = at_rest.counts(host)
        await world.cut_power()
    if world.axis is not None and not world.broken_promises:
        await world.axis.lose_taker(lambda cast, code: Sender(crowd, cast).send_last(code))
        await settle()
    calm_since = await _end_calmly(world, crowd, callers, office, plan.callers)
    result.detail |= {"faults": faults.count, "kinds": dict(film_kinds(world)), "acts": crowd.acts}
    result.detail["hub"] = dict(world.hub.faults)
    result.detail["cuts"] = {host.name: host.disk.cuts for host in world.hosts.values()}
    if not world.broken_promises:
        promises = checkers.check(world, ledger, calm_since)
        promises += await checkers.check_running(world, ledger)
        clocks_were_right = not any(host.had_wrong_clock for host in world.hosts.values())
        promises += order.check(checkers.read(world), clocks_were_right)
        promises += await at_rest.strangers(world, ledger)
        promises += at_rest.check(world)
        promises += hot_folder.check(checkers.read(world), ledger) if temper.has_hot_folder else ()
        promises += [promise for program in programs for promise in program.check()]
        result.detail["at_rest"] = {
            h.name: (h.at_first_rest, at_rest.counts(h)) for h in world.hosts.values()
        }
        if office is not None:
            promises += office.check(world) + await office.check_running(world)
        late = {line for at_s, line in world.complaints.lines if at_s > healed_s + _SETTLED_S}
        for promise in (*promises, *(f"still complains: {line}" for line in sorted(late))):
            world.broken(promise)
    await _end([*callers, *acting, *crowd.started], world)


async def _end(tasks: list[asyncio.Task[None]], world: World) -> None:
    """Stop everything that acts, and add what it wrote to the hash."""
    for task in tasks:
        task.cancel()
    if not world.broken_promises:
        await world.stop()
        checkers.add_to_hash(world)


async def _end_calmly(
    world: World,
    crowd: Crowd,
    callers: list[asyncio.Task[None]],
    office: OfficePart | None,
    codes: frozenset[str],
) -> datetime:
    """Let new senders go on for a while in which nothing fails; return since when."""
    world.hub.rates.calm()
    world.loop.slowness = world.loop.usual_slowness = 0.2
    crowd.ends, crowd.pause_s = False, _CALM_PAUSE_S
    world.tell("calm.begins")
    began = datetime.fromtimestamp(sources.now_s(), UTC).replace(tzinfo=None)
    callers += [
        world.loop.create_task(sender.run(), context=context_of(None)) for sender in crowd.calm_senders(codes)
    ]
    await asyncio.sleep(_CALM_END_S)
    crowd.ends = True
    await _until_quiet(world, crowd, callers, office)
    for cast, recipient in zip(CASTS, (*CASTS[2:], *CASTS[:2]), strict=True):
        if not codes or cast.code in codes:
            # Alone: nothing else rings for what its steps leave to do.
            await Sender(crowd, cast).send_last(recipient.code, n=1, size=_LARGE)
            await asyncio.sleep(_ALONE_S)
    await _until_quiet(world, crowd, callers, office)
    return began


def collect(world: World) -> None:
    """Run the collector, not too often: it costs more than what happens between two looks."""
    if world.loop.now - world.collected_s >= _COLLECT_S:
        world.collected_s = world.loop.now
        gc.collect()


def _programs_of(opening: Opening) -> list[type[Program]]:
    kinds: dict[str, type[Program]] = {REFORMS: Reforms, CERTIFICATES: Certificates, SEASONS: Seasons}
    return [kinds[name] for name in opening.names]


def film_kinds(world: World) -> dict[str, int]:
    return dict(sorted(world.film.kinds.items()))


def _look_at(callers: list[asyncio.Task[None]], world: World) -> None:
    for caller in callers:
        if caller.done() and not caller.cancelled() and (error := caller.exception()) is not None:
            world.broken(f"a caller ended: {error!r}", error)


async def _release_odd_times(world: World) -> None:
    """Release packets that a clock wrong by hours has signed, as the manual advises."""
    for side in checkers.read(world):
        for row in side.ask(_ODD_TIMES):
            scope, id = AgencyScope(agency_id=row["agency_id"], principal_id="administrator"), row["id"]
            call = partial(_release, scope=scope, id=id)
            with suppress(GatewayError, Lost):  # tried again at the next look
                await world.hosts[side.name].call(call)


async def _release(node: OpenNode, scope: AgencyScope, id: str) -> None:
    await process.release(node.inn, scope, id, "The clock was wrong")


async def _until_quiet(
    world: World, crowd: Crowd, callers: list[asyncio.Task[None]], office: OfficePart | None
) -> None:
    """Wait last_event nothing is under way any more; a broken promise where that takes too long."""
    last_s = world.loop.now + _QUIET_H * 3600
    was_quiet = False
    while not world.broken_promises:
        await asyncio.sleep(_LOOK_S)
        collect(world)
        _look_at(callers, world)
        await world.all_open()
        await (world.axis or world.hub).retry_dead()
        await _release_odd_times(world)
        remains = checkers.remains(world, crowd.ledger, crowd.busy)
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
