"""A real node behind its real server, for the tests of the pages: three agencies, the registry, workers at work, and for
every role a person who took up the account. Set up once per process and copied for each test, as that takes long."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from playwright.async_api import BrowserContext

from gateway.accounts import sessions, sign_in
from gateway.bootstrap import Node, Wrap, open_node
from gateway.bootstrap_accounts import rules
from gateway.bootstrap_doors import application
from gateway.cli.listening import listening
from gateway.clock import SystemClock
from gateway.demo import stage, story
from gateway.demo.people import Invited
from gateway.domain.post import PostRole
from gateway.ops.health import Watch
from gateway.settings import Settings
from gateway.web.door import COOKIE
from tests.support.accounts import HERE, Someone, taken_up, with_factor
from tests.support.clock import START, ManualClock

# Means of deciding are new for a day; nobody's are when a test begins.
STAGED = START - timedelta(days=2)
FINISH_S = 1.0


class MovableClock(SystemClock):
    """Goes as fast as the machine's, from the hour at which all tests begin, and forward when told. Waits are real ones."""

    def __init__(self, start: datetime = START) -> None:
        self._start, self._began = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def skip(self, by: timedelta) -> None:
        self._start += by


@dataclass(frozen=True, kw_only=True)
class Site:
    """An open node at work, and who may come in."""

    node: Node
    url: str
    clock: MovableClock
    people: Mapping[tuple[PostRole, str], Someone] = field(repr=False)

    def person(self, role: PostRole, actor: str = "") -> Someone:
        """Of one of the stage's agencies, or of the node."""
        return replace(self.people[role, actor], desk=self.node.accounts)

    async def agency(self, actor: str) -> str:
        """The agency's id."""
        code = stage.cast().code(actor)
        return next(each.id for each in await self.node.store.hosted() if each.code == code)

    async def signed_in(self, context: BrowserContext, person: Someone, actor: str = "") -> str:
        """The browser is the person's from now on. `actor` chooses among several agencies. The session's token."""
        if person.totp:
            self.clock.skip(timedelta(seconds=31))  # a code is good once
        token = (await sign_in.run(person.desk, person.typed(), HERE)).token
        if actor:
            token = await sessions.choose_agency(self.node.accounts, token, await self.agency(actor))
        await context.add_cookies([{"name": COOKIE, "value": token, "url": self.url}])
        return token


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A folder to copy, and who took up accounts in it."""

    folder: Path
    people: Mapping[tuple[PostRole, str], Someone]


@asynccontextmanager
async def opened(
    folder: Path, told: bool = False, database: str = "", wrap: Wrap | None = None
) -> AsyncIterator[Site]:
    """A site of its own. `told`: the demonstration's story stands on its pages; `database`: another than SQLite, empty
    but for its schema, or one that is set up for this test alone; `wrap`: around the node's ports."""
    if database:
        people = await _set_up(_settings(folder, database), told)
    else:
        staged = await _staged(told)
        people = staged.people
        await asyncio.to_thread(shutil.copytree, staged.folder, folder)
    clock = MovableClock()
    async with (
        open_node(_settings(folder, database), clock, wrap) as node,
        story.at_work(node),
        listening(application(node, Watch(node=node)), "api", "127.0.0.1", 0, FINISH_S) as url,
    ):
        yield Site(node=node, url=url, clock=clock, people=people)


_STAGES: dict[bool, Staged] = {}


async def _staged(told: bool) -> Staged:
    if told not in _STAGES:
        folder = Path(tempfile.mkdtemp(prefix="gateway-pages-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _STAGES[told] = Staged(folder=folder, people=await _set_up(_settings(folder), told))
    return _STAGES[told]


def _settings(folder: Path, database: str = "") -> Settings:
    settings = stage.settings_for(folder)
    return replace(settings, database=replace(settings.database, url=database)) if database else settings


async def _set_up(settings: Settings, told: bool) -> Mapping[tuple[PostRole, str], Someone]:
    clock = ManualClock(STAGED)
    await stage.prepare(settings, clock)
    async with open_node(settings, clock) as node:
        invited = await stage.register(node)
        codes = {each.id: each.code for each in await node.store.hosted()}
        actors = {stage.cast().code(actor): actor for actor in stage.ACTORS}
        people = {
            (one.role, actors.get(codes.get(one.agency_id, ""), "")): await _taken_up(node, one)
            for one in invited
        }
    if told:
        await _tell(settings)
    return people


async def _taken_up(node: Node, one: Invited) -> Someone:
    person = await taken_up(node.accounts, one.code)
    if one.role in rules(node.settings).sessions.second_factor:
        person, _, _ = await with_factor(person)
    return person


async def _tell(settings: Settings) -> None:
    clock = MovableClock(START - timedelta(hours=1))
    cast = await story.prepare_cast(settings, clock)
    async with open_node(settings, clock) as node, story.at_work(node):
        tale = story.Story(node=node, cast=cast, say=lambda key, **params: None)
        await tale.tell()
        await tale.settled()
