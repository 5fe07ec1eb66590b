"""Programs of a world beside its callers and faults: changes of the registry, certificates that end, and the calendar. In:
a seed. Out: the date on which the world begins, how long certificates are valid, and the programs that its seed draws; most
worlds have none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.callers import Crowd
from tests.simulation.sources import EPOCH_S
from tests.simulation.world import World

# In the order in which they end: the calendar jumps from rest to rest, once the others have nothing more to do.
REFORMS, CERTIFICATES, SEASONS = NAMES = ("reforms", "certificates", "seasons")
HOUR_S, DAY_S = 3600.0, 86_400.0
# Agencies whose certificates end, in worlds of certificates; the stage is laid out with certificates two days old.
IN_TIME, LATE = "Z92", "Z93.04"
_AGE = timedelta(days=2)
# 17:00 UTC, midnight in Vietnam, of the second day.
_MIDNIGHT_S = 41 * HOUR_S
# Eves earlier than the machine's own date, so that no file looks older than it is: year's ends, and Tết of two years.
_EVES = ((2014, 12, 31), (2025, 12, 31), (2025, 1, 28), (2026, 2, 16))
# Share of the worlds without an office: none of a program until many worlds with it have kept every promise.
_RARE = {REFORMS: 0.0, CERTIFICATES: 0.0, SEASONS: 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Beginning of a world: `epoch_s` is the second of 1970 at which its nodes are laid out, `start_s` the time from then
    until it begins, `hours` the virtual hours in which callers act, `terms` the days for which certificates of some
    agencies are valid."""

    names: tuple[str, ...] = ()
    epoch_s: float = EPOCH_S
    start_s: float = HOUR_S
    hours: float = 0.0
    terms: Mapping[str, timedelta] = field(default_factory=dict)

    @property
    def unfit_faults(self) -> frozenset[str]:
        """Faults that worlds do without in which certificates end: a clock that is behind takes a new one for not yet
        valid, and keeps out what it signed for good. Where codes end, clocks that differ let nodes differ about the day."""
        return frozenset({"clock"} if self.terms or self.has_reforms else ())

    @property
    def has_reforms(self) -> bool:
        return REFORMS in self.names


def draw_opening(
    seed: int, hours: float, *, chosen: tuple[str, ...], without: frozenset[str], has_office: bool
) -> Opening:
    """Draw the programs of a world where none is named, and when it begins. A world with an office has none."""
    chance = Random(f"{seed} programs")
    drawn = tuple(name for name in NAMES if chance.random() < _RARE[name])
    names = tuple(name for name in NAMES if name in (chosen or drawn) and name not in without)
    if REFORMS in names:  # a code that ends needs no new certificate
        names = tuple(name for name in names if name != CERTIFICATES)
    if has_office or not names:
        return Opening()
    epoch_s, start_s = float(EPOCH_S), _MIDNIGHT_S - hours * chance.choice((0.3, 0.5, 0.7)) * HOUR_S
    if SEASONS in names:
        midnight = datetime(*chance.choice(_EVES), 17, tzinfo=UTC).timestamp()
        epoch_s = midnight - _MIDNIGHT_S
    terms = {}
    if CERTIFICATES in names:
        end_s = start_s + hours * chance.uniform(0.3, 0.9) * HOUR_S
        terms = {code: timedelta(seconds=end_s) + _AGE for code in (IN_TIME, LATE)}
    return Opening(names=names, epoch_s=epoch_s, start_s=start_s, hours=hours, terms=terms)


@dataclass(kw_only=True)
class Program:
    """Base of a program. `settle` waits until nothing is under way any more."""

    world: World
    crowd: Crowd
    opening: Opening
    settle: Callable[[], Awaitable[None]]

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Draw what it will do."""

    async def run(self) -> None:
        """Act while callers and faults do."""

    async def finish(self) -> None:
        """Act once the faults are over, before the last rest."""

    def check(self) -> Iterator[str]:
        """Name the promises that were broken."""
        yield from ()


async def restart_all(world: World) -> None:
    """Start every process again."""
    await stop_all(world)
    await asyncio.sleep(60.0)
    await world.all_open()


async def stop_all(world: World) -> None:
    """Stop every process; each starts again two seconds later."""
    mains = []
    for host in world.hosts.values():
        for process in host.processes():
            process.stop.set()
            if process.main is not None:
                mains.append(process.main)
    if mains:
        await asyncio.wait(mains)
