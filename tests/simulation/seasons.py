"""The calendar of a world: it begins on the eve of a year or of Tết, and days, months or years pass in jumps, while its
nodes are down, frozen as by a machine that sleeps, or idle with long polls. In: a seed. Out: nodes at rest after each jump,
which send and receive again; books that begin at 1 in each year."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.wall_clock import local
from gateway.workers import loop as worker_loops
from tests.simulation import renewal
from tests.simulation.callers import Crowd, Sender
from tests.simulation.checkers import read
from tests.simulation.programs import DAY_S, HOUR_S, Program, restart_all, stop_all
from tests.simulation.stage import CASTS
from tests.simulation.world import World

# An idle day of the three nodes costs 41 CPU seconds with polls of a minute, 2 with polls of an hour, 0.5 with these.
LONG_POLL_S = 4 * HOUR_S
_LONG_PAUSE_S = HOUR_S / 2
_SHORT_POLL_S, _LANDING_S = 60.0, 30.0
# Certificates of the stage are valid for two years. The root and its revocation list are for ten.
_TERM = timedelta(days=730)
_YEAR_DAYS = 360


class Seasons(Program):
    """Lets time pass once callers and faults have ended."""

    def begin(self) -> None:
        """Draw the jumps, each with its days and what the nodes do meanwhile."""
        self._chance = chance = self.world.chance("seasons")
        began = datetime.fromtimestamp(self.opening.epoch_s, UTC)
        kinds = ["weeks", "months"] if began.year > 2014 else ["weeks", "months", "years"]
        self.kind = chance.choice(kinds)
        if self.kind == "weeks":
            days = [float(chance.choice((1, 3, 9)))]
        elif self.kind == "months":
            days = [float(chance.randrange(20, 90)) for _ in range(2)]
        else:
            days = [float(_YEAR_DAYS)] * 10
        modes = ("down", "frozen", "idle") if self.kind == "weeks" else ("down", "frozen")
        self.jumps = [(chance.choice(modes), day) for day in days]
        self.late = chance.choice(CASTS)
        self.world.tell("seasons.drawn", "", f"{self._day()} {self.kind}: {self.jumps}")

    def _day(self) -> str:
        return str(local(datetime.fromtimestamp(self.opening.epoch_s + self.world.loop.now, UTC)).date())

    async def finish(self) -> None:
        """Freeze busy nodes for some hours, then jump from rest to rest."""
        await self._pass("frozen", self._chance.uniform(0.01, 0.8))
        for number, (mode, days) in enumerate(self.jumps, 1):
            await self.settle()
            if self.world.broken_promises:
                return
            is_renewal = self.kind == "years" and number % 2 == 0
            if is_renewal:
                await self._renew(number)
            await self._pass(mode, days)
            await asyncio.gather(*(self._send(number, cast.code) for cast in self._chance.sample(CASTS, 3)))
            if is_renewal:
                await renewal.renew(self.crowd, self.late, _TERM)
        await restart_all(self.world)

    async def _renew(self, number: int) -> None:
        """Renew every certificate before it ends, but for one agency, which sends without one first."""
        for cast in CASTS:
            if cast is not self.late:
                await renewal.renew(self.crowd, cast, _TERM)

    async def _pass(self, mode: str, days: float) -> None:
        """Let that time pass."""
        if mode == "idle":
            await stay_idle(self.crowd, days * DAY_S)
        else:
            if mode == "down":
                await stop_all(self.world)
            self.world.loop.now += days * DAY_S
        await asyncio.sleep(60.0)
        await self.world.all_open()
        self.world.tell("seasons.jumped", "", f"{mode} {days:g} days to {self._day()}")

    async def _send(self, number: int, code: str) -> None:
        """Send two documents; no other sender of a world comes to such numbers."""
        cast = next(cast for cast in CASTS if cast.code == code)
        sender = Sender(self.crowd, cast)
        for n in range(2):
            await asyncio.sleep(self._chance.random() * 60.0)
            await sender.try_one(20_000 + 10 * number + n)

    def check(self) -> Iterator[str]:
        """Check that arrivals are numbered in the year of their registration."""
        for side in read(self.world):
            for row in side["register_entry"]:
                registered = local(datetime.fromisoformat(row["entered_at"]).replace(tzinfo=UTC))
                if row["year"] != registered.year:
                    yield f"{side.name} {row['incoming_id']}: registered {registered}, in the book of {row['year']}"


async def stay_idle(crowd: Crowd, duration_s: float) -> None:
    """Let so long pass in which nodes and receivers look for work seldom."""
    pause_s, crowd.pause_s = crowd.pause_s, max(crowd.pause_s, _LONG_PAUSE_S)
    await _poll_every(crowd.world, LONG_POLL_S, LONG_POLL_S)
    await asyncio.sleep(duration_s)
    crowd.pause_s = pause_s
    await _poll_every(crowd.world, _SHORT_POLL_S, _LANDING_S)


async def _poll_every(world: World, poll_s: float, landing_s: float) -> None:
    """Start every process again with other polls."""
    worker_loops.LANDING_POLL_S = landing_s
    for host in world.hosts.values():
        settings = host.site.settings
        workers = replace(settings.workers, poll_s=poll_s)
        host.site = replace(host.site, settings=replace(settings, workers=workers))
    await stop_all(world)
    await asyncio.sleep(5.0)
    await world.all_open()
