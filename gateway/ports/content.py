"""The promises of content: a file that is being written, what is known of content once it is taken, and the sealed
hold: its rows, the sealing itself, and the place apart where sealed bytes lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from gateway.domain.hold import Hold, HoldState
from gateway.domain.identity import Digest
from gateway.ports.queues import Page

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
class ReadableContent:
    """Content that may be read: the bytes of what is small, or None where they are in a file."""

    body: bytes | None = field(default=None, repr=False)


class Readable(Protocol):
    """What can be read from its beginning as often as one likes: a path, or what is in no file."""

    @property
    def name(self) -> str: ...

    def open(self, mode: Literal["rb"], /) -> BinaryIO: ...


def size_of(file: Readable) -> int:
    """OSError where it cannot be opened."""
    with file.open("rb") as opened:
        return opened.seek(0, SEEK_END)


class Scratch(Protocol):
    """A file being written: it becomes a blob, or vanishes with its context."""

    @property
    def path(self) -> Path: ...

    @property
    def file(self) -> BinaryIO:
        """Asked for before each writing: what grows may be another one from then on."""

    @property
    def content(self) -> Readable:
        """What was written so far, to be read."""

    def take(self, file: Path) -> bool:
        """It is that very file from now on, which nobody writes to any more, and nothing has to be copied. False where that
        cannot be, or the file is not ours alone: another place keeps it, or another user can read or write it."""

    def discard(self) -> None:
        """Closed and off the disk. Its context does so at the end; a thread of the pool that is done with a large file
        does it before, because taking it off the disk would hold up the event loop."""


class Holds(Protocol):
    """The incidents of one agency; they are never removed."""

    async def add(self, hold: Hold) -> None:
        """Clash while another hold of the same subject is open."""

    async def get(self, id: str) -> Hold: ...

    async def save(self, hold: Hold) -> None: ...

    async def open_of(self, subject_id: str) -> Hold | None:
        """The hold under which this document or packet is now."""

    async def keeps(self, digest: Digest) -> bool:
        """Whether content with this digest is held here, or was purged: it must not be stored again."""

    async def page(
        self, *, limit: int, states: Sequence[HoldState] = (), cursor: str | None = None
    ) -> Page[Hold]: ...


class ByteSource(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; fewer at the end only."""


class ByteTarget(Protocol):
    def write(self, data: bytes, /) -> int: ...


class Sealer(Protocol):
    """Seals for one recipient whose private key is not on this node. Sync: call it in the pool."""

    @property
    def fingerprint(self) -> str:
        """Of the recipient's key."""

    def seal(self, source: ByteSource, target: ByteTarget) -> None:
        """Writes the sealed form, which only the recipient's key opens."""


class Unsealer(Protocol):
    """Opens with the recipient's private key, which is given for this act alone. Sync: call it in the pool."""

    @property
    def fingerprint(self) -> str: ...

    def unseal(self, source: BinaryIO, target: ByteTarget) -> None:
        """The bytes, each proved before it is given. Denied for what was sealed for another key, StoreFailure for what
        was changed or cut off. Whether it is the content that was wanted, its digest tells."""


class Vault(Protocol):
    """Sealed bytes apart from the content store: in no backup, and read by nothing but this."""

    async def put(self, hold_id: str, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
        """Durable on return; the SHA-256 of what `write` wrote. Again is harmless: the newer stays."""

    async def open(self, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        """NotFound when it is not here, such as after a restore."""

    def scratch(self, hold_id: str) -> AbstractContextManager[Scratch]:
        """A file for plain bytes on their way back to the content store; what a crash leaves of it, `tidy` removes."""

    async def tidy(self, hold_id: str) -> None:
        """No half-written and no plain file of that hold is left."""

    async def remove(self, hold_id: str) -> None:
        """Everything of that hold; harmless when there is nothing."""
