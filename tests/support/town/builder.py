"""Opens towns for tests: a real node with its agencies, on a copy of what was set up once for the run.

`open_town(folder)` gives three agencies of the demonstration on one node, with SQLite and the embedded axis, stepped by
hand on a clock that the test owns. The same folder again opens what was left there. Parameters: `clock` is the node's time,
and with a `SystemClock` the town is set up now and not at the hour of all tests; `wrap` puts something around the node's
ports; `change` makes other settings of the stage's (those of `axes` among them, which connect it by a broker, by hubs or by
several axes); `agencies` are those hosted and known; `database` is the address of a PostgreSQL database for this town
alone, empty but for its schema; `serves` lets the node's workers run and its whole application listen, at `town.url`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap.node import OpenNode, Wrap, open_node
from gateway.cli.applications import build_application
from gateway.cli.serve import listening
from gateway.clock import SystemClock
from gateway.ops.checks import Watch
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_labs.demo import stage, story
from tests.support.clock import ManualClock, MovableClock
from tests.support.once import once
from tests.support.town.acts import Town
from tests.support.town.scenes import DEMONSTRATION, Agencies, set_up

Change = Callable[[Settings], Settings]
FINISH_S = 60.0


def unchanged(settings: Settings) -> Settings:
    """Return the settings of the stage without a change."""
    return settings


@asynccontextmanager
async def open_town(
    folder: Path,
    clock: Clock | None = None,
    wrap: Wrap | None = None,
    change: Change = unchanged,
    *,
    agencies: Agencies = DEMONSTRATION,
    database: str = "",
    serves: bool = False,
) -> AsyncIterator[Town]:
    if not settings_of(folder).keys.folder.exists():
        await lay_out(folder, clock, agencies=agencies, database=database)
    clock = clock or (MovableClock() if serves else ManualClock())
    async with open_node(change(settings_of(folder, database)), clock, wrap) as node:
        keep_hour(node, clock)
        # Tests that take the machine's own time do not move it.
        town = Town(node=node, clock=clock)  # type: ignore[arg-type]
        if not serves:
            yield town
            return
        async with at_work(town):
            yield town


def keep_hour(node: OpenNode, clock: Clock) -> None:
    """Let the node's time be that of the test: it is not the database server's."""
    if type(clock) is not SystemClock:
        node.guard.measure = None


@asynccontextmanager
async def at_work(town: Town) -> AsyncIterator[None]:
    """Let the town's workers run and its whole application listen, at `town.url`."""
    async with story.at_work(town.node):
        app = build_application(town.node, Watch(node=town.node))
        async with listening(app, "api", "127.0.0.1", 0, FINISH_S) as town.url:
            yield


def staged(folder: Path) -> Path:
    """Lay out a town in the folder, to be opened later."""
    return asyncio.run(stage_in(folder))


async def stage_in(folder: Path, clock: Clock | None = None) -> Path:
    """Do the same as `staged`, within an event loop."""
    await lay_out(folder, clock)
    return folder


async def lay_out(
    folder: Path, clock: Clock | None = None, *, agencies: Agencies = DEMONSTRATION, database: str = ""
) -> None:
    """Make everything in that folder that a node of the town needs."""
    now = clock if type(clock) is SystemClock else None
    if database:
        await set_up(settings_of(folder, database), agencies, now)
        return
    with once(f"{agencies.name}{'-now' if now else ''}") as (cache, is_new):
        if is_new:
            await set_up(settings_of(cache / "node"), agencies, now)
    await asyncio.to_thread(shutil.copytree, cache / "node", folder, dirs_exist_ok=True)


def settings_of(folder: Path, database: str = "") -> Settings:
    """Return the settings of a town in that folder, whose node has no office."""
    settings = stage.settings_for(folder, office="off")
    # A test whose subject they are turns scans on; any other would read the blank pages of its files.
    settings = replace(settings, pages=replace(settings.pages, scans="off"))
    return replace(settings, database=replace(settings.database, url=database)) if database else settings
