"""The promises around the sealed hold: its rows, the sealing itself, and the place apart where sealed bytes lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from gateway.domain.hold import Hold, HoldState
from gateway.domain.identity import Digest
from gateway.ports.content import Scratch
from gateway.ports.rows import Page


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


class Sealer(Protocol):
    """Seals for one recipient whose private key is not on this node. Sync: call it in the pool."""

    @property
    def fingerprint(self) -> str:
        """Of the recipient's key."""

    def seal(self, pieces: Iterable[bytes], target: BinaryIO, label: str) -> None:
        """Writes the sealed form; only the recipient's key opens it, and only under the same label."""


class Unsealer(Protocol):
    """Opens with the recipient's private key, which is given for this act alone. Sync: call it in the pool."""

    @property
    def fingerprint(self) -> str: ...

    def unseal(self, source: BinaryIO, label: str) -> Iterator[bytes]:
        """The bytes, each proved before it is given. Denied for what was sealed for another key, StoreFailure for what
        was changed, cut off or exchanged."""


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
