"""Large answers, made small for callers that take gzip. In: a request and its answer. Out: the same answer, or its packed
form, with the headers that say so. Packed are what programs read and the pages of the documentation: nobody can make
another's program ask, since its key stands in a header, and none of these answers holds a secret of the caller's. A
page of a signed-in person has its form's token beside words that others wrote, and is never packed (BREACH). Lists have
the text of several senders side by side, which somebody who watches the line could try to guess by their length; so a
packed answer is longer than it need be, by a number that nobody can tell beforehand and that its content alone changes:
asking for the same again and again does not help."""

from __future__ import annotations

import hashlib
import secrets
import struct
import zlib
from functools import partial

from aiohttp import web

from gateway.ports.services import Pool

LEAST = 2048
"""Bytes; less than that hardly takes fewer packets."""
PACKED_TYPES = frozenset({"application/json", "text/html"})
VARIES = "Accept-Language, Accept-Encoding"
_AT_ONCE = 64 * 1024
_MOST_LONGER = 128
_SECRET = secrets.token_bytes(16)
_FAST = 1


def takes_gzip(accepted: str) -> bool:
    """Whether a header Accept-Encoding takes it (RFC 9110, 12.5.3)."""
    weights = {}
    for each in accepted.split(","):
        coding, *params = (part.strip().lower() for part in each.split(";"))
        given = [param.removeprefix("q=").strip() for param in params if param.startswith("q=")]
        # A weight is zero, or is not; one that is no number says nothing.
        weights[coding] = not (given and given[0].strip("0") in ("", "."))
    return weights.get("gzip", weights.get("*", False))


async def packed(request: web.Request, answer: web.StreamResponse, pool: Pool) -> web.StreamResponse:
    """The answer as that caller takes it. What is read by its version keeps its bytes: a version names one form of them."""
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
    """With a name of such a length, which readers pass over (RFC 1952)."""
    longer = hashlib.blake2b(body, key=_SECRET, digest_size=1).digest()[0] % _MOST_LONGER
    head = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * longer + b"\0"
    packer = zlib.compressobj(_FAST, zlib.DEFLATED, -15)
    return head + packer.compress(body) + packer.flush() + struct.pack("<2L", zlib.crc32(body), len(body))
