"""Packets in quarantine, for the pages. In: an open node and a packet. Out: what `office.web.ports_operations.Aside`
promises: lines of a tree, rows of bytes, or the file; nothing of it is ever rendered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.edxml import viewing
from gateway.office.bootstrap.office import Office
from gateway.office.web.ports_operations import Bytes, Line, Tree
from gateway.ports import InboxItem
from gateway.store import looking

PIECE = 256 * 1024
WINDOW, ROW = 4096, 16
# Who, to whom, which number and how signed: what an operator needs to find a fault.
_ROUTING = frozenset(
    {
        *("OrganId", "OrganName", "DocumentId", "CodeNumber", "CodeNotation", "PromulgationDate", "Type"),
        *("Timestamp", "StatusCode", "ContentId", "ContentType", "Priority", "BussinessDocType", "PacketId"),
        *("SigningTime", "DigestValue", "SignatureValue", "X509SerialNumber", "X509IssuerName"),
    }
)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Keeps the promise of `office.web.ports_operations.Aside`."""

    node: Office

    async def waiting(self, agency_id: str, limit: int) -> Sequence[InboxItem]:
        return await looking.aside(self.node.store, agency_id, limit)

    async def get(self, agency_id: str, id: str) -> InboxItem:
        return await looking.packet(self.node.store, agency_id, id)

    async def tree(self, item: InboxItem, *, routing_only: bool) -> Tree:
        opener = await self._opener(item)
        found = await self.node.pool.run(partial(_view, opener))
        return Tree(
            lines=[_line(each, routing_only=routing_only) for each in found.lines],
            fault=found.fault,
            at=found.at,
        )

    async def window(self, item: InboxItem, start: int) -> Bytes:
        first = max(0, min(start, max(item.size - 1, 0))) // ROW * ROW
        data = await self.node.pool.run(partial(_cut, await self._opener(item), first))
        return Bytes(rows=_rows(data, first), start=first, size=item.size)

    async def read(self, item: InboxItem) -> AsyncIterator[bytes]:
        return _pieces(self.node, await self._opener(item))

    async def _opener(self, item: InboxItem) -> Callable[[], BinaryIO]:
        scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
        async with self.node.store.read(scope) as work:
            return await self.node.blobs.open(work, item.file_digest)


def _view(opener: Callable[[], BinaryIO]) -> viewing.View:
    with opener() as file:
        return viewing.view(iter(partial(file.read, PIECE), b""))


def _line(seen: viewing.Seen, *, routing_only: bool) -> Line:
    local = seen.name.rpartition(":")[2]
    # Names of elements and attributes are form; a text may be anything.
    hides = routing_only and seen.kind in ("text", "comment") and local not in _ROUTING
    return Line(
        depth=seen.depth,
        kind="hidden" if hides else seen.kind,
        name=seen.name,
        value="" if hides else _plain(seen.value),
        size=seen.size,
        failed=seen.failed,
    )


def _plain(text: str) -> str:
    """Signs that turn the writing round, or steer a screen, reach no page."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _cut(opener: Callable[[], BinaryIO], start: int) -> bytes:
    with opener() as file:
        file.seek(start)
        return file.read(WINDOW)


def _rows(data: bytes, first: int) -> Sequence[tuple[str, str, str]]:
    made = []
    for at in range(0, len(data), ROW):
        part = data[at : at + ROW]
        letters = "".join(chr(each) if 32 <= each < 127 else "." for each in part)
        made.append((f"{first + at:08x}", part.hex(" "), letters))
    return made


async def _pieces(node: Office, opener: Callable[[], BinaryIO]) -> AsyncIterator[bytes]:
    with opener() as file:
        while piece := await node.pool.run(partial(file.read, PIECE)):
            yield piece
