"""Multipart bodies, for the API and the forms of the pages. In: a request. Out: a reader whose parts parse their own name
and file name once and as a whole: a quoted name may have semicolons, at which the library would split its header. The bytes
of a part are passed on as they come: scanned once for the boundary, and not copied."""

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
from aiohttp.http import HttpProcessingError

# Errors of the library for a boundary, header or ending that is wrong or cut off. An unreadable disposition is a warning,
# and an error where warnings are errors.
MULTIPART_FAULTS = (
    ValueError,
    HttpProcessingError,
    web.RequestPayloadError,
    ConnectionError,
    RuntimeWarning,
)
# A part needs a disposition and a type; more and longer headers are an attack, not a document.
_HEADERS = 16
_HEADER_BYTES = 8190
# As nearly all programs write it; the library, which parses anything else, makes a pattern of 128 letters for each value.
_USUAL = re.compile(r'form-data; name="([^"\\/;][^"\\;]*)"(?:; filename="([^"\\/;][^"\\;]*)")?')
_IN_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*"')
_SEMICOLON = "\ue03b"  # from the private use area, without a meaning


class _Part(BodyPartReader):
    """A part that parses its disposition once, as parsing anew for each value is costly in the library. Its bytes come in
    pieces of any size: the library would cut them to one size, and join pairs to find a boundary."""

    _held_back = b""
    _is_begun = False

    @property
    def name(self) -> str | None:
        return _parse_names(self.headers.get("Content-Disposition"))[0]

    @property
    def filename(self) -> str | None:
        return _parse_names(self.headers.get("Content-Disposition"))[1]

    async def read_chunk(self, size: int = 0) -> bytes:
        """Return the next bytes; `size` is ignored. Empty at the end; ValueError where the boundary is missing."""
        while not self._at_eof:
            received = await self._content.readany()
            if not received:
                raise ValueError("the body ends before its last boundary")
            if piece := self._before_boundary(self._held_back + received):
                return piece
        return b""

    def _before_boundary(self, received: bytes) -> bytes:
        """Return the bytes that surely belong to this part. A possible part of a boundary is held back; bytes behind a
        whole one are left for the next part's reader."""
        mark = b"\r\n" + self._boundary
        if not self._is_begun:
            # In a part without any bytes the line end before its boundary belongs to its head.
            if received.startswith(self._boundary):
                self._end(received)
                return b""
            if self._boundary.startswith(received):
                self._held_back = received
                return b""
            self._is_begun = True
        at = received.find(mark)
        if at >= 0:
            self._end(received[at + 2 :])
            return received[:at]
        at = received.rfind(b"\r", max(0, len(received) - len(mark) + 1))
        if at >= 0 and mark.startswith(received[at:]):
            self._held_back = received[at:]
            return received[:at]
        self._held_back = b""
        return received

    def _end(self, follows: bytes) -> None:
        self._at_eof = True
        # The library has no other way to give bytes back, and uses it itself.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._content.unread_data(follows)


class _Parts(MultipartReader):
    part_reader_cls = _Part

    async def next(self) -> MultipartReader | BodyPartReader | None:
        """Return the next part. The library's own parses the disposition of each part to look for a `_charset_`: here
        that is a part like any other, because all text is UTF-8."""
        if self._at_eof:
            return None
        await self._maybe_release_last_part()
        if self._at_bof:
            await self._read_until_first_boundary()
            self._at_bof = False
        else:
            await self._read_boundary()
        if self._at_eof:
            return None
        self._last_part = await self.fetch_next_part()
        return self._last_part


def reader(request: web.Request) -> MultipartReader:
    """Make the reader; ValueError where the content type names no valid boundary."""
    return _Parts(request.headers, request.content, max_field_size=_HEADER_BYTES, max_headers=_HEADERS)


@lru_cache(maxsize=64)
def _parse_names(disposition: str | None) -> tuple[str | None, str | None]:
    if usual := _USUAL.fullmatch(disposition or ""):
        return usual[1], usual[2]
    masked = _IN_QUOTES.sub(lambda match: match[0].replace(";", _SEMICOLON), disposition or "")
    _, params = parse_content_disposition(masked)
    name, file = content_disposition_filename(params, "name"), content_disposition_filename(params)
    return _with_semicolons(name), _with_semicolons(file)


def _with_semicolons(text: str | None) -> str | None:
    return text.replace(_SEMICOLON, ";") if text is not None else None
