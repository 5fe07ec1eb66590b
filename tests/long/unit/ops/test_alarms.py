"""The alarm "slow calls" fires where callers wait for a database that another program holds, in real seconds."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from gateway.ops.metrics import Scrape
from tests.support.api import Door
from tests.unit.ops.test_alarms import alarms, fires, samples

# Longer than the alarm bears with, and shorter than a writer waits.
HELD_S = 7.0


async def test_calls_that_wait_for_a_database_that_is_held_fire_their_alarm(door: Door) -> None:
    when, scrape = alarms()["slow calls"], Scrape(node=door.node)
    await door.send()  # with this it has its key
    before = samples((await scrape.text()).decode())
    file = door.node.settings.node.data_dir / "gateway.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(HELD_S, holder.execute, "ROLLBACK")
        answer = await door.send()

    assert answer.status == 202
    assert not fires(when, before, before)
    assert fires(when, before, samples((await scrape.text()).decode()))
