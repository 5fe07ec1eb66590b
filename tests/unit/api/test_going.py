"""A server that goes reads what still comes of the calls that are under way."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.cli.serve import listening
from tests.support.waiting import within_limit


async def test_a_body_that_still_comes_when_the_node_goes_is_read_to_its_end() -> None:
    begun, going = asyncio.Event(), asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        return web.Response(text=f"read {len(await request.read())}")

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", handler)
        async with listening(app, "api", "127.0.0.1", 0, 10.0) as url:
            address.set_result(url)
            await going.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve())
        host, _, port = (await within_limit(address, "the start")).removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 4\r\n\r\nab")
        await within_limit(begun.wait(), "the handler")
        going.set()
        await within_limit(_nobody_listens(host, int(port)), "the last listener")
        writer.write(b"cd")
        answer = await within_limit(reader.read(), "the answer")
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"read 4")


async def _nobody_listens(host: str, port: int) -> None:
    """Wait until the server takes no connections; those it has are closed in the turn after that."""
    try:
        while True:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except ConnectionError:
        for _ in range(10):
            await asyncio.sleep(0)
