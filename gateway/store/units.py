"""Units of an agency, the persons in them, and the parts that they have in incoming documents. In: an open transaction of
one agency; these values. Out: the values as last saved; who holds a post in a unit. Names of units on posts and open parts
follow a rename; ended parts keep the name of their time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, not_, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.document import IncomingDocument
from gateway.domain.handling import PartState, Share, Unit, UnitMember, UnitPart, unit_key
from gateway.domain.person import AccountStanding
from gateway.store.incoming import unsealed
from gateway.store.repository import AgencyRows, in_parts
from gateway.store.row import among, equal, same, value_of
from gateway.store.tables import IncomingRow
from gateway.store.tables_node import PersonRow
from gateway.store.tables_office import PostRow, UnitPartRow, UnitRow
from gateway.store.transaction import Transaction

_UNIT, _PART, _POST, _PERSON, _DOCUMENT = UnitRow, UnitPartRow, PostRow, PersonRow, IncomingRow
_ALL = (
    select(_UNIT)
    .where(col(_UNIT.agency_id) == bindparam("agency"))
    .order_by(col(_UNIT.position), col(_UNIT.name_key))
)
_MEMBERS = (
    select(col(_PERSON.id), col(_PERSON.name), col(_PERSON.login), col(_POST.unit), col(_POST.role))
    .join(_POST, col(_POST.person_id) == col(_PERSON.id))
    .where(
        col(_POST.agency_id) == bindparam("agency"),
        col(_POST.unit) != "",
        col(_POST.role).in_(("unit-head", "officer")),
        or_(col(_POST.until).is_(None), col(_POST.until) > bindparam("at")),
        col(_PERSON.blocked_at).is_(None),
        or_(col(_PERSON.standing).is_(None), col(_PERSON.standing) == AccountStanding.ACTIVE.value),
    )
    .order_by(col(_POST.role).desc(), col(_PERSON.folded), col(_PERSON.id))
)
_RENAMED = select(_UNIT).where(among(col(_UNIT.agency_id), "agencies"), col(_UNIT.former) != "[]")
_STANDING = (PartState.OPEN.value, PartState.RETURNED.value)
_PARTS = select(_PART).where(col(_PART.agency_id) == bindparam("agency"))
_PARTS_OF = _PARTS.where(among(col(_PART.document_id), "ids")).order_by(
    col(_PART.given_at), col(_PART.is_lead).desc(), col(_PART.id)
)
_IN_STATE = _PARTS.where(col(_PART.state) == bindparam("state"))


class SqlUnits(AgencyRows):
    """Repository of the units of one agency."""

    async def all(self) -> Sequence[Unit]:
        """Return all units, closed ones too, by position."""
        return await self._values(Unit, self._tx.lock_rows(_ALL))

    async def open(self) -> Sequence[Unit]:
        return [unit for unit in await self.all() if unit.closed_at is None]

    async def get(self, id: str) -> Unit:
        unit = next((unit for unit in await self.all() if unit.id == id), None)
        if unit is None:
            raise errors.NotFound(f"this agency has no unit {id}")
        return unit

    async def add(self, unit: Unit) -> None:
        """Add a unit. Clash when the agency has one of that name, in any spelling."""
        clash = errors.Clash(f"there is a unit named {unit.name!r} already", code="GW-UNIT")
        await self._tx.insert_required(self._make_row(unit), lambda: clash)

    async def save(self, unit: Unit) -> None:
        await self._tx.update(self._make_row(unit))

    async def rename(self, unit: Unit, name: str) -> Unit:
        """Rename the unit, with the posts in it and the parts that it works on or handed back. Its ended parts keep the
        name of their time."""
        former = (*(n for n in unit.former if unit_key(n) != unit_key(name)),)
        renamed = replace(
            unit, name=name, former=(*former, unit.name) if unit_key(name) != unit.key else former
        )
        await self.save(renamed)
        posts = select(_POST).where(self._where(_POST, col(_POST.unit) != ""))
        for spelling in sorted(
            {p.unit for p in await self._tx.rows(_POST, posts) if unit_key(p.unit) == unit.key}
        ):
            await self._tx.change(update(_POST).where(self._where(_POST, unit=spelling)).values(unit=name))
        standing = self._where(_PART, col(_PART.state).in_(_STANDING), unit_key=unit.key)
        await self._tx.change(update(_PART).where(standing).values(unit=name, unit_key=unit_key(name)))
        return renamed

    async def members(self, at: datetime) -> Sequence[UnitMember]:
        """Return the persons who are heads or officers of a unit at `at`, heads first."""
        return [
            UnitMember(person_id=id, name=name, login=login, unit=unit, leads=role == "unit-head")
            for id, name, login, unit, role in await self._tx.tuples(_MEMBERS, agency=self._agency_id, at=at)
        ]

    def _make_row(self, unit: Unit) -> UnitRow:
        return _UNIT.from_value(unit, agency_id=self._agency_id, name_key=unit.key)


async def former_names(
    tx: Transaction, agencies: Collection[str]
) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return earlier names of units, by agency and key of the name of today; only of units that have any."""
    if not agencies:
        return {}
    rows = await tx.rows(_UNIT, _RENAMED, agencies=sorted(agencies))
    return {(row.agency_id, row.name_key): value_of(Unit, row).former for row in rows}


