"""The signed packets behind a document, for pages: found and judged as evidence packs do it. In: an agency's scope and ids.
Out: what `office.web.ports_packets` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.identity import Digest
from gateway.errors import Clash, NotFound
from gateway.office.bootstrap.office import Office
from gateway.office.web.ports_packets import Opinion, Pack, Packet
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ops.evidence.packets import Held
from gateway.ports import Pool

PIECE = 256 * 1024
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class PacketViews:
    """Keeps the promise of `office.web.ports_packets.Packets` over an open node."""

    node: Office
    maker: EvidenceMaker

    async def of(self, scope: AgencyScope, id: str) -> Sequence[Packet]:
        return [_told(each) for each in await self.maker.packets(scope, id)]

    async def find(self, scope: AgencyScope, id: str, digest: str, sender: str = "") -> Packet:
        if sender:
            digest = await self._file_of(scope, sender, digest)
        return _told(await self._held(scope, id, digest))

    async def judge(self, scope: AgencyScope, id: str, digest: str) -> Opinion | None:
        judged = await self.maker.judged(await self._held(scope, id, digest))
        if judged is None:
            return None
        signed = judged.signed
        return Opinion(
            word=judged.word,
            at=judged.at,
            code=judged.code,
            steps=judged.steps,
            evidence=judged.evidence,
            certificate=sha256(signed.certificate_der).hexdigest() if signed else "",
            signed_at=signed.signing_time if signed else None,
            receipt_of=signed.receipt.of_packet_id if signed and signed.receipt else None,
        )

    async def read(self, scope: AgencyScope, id: str, digest: str) -> AsyncIterator[bytes]:
        held = await self._held(scope, id, digest)
        if held.open is None:
            raise Clash(
                f"the packet {held.packet_id} cannot be read: it is {held.absent}", code="GW-UNREADABLE"
            )
        return _streamed(self.node.pool, _pieces(held.open))

    async def pack(self, scope: AgencyScope, id: str) -> Pack:
        made = await self.maker.make(scope, id)
        return Pack(name=made.name, size=made.size, pieces=_streamed(self.node.pool, made.pieces()))

    async def _held(self, scope: AgencyScope, id: str, digest: str) -> Held:
        found = next((each for each in await self.maker.packets(scope, id) if each.digest == digest), None)
        if found is None:
            raise NotFound(f"{id} has no packet {digest[:80]}")
        return found

    async def _file_of(self, scope: AgencyScope, sender: str, digest: str) -> str:
        async with self.node.store.read(scope) as work:
            wanted = Digest(digest) if _is_hex(digest) else None
            identity = await work.identities.by_body(sender, wanted) if wanted is not None else None
            if identity is None:
                raise NotFound(f"nothing of {sender} has signed {digest[:80]}")
            return (await work.inbox.get(identity.inbox_id)).file_digest


def _is_hex(digest: str) -> bool:
    return len(digest) == 64 and set(digest) <= _HEX


def _told(held: Held) -> Packet:
    return Packet(
        digest=held.digest,
        kind=held.kind,
        way=held.direction.value,
        packet_id=held.packet_id,
        sender=held.sender,
        to=held.to,
        at=held.at,
        size=held.size,
        status=held.status,
        absent=held.absent.value if held.absent is not None else None,
    )


def _pieces(opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    with opener() as file:
        while piece := file.read(PIECE):
            yield piece


async def _streamed(pool: Pool, running: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await pool.run(partial(next, running, b"")):
        yield piece
