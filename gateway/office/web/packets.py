"""The signed packets behind a document, found and judged as evidence packs do it. In: an agency's scope and ids. Out:
packets, what was found of one, its bytes, the pack of them all. Nothing of a recalled or sealed document is ever
opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.domain.account import AgencyScope
from gateway.domain.identity import Digest
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, NotFound
from gateway.office.web.answers import FileContent
from gateway.ops.evidence.contents import HeldPacket
from gateway.ops.evidence.judge import JudgedSignature
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ports import Pool, Store
from gateway.stored_content import streamed

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Packets:
    """Of one open node."""

    store: Store
    pool: Pool
    maker: EvidenceMaker

    async def of(self, scope: AgencyScope, id: str) -> Sequence[HeldPacket]:
        """Of a document sent or received, oldest first. NotFound when the agency has no such document."""
        return await self.maker.packets(scope, id)

    async def find(self, scope: AgencyScope, id: str, digest: str, sender: str = "") -> HeldPacket:
        """The packet of that document by the digest of its file; with a sender also by that of what it signed. NotFound
        when the document has none such."""
        if sender:
            digest = await self._file_of(scope, sender, digest)
        found = next((each for each in await self.maker.packets(scope, id) if each.digest == digest), None)
        if found is None:
            raise NotFound(f"{id} has no packet {digest[:80]}")
        return found

    async def judge(self, packet: HeldPacket) -> JudgedSignature | None:
        """For the time of the packet, with what is known of certificates today; None where its bytes are withheld."""
        return await self.maker.judged(packet)

    def read(self, packet: HeldPacket) -> AsyncIterator[bytes]:
        """The file as it was signed. Clash where it is withheld."""
        if packet.open is None:
            raise Clash(
                f"the packet {packet.packet_id} cannot be read: it is {packet.absent}", code="GW-UNREADABLE"
            )
        return streamed(self.pool, pieces(packet.open))

    async def pack(self, scope: AgencyScope, id: str) -> FileContent:
        """Everything that proves the document, in one file. An event tells that it was made."""
        made = await self.maker.make(scope, id)
        content = streamed(self.pool, made.pieces())
        return FileContent(name=made.name, found_type="zip", size=made.size, pieces=content)

    async def _file_of(self, scope: AgencyScope, sender: str, digest: str) -> str:
        async with self.store.read(scope) as work:
            wanted = Digest(digest) if len(digest) == 64 and set(digest) <= _HEX else None
            identity = await work.identities.by_body(sender, wanted) if wanted is not None else None
            if identity is None:
                raise NotFound(f"nothing of {sender} has signed {digest[:80]}")
            return (await work.inbox.get(identity.inbox_id)).file_digest
