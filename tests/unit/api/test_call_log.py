"""The calls of each key are kept: without contents and secrets, at no cost of the call, and whole after a drain."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from aiohttp import web

from gateway.api.server import MOST_WAITING, CallLog
from gateway.domain.account import ApiCall, ApiScope
from gateway.errors import StoreFailure
from tests.support.api import DEPARTMENT, Door

DAYS = timedelta(days=30)


async def noted(door: Door, secret: str) -> Sequence[ApiCall]:
    key = (await door.ask("GET", "/me", key=secret)).json["key"]
    assert door.calls is not None
    await door.calls.flush()
    return [call for call in await door.node.store.calls.list_calls(key, 100) if call.route != "/api/v1/me"]


async def test_a_call_is_kept_by_what_was_asked_and_how_it_went_and_not_by_what_was_in_it(door: Door) -> None:
    secret = await door.key(DEPARTMENT, scopes={ApiScope.MESSAGES_READ})

    await door.ask("GET", "/messages?q=secretary", key=secret)
    await door.ask("GET", "/messages/msg_01AAAAAAAAAAAAAAAAAAAAAAAA", key=secret)
    await door.ask("GET", "/inbox", key=secret)
    await door.ask("GET", "/messages", key=secret, headers={"X-Agency": "Z91.99"})
    await door.ask("GET", "/messages", key="gwk_guess")

    calls = list(reversed(await noted(door, secret)))
    assert [(call.method, call.route, call.status) for call in calls] == [
        ("GET", "/api/v1/messages", 200),
        ("GET", "/api/v1/messages/{id}", 404),
        ("GET", "/api/v1/inbox", 403),
        ("GET", "/api/v1/messages", 403),
    ]
    assert [call.problem for call in calls] == ["", "not-found", "forbidden", "forbidden"]
    assert all(call.address == "127.0.0.1" and call.request_id for call in calls)
    logged = repr(calls)
    assert secret not in logged
    assert "secretary" not in logged
    assert "msg_01" not in logged

    bound = await door.key(DEPARTMENT, good_from=("127.0.0.0/8", "::1"))
    await door.ask("GET", "/messages", key=bound, headers={"X-Forwarded-For": "198.51.100.8"})
    (far,) = await noted(door, bound)
    assert (far.status, far.problem, far.address) == (403, "forbidden", "198.51.100.8")


class Broken:
    """A database that cannot be written for a while."""

    def __init__(self, calls: object) -> None:
        self.calls, self.is_broken, self.tried = calls, True, 0

    async def keep(self, calls: Sequence[ApiCall]) -> None:
        self.tried += 1
        if self.is_broken:
            raise StoreFailure("the disk is full")
        await self.calls.keep(calls)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self.calls, name)


async def test_no_call_fails_for_a_log_that_cannot_be_written_and_what_waits_has_an_end(door: Door) -> None:
    store = Broken(door.node.store.calls)
    log = CallLog(store, door.clock, DAYS)  # type: ignore[arg-type]
    secret = await door.key(DEPARTMENT)
    await door.ask("GET", "/messages", key=secret)
    (call,) = await noted(door, secret)

    for n in range(MOST_WAITING + 7):
        log.note(replace(call, id=f"cal_{n:05}"))
    await log.flush()
    assert store.tried == MOST_WAITING / 500
    store.is_broken = False
    log.note(replace(call, id="cal_later"))
    await log.flush()

    ids = [call.id for call in await noted(door, secret)]
    assert sorted(ids) == sorted([call.id, "cal_later"])


async def test_a_process_that_drains_writes_what_waits(door: Door) -> None:
    log = CallLog(door.node.store.calls, door.clock, DAYS, every_s=3600.0)
    secret = await door.key(DEPARTMENT)
    await door.ask("GET", "/messages", key=secret)
    (call,) = await noted(door, secret)
    app = web.Application()

    running = log.run(app)
    await anext(running)
    log.note(replace(call, id="cal_last"))
    with suppress(StopAsyncIteration):
        await anext(running)

    assert "cal_last" in {call.id for call in await noted(door, secret)}
