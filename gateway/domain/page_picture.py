"""Pages of a file as pictures: what is asked, what came of it, and how large a picture is. Frozen values; nothing here
opens a file. Sizes are in points (1/72 inch) as a reader sees the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.domain.pdf import Size

# A sheet of A4 at 200 dots to the inch has 3.9 million; what is larger is drawn coarser, never cut.
MOST_PIXELS = 4_000_000
LONGEST_SIDE = 8_000
MOST_PAGES = 5_000
# Of these kinds a picture is made; by the short words of the inspector.
DRAWN_KINDS = frozenset({"pdf", "jpeg", "png"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWish:
    """One page of a file as a picture at so many dots to the inch, with the sizes of `window` pages from it on; with
    `words` the text of those pages instead of the picture."""

    kind: str
    page: int
    dots: int = 100
    window: int = 1
    words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLook:
    """What came of a wish. `pages` counts all of the file, `sizes` and `words` are those of the pages from the wished one
    on, `picture` is WebP. `fault` is a word for why there is nothing to see."""

    pages: int = 0
    sizes: tuple[Size, ...] = ()
    picture: bytes = b""
    words: tuple[str, ...] = ()
    fault: str | None = None
    detail: str = ""


def pixels(size: Size, dots: int) -> tuple[int, int]:
    """Width and height of the picture of a page of that size."""
    scale = fitting_scale(size, dots)
    return max(1, math.ceil(size.width * scale)), max(1, math.ceil(size.height * scale))


def fitting_scale(size: Size, dots: int) -> float:
    """Pixels for a point, so that no picture is over the limits."""
    by_area = math.sqrt(MOST_PIXELS / (size.width * size.height))
    by_side = LONGEST_SIDE / max(size.width, size.height)
    return min(dots / 72, by_area, by_side)
