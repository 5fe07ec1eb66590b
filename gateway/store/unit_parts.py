"""The parts that units have in incoming documents, on SQL. In: an open transaction of one agency. Out: the `UnitParts`
promise. Sealed documents are in no list of work."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.handling import PartState, UnitPart
from gateway.store import incoming
from gateway.store.repository import AgencyRows
from gateway.store.tables import IncomingRow, UnitPartRow
from gateway.store.tables_office import PostRow

_P, _I = UnitPartRow, IncomingRow
_MINE = select(_P).where(col(_P.agency_id) == bindparam("agency"))
_OF = _MINE.where(col(_P.document_id).in_(bindparam("ids", expanding=True))).order_by(
    col(_P.given_at), col(_P.is_lead).desc(), col(_P.id)
)
_IN_STATE = _MINE.where(col(_P.state) == bindparam("state"))
_DOCUMENTS = select(_I).where(
    col(_I.agency_id) == bindparam("agency"),
    col(_I.id).in_(bindparam("ids", expanding=True)),
    col(_I.state) != InState.SEALED.value,
)
_UNITS = (
    select(col(PostRow.unit))
    .where(
        col(PostRow.agency_id) == bindparam("agency"),
        col(PostRow.unit) != "",
        or_(col(PostRow.until).is_(None), col(PostRow.until) > bindparam("at")),
    )
    .distinct()
    .order_by(col(PostRow.unit))
)
_AT_ONCE = 500


class SqlUnitParts(AgencyRows):
    """Keeps the promise of `ports.handling.UnitParts`."""

    async def add(self, part: UnitPart) -> None:
        self._tx.put(self._row(part))

    async def end(self, part: UnitPart) -> None:
        await self._change(part, PartState.OPEN)

    async def settle(self, part: UnitPart) -> None:
        await self._change(part, PartState.RETURNED)

    async def _change(self, part: UnitPart, before: PartState) -> None:
        this = (
            col(_P.agency_id) == self._agency_id,
            col(_P.id) == part.id,
            col(_P.state) == before.value,
        )
        changed = self._row(part).values("agency_id", "id")
        if await self._tx.change(update(_P).where(*this).values(**changed)) != 1:
            raise errors.Clash(f"the part {part.id} was ended by somebody else; look at it again")

    async def of(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[UnitPart]]:
        found: dict[str, list[UnitPart]] = {id: [] for id in document_ids}
        for start in range(0, len(document_ids), _AT_ONCE):
            for row in await self._rows(_P, _OF, ids=list(document_ids[start : start + _AT_ONCE])):
                found[row.document_id].append(_part(row))
        return found

    async def open_of(
        self, units: Collection[str] | None, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        query = _IN_STATE
        if units is not None:
            query = query.where(col(_P.unit_key).in_(sorted(units)))
        # What has no day of its own comes last, on both databases.
        ordered = query.order_by(col(_P.deadline).is_(None), col(_P.deadline), col(_P.given_at), col(_P.id))
        return await self._with_documents(ordered.limit(limit), PartState.OPEN)

    async def overdue(
        self, by: date, arrived_before: datetime, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        undated = and_(col(_P.deadline).is_(None), col(_I.arrived_at) < arrived_before)
        whole = and_(col(_I.agency_id) == col(_P.agency_id), col(_I.id) == col(_P.document_id))
        query = _IN_STATE.join(_I, whole).where(or_(col(_P.deadline) <= by, undated))
        ordered = query.order_by(col(_P.given_at), col(_P.id))
        return await self._with_documents(ordered.limit(limit), PartState.OPEN)

    async def returned(self, limit: int) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        ordered = _IN_STATE.order_by(col(_P.ended_at), col(_P.id))
        return await self._with_documents(ordered.limit(limit), PartState.RETURNED)

    async def units(self, at: datetime) -> Sequence[str]:
        return [unit for (unit,) in await self._tx.tuples(_UNITS, agency=self._agency_id, at=at)]

    async def _with_documents(
        self, query: Select[Any], state: PartState
    ) -> list[tuple[UnitPart, IncomingDocument]]:
        parts = [_part(row) for row in await self._rows(_P, query, state=state.value)]
        ids = sorted({each.document_id for each in parts})
        documents: dict[str, IncomingDocument] = {}
        for start in range(0, len(ids), _AT_ONCE):
            rows = await self._rows(_I, _DOCUMENTS, ids=ids[start : start + _AT_ONCE])
            documents |= {row.id: incoming.to_incoming(row) for row in rows}
        return [(each, documents[each.document_id]) for each in parts if each.document_id in documents]

    def _row(self, part: UnitPart) -> UnitPartRow:
        return _P.of(part, agency_id=self._agency_id, unit_key=part.key, state=part.state.value)


def _part(row: UnitPartRow) -> UnitPart:
    return UnitPart(
        id=row.id,
        document_id=row.document_id,
        unit=row.unit,
        is_lead=row.is_lead,
        deadline=row.deadline,
        given_by=row.given_by,
        given_at=row.given_at,
        state=PartState(row.state),
        ended_by=row.ended_by,
        ended_at=row.ended_at,
        why=row.why,
    )
