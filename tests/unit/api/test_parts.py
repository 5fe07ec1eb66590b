"""Bodies in parts as they come off the line: in pieces that end anywhere, each handed on once and uncopied, with the same
parts as the library's own reader finds."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from unittest.mock import patch

import pytest
from aiohttp import BodyPartReader, MultipartReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api import parts

TYPE = "multipart/form-data; boundary=b0und"
HEAD = b'Content-Disposition: form-data; name="lead"; filename="a.pdf"\r\n\r\n'
CONTENTS = (b"", b"%PDF-1.7", b"\r\n--b0un", b"\r\n\r\n--b0und"[:8], b"\r", b"a\r\n--", b"--b0un", bytes(300))


def body(contents: Sequence[bytes]) -> bytes:
    body_bytes = b"".join(b"--b0und\r\n" + HEAD + content + b"\r\n" for content in contents)
    return body_bytes + b"--b0und--\r\n"


def fed(pieces: Sequence[bytes]) -> StreamReader:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**18, loop=loop)
    for piece in pieces:
        content.feed_data(piece)
    content.feed_eof()
    return content


async def read(reader: MultipartReader) -> list[bytes]:
    contents = []
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        contents.append(bytes(await part.read()))
    return contents


async def ours(pieces: Sequence[bytes]) -> list[bytes]:
    request = make_mocked_request("POST", "/", headers={"Content-Type": TYPE}, payload=fed(pieces))
    return await read(parts.reader(request))


def cut(body_bytes: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({0, *(place % len(body_bytes) for place in places), len(body_bytes)})
    return [body_bytes[a:b] for a, b in pairwise(ends)]


@given(
    st.lists(st.sampled_from(CONTENTS), min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=8)
)
def test_parts_are_the_same_wherever_the_pieces_end_as_in_the_librarys_reader(
    contents: list[bytes], places: list[int]
) -> None:
    body_bytes = body(contents)

    async def both() -> tuple[list[bytes], list[bytes]]:
        theirs = MultipartReader({"Content-Type": TYPE}, fed([body_bytes]))
        return await ours(cut(body_bytes, places)), await read(theirs)

    assert asyncio.run(both()) == (contents, contents)


async def test_bytes_one_by_one_are_the_same_parts() -> None:
    body_bytes = body(CONTENTS)

    assert await ours([body_bytes[n : n + 1] for n in range(len(body_bytes))]) == list(CONTENTS)


async def test_a_piece_is_handed_on_as_it_came_and_not_copied() -> None:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**18, loop=loop)
    request = make_mocked_request("POST", "/", headers={"Content-Type": TYPE}, payload=content)
    content.feed_data(b"--b0und\r\n" + HEAD)
    part = await parts.reader(request).next()
    assert isinstance(part, BodyPartReader)
    for n in range(3):
        piece = bytes([n]) * 100_000
        content.feed_data(piece)
        assert await part.read_chunk() is piece
    content.feed_data(b"\r\n--b0und--\r\n")
    assert (await part.read_chunk(), part.at_eof()) == (b"", True)


@pytest.mark.parametrize("end", [0, 1, 5, 9, 12])
async def test_a_body_that_ends_before_its_last_boundary_is_an_error(end: int) -> None:
    body_bytes = b"--b0und\r\n" + HEAD + b"content" + b"\r\n--b0und"[:end]
    with pytest.raises(ValueError, match=r"ends before|Invalid boundary"):
        await ours([body_bytes])


async def test_what_follows_the_letters_of_a_boundary_is_no_boundary_and_no_part() -> None:
    with pytest.raises(ValueError, match="Invalid boundary"):
        await ours([b"--b0und\r\n" + HEAD + b"content\r\n--b0undx\r\n--b0und--\r\n"])


async def test_a_part_that_is_passed_over_leaves_the_next_one_complete() -> None:
    async def file_names() -> AsyncIterator[str | None]:
        request = make_mocked_request(
            "POST",
            "/",
            headers={"Content-Type": TYPE},
            payload=fed(cut(body([bytes(500), b"two"]), [100, 300])),
        )
        reader = parts.reader(request)
        await reader.next()
        part = await reader.next()
        assert isinstance(part, BodyPartReader)
        yield part.filename
        assert bytes(await part.read()) == b"two"

    assert [name async for name in file_names()] == ["a.pdf"]


_WORDS = st.text(st.sampled_from("ab\"\\/; %*='đ."), max_size=8)


@given(name=_WORDS, file=st.none() | _WORDS, between=st.sampled_from(["; ", ";"]))
@example(name="lead", file="a;b.pdf", between="; ")
@example(name="/lead", file="\\a.pdf", between="; ")
def test_a_name_that_nobody_has_to_look_at_closely_is_what_the_library_finds(
    name: str, file: str | None, between: str
) -> None:
    disposition = f'form-data{between}name="{name}"' + (
        f'{between}filename="{file}"' if file is not None else ""
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with patch.object(parts, "_USUAL", re.compile(r"(?!)")):
            closely = parts._parse_names.__wrapped__(disposition)
        assert parts._parse_names.__wrapped__(disposition) == closely


async def test_the_library_parses_no_usual_disposition() -> None:
    with (
        patch("aiohttp.multipart.parse_content_disposition", side_effect=AssertionError),
        patch.object(parts, "parse_content_disposition", side_effect=AssertionError),
    ):
        request = make_mocked_request(
            "POST", "/", headers={"Content-Type": TYPE}, payload=fed([body([b"one", b"two"])])
        )
        reader, names = parts.reader(request), []
        while (part := await reader.next()) is not None:
            assert isinstance(part, BodyPartReader)
            names.append((part.name, part.filename))
    assert names == [("lead", "a.pdf")] * 2


@pytest.mark.parametrize("charset", [b"utf-8", b"x" * 40])
async def test_a_part_that_names_a_charset_is_a_part_like_any_other(charset: bytes) -> None:
    body_bytes = body([b"content"])
    charset_part = b'--b0und\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n' + charset + b"\r\n"
    assert await ours([charset_part + body_bytes]) == [charset, b"content"]
