"""A body in parts, as the API and the forms of the pages take it. In: a request. Out: a reader whose parts tell their own
name and that of their file once and whole: a name in quotes may have semicolons, at which the library parts its header.
The bytes of a part are handed on as they came off the line: looked through once for the boundary, and not copied."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from aiohttp import (
    BodyPartReader,
    MultipartReader,
    content_disposition_filename,
    parse_content_disposition,
    web,
)

# A part needs a disposition and a type; more and longer headers are an attack, not a document.
_HEADERS = 16
_HEADER_BYTES = 8190
_IN_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*"')
_SEMICOLON = "\ue03b"  # of those letters that nobody gives a meaning


class _Part(BodyPartReader):
    """Its disposition is taken apart once, and not anew for each word of it, which is dear in the library. Its bytes come
    in pieces of any size: the library cuts them to one size, and joins each two to find a boundary between them."""

    _held = b""
    _is_begun = False

    @property
    def name(self) -> str | None:
        return _words_of(self.headers.get("Content-Disposition"))[0]

    @property
    def filename(self) -> str | None:
        return _words_of(self.headers.get("Content-Disposition"))[1]

    async def read_chunk(self, size: int = 0) -> bytes:
        """What came next; `size` is no matter. Empty at its end alone; ValueError where the body ends before it does."""
        while not self._at_eof:
            came = await self._content.readany()
            if not came:
                raise ValueError("the body ends before its last boundary")
            if piece := self._before_boundary(self._held + came):
                return piece
        return b""

    def _before_boundary(self, came: bytes) -> bytes:
        """As much of it as is surely the part's own. What may be a boundary that is not whole yet is held; what follows a
        whole one is left for the reader of the next part."""
        mark = b"\r\n" + self._boundary
        if not self._is_begun:
            # A part without any bytes: the line end before its boundary was that of its head.
            if came.startswith(self._boundary):
                self._end(came)
                return b""
            if self._boundary.startswith(came):
                self._held = came
                return b""
            self._is_begun = True
        at = came.find(mark)
        if at >= 0:
            self._end(came[at + 2 :])
            return came[:at]
        at = came.rfind(b"\r", max(0, len(came) - len(mark) + 1))
        if at >= 0 and mark.startswith(came[at:]):
            self._held = came[at:]
            return came[:at]
        self._held = b""
        return came

    def _end(self, follows: bytes) -> None:
        self._at_eof = True
        # The library has no other way to give bytes back, and uses it so itself.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._content.unread_data(follows)


class _Parts(MultipartReader):
    part_reader_cls = _Part


def reader(request: web.Request) -> MultipartReader:
    """ValueError where its type names no boundary that can be."""
    return _Parts(request.headers, request.content, max_field_size=_HEADER_BYTES, max_headers=_HEADERS)


@lru_cache(maxsize=64)
def _words_of(disposition: str | None) -> tuple[str | None, str | None]:
    whole = _IN_QUOTES.sub(lambda found: found[0].replace(";", _SEMICOLON), disposition or "")
    _, params = parse_content_disposition(whole)
    name, file = content_disposition_filename(params, "name"), content_disposition_filename(params)
    return _with_semicolons(name), _with_semicolons(file)


def _with_semicolons(text: str | None) -> str | None:
    return text.replace(_SEMICOLON, ";") if text is not None else None
