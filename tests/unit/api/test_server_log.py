"""Requests that are not HTTP are answered shortly, and no byte of them reaches the log: a key may be among them."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from gateway.api.app import server_log
from tests.support.waiting import within_limit

SECRET = "gwk_must-not-be-logged"


async def answered(request: bytes) -> bytes:
    """What a bare server answers to these bytes, its complaints in our log."""
    runner = web.AppRunner(web.Application(), access_log=None, logger=server_log())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(request)
        try:
            return await within_limit(reader.read(), "the answer")
        finally:
            writer.close()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\x01\r\n\r\n".encode(),
        f"GET /{SECRET} HTTP/9\r\n\r\n".encode(),
        f"{SECRET}\r\n\r\n".encode(),
    ],
)
async def test_what_is_no_http_is_refused_and_its_bytes_stay_out_of_the_log(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await answered(request_bytes)

    formatted = "\n".join([caplog.text, *(str(each.exc_info) for each in caplog.records)])
    assert b" 400 " in answer.splitlines()[0]
    assert SECRET not in formatted
    assert "a request was not HTTP" in formatted
