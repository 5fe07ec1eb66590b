"""What was put aside, for the pages of operations: packets in quarantine, and the axis's dead list. In: an open node
and a packet. Out: what `Aside` and `DeadLetters` of `office.ports.node` promise: lines of a tree, rows of bytes, or
the file; nothing of it is ever rendered. An axis gives a parcel out again before it takes it off its list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.edxml import parse
from gateway.errors import GatewayError, NotFound
from gateway.office.bootstrap.office import Office
from gateway.office.domain.roles import NODE
from gateway.office.node.exchange import PIECE, pieces_of, streamed
from gateway.office.ports.node import Bytes, Claims
from gateway.ops import explain
from gateway.ports import DeadParcel, InboxPacket
from gateway.store import reporting

WINDOW, ROW = 4096, 16
# Who, to whom, which number and how signed: what an operator needs to find a fault.
_ROUTING_ELEMENTS = frozenset(
    {
        *("OrganId", "OrganName", "DocumentId", "CodeNumber", "CodeNotation", "PromulgationDate", "Type"),
        *("Timestamp", "StatusCode", "ContentId", "ContentType", "Priority", "BussinessDocType", "PacketId"),
        *("SigningTime", "DigestValue", "SignatureValue", "X509SerialNumber", "X509IssuerName"),
    }
)


@dataclass(frozen=True, slots=True)
class QuarantinedPackets:
    """Keeps the promise of `office.ports.node.Aside`."""

    node: Office

    async def waiting(self, agency_id: str, limit: int) -> Sequence[InboxPacket]:
        return await reporting.packets_aside(self.node.store, agency_id, limit)

    async def get(self, agency_id: str, id: str) -> InboxPacket:
        return await reporting.find_packet(self.node.store, agency_id, id)

    async def tree(self, item: InboxPacket, *, routing_only: bool) -> parse.View:
        found = await self.node.pool.run(partial(_view, await self._opener(item)))
        return replace(found, lines=tuple(_line(each, routing_only=routing_only) for each in found.lines))

    async def window(self, item: InboxPacket, start: int) -> Bytes:
        first = max(0, min(start, max(item.size - 1, 0))) // ROW * ROW
        data = await self.node.pool.run(partial(_cut, await self._opener(item), first))
        return Bytes(rows=_rows(data, first), start=first, size=item.size)

    async def read(self, item: InboxPacket) -> AsyncIterator[bytes]:
        return streamed(self.node.pool, pieces_of(await self._opener(item)))

    async def _opener(self, item: InboxPacket) -> Callable[[], BinaryIO]:
        scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
        async with self.node.store.read(scope) as work:
            return await self.node.blobs.open(work, item.file_digest)


def _view(opener: Callable[[], BinaryIO]) -> parse.View:
    with opener() as file:
        return parse.view(iter(partial(file.read, PIECE), b""))


def _line(seen: parse.ViewLine, *, routing_only: bool) -> parse.ViewLine:
    local = seen.name.rpartition(":")[2]
    # Names of elements and attributes are form; a text may be anything.
    if routing_only and seen.kind in ("text", "comment") and local not in _ROUTING_ELEMENTS:
        return replace(seen, kind="hidden", value="")
    return replace(seen, value=_plain(seen.value))


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


# Routing and form; what the document is about stands in none of them.
_ROUTING_KEYS = (
    "dialect",
    "kind",
    "from",
    "to",
    "document_id",
    "code_number",
    "code_notation",
    "issued_date",
)


@dataclass(frozen=True, slots=True)
class AxisDeadLetters:
    """Keeps the promise of `office.ports.node.DeadLetters`."""

    node: Office

    async def all(self) -> Sequence[DeadParcel]:
        return await self.node.axis.dead_list()

    async def get(self, id: str) -> DeadParcel:
        found = next((each for each in await self.all() if each.id == id), None)
        if found is None:
            raise NotFound(f"no parcel {id[:80]!r} is on the dead list")
        return found

    async def claims(self, id: str, lang: str) -> Claims:
        parcel = await self.get(id)
        own = {
            code.casefold()
            for each in await self.node.store.hosted()
            if each.left_at is None
            for code in (each.code, *each.aliases)
        }
        hosted = tuple(code for code in parcel.recipient.split() if code.casefold() in own)
        file = await self.node.axis.dead_open(id)
        told = await self.node.pool.run(partial(_explained, file))
        if "error" in told:
            error = told["error"]
            return Claims(text="", fault=f"{error['code']} {error['detail']}", hosted=hosted)
        return Claims(text=explain.to_text(_routing_alone(told), lang), hosted=hosted)

    async def retry(self, by: str, ids: Sequence[str]) -> int:
        known = {each.id: each for each in await self.all()}
        wanted = [known[each] for each in dict.fromkeys(ids) if each in known]
        done = 0
        for parcel in wanted:
            await self._tell(by, EventKind.PARCEL_RETRIED, parcel)
            try:
                await self.node.axis.dead_retry(parcel.id)
                done += 1
            except NotFound:
                continue
        self.node.store.wake.ring("landing", "sequencer")
        return done

    async def drop(self, by: str, id: str, why: str) -> None:
        await self._tell(by, EventKind.PARCEL_DROPPED, await self.get(id), why=why)
        await self.node.axis.dead_drop(id, why)
        self.node.store.wake.ring("sequencer")

    async def _tell(self, by: str, kind: EventKind, parcel: DeadParcel, **more: object) -> None:
        """Before the act: whoever interrupts it has asked for it."""
        told = {
            "packet": parcel.packet_id,
            "from": parcel.sender,
            "to": parcel.recipient,
            "reason": parcel.reason[:500],
        }
        async with self.node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
            await work.events.append(kind, f"parcel:{parcel.id}", self.node.clock.now(), told | more)
            await work.commit()


def _explained(file: BinaryIO) -> dict[str, Any]:
    # Any: what an envelope says has many shapes
    with file:
        try:
            return explain.explain_pieces(iter(partial(file.read, PIECE), b""))
        except GatewayError as error:
            return explain.failure(error)


def _routing_alone(told: dict[str, Any]) -> dict[str, Any]:
    """The same keys with everything else empty."""
    empty: dict[str, Any] = {key: [] if isinstance(value, list) else None for key, value in told.items()}
    kept = {key: told[key] for key in (*_ROUTING_KEYS, "signature", "findings")}
    return {**empty, **kept}
