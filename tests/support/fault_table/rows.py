"""The rows of the table of faults. Each puts a fault on a pair at work and takes it away again; what must be seen of it stands
beside it. A page shows the same rows (`docs/operations.md`)."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.domain.diagnosis import Level
from gateway.store.folder_marks import MARK
from tests.support.fault_table.measure import FaultRow, Put
from tests.support.fault_table.pair import Pair

RED, YELLOW = Level.RED, Level.YELLOW
SOUTH = "south"


@asynccontextmanager
async def away(folder: Path, mark: str = "") -> AsyncIterator[None]:
    """Leave another folder in the place of this one, as a share that is not mounted; with a mark, as another share."""
    aside = folder.rename(folder.with_name(f"{folder.name}.aside"))
    folder.mkdir(mode=0o700)
    if mark:
        (folder / MARK).write_text(f"{mark}\n")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        aside.rename(folder)


def folder_away(place: str, mark: str = "") -> Put:
    @asynccontextmanager
    async def put(pair: Pair) -> AsyncIterator[None]:
        async with away(pair.ground.folder / place, mark):
            yield

    return put


@asynccontextmanager
async def content_away_at_start(pair: Pair) -> AsyncIterator[None]:
    await pair.stop_node(SOUTH)
    async with away(pair.data(SOUTH) / "content"):
        await pair.start_node(SOUTH)
        yield


@asynccontextmanager
async def axis_away_at_start(pair: Pair) -> AsyncIterator[None]:
    await pair.stop_node(SOUTH)
    await pair.stop_node("north")
    async with away(pair.ground.folder / "axis"):
        await pair.start_node(SOUTH, is_well=False)
        yield
    await pair.start_node("north")


@asynccontextmanager
async def workers_stopped(pair: Pair) -> AsyncIterator[None]:
    await pair.worker(SOUTH).stop()
    yield
    await pair.worker(SOUTH).start()


@asynccontextmanager
async def worker_frozen(pair: Pair) -> AsyncIterator[None]:
    pair.worker(SOUTH).tell(signal.SIGSTOP)
    yield
    pair.worker(SOUTH).tell(signal.SIGCONT)


def worker_with(**env: str) -> Put:
    """Restart the worker alone with other settings."""

    @asynccontextmanager
    async def put(pair: Pair) -> AsyncIterator[None]:
        worker = pair.worker(SOUTH)
        right = dict(worker.env)
        await worker.stop()
        await worker.start(**env)
        yield
        await worker.stop()
        worker.env = right
        await worker.start()

    return put


CONTENT = "the content is not there: nothing is accepted, claimed or taken in until the right folder is back"
ROWS: tuple[FaultRow, ...] = (
    FaultRow(
        name="content-away",
        fault="the share of the content is not mounted any more, at work",
        put=folder_away("south/content"),
        check="folder.content",
        level=RED,
        cause="folder.unmarked",
        cure="mount ",
        ready="503 folder.content=other",
        in_long=True,
    ),
    FaultRow(
        name="content-away-at-start",
        fault="the share of the content is not mounted when the node starts",
        put=content_away_at_start,
        check="folder.content",
        level=RED,
        cause="folder.unmarked",
        cure="mount ",
        ready="503 folder.content=other",
    ),
    FaultRow(
        name="content-of-another",
        fault="another share is mounted in the place of the content",
        put=folder_away("south/content", "0123456789abcdef"),
        check="folder.content",
        level=RED,
        cause="folder.other",
        cure="mount ",
        ready="503 folder.content=other",
    ),
    FaultRow(
        name="keys-away",
        fault="the folder of the keys is not mounted any more",
        put=folder_away("south/keys"),
        check="folder.keys",
        level=RED,
        cause="folder.unmarked",
        cure="mount ",
        ready="503 folder.keys=other",
    ),
    FaultRow(
        name="axis-away",
        fault="the folder of an embedded axis is not mounted any more",
        put=folder_away("axis"),
        check="folder.axis",
        level=RED,
        cause="folder.unmarked",
        cure="mount ",
        ready="503 folder.axis=other",
    ),
    FaultRow(
        name="axis-away-at-start",
        fault="the folder of an embedded axis is not mounted when the node starts",
        put=axis_away_at_start,
        check="folder.axis",
        level=RED,
        cause="folder.unmarked",
        cure="mount ",
        ready="none",
        is_told=False,
        has_metrics=False,
    ),
    FaultRow(
        name="workers-stopped",
        fault="all workers are stopped",
        put=workers_stopped,
        check="workers",
        level=RED,
        cause="workers.none",
        cure="gateway serve",
        ready="200 workers=none",
    ),
    FaultRow(
        name="worker-frozen",
        fault="the only worker stands still and does not end",
        put=worker_frozen,
        check="workers",
        level=RED,
        cause="workers.none",
        cure="gateway serve",
        ready="200 workers=none",
    ),
    FaultRow(
        name="wrong-secret",
        fault="one process has a wrong password of the keys",
        put=worker_with(GATEWAY_KEYS_PASSWORD="another-password-0815"),
        check="process.keys",
        level=RED,
        cause="process.keys",
        cure="the same keys.password",
        ready="200 process.keys=faulty",
    ),
    FaultRow(
        name="settings-differ",
        fault="one process runs with other settings",
        put=worker_with(GATEWAY_LIMITS_PARTNER_MB="77"),
        check="process",
        level=YELLOW,
        cause="process.differ",
        cure="systemctl restart gateway.target",
        in_long=True,
    ),
)
