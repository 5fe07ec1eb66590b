"""A node in a process of its own whose callers take numbers of outgoing documents, for tests that kill it. In: the node's
folder, the address of its database or nothing, how many callers, a seed. Each caller sends documents with and without a
reserved number, gives numbers back, cancels, or does nothing more, until the process is killed."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap.node import open_node
from gateway.clock import SystemClock
from gateway.errors import Clash, Refused
from gateway.outgoing import manage, numbering
from tests.support.node import DEPARTMENT, PROVINCE, Town, draft
from tests.support.town.builder import settings_of

READY = "at work"
SYMBOLS = ("STD-VP", "QĐ-STD", "SY-STD")
ACTS = (
    "send",
    "send",
    "reserve-send",
    "reserve-send",
    "reserve-release",
    "reserve",
    "send-cancel",
    "refused",
)


async def call_for_ever(town: Town, chance: random.Random) -> None:
    while True:
        # A number that another call took meanwhile, or a refused document: the caller goes on.
        with suppress(Refused, Clash):
            await call_once(town, chance.choice(ACTS), chance.choice(SYMBOLS))


async def call_once(town: Town, act: str, symbol: str) -> None:
    out, scope, today = town.node.out, await town.scope(DEPARTMENT), town.node.out.today()
    number = ""
    if act.startswith("reserve"):
        new_draft = replace(draft("", PROVINCE, symbol=symbol), issued_on=today)
        reservation = await numbering.reserve_for(out, scope, new_draft)
        if act == "reserve-release":
            await numbering.release_number(out, scope, reservation.id, "not needed")
        number = str(reservation.number)
    if act in ("send", "reserve-send", "send-cancel", "refused"):
        subject = "" if act == "refused" else "Về việc cấp số"
        sent = await town.send(number, symbol=symbol, issued_on=today, subject=subject)
        if act == "send-cancel":
            await manage.cancel(out, scope, sent.id, why="Thôi ban hành")


async def main(folder: Path, database: str, callers: int, seed: int) -> None:
    async with open_node(settings_of(folder, database), SystemClock()) as node:
        town = Town(node=node, clock=node.clock)  # type: ignore[arg-type]  # a clock that no test moves
        print(READY, flush=True)
        chance = random.Random(seed)
        await asyncio.gather(*(call_for_ever(town, random.Random(chance.random())) for _ in range(callers)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
