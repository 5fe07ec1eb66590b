"""Defines what differs between axes called over HTTP: the protocol of a dialect, its values, and shared helpers. In: the
credentials of a system and a request. Out: the axis's answer as our values, or an error of `line`."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeVar

from gateway.log import action
from gateway.ports.axis import Parcel
from gateway.ports.services import Pool
from gateway_foreign.rest.answers import Answer, BadAnswer
from gateway_foreign.rest.systems import System

_log = logging.getLogger(__name__)
ID = re.compile(r"[!-~]{1,200}")
"""Form of an id that a call can name."""
_LONGEST = 300
DOCUMENTS, STATUSES = "edoc", "status"
KINDS = (DOCUMENTS, STATUSES)
T = TypeVar("T")
Out = Callable[[bytes], object]
Judge = Callable[[int, Answer], None]
_PIECE = 256 * 1024
_SETTLED = frozenset({"done", "fail"})


def text(row: Mapping[str, Any], name: str) -> str:
    """Return a member of a row as text; empty when it is absent or null."""
    value = row.get(name)
    return "" if value is None or value == "null" else printable(str(value))


def printable(raw: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in raw[:_LONGEST]).strip()


def read_codes(codes: str) -> frozenset[str]:
    """Split codes at commas."""
    return frozenset(code.strip() for code in codes.split(",") if code.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One packet that waits at the axis. `sender` and `to` are as the axis names them, and may be a system's id."""

    doc_id: str
    sender: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InSentList:
    """One line of the axis's list of packets sent by us."""

    doc_id: str
    to: str
    notation: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAgency:
    """One agency that the axis knows; `old` is its code of 2016, where the axis gives it."""

    code: str
    name: str
    parent: str = ""
    old: str = ""
    mail: str = ""


class Dialect(Protocol):
    """One protocol to call a foreign axis."""

    name: str
    lists_sent: bool
    """Whether the axis lists packets sent by us."""
    names_recipients: bool
    """Whether a call can name its recipients; if not, a file goes to all recipients named in it."""

    async def send(
        self, system: System, parcel: Parcel, kind: str, only: Sequence[str], file_digest: str
    ) -> str:
        """Send a parcel and return the axis's own id. `only` are the recipients where they are not all that the file
        names; else empty."""

    async def list_waiting(
        self, system: System, kind: str, *, sweep: bool, item: Callable[[Listed], None]
    ) -> None:
        """Pass every unsettled packet to `item`; `sweep` looks back as far as possible, where a short look is cheaper."""

    async def fetch(self, system: System, doc_id: str, begin: Callable[[], Out]) -> None:
        """Fetch one packet and write its bytes as they come; `begin` starts each try afresh and returns the writer."""

    async def settle(self, system: System, doc_id: str, word: str) -> None:
        """Report a packet to the axis as `done` or `fail`."""

    async def sent_list(self, system: System, kind: str, item: Callable[[InSentList], None]) -> None:
        """Pass every packet that the axis has from us to `item`; only where `lists_sent`."""

    async def agencies(self, system: System, item: Callable[[ListedAgency], None]) -> None:
        """Pass every agency that the axis knows to `item`."""

    def digest(self, opener: Callable[[], BinaryIO]) -> str:
        """Return the digest that the axis needs before a file; sync."""

    def final(self, word: str) -> bool:
        """Tell whether a refusal of that code is permanent."""

    async def close(self) -> None: ...


def read_rows(
    kind: Callable[..., T], item: Callable[[T], None], columns: Mapping[str, str]
) -> Callable[[Mapping[str, Any]], None]:
    """Return a reader that passes each row to `item` as a value whose fields are these members of it, or the first of
    several that the row has."""

    def note(row: Mapping[str, Any]) -> None:
        item(kind(**{name: _first_text(row, members.split()) for name, members in columns.items()}))

    return note


def _first_text(row: Mapping[str, Any], members: Sequence[str]) -> str:
    return next(filter(None, (text(row, member) for member in members)), "")


def read_waiting(item: Callable[[Listed], None]) -> Callable[[Mapping[str, Any]], None]:
    """Return a reader of rows that passes every unsettled packet to `item`."""

    def note(row: Mapping[str, Any]) -> None:
        doc_id = text(row, "docid")
        if text(row, "status").lower() in _SETTLED:
            return
        if not ID.fullmatch(doc_id):
            action(_log, "axis.odd_id", "no call can name it: it stays with the axis", packet=doc_id[:50])
            return
        item(Listed(doc_id=doc_id, sender=text(row, "from"), to=text(row, "to")))

    return note


def with_list(judge: Judge) -> Judge:
    """Return the check that also demands a list in the answer."""

    def judge_list(status: int, answer: Answer) -> None:
        judge(status, answer)
        if not answer.has_list and "data" not in answer.values:
            raise BadAnswer("there is no list in it")

    return judge_list


def streamed(
    parcel: Parcel, pool: Pool, head: bytes = b"", tail: bytes = b""
) -> Callable[[], AsyncIterator[bytes]]:
    """Return a function that streams head, the parcel's bytes and tail, afresh at each try."""

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
