"""Forms as they are read from the wire: bounded in bytes whatever their letters, whichever way they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.errors import BadForm
from gateway_office.domain.session import form_token
from gateway_office.web import forms

LIMIT = 3_000


async def answered(data: object, **headers: str) -> str:
    """Post a form; return its field `text`, or the code of the refusal."""

    async def read(request: web.Request) -> web.Response:
        try:
            form = await forms.read(request, None, LIMIT)
        except BadForm as error:
            return web.Response(text=error.code)
        return web.Response(text=form.text("text"))

    app = web.Application()
    app.router.add_post("/", read)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as http,
        http.post(server.make_url("/"), data=data, headers=headers) as answer,
    ):
        return await answer.text()


async def in_parts(*fields: tuple[str, bytes]) -> str:
    """Post a form in parts without its length, as some browsers do."""

    async def pieces() -> AsyncIterator[bytes]:
        for name, value in fields:
            yield (
                f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
            )
        yield b"--edge--\r\n"

    return await answered(pieces(), **{"Content-Type": "multipart/form-data; boundary=edge"})


async def test_a_form_in_parts_is_bounded_in_bytes_and_not_in_letters() -> None:
    assert await in_parts(("a", "ố".encode() * 400), ("text", "ộ".encode() * 400)) == "ộ" * 400
    assert await in_parts(("a", "ố".encode() * 600), ("text", "ộ".encode() * 600)) == "GW-FORM-SIZE"


async def test_bytes_that_are_no_text_are_counted_unchanged() -> None:
    assert await in_parts(("a", b"\xff" * 1_400), ("text", b"b" * 1_400)) == "b" * 1_400


async def test_names_count_as_well() -> None:
    assert await in_parts(*((f"n{n}" + "x" * 900, b"") for n in range(4))) == "GW-FORM-SIZE"


@pytest.mark.parametrize(("length", "expected"), [(2_900, "a" * 2_900), (3_000, "GW-FORM-SIZE")])
async def test_a_plain_form_is_bounded_with_its_names(length: int, expected: str) -> None:
    assert await answered({"text": "a" * length}) == expected


@pytest.mark.parametrize(("length", "returned"), [(9, 9), (10, 10), (200_000, 10)])
async def test_of_a_file_that_is_too_large_only_the_beginning_is_returned(length: int, returned: int) -> None:
    async def read(request: web.Request) -> web.Response:
        fields, content = await forms.read_file(request, "session", 200_000, "too large", memory_limit=10)
        return web.json_response([fields, len(content)])

    app = web.Application()
    app.router.add_post("/", read)
    data = aiohttp.FormData({"day": "1"})
    data.add_field("file", b"x" * length, filename="photo.png")
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as http,
        http.post(server.make_url("/"), data=data, headers={forms.HEADER: form_token("session")}) as answer,
    ):
        assert await answer.json() == [{"day": "1"}, returned]
