"""Checks the picture of an agency's emblem. In: a file that a person gave, which may be hostile. Out: a small PNG picture
for print, decoded and written anew by the process that draws pages. This process reads only the lengths, names and check
sums of a PNG's parts, and decodes nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from gateway.domain.agency_profile import EMBLEM_BYTES
from gateway.domain.pdf import PageWish
from gateway.errors import Clash
from gateway.ports.services import Pool
from gateway.store.blobs import FileBlobs
from gateway.trust.page_drawing.drawer import PNG, PageBox, PageDrawer

_LEAST_SIDE, _MOST_SIDE = 64, 1024
# 15 mm at 600 dots per inch, which printers have.
_PRINTED_SIDE = 360
_HEADER, _BODY, _END = b"IHDR", b"IDAT", b"IEND"


async def check(blobs: FileBlobs, pool: Pool, content: bytes, pages: PageDrawer | None = None) -> bytes:
    """Return the picture to keep and print; without `pages` a process is started for it. Raise Clash for a file
    that is too large, no PNG picture or a damaged one, or has a side that is too short or too long."""
    if len(content) > EMBLEM_BYTES:
        raise Clash(f"an emblem may have {EMBLEM_BYTES} bytes", code="GW-EMBLEM-SIZE")
    sides = read_sides(content)
    if min(sides) < _LEAST_SIDE or max(sides) > _MOST_SIDE:
        raise Clash(
            f"an emblem has {_LEAST_SIDE} to {_MOST_SIDE} pixels a side, this one {sides[0]} by {sides[1]}",
            code="GW-EMBLEM-SIZE",
        )
    wish = PageWish(kind="png", page=1, dots=min(100, 100 * _PRINTED_SIDE // max(sides)), as_png=True)
    with blobs.scratch() as scratch:
        await pool.run(partial(scratch.file.write, content))
        await pool.run(scratch.file.flush)
        with closing(PageBox(scratch.path.parent)) as box:
            look = await (pages or PageDrawer([box], pool)).draw(scratch.path, wish)
    if look.fault is not None or max(read_sides(look.picture)) > _PRINTED_SIDE:
        raise Clash(f"the emblem cannot be drawn: {look.fault} {look.detail}", code="GW-EMBLEM")
    return look.picture


def read_sides(content: bytes) -> tuple[int, int]:
    """Return width and height of a PNG picture that is whole, to its last byte. Raise Clash for any other file."""
    try:
        names = [*_read_parts(content)]
        if names[:1] != [_HEADER] or names.count(_HEADER) > 1 or _BODY not in names:
            raise ValueError("it has no picture, or two")
        if names.index(_END) < len(names) - 1:
            raise ValueError("there is something behind the picture")
        width, height = struct.unpack_from(">II", content, len(PNG) + 8)
    except (ValueError, struct.error) as cause:
        raise Clash(f"the emblem is no whole PNG picture: {cause}", code="GW-EMBLEM") from cause
    return width, height


def _read_parts(content: bytes) -> Iterator[bytes]:
    """Yield the names of a picture's parts. Raise ValueError or struct.error for a file that has others, or lacks bytes."""
    if not content.startswith(PNG):
        raise ValueError("it does not begin as one")
    place = len(PNG)
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        (check_sum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(content[place + 4 : end]) != check_sum:
            raise ValueError(f"its part {name!r} is damaged")
        yield name
        place = end + 4
