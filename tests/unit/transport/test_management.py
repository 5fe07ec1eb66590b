"""The administrator's way into a broker that fails now and then: what is right a moment later is asked again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.errors import BrokerRefused
from gateway.transport.broker import management
from gateway.transport.broker.management import Management
from gateway.transport.broker.plan import User


@asynccontextmanager
async def failing(times: int, status: int = 500) -> AsyncIterator[tuple[Management, list[str]]]:
    """A broker that answers so, and is right after that many times; what it was asked."""
    requests: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(f"{request.method} {request.path}")
        return web.Response(status=status) if len(requests) <= times else web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    async with (
        TestServer(app) as server,
        management.opened(str(server.make_url("")), "u", "p", "v") as broker,
    ):
        yield broker, requests


GONE_USER = User(name="gone", tags=frozenset(), password_hash="")


async def test_a_broker_that_fails_for_a_moment_is_asked_again_and_at_last_told_of() -> None:
    """A refusal is final: it is not asked again."""
    async with failing(3) as (broker, requests):
        await broker.remove(GONE_USER)
    assert requests == ["DELETE /api/users/gone"] * 4
    async with failing(1000) as (broker, requests):
        with pytest.raises(BrokerRefused, match=r"refused DELETE /api/users/gone \(500\)"):
            await broker.remove(GONE_USER)
    assert len(requests) == 5
    # Nor is a redirect followed: the administrator's password goes where it was meant to.
    for status in (400, 307):
        async with failing(1000, status=status) as (broker, requests):
            with pytest.raises(BrokerRefused, match=str(status)):
                await broker.remove(GONE_USER)
        assert len(requests) == 1
