"""The front door for people: adds every page and the static files to a table of routes. In: the desks,
in `WebDeps`. Every page comes from the one table in `gateway.office.web.pages`."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache

from aiohttp import web

from gateway.office.web import door, render
from gateway.office.web.deps import WebDeps
from gateway.office.web.pages import ROUTES
from gateway.office.web.routes import Route, Who, get

NOWHERE = "/{rest:(?!api/|problems|docs|static/|metrics|healthz|readyz).*}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_KEPT = "public, max-age=31536000, immutable"


def add_pages(router: web.UrlDispatcher, deps: WebDeps, routes: Iterable[Route] = ROUTES) -> None:
    """The pages over these desks."""
    for route in routes:
        handler = door.handler(route, deps)
        # HEAD is GET without the body, which the server leaves out by itself.
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            router.add_route(method, route.path, handler)

    router.add_get(NOWHERE, _nowhere(deps))


def _nowhere(deps: WebDeps) -> Handler:
    """Addresses that lead nowhere: a person gets a page of the node, in its frame; a program the problem of the API."""
    page = door.handler(get(NOWHERE, "nowhere", door.nowhere, who=Who.ANYBODY), deps)

    async def nowhere(request: web.Request) -> web.StreamResponse:
        if "text/html" not in request.headers.get("Accept", ""):
            raise web.HTTPNotFound
        return await page(request)

    return nowhere


def add_static(router: web.UrlDispatcher) -> None:
    """Stylesheet and scripts. Their addresses change with their bytes, so browsers may keep them."""
    for name in render.STATIC:
        router.add_get(f"/static/{name}", _file)


async def _file(request: web.Request) -> web.Response:
    name = request.path.rpartition("/")[2]
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = {
        "Content-Type": f"{render.STATIC[name]}; charset=utf-8",
        "Cache-Control": _KEPT if request.query.get("v") else "public, max-age=3600",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Vary": "Accept-Encoding",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=_packed(name) if packed else render.static(name), headers=headers)


@lru_cache(maxsize=8)
def _packed(name: str) -> bytes:
    return gzip.compress(render.static(name), 9, mtime=0)
