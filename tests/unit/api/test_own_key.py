"""What the owner of a key is told of it: how often it may still call, when it ends, and what it called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.deps import ApiOptions
from tests.support import api
from tests.support.api import DEPARTMENT, Door


@pytest.fixture
async def counting(blank_node: Path, tmp_path: Path) -> AsyncIterator[Door]:
    """A node that lets a key call three times at once, and a little more in a long time."""
    options = ApiOptions(rate_per_s=0.001, burst=3)
    async with api.opened(blank_node, tmp_path / "node", options) as opened:
        yield opened


async def test_how_often_a_key_may_still_call_stands_in_each_answer_and_in_the_refusal(
    counting: Door,
) -> None:
    answers = [await counting.ask("GET", "/limits") for _ in range(4)]

    assert [each.status for each in answers] == [200, 200, 200, 429]
    assert {each.headers["RateLimit-Limit"] for each in answers} == {"3"}
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    resets = [int(each.headers["RateLimit-Reset"]) for each in answers]
    assert resets[0] < resets[1] < resets[2]
    assert 900 < resets[0] <= 1000
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 1000


async def test_another_key_is_counted_by_itself(counting: Door) -> None:
    other = await counting.key(DEPARTMENT)
    await counting.ask("GET", "/limits")

    answer = await counting.ask("GET", "/limits", key=other)

    assert answer.headers["RateLimit-Remaining"] == "2"


async def test_where_calls_are_not_counted_nothing_is_said_of_it(door: Door) -> None:
    answer = await door.ask("GET", "/limits")

    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]


@pytest.mark.parametrize(("days", "warned"), [(31, False), (29, True)])
async def test_a_key_that_ends_soon_says_so_in_each_answer(door: Door, days: int, *, warned: bool) -> None:
    key = await door.key(DEPARTMENT, expires_at=door.clock.now() + timedelta(days=days))

    good = await door.ask("GET", "/limits", key=key)
    missed = await door.ask("GET", "/messages/msg_none", key=key)

    ends = (await door.ask("GET", "/me", key=key)).json["expires_at"]
    assert [each.headers.get("X-Key-Expires") for each in (good, missed)] == [ends if warned else None] * 2


async def test_a_key_reads_what_it_called_itself_and_nobody_elses_calls(door: Door) -> None:
    own, other = await door.key(DEPARTMENT), await door.key(DEPARTMENT)
    await door.ask("GET", "/messages?q=secretary", key=own)
    await door.ask("GET", "/messages/msg_none", key=own)
    await door.ask("GET", "/inbox", key=other)

    told = (await door.ask("GET", "/me/calls", key=own)).json
    wrong = (await door.ask("GET", "/me/calls?errors=true", key=own)).json

    assert [(each["route"], each["status"]) for each in told["data"]] == [
        ("/api/v1/messages/{id}", 404),
        ("/api/v1/messages", 200),
    ]
    assert [each["problem"] for each in wrong["data"]] == ["not-found"]
    assert "secretary" not in str(told)


async def test_calls_come_a_page_at_a_time(door: Door) -> None:
    key = await door.key(DEPARTMENT)
    for _ in range(3):
        await door.ask("GET", "/limits", key=key)
        door.clock.advance(timedelta(seconds=1))

    first = (await door.ask("GET", "/me/calls?limit=2", key=key)).json
    second = (
        await door.ask("GET", f"/me/calls?limit=2&errors=false&cursor={first['next_cursor']}", key=key)
    ).json

    assert (len(first["data"]), first["has_more"]) == (2, True)
    assert (len(second["data"]), second["has_more"], second["next_cursor"]) == (1, False, None)
    assert all(each["route"] == "/api/v1/limits" for each in (*first["data"], *second["data"]))
