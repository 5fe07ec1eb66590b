"""Asks the drawing process (`child`) for a page and waits no longer than the limit. In: the path of a file, and a wish.
Out: a `PageLook`; too long, too large or a process that died is a fault of that file, and the next file gets a new
process. What comes back is looked at before anybody is given it as a picture. A process is kept from file to file and
ended after many."""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from gateway.domain.page_picture import DRAWN_KINDS, PageLook, PageWish
from gateway.errors import StoreFailure
from gateway.ports import Pool
from gateway.trust.apart import GRACE_S, ReaderProcess

_MB = 1024 * 1024
_MODULE = "gateway.trust.page_drawing.child"
_LOOK = TypeAdapter(PageLook)
_MOST_ASKED = 500
_MOST_PICTURE = 8 * _MB
LIMIT, READER = "PAGE-LIMIT", "PAGE-READER"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingLimits:
    """What one page may cost."""

    max_bytes: int = 100 * _MB
    seconds: float = 8.0
    start_seconds: float = 60.0
    memory: int = 1024 * _MB


class PageBox:
    """One drawing process, started at the first question and kept; questions wait for each other. `folder` is where the
    files lie that it is asked about: it reads nothing else."""

    def __init__(self, folder: Path, limits: DrawingLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or DrawingLimits()
        self._turn = threading.Lock()
        self._process: ReaderProcess | None = None

    def draw(self, path: Path, wish: PageWish) -> PageLook:
        """StoreFailure when the file itself cannot be opened."""
        try:
            size = path.stat().st_size
        except OSError as error:
            raise StoreFailure(f"file {path.name} cannot be read: {error.strerror}") from error
        if size > self._limits.max_bytes:
            return PageLook(fault=LIMIT, detail=f"it is larger than {self._limits.max_bytes // _MB} MB")
        with self._turn:
            return self._asked({"path": str(path.resolve()), "wish": asdict(wish)})

    def warm(self) -> None:
        """Has the process running before somebody waits for it."""
        with self._turn:
            if self._process is None:
                try:
                    self._started()
                except (OSError, EOFError):
                    self._end()

    def close(self) -> None:
        """Ends the process, also in the middle of a file: who closes the node does not wait for it."""
        if (process := self._process) is not None:
            process.kill()
        with self._turn:
            self._end()

    def _asked(self, asked: dict[str, object]) -> PageLook:
        if self._process is not None and self._process.is_gone:
            self._end()
        try:
            process = self._process or self._started()
            look = read(process.ask(asked, self._limits.seconds))
        except TimeoutError:
            self._end()
            return PageLook(fault=LIMIT, detail=f"drawing it takes longer than {self._limits.seconds:.0f} s")
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            self._end()
            return PageLook(fault=READER, detail="the process that draws pages ended, or did not start")
        # What the libraries keep of old files counts against the memory of later ones.
        if look.fault == LIMIT or process.asked >= _MOST_ASKED:
            self._end()
        if look.picture and not is_picture(look.picture):
            return PageLook(fault=READER, detail="what was drawn is no picture")
        return look

    def _started(self) -> ReaderProcess:
        """A process that is warm and fenced in. EOFError when it does not come up."""
        limits = self._limits
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = [str(limits.memory), str(limits.seconds + GRACE_S), str(self._folder.resolve())]
        self._process = process = ReaderProcess(_MODULE, told)
        try:
            process.answer(limits.start_seconds)
        except TimeoutError as why:
            raise EOFError from why
        return process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def written(look: PageLook) -> bytes:
    """As the process says it, in one line."""
    bare = _LOOK.dump_python(replace(look, picture=b""), mode="json")
    return json.dumps({"look": bare, "picture": b64encode(look.picture).decode()}).encode()


def read(line: bytes) -> PageLook:
    """ValueError, KeyError or TypeError for what is no such line."""
    told = json.loads(line)
    return replace(_LOOK.validate_python(told["look"]), picture=b64decode(told["picture"], validate=True))


def is_picture(octets: bytes) -> bool:
    """WebP by its frame, of a size that a page has."""
    return octets[:4] == b"RIFF" and octets[8:12] == b"WEBP" and len(octets) <= _MOST_PICTURE


class PageDrawer:
    """Keeps the promise of `ports.Pages` over boxes, as many files at a time as there are of them; each waits in a thread
    of the pool. The one used last is taken first: its process is warm, and others need not start."""

    def __init__(self, boxes: Sequence[PageBox], pool: Pool) -> None:
        self._free: asyncio.LifoQueue[PageBox] = asyncio.LifoQueue()
        for box in reversed(boxes):
            self._free.put_nowait(box)
        self._pool = pool

    def can_draw(self, kind: str) -> bool:
        return kind in DRAWN_KINDS

    async def draw(self, path: Path, wish: PageWish) -> PageLook:
        async with self._one() as box:
            return await self._pool.run(partial(box.draw, path, wish))

    async def warm(self) -> None:
        async with self._one() as box:
            await self._pool.run(box.warm)

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[PageBox]:
        box = await self._free.get()
        try:
            yield box
        finally:
            self._free.put_nowait(box)
