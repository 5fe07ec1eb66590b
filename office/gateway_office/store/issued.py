"""Which outgoing documents of this node have some bytes as their lead file or packet. In: the store and a SHA-256. Out: the
records that `policy.issued` judges, from one view, by the same statements for every digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Select, and_, bindparam, or_, select, union_all
from sqlmodel import col

from gateway.domain.document import OutgoingDocument
from gateway.domain.hold import Hold, HoldState
from gateway.domain.identity import Digest
from gateway.store.row import among, from_json
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRefRow, BlobRow, DeliveryRow, HoldRow, OutgoingRow
from gateway_office.policy.issued import IssuedDelivery, IssuedRecords

_O, _B, _R, _D = OutgoingRow, BlobRow, BlobRefRow, DeliveryRow
# The same file may have been sent as many documents; the newest are enough.
_MOST = 50
_NEWEST = (col(_O.created_at).desc(), col(_O.id).desc())
_OURS = among(col(_O.agency_id), "agencies")
_SENDINGS = select(col(_O.id)).where(_OURS, among(col(_O.document_id), "documents"))
_FAMILY = select(col(_O.body)).where(
    _OURS, or_(among(col(_O.document_id), "documents"), col(_O.parent_id).in_(_SENDINGS))
)
_DELIVERIES = select(col(_D.document_id), col(_D.code), col(_D.state), col(_D.updated_at)).where(
    among(col(_D.agency_id), "agencies"), among(col(_D.document_id), "ids")
)
_HOLDS = select(col(HoldRow.body)).where(col(HoldRow.state) != HoldState.LIFTED.value)


def _newest(query: Select[str, str]) -> Select[str, str]:
    rows = query.order_by(*_NEWEST).limit(_MOST).subquery()
    return select(rows.c.id, rows.c.document_id)


def _owning(owner: type[BlobRow] | type[BlobRefRow]) -> Select[str, str]:
    """Return the query for documents whose packet has the digest, by one of the two tables of owners."""
    is_owner = and_(col(owner.agency_id) == col(_O.agency_id), col(owner.owner_id) == col(_O.id))
    is_packet = and_(col(owner.digest) == bindparam("digest"), col(owner.owner_kind) == "envelope")
    return _newest(select(col(_O.id), col(_O.document_id)).join(owner, is_owner).where(is_packet))


_MATCHES = union_all(
    _newest(select(col(_O.id), col(_O.document_id)).where(_OURS, col(_O.lead) == bindparam("digest"))),
    _owning(_B),
    _owning(_R),
)


async def load_issued(store: SqlStore, digest: Digest) -> IssuedRecords:
    """Load what is known of the documents with these bytes, of all agencies that the node hosts or hosted."""
    agencies = [agency.id for agency in await store.hosted()]
    async with store.viewing_few() as tx:
        matches = await tx.tuples(_MATCHES, agencies=agencies, digest=digest)
        document_ids = sorted({document_id for _, document_id in matches})
        bodies = await tx.tuples(_FAMILY, agencies=agencies, documents=document_ids)
        documents = [from_json(OutgoingDocument, body) for (body,) in bodies]
        ids = [document.id for document in documents]
        rows = await tx.tuples(_DELIVERIES, agencies=agencies, ids=ids)
        holds = [from_json(Hold, body) for (body,) in await tx.tuples(_HOLDS)]
    return IssuedRecords(
        matching_ids=frozenset(id for id, _ in matches),
        documents=documents,
        deliveries=_by_document(ids, rows),
        held_documents=_held_documents(holds, digest, document_ids),
    )


def _held_documents(holds: Sequence[Hold], digest: Digest, document_ids: Sequence[str]) -> frozenset[str]:
    """Return the documents under one of the holds; all of these where the digest itself is under one."""
    if any(digest in (*hold.digests, *hold.leftovers) for hold in holds):
        return frozenset(document_ids)
    return frozenset(hold.document_id for hold in holds if hold.document_id)


def _by_document(
    ids: Sequence[str], rows: Sequence[Sequence[object]]
) -> Mapping[str, Sequence[IssuedDelivery]]:
    deliveries: dict[str, list[IssuedDelivery]] = {id: [] for id in ids}
    for document_id, code, state, updated_at in rows:
        delivery = IssuedDelivery(code=code, state=state, updated_at=updated_at)  # type: ignore[arg-type]
        deliveries[str(document_id)].append(delivery)
    return deliveries
