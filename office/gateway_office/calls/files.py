"""Sends files that are written for a call, such as books and reports, and reads the span of days that they are about. In: a
call, a file's name, a function that writes it. Out: the file, complete before its first byte is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import BinaryIO

from aiohttp import web
from pydantic import Field

from gateway.api import downloads
from gateway.api.call import Call, download
from gateway.api.shapes import Day, RequestModel

_MEDIA: Mapping[str, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


class SpanQuery(RequestModel):
    """Days of one year."""

    since: Day | None = Field(None, alias="from", description="First day; the first of its year where absent")
    until: Day | None = Field(None, alias="to", description="Last day; today where absent")


async def written_file(
    call: Call, name: str, write: Callable[[BinaryIO], Awaitable[None]]
) -> web.StreamResponse:
    """Send a file that is written to a scratch file first, so that a failure is answered as one. HEAD writes nothing."""
    media = _MEDIA[name.rpartition(".")[2]]
    if call.request.method == "HEAD":
        return web.Response(content_type=media, headers={"Content-Disposition": downloads.disposition(name)})
    pool = call.deps.pool
    with call.deps.blobs.scratch() as scratch:
        await write(scratch.file)
        size = await pool.run(scratch.file.tell)
        await pool.run(partial(scratch.file.seek, 0))
        return await download(
            call,
            name=name,
            content_type=media,
            size=size,
            sha256=None,
            pieces=downloads.read(pool, scratch.file),
        )
