"""Whether this process turns and whether the node can serve now (threats 91). In: an open node. Out: a `Condition` for a
load balancer, a supervisor and the metrics. Looks at most every two seconds, however often it is asked: these addresses
need no key, and must not become a way to load the database."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.bootstrap.node import Node
from gateway.errors import GatewayError, Misconfigured, StoreFailure
from gateway.policy import sealing
from gateway.ports import AxisState, Condition
from gateway.store import migrate, reporting

OK, DOWN, READ_ONLY, OLD, FULL, BLOCKED = "ok", "down", "read-only", "old-schema", "full", "blocked"
STUCK, DRAINING, OFF = "stuck", "draining", "off"
UNSEALED, UNSTAMPED = "unsealed", "unstamped"
REMEMBERED_S = 2.0
# A database that answers later than this does not answer callers either.
PATIENCE_S = 5.0
SCHEMA_EVERY_S = 60.0


@dataclass(slots=True, kw_only=True)
class Watch:
    """Keeps the promise of `ports.Health` for one open node."""

    node: Node
    now_s: Callable[[], float] = time.monotonic
    _draining: bool = False
    _seen: Condition | None = None
    _seen_at: float = 0.0
    _fitted_at: float = -math.inf
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def drain(self) -> None:
        """From now on not ready: whoever spreads the calls sends them elsewhere, while those under way are answered."""
        self._draining = True

    async def alive(self) -> Condition:
        loops = self.node.pulse.loops()
        checks = {f"loop.{name}": OK if turns else STUCK for name, turns in loops.items()}
        return Condition(well=all(loops.values()), checks=checks)

    async def ready(self) -> Condition:
        if self._draining:
            return Condition(well=False, checks={"process": DRAINING})
        async with self._one_at_a_time:
            if self._seen is None or self.now_s() - self._seen_at >= REMEMBERED_S:
                self._seen = await self._look()
                self._seen_at = self.now_s()
            return self._seen

    async def _look(self) -> Condition:
        database, disk, axis = await self._database(), self._disk(), of_axis(self.node.axis.state())
        log = await self._log() if database == OK else database
        scanner = await self._scanner()
        return Condition(
            well=database == disk == OK and log != UNSTAMPED,
            degraded=axis != OK or log != OK or scanner not in (OK, OFF),
            checks={"database": database, "disk": disk, "axis": axis, "log": log}
            | ({"scanner": scanner} if scanner != OFF else {}),
        )

    async def _scanner(self) -> str:
        """Without it nothing is lost: packets wait, and what is handed in is asked to come again."""
        return (await self.node.scanner.state()).word

    async def _log(self) -> str:
        """Nothing that waits for its seal is lost: that alone stops no call. A timestamp that is demanded does."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if await self.node.gate.is_closed():
                    return UNSTAMPED
                head = await self.node.store.log.head()
        except (GatewayError, TimeoutError):
            return DOWN
        return UNSEALED if sealing.is_unsealed(head, self.node.clock.now()) else OK

    async def _database(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reporting.answers(self.node.store)
                await self._fits()
        except Misconfigured:
            return OLD
        except (GatewayError, TimeoutError):
            return DOWN
        return await self._takes()

    async def _fits(self) -> None:
        """Misconfigured when somebody moved the schema on under this process; asked rarely, because it costs."""
        now = self.now_s()
        if now - self._fitted_at >= SCHEMA_EVERY_S:
            await migrate.check(self.node.store.reader)
            self._fitted_at = now

    async def _takes(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reporting.writable(self.node.store)
        except StoreFailure:
            return READ_ONLY
        except TimeoutError:
            # One long transaction of another worker, on a database with one writer: it serves, and it is slow.
            return OK
        return OK

    def _disk(self) -> str:
        try:
            self.node.room.check()
        except StoreFailure:
            return FULL
        return OK


def of_axis(state: AxisState) -> str:
    """One word for it. An axis that nobody needed yet is well."""
    if state.blocked_since is not None:
        return BLOCKED
    return DOWN if state.connected_since is None and state.down_since is not None else OK
