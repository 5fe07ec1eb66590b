"""The alarm "slow calls" fires where callers wait for a database that another program holds, in real seconds; and "hot
folder not emptied" where a document system takes nothing of what more than 500 documents brought."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from gateway.ops.metrics import Scrape
from tests.support.api import Door
from tests.support.folder import Desk
from tests.support.node import PROVINCE, Town
from tests.unit.ops.test_alarms import alarms_fired, hot_folder, samples, scraped

# Longer than the alarm bears with, and shorter than a writer waits.
HELD_S = 7.0


async def test_calls_that_wait_for_a_database_that_is_held_fire_their_alarm(door: Door) -> None:
    scrape = Scrape(node=door.node)
    await door.send()  # with this it has its key
    await door.node.pulse.beat()
    old_samples = samples((await scrape.text()).decode())
    file = door.node.settings.node.data_dir / "gateway.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(HELD_S, holder.execute, "ROLLBACK")
        answer = await door.send()

    assert answer.status == 202
    assert alarms_fired(old_samples, old_samples) == set()
    assert alarms_fired(old_samples, samples((await scrape.text()).decode())) == {"slow calls"}


async def test_a_document_system_that_takes_nothing_away_is_heard_after_500_documents(town: Town) -> None:
    hot, folder = hot_folder(town)
    await town.node.pulse.beat()
    old_samples = await scraped(hot)
    for n in range(1, 502):
        await town.send(str(n))
    await town.carry()
    desk = Desk(town=hot, root=folder.parent, code=PROVINCE, batch=600)
    await desk.settle()
    await town.node.pulse.beat()

    assert len(list((folder / "in").glob("inb_*"))) == 501
    assert alarms_fired(old_samples, await scraped(hot)) == {"hot folder not emptied"}
