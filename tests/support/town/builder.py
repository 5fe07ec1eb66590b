"""Opens towns for tests: a real node with its agencies, on a copy of what was set up once for the run.

`open_town(folder)` gives three agencies of the demonstration on one node, with SQLite and the embedded axis, stepped by
hand on a clock that the test owns. The same folder again opens what was left there. Parameters: `clock` is the node's time,
and with a `SystemClock` the town is set up now and not at the hour of all tests; `wrap` puts something around the node's
ports; `change` makes other settings of the stage's (those of `axes` among them, which connect it by a broker, by hubs or by
several axes); `shown` is the town's content (`Shown`: agencies alone, people, the story, the desks); `agencies` are those
hosted and known; `database` is the address of a PostgreSQL database for this town alone, empty but for its schema;
`serves` lets the node's workers run and its whole application listen, at `town.url`.
"""

from __future__ import annotations

import asyncio
import pickle
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap.node import Wrap
from gateway.cli.applications import build_application
from gateway.cli.serve import listening
from gateway.clock import SystemClock
from gateway.ops.checks import Watch
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_labs.demo import stage, story
from gateway_office.bootstrap.office import open_office
from tests.support.clock import ManualClock, MovableClock
from tests.support.once import once
from tests.support.town.acts import Town
from tests.support.town.scenes import DEMONSTRATION, Agencies, People, TownScene, set_up

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
    scene: TownScene = TownScene.AGENCIES,
    agencies: Agencies = DEMONSTRATION,
    database: str = "",
    serves: bool = False,
) -> AsyncIterator[Town]:
    people: People = {}
    if not settings_of(folder).keys.folder.exists():
        people = await lay_out(folder, clock, scene=scene, agencies=agencies, database=database)
    clock = clock or (MovableClock() if serves else ManualClock())
    settings = change(settings_of(folder, database))
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(open_office(settings, clock, wrap))
        if type(clock) is not SystemClock:
            node.guard.measure = None  # the hour of a test is not the database server's
        # Tests that take the machine's own time do not move it.
        town = Town(node=node, clock=clock, people=people)  # type: ignore[arg-type]
        if serves:
            await stack.enter_async_context(story.at_work(node))
            app = build_application(node, Watch(node=node))
            town.url = await stack.enter_async_context(listening(app, "api", "127.0.0.1", 0, FINISH_S))
        yield town


def staged(folder: Path) -> Path:
    """Lay out a town in the folder, to be opened later."""
    return asyncio.run(stage_in(folder))


async def stage_in(folder: Path, clock: Clock | None = None) -> Path:
    """Do the same as `staged`, within an event loop."""
    await lay_out(folder, clock)
    return folder


async def lay_out(
    folder: Path,
    clock: Clock | None = None,
    *,
    scene: TownScene = TownScene.AGENCIES,
    agencies: Agencies = DEMONSTRATION,
    database: str = "",
) -> People:
    """Make everything in that folder that a node of the town needs; return who took up an account."""
    now = clock if type(clock) is SystemClock else None
    if database:
        return await set_up(settings_of(folder, database), scene, agencies, now)
    with once(f"{agencies.name}-{scene}{'-now' if now else ''}") as (cache, is_new):
        if is_new:
            people = await set_up(settings_of(cache / "node"), scene, agencies, now)
            (cache / "people").write_bytes(pickle.dumps(people))
    await asyncio.to_thread(shutil.copytree, cache / "node", folder, dirs_exist_ok=True)
    cached: People = pickle.loads((cache / "people").read_bytes())  # noqa: S301 - written above
    return cached


def settings_of(folder: Path, database: str = "") -> Settings:
    """Return the settings of a town in that folder. Acts on pages have their effect at once, as most tests expect."""
    settings = stage.settings_for(folder)
    settings = replace(settings, pages=replace(settings.pages, undo_act_s=0))
    return replace(settings, database=replace(settings.database, url=database)) if database else settings
