"""What was admitted before, for ever: tombstones by body digest and by signed packet id. In: the identity of a
verified packet. Out: the one it repeats or contradicts. Landing a packet never writes here (A3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.identity import Digest
from gateway.ports.rows import Identity
from gateway.store.columns import one_of
from gateway.store.incoming import INCOMING
from gateway.store.tables import IdentityRow
from gateway.store.transaction import Transaction

_R = IdentityRow
_NEW = (Kind.DOCUMENT.value, Kind.REPLACEMENT.value)
_FROM = select(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.sender) == bindparam("sender"))
_BY_BODY = _FROM.where(col(_R.body_digest) == bindparam("body"))
_BY_PACKET = _FROM.where(col(_R.packet_id) == bindparam("packet"))
_BY_DOCUMENT = _FROM.where(col(_R.document_id) == bindparam("document"), one_of(col(_R.kind), _NEW)).order_by(
    col(_R.at).desc(), col(_R.inbox_id).desc()
)


class SqlIdentities:
    """Keeps the promise of `ports.Identities`. Senders are compared letter for letter: they come verified."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def by_body(self, sender: str, body_digest: Digest) -> Identity | None:
        await self._tx.hold(self._agency_id, "body", sender, body_digest)
        return await self._one(_BY_BODY, sender=sender, body=body_digest)

    async def by_packet(self, sender: str, packet_id: str) -> Identity | None:
        await self._tx.hold(self._agency_id, "packet", sender, packet_id)
        return await self._one(_BY_PACKET, sender=sender, packet=packet_id)

    async def by_document(self, sender: str, document_id: str) -> Sequence[Identity]:
        await self._tx.hold(self._agency_id, INCOMING, document_id)
        asked = {"agency": self._agency_id, "sender": sender, "document": document_id}
        return [to_domain(row) for row in await self._tx.rows(_R, _BY_DOCUMENT, **asked)]

    async def claim(self, identity: Identity) -> None:
        # Both unique keys are judged by the database at once: two workers cannot both find them free (G3).
        if not await self._tx.put_new(from_domain(identity, self._agency_id)):
            raise errors.Conflict(
                f"the body {identity.body_digest} or the packet id {identity.packet_id} of {identity.sender} was "
                "admitted before; the first stays"
            )

    async def _one(self, query: Select[Any], **asked: str) -> Identity | None:
        row = await self._tx.first(_R, query, agency=self._agency_id, **asked)
        return to_domain(row) if row is not None else None


def to_domain(row: IdentityRow) -> Identity:
    return Identity(
        sender=row.sender,
        body_digest=Digest(row.body_digest),
        kind=Kind(row.kind),
        packet_id=row.packet_id,
        document_id=row.document_id,
        inbox_id=row.inbox_id,
        incoming_id=row.incoming_id,
        at=row.at,
        terms=Digest(row.terms) if row.terms is not None else None,
    )


def from_domain(identity: Identity, agency_id: str) -> IdentityRow:
    return IdentityRow(
        agency_id=agency_id,
        sender=identity.sender,
        body_digest=identity.body_digest,
        kind=identity.kind.value,
        packet_id=identity.packet_id,
        document_id=identity.document_id,
        inbox_id=identity.inbox_id,
        incoming_id=identity.incoming_id,
        at=identity.at,
        terms=identity.terms,
    )
