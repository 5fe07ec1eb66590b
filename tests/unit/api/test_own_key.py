"""The owner of a key sees how often it may still call, when it ends, and the calls that it made; these are kept without
contents and secrets, at no cost of the call, and whole after a drain."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from gateway.api.deps import ApiOptions
from gateway.api.server import MOST_WAITING, CallLog
from gateway.domain.account import ApiCall, ApiScope
from gateway.errors import StoreFailure
from tests.support import api
from tests.support.api import DEPARTMENT, Door


async def test_how_often_a_key_may_still_call_stands_in_each_answer_and_in_the_refusal(
    blank_node: Path, tmp_path: Path
) -> None:
    """On a node that lets a key call three times at once, and a little more in a long time."""
    options = ApiOptions(rate_per_s=0.001, burst=3)
    async with api.opened(blank_node, tmp_path / "counting", options) as counting:
        answers = [await counting.ask("GET", "/limits") for _ in range(4)]
        other = await counting.ask("GET", "/limits", key=await counting.key(DEPARTMENT))

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    resets = [int(answer.headers["RateLimit-Reset"]) for answer in answers]
    assert resets[0] < resets[1] < resets[2]
    assert 900 < resets[0] <= 1000
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 1000
    assert other.headers["RateLimit-Remaining"] == "2"


async def test_a_key_that_ends_soon_says_so_in_each_answer(door: Door) -> None:
    for days, is_warned in ((31, False), (29, True)):
        key = await door.key(DEPARTMENT, expires_at=door.clock.now() + timedelta(days=days))

        good = await door.ask("GET", "/limits", key=key)
        missed = await door.ask("GET", "/messages/msg_none", key=key)

        warning = (await door.ask("GET", "/me", key=key)).json["expires_at"] if is_warned else None
        assert [answer.headers.get("X-Key-Expires") for answer in (good, missed)] == [warning] * 2
        # Where calls are not counted nothing is said of it.
        assert not [name for name in good.headers if name.lower().startswith("ratelimit")]


async def test_a_key_reads_what_it_called_itself_and_nobody_elses_calls(door: Door) -> None:
    own, other = await door.key(DEPARTMENT), await door.key(DEPARTMENT)
    await door.ask("GET", "/messages?q=secretary", key=own)
    await door.ask("GET", "/messages/msg_none", key=own)
    await door.ask("GET", "/inbox", key=other)
    await door.ask("GET", "/inbox", key=own)

    page = (await door.ask("GET", "/me/calls?limit=2", key=own)).json
    next_path = f"/me/calls?limit=2&errors=false&cursor={page['next_cursor']}"
    second_page = (await door.ask("GET", next_path, key=own)).json
    wrong = (await door.ask("GET", "/me/calls?errors=true", key=own)).json

    assert [(row["route"], row["status"]) for row in page["data"]] == [
        ("/api/v1/inbox", 200),
        ("/api/v1/messages/{id}", 404),
    ]
    assert [row["route"] for row in second_page["data"]] == ["/api/v1/messages"]
    assert (page["has_more"], second_page["has_more"], second_page["next_cursor"]) == (True, False, None)
    assert [row["problem"] for row in wrong["data"]] == ["not-found"]
    assert "secretary" not in str(page) + str(second_page)


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
