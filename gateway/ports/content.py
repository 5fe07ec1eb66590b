"""Port of the bucket that has large content beside the folder. In: a file whose digest is known; the name of an object in a
row. Out: an object that is durable once it has a name, functions that open content, deleted objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from gateway.domain.identity import Digest


class ContentBucket(Protocol):
    """The bucket as the content store uses it. ContentStoreDown for everything that it does not do."""

    @property
    def takes_new(self) -> bool:
        """True where new large content is stored in it, else in the folder."""

    def share(self, file: Path) -> Callable[[], BinaryIO]:
        """Return a function that opens the file, also when it has lost its name."""

    async def store(self, source: Path, digest: Digest) -> str:
        """Store a file's content, and return the name of its object, which is never used twice."""

    def opener(
        self, digest: Digest, name: str | None, file: Path, *, is_file: bool
    ) -> Callable[[], BinaryIO]:
        """Return a function that opens content, proved by its digest; `name` is that of the row."""

    async def remove(self, name: str) -> None:
        """Delete an object that no row names any more."""

    async def sweep(self, grace: timedelta, is_held: Callable[[], Awaitable[bool]]) -> int:
        """Delete objects that no row names, and return how many."""

    async def try_out(self) -> None:
        """Store and delete a small object."""
