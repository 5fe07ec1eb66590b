"""Opens towns with an office for tests: what `tests.support.town.builder` opens, with accounts of persons, pages and lists.
One more parameter, `scene`, says what it is filled with before. Acts on pages have their effect at once, as most tests
expect."""

from __future__ import annotations

import asyncio
import pickle
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.bootstrap.node import Wrap
from gateway.clock import SystemClock
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_office.bootstrap.office import Office, open_office
from tests.office.support.scenes import People, TownScene, set_up
from tests.support.clock import ManualClock, MovableClock
from tests.support.once import once
from tests.support.town import builder
from tests.support.town.acts import Town
from tests.support.town.builder import Change, at_work, keep_hour, unchanged


@dataclass(kw_only=True)
class OfficeTown(Town):
    """A town whose node has an office, and the persons who took up their accounts there."""

    node: Office
    people: People = field(default_factory=dict, repr=False)


@asynccontextmanager
async def open_town(
    folder: Path,
    clock: Clock | None = None,
    wrap: Wrap | None = None,
    change: Change = unchanged,
    *,
    scene: TownScene = TownScene.AGENCIES,
    database: str = "",
    serves: bool = False,
) -> AsyncIterator[OfficeTown]:
    people: People = {}
    if not settings_of(folder).keys.folder.exists():
        people = await lay_out(folder, clock, scene=scene, database=database)
    clock = clock or (MovableClock() if serves else ManualClock())
    async with open_office(change(settings_of(folder, database)), clock, wrap) as node:
        keep_hour(node, clock)
        # Tests that take the machine's own time do not move it.
        town = OfficeTown(node=node, clock=clock, people=people)  # type: ignore[arg-type]
        if not serves:
            yield town
            return
        async with at_work(town):
            yield town


def staged(folder: Path) -> Path:
    """Lay out a town in the folder, to be opened later."""
    asyncio.run(lay_out(folder))
    return folder


async def lay_out(
    folder: Path,
    clock: Clock | None = None,
    *,
    scene: TownScene = TownScene.AGENCIES,
    database: str = "",
) -> People:
    """Make everything in that folder that a node of the town needs; return who took up an account."""
    now = clock if type(clock) is SystemClock else None
    if database:
        return await set_up(settings_of(folder, database), scene, now)
    with once(f"office-{scene}{'-now' if now else ''}") as (cache, is_new):
        if is_new:
            people = await set_up(settings_of(cache / "node"), scene, now)
            (cache / "people").write_bytes(pickle.dumps(people))
    await asyncio.to_thread(shutil.copytree, cache / "node", folder, dirs_exist_ok=True)
    cached: People = pickle.loads((cache / "people").read_bytes())  # noqa: S301 - written above
    return cached


def settings_of(folder: Path, database: str = "") -> Settings:
    """Return the settings of a town in that folder."""
    settings = builder.settings_of(folder, database)
    return replace(
        settings, node=replace(settings.node, office="on"), pages=replace(settings.pages, undo_act_s=0)
    )
