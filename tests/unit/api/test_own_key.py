"""The owner of a key sees how often it may still call, when it ends, and the calls that it made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.api.deps import ApiOptions
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
