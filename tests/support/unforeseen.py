"""Breaks one call of one port, every time it is made, with an error that no code foresees. In: the call, before or after
its work. Out: a counter for the ports of a node; the names of all calls that its loops make."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Sequence
from pathlib import Path

from gateway.workers import couriers
from tests.faults.killer import Counter, Killer
from tests.support.node import COMMUNE, LEASE_S, PDF, PROVINCE, Town, document, opened

_BATCH, _TURNS = 50, 3


class Breaker:
    """`broken`: the call, and whether it breaks before or after it has done its work; it does so while `armed`."""

    def __init__(self, broken: tuple[str, str] | None) -> None:
        self.broken = broken
        self.armed = False
        self.names: Counts[str] = Counts()

    def stop(self, name: str, when: str) -> None:
        if not self.armed:
            return
        self.names[name] += 1
        if (name, when) == self.broken:
            raise ValueError("a library broke")


async def observed(folder: Path) -> Sequence[str]:
    """Return the names of all calls that the loops make."""
    breaker = Breaker(None)
    async with opened(folder, wrap=Killer(Counter(breaker.stop))) as town:
        await town._host()
        await town.send("15")
        await town.send("16", PROVINCE, COMMUNE)
        for number in ("200", "201"):
            await town.deliver(town.forge(document(number), (("a.pdf", PDF),)))
        breaker.armed = True
        for _ in range(_TURNS):
            await _turn(town)
    return sorted(breaker.names)


async def _turn(town: Town) -> None:
    node = town.node
    while await couriers.pack_batch(node.out, _BATCH, LEASE_S):
        pass
    while await couriers.dispatch_batch(node.out, _BATCH, LEASE_S):
        pass
    while await couriers.land_batch(node.inn, _BATCH, LEASE_S):
        pass
    while await couriers.process_batch(node.inn, _BATCH, LEASE_S):
        pass
