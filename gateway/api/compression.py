"""Compress large answers for callers that accept gzip. In: a request and its answer. Out: the same answer, or its gzip form
with the headers that say so. Only answers to programs and documentation pages are compressed: their callers send a key in a
header, so that strangers cannot trigger them, and they hold no secret of the caller. A signed-in person's page has a form
token beside foreign text, and is never compressed (BREACH). Lists mix texts of several senders, which an observer of the
line could guess by their length; so the output is longer by a random number that depends on the content alone: repeating a
request does not help."""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import partial

from aiohttp import web

from gateway import random_source
from gateway.ports.services import Pool

LEAST = 2048
"""Bytes; a shorter answer hardly takes fewer packets."""
PACKED_TYPES = frozenset({"application/json", "text/html"})
VARIES = "Accept-Language, Accept-Encoding"
_AT_ONCE = 64 * 1024
_MOST_LONGER = 128
_SECRET = random_source.token_bytes(16)
_FAST = 1


def takes_gzip(accepted: str) -> bool:
    """Tell whether a header Accept-Encoding accepts gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for entry_text in accepted.split(","):
        coding, *params = (part.strip().lower() for part in entry_text.split(";"))
        q_values = [param.removeprefix("q=").strip() for param in params if param.startswith("q=")]
        # A weight is zero or not; a text that is no number says nothing.
        weights[coding] = not (q_values and q_values[0].strip("0") in ("", "."))
    return weights.get("gzip", weights.get("*", False))


async def compress(request: web.Request, answer: web.StreamResponse, pool: Pool) -> web.StreamResponse:
    """Return the answer in the caller's encoding. One with an ETag keeps its bytes: a version names one form of them."""
    is_read = request.method in ("GET", "HEAD") and answer.content_type in PACKED_TYPES
    if not is_read or not isinstance(answer, web.Response) or "ETag" in answer.headers:
        return answer
    answer.headers["Vary"] = VARIES
    body = answer.body
    if not isinstance(body, bytes) or len(body) < LEAST:
        return answer
    if takes_gzip(request.headers.get("Accept-Encoding", "")):
        answer.body = gzip(body) if len(body) <= _AT_ONCE else await pool.run(partial(gzip, body))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def gzip(body: bytes) -> bytes:
    """Compress with a file name of varying length, which readers skip (RFC 1952)."""
    padding_length = hashlib.blake2b(body, key=_SECRET, digest_size=1).digest()[0] % _MOST_LONGER
    head = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * padding_length + b"\0"
    packer = zlib.compressobj(_FAST, zlib.DEFLATED, -15)
    return head + packer.compress(body) + packer.flush() + struct.pack("<2L", zlib.crc32(body), len(body))
