"""Several real worker processes work on one database, a PostgreSQL or one SQLite file, and one axis: they share the
work, do none of it twice, and when one is killed the other finishes all of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from gateway.clock import SystemClock
from gateway.domain.event import EventKind
from gateway.settings import load
from gateway.store.tables_office import KeepingRow
from tests.support.clock import START
from tests.support.node import DEPARTMENT, PROVINCE, Town, opened
from tests.support.town.builder import lay_out
from tests.support.waiting import wait_until

LEASE_S = 15


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """Return the setting that names the database; SQLite's own needs none."""
    if request.param == "sqlite":
        return {}
    return {"GATEWAY_DATABASE_URL": request.getfixturevalue("migrated_postgres_url")}


@pytest.fixture
async def environment(tmp_path: Path, database: Mapping[str, str]) -> Mapping[str, str]:
    """Stage a node with the demonstration's agencies; return its settings, which all processes share."""
    words = {
        "GATEWAY_NODE_NAME": "shared",
        "GATEWAY_NODE_DATA_DIR": str(tmp_path / "node"),
        "GATEWAY_WORKERS_LEASE_S": str(LEASE_S),
        **database,
    }
    folder, url = tmp_path / "node", database.get("GATEWAY_DATABASE_URL", "")
    await lay_out(folder, SystemClock(), database=url)
    return words


@pytest.fixture
async def front(environment: Mapping[str, str]) -> AsyncIterator[Town]:
    """Open the process that takes documents and works on none, as `--role web` does."""
    settings = load(None, environment)
    async with opened(settings.node.data_dir, SystemClock(), change=lambda _: settings) as town:
        yield town


@asynccontextmanager
async def worker(environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """Run a worker process, which is at work when the block is entered."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "--lang", "en", "serve", "--role", "worker"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    assert process.stderr is not None
    while b"is running" not in (line := await process.stderr.readline()):
        assert line, "the worker ended before it was at work"
    reading = asyncio.create_task(process.stderr.read())
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def delivered(town: Town, count: int) -> None:
    """Wait until so many deliveries are answered with 01."""

    async def are_answered() -> bool:
        return await answered(town) >= count

    await wait_until(are_answered, f"{count} deliveries are answered")


async def answered(town: Town) -> int:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        sent = (await work.outgoing.page(limit=1000)).items
        states = await work.deliveries.of_documents([delivery.id for delivery in sent])
    return sum(delivery.state == "delivered" for several in states.values() for delivery in several)


async def happened(town: Town) -> Counter[tuple[str, EventKind]]:
    """Count the events of each kind and subject. Rights of people have one subject a day, and are no worker's."""
    while await town.node.store.number_events():
        pass
    events = await town.node.store.events_after(None, 0, 10_000)
    return Counter(
        (event.subject_id, event.kind) for event in events if event.kind is not EventKind.RIGHTS_CHANGED
    )


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_worker_has_a_server_measure_a_table_that_has_grown(
    front: Town, environment: Mapping[str, str]
) -> None:
    rows = [
        {"key": f"k{n}", "session_id": "s", "body": "", "at": START, "until": START + timedelta(days=3650)}
        for n in range(60)
    ]
    writer = front.node.store.writer
    async with writer.begin() as connection:
        # The server's own analysis would hide a missing request for it.
        await connection.execute(text("ALTER TABLE page_keeping SET (autovacuum_enabled = false)"))
        await connection.execute(insert(KeepingRow), rows)

    async def is_known() -> bool:
        async with writer.connect() as connection:
            estimate = await connection.scalar(
                text("SELECT reltuples FROM pg_class WHERE relname = 'page_keeping'")
            )
        return bool(estimate == len(rows))

    async with worker(environment):
        await wait_until(is_known, "the worker had the table measured")


async def test_two_workers_share_the_documents_and_work_on_none_twice(
    front: Town, environment: Mapping[str, str]
) -> None:
    documents = 24
    async with worker(environment), worker(environment):
        sent = [await front.send(str(n)) for n in range(1, documents + 1)]
        await delivered(front, documents)

    counts = await happened(front)
    assert max(counts.values()) == 1
    for document in sent:
        for kind in (EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_QUEUED, EventKind.DELIVERY_SENT):
            assert counts[document.id, kind] == 1
    landed = [*await front.inbox(PROVINCE), *await front.inbox(DEPARTMENT)]
    assert [(row.state, row.attempts) for row in landed] == [("done", 1)] * (2 * documents)
    assert await left_over(front) == {}


async def test_a_worker_hears_of_a_document_long_before_it_would_look(
    front: Town, environment: Mapping[str, str]
) -> None:
    rarely = {**environment, "GATEWAY_WORKERS_LEASE_S": "300", "GATEWAY_WORKERS_POLL_S": "60"}
    async with worker(rarely):
        await front.send("1")
        async with asyncio.timeout(40):
            await delivered(front, 1)


async def test_a_worker_that_is_killed_leaves_all_its_work_to_the_other(
    front: Town, environment: Mapping[str, str]
) -> None:
    documents = 30
    async with worker(environment), worker(environment) as doomed:
        for n in range(1, documents + 1):
            await front.send(str(n))
        await delivered(front, 3)
        doomed.send_signal(signal.SIGKILL)
        await doomed.wait()

        await delivered(front, documents)
        # What it had published and not noted yet is published again when its leases are over.
        await wait_until(lambda: nothing_waits(front), "nothing waits any more")

    async with front.node.store.read(await front.scope(PROVINCE)) as work:
        admitted = (await work.incoming.page(limit=1000)).items
    assert sorted(int(document.number) for document in admitted) == list(range(1, documents + 1))
    assert await left_over(front) == {}


async def nothing_waits(town: Town) -> bool:
    return not await left_over(town)


async def left_over(town: Town) -> dict[str, int]:
    """Count the work that still waits."""
    counts = await town.node.store.counts()
    settled = ("outbox.sent", "inbox.done", "event.unnumbered")
    return {name: number for name, number in counts.items() if number and name not in settled}
