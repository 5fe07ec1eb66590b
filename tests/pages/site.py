"""A real node behind its real server, for the tests of the pages: three agencies, the registry, workers at work, and for
every role a person who took up the account; where a test wants it, with the story told or with the desks laid too. Set up
once for a run and copied for each test, as that takes long."""

from __future__ import annotations

import asyncio
import pickle
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from playwright.async_api import BrowserContext

from gateway.bootstrap.node import Wrap
from gateway.cli.doors import application
from gateway.cli.serve import listening
from gateway.clock import SystemClock
from gateway.demo import desks, people, stage, story
from gateway.demo.people import Invited
from gateway.domain.person import Person
from gateway.office.accounts import sessions, sign_in
from gateway.office.bootstrap.office import Office, account_rules, open_office
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import PostRole
from gateway.office.web.door import COOKIE
from gateway.ops.metrics import Watch
from gateway.settings import Settings
from tests.support.accounts import HERE, Someone, taken_up, with_factor
from tests.support.clock import START, ManualClock
from tests.support.once import once

# Means of deciding are new for a day; nobody's are when a test begins.
STAGED = START - timedelta(days=2)
FINISH_S, QUIET_S = 60.0, 120.0


class MovableClock(SystemClock):
    """Goes as fast as the machine's, from the hour at which all tests begin, and forward when told. Waits are real ones."""

    def __init__(self, start: datetime = START) -> None:
        self._start, self._began, self._stands = start, time.monotonic(), False

    def now(self) -> datetime:
        gone = 0.0 if self._stands else time.monotonic() - self._began
        return self._start + timedelta(seconds=gone)

    def skip(self, by: timedelta) -> None:
        self._start += by

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Nothing becomes due meanwhile, however long the machine takes: for what can be called back for half a minute."""
        self._start, self._stands = self.now(), True
        try:
            yield
        finally:
            self._began, self._stands = time.monotonic(), False


@dataclass(frozen=True, kw_only=True)
class Site:
    """An open node at work, and who may come in."""

    node: Office
    url: str
    clock: MovableClock
    people: People = field(repr=False)

    def person(self, role: PostRole, actor: str = "") -> Someone:
        """Of one of the stage's agencies, or of the node."""
        return self.people[role, actor].on(self.node.accounts)

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
class Taken:
    """An account that its person took up, whichever node it is opened on."""

    person: Person
    password: str
    totp: str | None

    def on(self, desk: AccountDesk) -> Someone:
        return Someone(desk=desk, person=self.person, password=self.password, totp=self.totp)


People = Mapping[tuple[PostRole, str], Taken]


class Shown(StrEnum):
    """What stands on the pages of a site."""

    NOTHING = "nothing"
    STORY = "story"
    DESKS = "desks"
    """All that the demonstration shows."""


@asynccontextmanager
async def opened(
    folder: Path,
    shown: Shown = Shown.NOTHING,
    database: str = "",
    wrap: Wrap | None = None,
    changed: Callable[[Settings], Settings] = lambda settings: settings,
) -> AsyncIterator[Site]:
    """A site of its own. `database`: another than SQLite, empty but for its schema, or one that is set up for this test
    alone; `wrap`: around the node's ports; `changed`: other settings than the stage's."""
    if database:
        someone = await _set_up(_settings(folder, database), shown)
    else:
        someone = await _staged(shown, folder)
    clock = MovableClock()
    async with (
        open_office(changed(_settings(folder, database)), clock, wrap) as node,
        story.at_work(node),
        listening(application(node, Watch(node=node)), "api", "127.0.0.1", 0, FINISH_S) as url,
    ):
        yield Site(node=node, url=url, clock=clock, people=someone)


async def _staged(shown: Shown, folder: Path) -> People:
    """A copy of the stage in that folder, and who took up accounts in it."""
    with once(f"pages-{shown}") as (kept, is_new):
        if is_new:
            someone = await _set_up(_settings(kept / "site"), shown)
            (kept / "people").write_bytes(pickle.dumps(someone))
    await asyncio.to_thread(shutil.copytree, kept / "site", folder)
    found: People = pickle.loads((kept / "people").read_bytes())  # noqa: S301 - written above
    return found


def _settings(folder: Path, database: str = "") -> Settings:
    settings = stage.settings_for(folder)
    return replace(settings, database=replace(settings.database, url=database)) if database else settings


async def _set_up(settings: Settings, shown: Shown) -> People:
    if shown is Shown.DESKS:
        return await _laid(settings)
    clock = ManualClock(STAGED)
    await stage.prepare(settings, clock)
    async with open_office(settings, clock) as node:
        someone = await _everybody(node, await stage.register(node))
    if shown is Shown.STORY:
        await _tell(settings)
    return someone


async def _everybody(node: Office, invited: Sequence[Invited]) -> People:
    codes = {each.id: each.code for each in await node.store.hosted()}
    actors = {stage.cast().code(actor): actor for actor in stage.ACTORS}
    return {
        (one.role, actors.get(codes.get(one.agency_id, ""), "")): await _taken_up(node, one)
        for one in invited
    }


async def _taken_up(node: Office, one: Invited) -> Taken:
    person = await taken_up(node.accounts, one.code)
    if one.role in account_rules(node.settings).sessions.second_factor:
        person, _, _ = await with_factor(person)
    return Taken(person=person.person, password=person.password, totp=person.totp)


async def _tell(settings: Settings) -> None:
    clock = MovableClock(START - timedelta(hours=1))
    cast = await story.prepare_cast(settings, clock)
    async with open_office(settings, clock) as node, story.at_work(node):
        tale = story.DemoStory(node=node, cast=cast, say=_unheard)
        await tale.tell()
        await tale.settled()


async def _laid(settings: Settings) -> People:
    """As `gateway demo` does it; then everybody takes up the account by the link that it tells."""
    earlier, clock = MovableClock(STAGED), MovableClock(START - timedelta(hours=1))
    await stage.prepare(settings, earlier)
    stage.write_revocation(settings, earlier)
    cast = await story.prepare_cast(settings, earlier)
    await desks.days_ago(settings, cast, earlier, _unheard)
    async with open_office(settings, clock) as node:
        async with story.at_work(node):
            await desks.just_now(node, cast)
            await until_quiet(node)
        return await _everybody(node, await people.linked(node.accounts, await stage.accounts(node)))


async def until_quiet(node: Office) -> None:
    """Nothing is on its way any more."""
    async with asyncio.timeout(QUIET_S):
        while not await story.is_quiet(node):
            await node.store.wait_events(0.2)


def _unheard(key: str, **params: object) -> None:
    """Nobody listens to the story."""
