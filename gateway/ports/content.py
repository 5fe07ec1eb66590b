"""The promise of a file that is being written."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol


class Scratch(Protocol):
    """A file being written: it becomes a blob, or vanishes with its context."""

    @property
    def path(self) -> Path: ...

    @property
    def file(self) -> BinaryIO: ...

    def discard(self) -> None:
        """Closed and off the disk. Its context does so at the end; a thread of the pool that is done with a large file
        does it before, because taking it off the disk would hold up the event loop."""
