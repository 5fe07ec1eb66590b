"""Callers that call too often, guess keys, drip or hold connections are held back, and no others are (threats.md 86,
87)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import admission
from gateway.api.admission import Buckets, Rate
from gateway.api.deps import ApiOptions
from tests.support import api
from tests.support.api import COMMUNE, DEPARTMENT
from tests.support.town.doors import Socket, open_socket
from tests.support.waiting import within_limit

# Nothing comes back within a test, however slow the machine: an address has four times as much as a key.
NEVER_PER_S = 0.001
SLOW = ApiOptions(rate_per_s=NEVER_PER_S, burst=3)


@dataclass
class Hand:
    """A clock that is moved by hand."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at


def test_a_bucket_gives_what_it_holds_and_says_how_long_to_wait() -> None:
    """One name never waits for another, and however many there are few are held."""
    hand = Hand()
    buckets = Buckets(Rate(per_s=2.0, burst=3), hand.now)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    hand.at += 0.5
    assert buckets.take("a") == 0
    buckets = Buckets(Rate(per_s=1.0, burst=1), Hand().now, most=100)
    for n in range(1000):
        buckets.take(str(n))
    assert len(buckets) == 100
    assert buckets.take("999") > 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_no_more_is_taken_than_the_burst_and_the_rate_allow(pauses: list[float]) -> None:
    hand, count = Hand(), 0
    buckets = Buckets(Rate(per_s=2.0, burst=3), hand.now)
    for pause in pauses:
        hand.at += pause
        count += buckets.take("a") == 0

    assert count <= 3 + 2.0 * (hand.at - 1000.0) + 1e-6


async def test_threat_087_a_key_that_calls_too_often_waits_and_another_does_not(
    blank_node: Path, tmp_path: Path
) -> None:
    async with api.opened(blank_node, tmp_path / "node", SLOW) as door:
        busy, other = await door.key(DEPARTMENT), await door.key(COMMUNE)

        answers = [await door.ask("GET", "/me", key=busy) for _ in range(4)]
        free = await door.ask("GET", "/me", key=other)

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 1 / NEVER_PER_S
    assert answers[3].json["retryable"] is True
    assert free.status == 200


async def status_from(door: api.Door, address: str) -> int:
    return (await door.ask("GET", "/healthz", key=None, headers={"X-Forwarded-For": address})).status


async def test_threat_087_one_address_may_call_as_often_as_four_keys_and_nobody_chooses_his(
    blank_node: Path, tmp_path: Path
) -> None:
    """A caller that is no proxy of ours is not believed; all of an IPv6 network is one caller, and so is an IPv4 address
    in any form."""
    async with api.opened(blank_node, tmp_path / "node", SLOW) as door:
        answers = [(await door.ask("GET", "/healthz", key=None)).status for _ in range(13)]
        assert answers == [200] * 12 + [429]
        assert await status_from(door, "203.0.113.9, 203.0.113.7") == 200
    once = ApiOptions(rate_per_s=NEVER_PER_S, burst=1)
    no_proxy = replace(once, proxies=frozenset())
    for name, options, address in (
        ("no-proxy", no_proxy, "203.0.113.{}"),
        ("ipv6", once, "2001:db8::{}"),
        ("ipv4-as-ipv6", once, "::ffff:203.0.113.7"),
    ):
        async with api.opened(blank_node, tmp_path / name, options) as door:
            statuses = [await status_from(door, address.format(n)) for n in range(1, 6)]
            assert statuses == [200] * 4 + [429], name
            if options is once:
                assert await status_from(door, "::ffff:203.0.113.8") == 200


async def test_threat_087_guessing_keys_is_slowed_and_locks_nobody_out(
    blank_node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_GUESSES", replace(admission._GUESSES, per_s=NEVER_PER_S))
    options = ApiOptions(rate_per_s=1000.0, burst=1000)
    async with api.opened(blank_node, tmp_path / "node", options) as door:
        guesses = [(await door.ask("GET", "/me", key=f"gwk_gues{n}")).status for n in range(12)]
        owner = await door.ask("GET", "/me", key=await door.key(DEPARTMENT))
        elsewhere = await door.ask("GET", "/me", key="gwk_gues1", headers={"X-Forwarded-For": "203.0.113.7"})

    assert guesses == [401] * 10 + [429] * 2
    assert owner.status == 200
    assert elsewhere.status == 401


async def test_a_host_that_the_node_does_not_answer_to_is_refused(blank_node: Path) -> None:
    options = ApiOptions(hosts=frozenset({"gateway.example.invalid"}))
    async with open_socket(blank_node, options) as socket:
        ours = await _get(socket, b"Gateway.example.invalid:8443")
        other = await _get(socket, b"other.example.invalid")

    assert ours.startswith(b"HTTP/1.1 200 ")
    assert other.startswith(b"HTTP/1.1 400 ")


async def test_threat_086_headers_that_drip_or_a_call_that_gives_nothing_end_after_their_time(
    blank_node: Path,
) -> None:
    async with open_socket(blank_node, idle_s=0.3) as socket:
        answer = await socket.say(b"GET /docs HTTP/1.1\r\nHost: x\r\nX-Drip: ")

    assert answer == b""

    async with open_socket(blank_node, ApiOptions(call_s=0.0)) as socket:
        answer = await socket.say(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer == b""


async def test_threat_086_a_body_that_drips_ends_after_its_time(blank_node: Path, tmp_path: Path) -> None:
    async def dripping() -> object:
        yield b"{"
        await asyncio.Event().wait()

    async with api.opened(blank_node, tmp_path / "node", ApiOptions(body_s=0.2)) as door:
        answer = await door.ask(
            "POST", "/messages", once="one", data=dripping(), headers={"Content-Type": "application/json"}
        )

    assert answer.status == 408


async def test_threat_086_who_holds_all_connections_loses_the_oldest_to_whoever_calls(
    blank_node: Path,
) -> None:
    async with open_socket(blank_node, ApiOptions(connections=8)) as socket, AsyncExitStack() as stack:
        silent = [await socket.connect() for _ in range(8)]
        for _, writer in silent:
            stack.callback(writer.close)

        answers = [await _get(socket, b"x") for _ in range(3)]

        assert await within_limit(silent[0][0].read(), "the end of the oldest connection") == b""
    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 200 "] * 3


async def test_every_answer_says_how_little_a_browser_may_do_with_it(socket: Socket) -> None:
    for path in ("/healthz", "/api/v1/me", "/no-such", "/docs"):
        answer = await socket.say(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head = answer.partition(b"\r\n\r\n")[0].decode().lower()
        for header in (
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'",
            "cache-control: ",
            "server: gateway\r\n",
        ):
            assert header in head, path
        assert "access-control-" not in head


async def test_a_method_that_is_not_offered_is_405_and_gives_nothing_back(socket: Socket) -> None:
    """Nor is another origin told anything in answer to its question."""
    asking = "Origin: https://other.example.invalid\r\nAccess-Control-Request-Method: POST"
    for method in ("TRACE", "PATCH", "DELETE", "PROPFIND", "OPTIONS"):
        head = f"{method} /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-Secret: gwk_echo\r\n{asking}"
        answer = await socket.say(f"{head}\r\nConnection: close\r\n\r\n".encode())
        assert b" 405 " in answer.split(b"\r\n")[0]
        assert b"gwk_echo" not in answer
        assert b"Access-Control-Allow" not in answer


async def _get(socket: Socket, host: bytes) -> bytes:
    return await socket.say(b"GET /docs HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
