"""Requests that are not HTTP, or too long to be read, are a problem like any other, and no byte of them reaches the log:
a key may be among them."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp import web

from gateway.cli.serve import listening
from tests.support.town.doors import Socket

SECRET = "gwk_must-not-be-logged"


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\x01\r\n\r\n".encode(),
        f"GET /{SECRET} HTTP/9\r\n\r\n".encode(),
        f"{SECRET}\r\n\r\n".encode(),
        f"GET /{SECRET * 500} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: x\r\nX-More: {SECRET * 500}\r\n\r\n".encode(),
    ],
)
async def test_what_is_no_http_is_refused_and_its_bytes_stay_out_of_the_log(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with listening(web.Application(), "api", "127.0.0.1", 0, 1.0) as url:
            host, _, port = url.removeprefix("http://").partition(":")
            answer = await Socket(host=host, port=int(port)).say(request_bytes)

    head, _, body = answer.decode().partition("\r\n\r\n")
    problem = json.loads(body)
    assert " 400 " in head.splitlines()[0]
    assert "Content-Type: application/problem+json" in head
    assert f"X-Request-Id: {problem['request_id']}" in head
    formatted = "\n".join([caplog.text, *(str(r.exc_info) for r in caplog.records)])
    assert SECRET not in formatted + head + body
    assert "a request was not HTTP" in formatted
    assert problem["request_id"] in [getattr(r, "request_id", "") for r in caplog.records]
