"""The door for monitoring, apart from the API: `/metrics`, `/healthz` and `/readyz`, without a key and on an address of its
own, also for a process that only works. In: who answers for the three. Out: an application, not yet started."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.ports import Condition, Health


def monitoring(scrape: Callable[[], Awaitable[bytes]], content_type: str, health: Health) -> web.Application:
    """`scrape` gives the whole text of the metrics, in the format that `content_type` names."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=await scrape(), headers={"Content-Type": content_type})

    async def alive(request: web.Request) -> web.Response:
        return _told(await health.alive())

    async def ready(request: web.Request) -> web.Response:
        return _told(await health.ready())

    app = web.Application()
    app.on_response_prepare.append(_finish)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    return app


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says; nothing here is a page, or worth keeping."""
    response.headers.update(
        {"Server": "gateway", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    )


def _told(found: Condition) -> web.Response:
    word = "degraded" if found.well and found.degraded else "ok" if found.well else "not-well"
    body = {"status": word, "checks": dict(found.checks)}
    headers = {} if found.well else {"Retry-After": "5"}
    return web.json_response(body, status=200 if found.well else 503, headers=headers)
