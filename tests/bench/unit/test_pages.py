"""The measure of pages: what the server says of itself is believed, and what is no page is never counted as a fast one."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestServer

from bench import pages


def test_the_handlers_own_time_is_read() -> None:
    for header, expected in {
        "app;dur=12.5": 12.5,
        "db;dur=3, app;dur=7": 7.0,
        'app;desc="the handler";dur=4': 4.0,
        "application;dur=1": None,
        "db;dur=3": None,
        "": None,
    }.items():
        assert pages.duration(header) == expected, header


async def test_users_ask_in_turn_and_refusals_stand_beside() -> None:
    cookies: set[str] = set()

    async def page(request: web.Request) -> web.Response:
        cookies.add(request.headers.get("Cookie", ""))
        return web.Response(text="x", headers={"Server-Timing": "app;dur=0.25"})

    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/sign-in")

    app = web.Application()
    app.add_routes([web.get("/page", page), web.get("/away", away)])
    async with TestServer(app) as server:
        good, bad = (str(server.make_url(path)) for path in ("/page", "/away"))
        load = await pages.ask([good, bad], "session=s", users=3, seconds=0.3, think_s=0.01)

    assert set(load.took[good]) == {0.25}
    assert load.own == len(load.took[good])
    assert load.took[bad] == []
    assert set(load.refused) == {(bad, 302)}
    assert cookies == {"session=s"}
