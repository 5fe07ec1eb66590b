"""One part of a file that a caller asks for (RFC 9110, 14), so that a download that broke off goes on where it stopped.
In: headers, the file's ETag and size. Out: the part, or that it lies outside; and its bytes from those of the file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

_ONE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


class _Unfit(Enum):
    UNFIT = "unfit"


UNFIT: Final = _Unfit.UNFIT


@dataclass(frozen=True, slots=True)
class Part:
    """From `first` to `last`, both counted in."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def asked(headers: Mapping[str, str], etag: str | None, size: int | None) -> Part | _Unfit | None:
    """None where the whole file is the answer: nothing was asked, several parts were, or of another version of the file."""
    match = _ONE.fullmatch(headers.get("Range", "").replace(" ", ""))
    if match is None or size is None or etag is None or headers.get("If-Range", etag).strip() != etag:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        wanted = min(int(last), size)
        return Part(size - wanted, size - 1) if wanted else UNFIT
    if int(first) >= size:
        return UNFIT
    if last and int(last) < int(first):
        return None
    return Part(int(first), min(int(last), size - 1) if last else size - 1)


async def cut(pieces: AsyncIterator[bytes], part: Part) -> AsyncIterator[bytes]:
    """The bytes of that part alone."""
    place = 0
    async for piece in pieces:
        begin, end = max(part.first - place, 0), min(part.last + 1 - place, len(piece))
        if begin < end:
            yield piece[begin:end]
        place += len(piece)
        if place > part.last:
            return
