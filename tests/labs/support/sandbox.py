"""A sandbox works in a thread of its own, so that many tests of one module share it. Copies of it are broken on purpose: a
proxy passes every call on and spoils what its breakage says."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway_labs.sandbox.opened import Running, Sandbox
from tests.support.waiting import LIMIT_S


@contextmanager
def at_work(folder: Path) -> Iterator[Running]:
    """Run a sandbox in this folder, and stop it in the end."""
    ready: list[Running] = []
    failed: list[BaseException] = []
    started = threading.Event()
    stop = asyncio.Event()

    def note_running(running: Running) -> None:
        ready.append(running)
        started.set()

    def work() -> None:
        try:
            with runner:  # whatever still runs when it ends is ended too
                runner.run(Sandbox(folder=folder).serve(stop, note_running))
        except BaseException as why:  # raised where the start is awaited
            failed.append(why)
        finally:
            started.set()

    runner = asyncio.Runner()
    thread = threading.Thread(target=work, name="sandbox")
    thread.start()
    try:
        assert started.wait(LIMIT_S)
        if failed:
            raise failed[0]
        yield ready[-1]
    finally:
        with suppress(RuntimeError):  # it has ended by itself
            runner.get_loop().call_soon_threadsafe(stop.set)
        thread.join(LIMIT_S)
    if failed:
        raise failed[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """`asks` changes the headers of a call, `answers` the JSON of its answer, by method and path."""

    asks: Callable[[dict[str, str]], None] = lambda headers: None
    answers: Callable[[str, str, Any], Any] = lambda method, path, reply: reply


def _other_keys(headers: dict[str, str]) -> None:
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())


def _wrong_statuses(method: str, path: str, reply: Any) -> Any:
    """Report work in progress as done."""
    if method == "GET" and path.startswith("/api/v1/messages/") and "recipients" in reply:
        for recipient in reply["recipients"]:
            if recipient.get("state") == "processing":
                recipient["state"] = "done"
    return reply


def _twice(method: str, path: str, reply: Any) -> Any:
    """Add a second entry for every incoming document."""
    if method == "GET" and path == "/api/v1/inbox" and reply.get("data"):
        reply["data"] += [i | {"id": f"{i['id']}X"} for i in reply["data"] if "business" in i]
    return reply


def _drops(method: str, path: str, reply: Any) -> Any:
    """Hide packets that became no document."""
    if method == "GET" and path == "/api/v1/inbox":
        reply["data"] = [i for i in reply["data"] if "business" in i]
    if method == "GET" and path == "/api/v1/quarantine":
        reply["data"] = []
    return reply


def _wrong_and_twice(method: str, path: str, reply: Any) -> Any:
    return _twice(method, path, _wrong_statuses(method, path, reply))


BREAKAGES = {
    "no key of idempotency counts": (Breakage(asks=_other_keys), {4}),
    "wrong statuses": (Breakage(answers=_wrong_statuses), {12, 13, 14}),
    "incoming documents are entered twice": (Breakage(answers=_twice), {19, 20}),
    "what is broken is dropped silently": (Breakage(answers=_drops), {15, 16, 21, 23}),
}
# Two of them at a time, for a whole run of the kit on each copy.
BROKEN_TWICE = {
    "wrong statuses, and incoming documents are entered twice": (
        Breakage(answers=_wrong_and_twice),
        {12, 13, 14, 19, 20},
    ),
    "no key of idempotency counts, and what is broken is dropped silently": (
        Breakage(asks=_other_keys, answers=_drops),
        {4, 15, 16, 21, 23},
    ),
}
_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


@asynccontextmanager
async def broken_copy(real: Running, breakage: Breakage) -> AsyncIterator[str]:
    """Run a broken copy of the sandbox, and yield its address."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def passed_on(request: web.Request) -> web.Response:
            headers = {name: text for name, text in request.headers.items() if name.lower() not in _OWN}
            headers["Accept-Encoding"] = "identity"  # the client would ask for a packed answer by itself
            breakage.asks(headers)
            async with session.request(
                request.method, f"{real.url}{request.path_qs}", data=await request.read(), headers=headers
            ) as answer:
                body = await answer.read()
            if answer.content_type == "application/json":
                reply = breakage.answers(request.method, request.path, json.loads(body))
                body = json.dumps(reply).encode()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{rest:.*}", passed_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
