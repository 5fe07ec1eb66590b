"""Asks the drawing process (`child`) for a page, within a time limit. In: the path of a file, and a wish. Out: a
`PageLook`. A file that is too large, takes too long or kills the process gets a fault, and the next file a new process.
Each picture is checked before it is passed on. A process draws many files, then it is replaced."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from gateway.domain.pdf import DRAWN_KINDS, PageLook, PageWish
from gateway.ports.services import Pool
from gateway.trust.apart import MB, KeptProcess, Lent, ReaderProcess, ReadingLimits

_MOST_PICTURE = 8 * MB
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingLimits(ReadingLimits):
    """Limits for drawing one page."""

    seconds: float = 8.0
    memory: int = 1024 * MB


class PageBox(KeptProcess):
    """Drawing process. It can read only files in `folder` and the fonts."""

    module = "gateway.trust.page_drawing.child"
    max_questions = 500
    area = "PAGE"
    does = ("drawing it", "the process that draws pages")

    def __init__(self, folder: Path, limits: DrawingLimits | None = None) -> None:
        super().__init__(folder, limits or DrawingLimits())

    def draw(self, path: Path, wish: PageWish) -> PageLook:
        """Return the drawn page. Raise StoreFailure when the file cannot be opened."""
        look = self.look(path, {"wish": asdict(wish)}, parse_look, PageLook)
        if look.picture and not is_picture(look.picture, as_png=wish.as_png):
            return PageLook(fault="PAGE-READER", detail="what was drawn is no picture")
        return look

    def _start(self) -> ReaderProcess:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return super()._start()


@cache
def _look() -> TypeAdapter[PageLook]:
    """Return the parser of looks, made once when the first page is drawn."""
    return TypeAdapter(PageLook)


def write_look(look: PageLook) -> bytes:
    """Return a look as one line, as the process answers."""
    bare = _look().dump_python(replace(look, picture=b""), mode="json")
    return json.dumps({"look": bare, "picture": b64encode(look.picture).decode()}).encode()


def parse_look(line: bytes) -> PageLook:
    """Return the look in a line of `write_look`; raise ValueError, KeyError or TypeError for any other."""
    part = json.loads(line)
    return replace(_look().validate_python(part["look"]), picture=b64decode(part["picture"], validate=True))


def is_picture(octets: bytes, *, as_png: bool = False) -> bool:
    """Tell whether these are the first bytes of a WebP picture, or a PNG one, of a plausible size."""
    is_begun = octets.startswith(PNG) if as_png else octets[:4] == b"RIFF" and octets[8:12] == b"WEBP"
    return is_begun and len(octets) <= _MOST_PICTURE


class PageDrawer:
    """Drawer of pages with several drawing processes."""

    def __init__(self, boxes: Sequence[PageBox], pool: Pool) -> None:
        self._boxes = Lent(boxes, pool)

    def can_draw(self, kind: str) -> bool:
        return kind in DRAWN_KINDS

    async def draw(self, path: Path, wish: PageWish) -> PageLook:
        return await self._boxes.run(lambda box: box.draw(path, wish))

    async def warm(self) -> None:
        await self._boxes.run(PageBox.warm)
