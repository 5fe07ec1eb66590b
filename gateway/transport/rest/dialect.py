"""The differences between the axes that are asked over HTTP: the promise of a dialect, its values, and helpers of all
dialects. In: the credentials of a system and a request. Out: what the axis says, in our words; or an error of `line`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from gateway.ports.axis import Parcel
from gateway.ports.services import Pool
from gateway.transport.rest.systems import System

ID = re.compile(r"[!-~]{1,200}")
"""Form of an id that a call can name."""
_LONGEST = 300


def text(row: Mapping[str, Any], name: str) -> str:
    """Return a value that may be absent, null, or a number."""
    value = row.get(name)
    return "" if value is None or value == "null" else printable(str(value))


def printable(raw: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in raw[:_LONGEST]).strip()


def read_codes(codes: str) -> frozenset[str]:
    """Read codes with commas between them."""
    return frozenset(code.strip() for code in codes.split(",") if code.strip())


DOCUMENTS, STATUSES = "edoc", "status"
KINDS = (DOCUMENTS, STATUSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One packet that waits at the axis. `sender` and `to` as the axis has them, which may be a system's."""

    doc_id: str
    sender: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InSentList:
    """One line of the axis's list of what we sent."""

    doc_id: str
    sender: str
    to: str
    notation: str
    title: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAgency:
    """One agency that the axis knows; `old` is its code of 2016, where it says so."""

    code: str
    name: str
    parent: str = ""
    old: str = ""
    mail: str = ""


Out = Callable[[bytes], object]


class Dialect(Protocol):
    """One way to speak to a foreign axis."""

    name: str
    lists_sent: bool
    """Whether it can list what we sent."""
    names_recipients: bool
    """Whether a call can name its recipients; if not, a file goes to all that it names."""

    async def send(
        self, system: System, parcel: Parcel, kind: str, only: Sequence[str], file_digest: str
    ) -> str:
        """Send a parcel and return the axis's own id. `only`: the recipients, where they are not all that the file names;
        empty where the axis cannot be told so."""

    async def list_waiting(
        self, system: System, kind: str, agency: str, *, sweep: bool, item: Callable[[Listed], None]
    ) -> None:
        """List everything that is not settled; `sweep`: back to the first day, where that costs more."""

    async def fetch(self, system: System, doc_id: str, agency: str, begin: Callable[[], Out]) -> None:
        """Fetch the bytes of one packet, as they come. Each try begins anew."""

    async def settle(self, system: System, doc_id: str, agency: str, word: str) -> None:
        """Report a packet as `done` or `fail`."""

    async def sent_list(self, system: System, kind: str, item: Callable[[InSentList], None]) -> None:
        """List what the axis has of us; only where `lists_sent`."""

    async def agencies(self, system: System, item: Callable[[ListedAgency], None]) -> None:
        """List every agency it knows, one after the other."""

    def contexts(self, system: System, hosted: Sequence[str]) -> Sequence[str]:
        """Return the agencies for which this system is asked one by one; one empty word where it is asked once for all."""

    def digest(self, opener: Callable[[], BinaryIO]) -> str:
        """Return the digest that the axis needs before a file; sync."""

    def final(self, word: str) -> bool:
        """Tell whether a refusal of that code is permanent."""

    async def close(self) -> None: ...


_PIECE = 256 * 1024


def streamed(
    parcel: Parcel, pool: Pool, head: bytes = b"", tail: bytes = b""
) -> Callable[[], AsyncIterator[bytes]]:
    async def body() -> AsyncIterator[bytes]:
        if head:
            yield head
        file = await pool.run(parcel.open)
        try:
            while piece := await pool.run(lambda: file.read(_PIECE)):
                yield piece
        finally:
            file.close()
        yield tail

    return body
