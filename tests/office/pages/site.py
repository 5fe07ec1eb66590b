"""A town works behind its real server, for the tests of the pages: its workers are at work, and for every role there is a
person with an account, as whom a browser may sign in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from playwright.async_api import BrowserContext

from gateway.bootstrap.node import Wrap
from gateway_labs.demo import stage
from gateway_office.accounts import sessions, sign_in
from gateway_office.bootstrap.office import Office
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.support.accounts import ORIGIN, Someone
from tests.office.support.scenes import TownScene
from tests.office.support.town import OfficeTown, open_town
from tests.support.clock import MovableClock
from tests.support.town.builder import Change, unchanged


@dataclass(frozen=True, kw_only=True)
class Site:
    """A town at work, and who may come in."""

    town: OfficeTown
    clock: MovableClock

    @property
    def node(self) -> Office:
        return self.town.node

    @property
    def url(self) -> str:
        return self.town.url

    def person(self, role: PostRole, actor: str = "") -> Someone:
        """Return the person with that role at one of the town's agencies, or at the node."""
        return self.town.people[role, actor].on(self.node.accounts)

    async def agency(self, actor: str) -> str:
        """Return the agency's id."""
        return (await self.town.agency(stage.cast().code(actor))).id

    async def new_session(self, person: Someone, actor: str = "") -> str:
        """Sign the person in, and return the session's token. `actor` chooses among several agencies."""
        if person.totp:
            self.clock.skip(timedelta(seconds=31))  # a code is good once
        token = (await sign_in.sign_in(person.services, person.sign_in_form(), ORIGIN)).token
        if actor:
            token = await sessions.choose_agency(self.node.accounts, token, await self.agency(actor))
        return token

    async def signed_in(self, context: BrowserContext, person: Someone, actor: str = "") -> str:
        """Sign the person in, in this browser, and return the session's token."""
        token = await self.new_session(person, actor)
        await context.add_cookies([{"name": COOKIE, "value": token, "url": self.url}])
        return token


@asynccontextmanager
async def opened(
    folder: Path,
    cast_kind: TownScene = TownScene.PEOPLE,
    database: str = "",
    wrap: Wrap | None = None,
    changed: Change = unchanged,
) -> AsyncIterator[Site]:
    """Open a site of its own, by the parameters of `open_town`."""
    clock = MovableClock()
    async with open_town(
        folder, clock, wrap, changed, scene=cast_kind, database=database, serves=True
    ) as town:
        yield Site(town=town, clock=clock)
