"""A node in a process of its own does the same acts on a fixed clock and random source, for tests that compare processes.
In: the folder of a town. Out: every row of its databases, on stdout."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

# Every signature follows from key and content alone (RFC 6979), so that envelopes have the same digests.
ec.ECDSA.__init__.__defaults__ = (True,)

from gateway import random_source, time_source  # noqa: E402
from gateway.clock import SystemClock  # noqa: E402
from gateway.time_source import TimeSource  # noqa: E402
from tests.support.clock import START  # noqa: E402
from tests.support.packets import COMMUNE, DEPARTMENT, PDF, PROVINCE  # noqa: E402
from tests.support.town.acts import Town  # noqa: E402
from tests.support.town.builder import open_town  # noqa: E402

_SOURCE = TimeSource(
    unix_ns=lambda: int(START.timestamp()) * 1_000_000_000,
    monotonic=lambda: 0.0,
    boottime=lambda: 0.0,
    thread_time=lambda: 0.0,
)


class SeededClock(SystemClock):
    """The node's own clock, whose hour and ids follow from the two sources."""


async def exchange(town: Town) -> None:
    """Send documents to several agencies, answer them in each way, and change, replace and recall some."""
    sent = [
        await town.send(str(n), PROVINCE, COMMUNE, files=(("15.pdf", PDF), ("a.txt", b"a"), ("b.txt", b"b")))
        for n in range(20, 24)
    ]
    await town.carry()
    for document, code in zip(sent, ("03", "02", "06", "03"), strict=True):
        for agency in (PROVINCE, COMMUNE):
            await town.status(await town.as_incoming(document, agency), code)
    await town.carry()
    await town.update(sent[0])
    await town.replacement(sent[3], "30")
    await town.recall(sent[2])
    await town.send("40", DEPARTMENT, COMMUNE, sender=PROVINCE)
    await town.carry()
    await town.number()


def print_rows(folder: Path) -> None:
    for file in sorted(folder.rglob("*.db")):
        with sqlite3.connect(file) as connection:
            for line in connection.iterdump():
                print(file.name, line)


async def main(folder: Path) -> None:
    async with open_town(folder, SeededClock()) as town:
        await exchange(town)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with random_source.replaced(random.Random(7).randbytes), time_source.replaced(_SOURCE):
        asyncio.run(main(place))
    print_rows(place)
