"""Large answers for callers that take gzip: the same answer, smaller, and said to be; and what is never packed."""

from __future__ import annotations

import gzip as library

from gateway.api.compression import LEAST, VARIES, gzip, takes_gzip
from tests.support.api import Answer, Door, meta
from tests.support.cases import Cases

PLAIN, GZIP = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


async def fetch(door: Door, path: str, headers: dict[str, str], method: str = "GET") -> Answer:
    """Return an answer with its body unpacked by the client and its headers unchanged."""
    return await door.ask(method, path, headers=headers)


async def test_a_large_answer_is_packed_for_who_takes_it_and_is_the_same(door: Door, cases: Cases) -> None:
    for n in range(3):
        assert (await door.send(meta(number=str(15 + n)), once=str(n))).status == 202
    for path in ("/messages", "/openapi.json", "/codes", "/docs"):
        with cases.case(path):
            plain, packed = await fetch(door, path, PLAIN), await fetch(door, path, GZIP)
            assert "Content-Encoding" not in plain.headers
            assert packed.headers["Content-Encoding"] == "gzip"
            assert plain.headers["Vary"] == packed.headers["Vary"] == VARIES
            assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
            assert packed.raw == plain.raw
            assert int(packed.headers["Content-Length"]) < len(plain.raw) // 2


async def test_head_says_what_get_would_say(door: Door) -> None:
    for headers in (PLAIN, GZIP):
        get, head = (await fetch(door, "/codes", headers), await fetch(door, "/codes", headers, "HEAD"))
        assert (head.status, head.raw) == (200, b"")
        for name in ("Content-Encoding", "Content-Length", "Content-Type", "Vary"):
            assert head.headers.get(name) == get.headers.get(name)
    assert int(head.headers["Content-Length"]) < LEAST * 10


async def test_what_is_small_versioned_or_refused_stays_as_it_is(door: Door) -> None:
    sent = await door.send()
    for answer in (
        await fetch(door, "/limits", GZIP),
        await fetch(door, f"/messages/{sent.json['id']}", GZIP),
        await fetch(door, f"/messages/{sent.json['id']}/files/1", GZIP),
        await fetch(door, "/messages?limit=no", GZIP),
        sent,
    ):
        assert "Content-Encoding" not in answer.headers, answer.headers


def test_how_long_a_packed_answer_is_does_not_say_what_stands_in_it() -> None:
    """An observer of the line would learn by the length whether two senders use the same word."""
    bodies = [b"TO: Z91, SUBJECT: %c%s" % (65 + n, b" of the province" * 20) for n in range(26)]

    lengths = [len(gzip(body)) for body in bodies]

    assert len(set(lengths)) > 10
    assert [len(gzip(body)) for body in bodies] == lengths
    assert [library.decompress(gzip(body)) for body in bodies] == bodies


def test_who_takes_gzip(cases: Cases) -> None:
    for accepted, takes in {
        "gzip": True,
        "GZIP, br": True,
        "br;q=1.0, gzip;q=0.5": True,
        "*": True,
        "gzip;q=0": False,
        "gzip; q=0.000": False,
        "*;q=0": False,
        "*, gzip;q=0": False,
        "identity": False,
        "br, deflate": False,
        "": False,
        ";;,,q=": False,
    }.items():
        with cases.case(accepted):
            assert takes_gzip(accepted) is takes
