"""A body in parts, as the API and the forms of the pages take it. In: a request. Out: a reader whose parts tell their own
name and that of their file once and whole: a name in quotes may have semicolons, at which the library parts its header."""

from __future__ import annotations

import re
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
    """Its disposition is taken apart once, and not anew for each word of it, which is dear in the library."""

    @property
    def name(self) -> str | None:
        return _words_of(self.headers.get("Content-Disposition"))[0]

    @property
    def filename(self) -> str | None:
        return _words_of(self.headers.get("Content-Disposition"))[1]


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
