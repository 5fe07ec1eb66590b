"""What differs between the axes that are asked over HTTP: the promise of a dialect, the values that cross it, and what each
dialect needs: an axis's words cut to what can be shown, and a parcel read piece by piece on its way up. In: the
credentials of a system and what is wanted. Out: what the axis says, in our words; or an error of `line`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from gateway.ports.axis import Parcel
from gateway.ports.services import Pool
from gateway.transport.rest.systems import System

ID = re.compile(r"[!-~]{1,200}")
"""An id that a call can name."""
_LONGEST = 300


def text(row: Mapping[str, Any], name: str) -> str:
    """A value that may be absent, null, or a number."""
    value = row.get(name)
    return "" if value is None or value == "null" else shown(str(value))


def shown(given: str) -> str:
    return "".join(each if each.isprintable() else " " for each in given[:_LONGEST]).strip()


def listed(given: str) -> frozenset[str]:
    """Codes with commas between them."""
    return frozenset(each.strip() for each in given.split(",") if each.strip())


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
    """One line of what the axis has of us."""

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
    """Whether it can be asked what it has of us."""
    names_recipients: bool
    """Whether a call can say for whom it is; if not, a file goes to everybody whom it names."""

    async def send(
        self, system: System, parcel: Parcel, kind: str, only: Sequence[str], file_digest: str
    ) -> str:
        """The axis's own id. `only`: for these alone, where it is not all that the file names; empty where the axis
        cannot be told so."""

    async def waiting(
        self, system: System, kind: str, agency: str, *, sweep: bool, item: Callable[[Listed], None]
    ) -> None:
        """Everything that is not settled; `sweep`: back to the first day, where that costs more."""

    async def fetch(self, system: System, doc_id: str, agency: str, begin: Callable[[], Out]) -> None:
        """The bytes of one packet, as they come. Each try begins anew."""

    async def settle(self, system: System, doc_id: str, agency: str, word: str) -> None:
        """`done` or `fail`."""

    async def sent_list(self, system: System, kind: str, item: Callable[[InSentList], None]) -> None:
        """What it has of us; only where `lists_sent`."""

    async def agencies(self, system: System, item: Callable[[ListedAgency], None]) -> None:
        """Every agency it knows, one after the other."""

    def seats(self, system: System, hosted: Sequence[str]) -> Sequence[str]:
        """The agencies for which this system is asked one by one; one empty word where it is asked once for all."""

    def digest(self, opener: Callable[[], BinaryIO]) -> str:
        """What the axis wants to be told of a file before it; sync."""

    def final(self, word: str) -> bool:
        """Whether a no of that code stays a no."""

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