def _is_covered(share: Share) -> ColumnElement[bool]:
    """Return the SQL condition that the share covers the part (`Share.covers`)."""
    of_led = col(_PART.unit_key).in_(sorted(share.leading))
    of_units = and_(col(_PART.unit_key).in_(sorted(share.units)), col(_PART.person_id).is_(None))
    return or_(of_led, of_units, col(_PART.person_id).in_(sorted(share.persons)))


class SqlUnitParts(AgencyRows):
    """Repository of the parts that the units of one agency have in incoming documents."""

    async def add(self, part: UnitPart) -> None:
        self._tx.insert(self._make_row(part))

    async def change_open(self, part: UnitPart) -> None:
        """Save an open part that has ended now, or was given to another person. Clash when it was ended before."""
        await self._change(part, PartState.OPEN)

    async def settle(self, part: UnitPart) -> None:
        """Save a returned part as settled, because its document is assigned anew. Clash when it is settled already."""
        await self._change(part, PartState.RETURNED)

    async def _change(self, part: UnitPart, state_before: PartState) -> None:
        if await self._tx.update(self._make_row(part), equal(_PART, state=state_before.value)) != 1:
            raise errors.Clash(f"the part {part.id} was ended by somebody else; look at it again")

    async def of_documents(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[UnitPart]]:
        """Return all parts of each document by its id, the earliest first."""
        parts: dict[str, list[UnitPart]] = {id: [] for id in document_ids}
        for ids in in_parts(document_ids):
            for part in await self._values(UnitPart, _PARTS_OF, ids=ids):
                parts[part.document_id].append(part)
        return parts

    async def open_of(self, share: Share | None, limit: int) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """Return open parts within this share (None: of all units) with their documents, by deadline. Parts of sealed
        documents are left out."""
        query = _IN_STATE
        if share is not None:
            query = query.where(_is_covered(share))
        # Parts without a deadline come last, on both databases.
        ordered = query.order_by(
            col(_PART.deadline).is_(None), col(_PART.deadline), col(_PART.given_at), col(_PART.id)
        )
        return await self._with_documents(ordered.limit(limit), PartState.OPEN)

    async def overdue(
        self, by: date, arrived_before: datetime, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """Return open parts, with their documents, that are due on the day `by` or before, or that have no deadline and
        whose document arrived before `arrived_before`; the earliest assigned first."""
        undated = and_(col(_PART.deadline).is_(None), col(_DOCUMENT.arrived_at) < arrived_before)
        query = _IN_STATE.join(_DOCUMENT, same(_DOCUMENT.id, _PART.document_id)).where(
            or_(col(_PART.deadline) <= by, undated), not_(col(_PART.is_informed))
        )
        ordered = query.order_by(col(_PART.given_at), col(_PART.id))
        return await self._with_documents(ordered.limit(limit), PartState.OPEN)

    async def returned(self, limit: int) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """Return parts that units handed back, with their documents, which wait to be assigned anew; the oldest first."""
        ordered = _IN_STATE.order_by(col(_PART.ended_at), col(_PART.id))
        return await self._with_documents(ordered.limit(limit), PartState.RETURNED)

    async def _with_documents(
        self, query: Select[Any], state: PartState
    ) -> list[tuple[UnitPart, IncomingDocument]]:
        parts = await self._values(UnitPart, query, state=state.value)
        documents = await unsealed(self._tx, self._agency_id, {part.document_id for part in parts})
        return [(part, documents[part.document_id]) for part in parts if part.document_id in documents]

    def _make_row(self, part: UnitPart) -> UnitPartRow:
        return _PART.from_value(part, agency_id=self._agency_id, unit_key=part.key)
