"""The promise of a file that is being written, and what is known of content: how it was taken, and how it is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from gateway.domain.identity import Digest

# Up to this size content touches no file for itself (a file and its folders cost more fsyncs than that many bytes in the
# journal): it is written by the unit of work that refers to it.
SMALL = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Content that the store took. Small content is still in memory: its bytes go with the unit that refers to it."""

    digest: Digest
    size: int
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """Content that may be read: the bytes of what is small, or None where they are in a file."""

    body: bytes | None = field(default=None, repr=False)


class Scratch(Protocol):
    """A file being written: it becomes a blob, or vanishes with its context."""

    @property
    def path(self) -> Path: ...

    @property
    def file(self) -> BinaryIO: ...

    def take(self, file: Path) -> bool:
        """It is that very file from now on, which nobody writes to any more, and nothing has to be copied. False where that
        cannot be, or the file is not ours alone: another place keeps it, or another user can read or write it."""

    def discard(self) -> None:
        """Closed and off the disk. Its context does so at the end; a thread of the pool that is done with a large file
        does it before, because taking it off the disk would hold up the event loop."""
