"""Live news over a plain connection: a stream is over soon after its session, however that ended, and no person takes the
places of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import aiohttp
import pytest_asyncio

from gateway_office.accounts import admin, sessions
from gateway_office.accounts.acting import Administrator
from gateway_office.bootstrap.office import account_rules
from gateway_office.domain.roles import PostRole
from gateway_office.web.deps import MOST_LIVE_PER_PERSON
from gateway_office.web.page_handling import COOKIE
from tests.office.pages.site import Site
from tests.support.waiting import within_limit


@pytest_asyncio.fixture(loop_scope="session")
async def streams(site: Site) -> AsyncIterator[Streams]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Streams(site, http, stack)


class Streams:
    """Streams of browsers that are no browsers."""

    def __init__(self, site: Site, http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        self._site, self._http, self._stack = site, http, stack

    async def token(self, role: PostRole, actor: str = "department") -> str:
        return await self._site.new_session(self._site.person(role, actor), actor)

    async def ask(self, token: str) -> tuple[int, bytes]:
        """Ask again, as a browser does whose page stayed open."""
        headers = {"Accept": "text/event-stream", "Cookie": f"{COOKIE}={token}"}
        async with self._http.get(
            f"{self._site.url}/su-kien", headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read()

    async def open(self, token: str) -> aiohttp.ClientResponse:
        """Open a stream and check its first line."""
        answer = await self._stack.enter_async_context(
            self._http.get(
                f"{self._site.url}/su-kien",
                params={"phia": "in", "tu": self._site.clock.now().isoformat()},
                headers={"Cookie": f"{COOKIE}={token}"},
            )
        )
        assert answer.status == 200
        assert await answer.content.readline() == b"retry: 5000\n"
        return answer


async def read_to_end(answer: aiohttp.ClientResponse) -> str:
    """Read the stream to its end; one that does not end lasts longer than the limit."""
    return (await within_limit(answer.read(), "the stream")).decode()


async def test_a_stream_ends_soon_after_its_session(site: Site, streams: Streams) -> None:
    services = site.node.accounts
    clerk, head, officer, stays = [
        await streams.token(role)
        for role in (PostRole.CLERK, PostRole.HEAD, PostRole.OFFICER, PostRole.UNIT_HEAD)
    ]
    lines = [await streams.open(x) for x in (clerk, head, officer, stays)]

    await sessions.sign_out(services, clerk)
    person = site.person(PostRole.HEAD, "department").person
    await admin.sign_out(services, Administrator(principal_id="operator"), person.login or "")
    endings = await asyncio.gather(*(read_to_end(x) for x in lines[:2]))
    assert all(x.endswith("event: over\ndata: \n\n") for x in endings)

    for _ in range(2):
        site.clock.skip(account_rules(site.node.settings).sessions.idle / 2 + timedelta(seconds=1))
        await sessions.check(services, stays)
    assert (await read_to_end(lines[2])).endswith("event: over\ndata: \n\n")
    assert not lines[3].content.at_eof()


async def test_one_person_takes_no_more_places_than_some_and_the_oldest_goes(streams: Streams) -> None:
    clerk = await streams.token(PostRole.CLERK)
    lines = [await streams.open(clerk) for _ in range(MOST_LIVE_PER_PERSON + 1)]

    assert (await read_to_end(lines[0])).endswith("event: over\ndata: \n\n")
    assert not any(line.content.at_eof() for line in lines[1:])


async def test_a_stream_that_is_asked_for_after_the_session_ends_without_a_page(streams: Streams) -> None:
    for token in ("", "nobody-holds-this"):
        assert await streams.ask(token) == (204, b"")
