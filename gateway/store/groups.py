"""Saved groups of recipients, on SQL. In: an open transaction of one agency. Out: the `RecipientGroups` promise."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.registry import GroupMember, RecipientGroup
from gateway.domain.text import fold
from gateway.store.repository import AgencyRows
from gateway.store.row import from_json, to_json
from gateway.store.tables import RecipientGroupRow

_R = RecipientGroupRow
_MEMBERS = tuple[GroupMember, ...]


class SqlRecipientGroups(AgencyRows):
    """Keeps the promise of `ports.RecipientGroups`."""

    async def all(self) -> Sequence[RecipientGroup]:
        query = select(_R).where(col(_R.agency_id) == self._agency_id).order_by(col(_R.folded))
        return [to_domain(row) for row in await self._tx.rows(_R, query)]

    async def named(self, name: str) -> RecipientGroup | None:
        row = await self._tx.first(_R, self._tx.kept(select(_R).where(self._is(name))))
        return to_domain(row) if row is not None else None

    async def save(self, group: RecipientGroup) -> None:
        key = {"agency_id": self._agency_id, "folded": fold(group.name)}
        row = _R.of(group, members=to_json(_MEMBERS, group.members), **key)
        if group.version == 1:
            if not await self._tx.put_new(row):
                raise errors.Clash(
                    f"there is a group named {group.name!r} already, or one that reads the same"
                )
            return
        earlier = update(_R).where(self._is(group.name), col(_R.version) == group.version - 1)
        if await self._tx.change(earlier.values(row.values(*key))) != 1:
            raise errors.Clash(f"the group {group.name!r} was changed or removed meanwhile; look at it again")

    async def remove(self, name: str) -> bool:
        return await self._tx.change(delete(_R).where(self._is(name))) == 1

    def _is(self, name: str) -> ColumnElement[bool]:
        return and_(col(_R.agency_id) == self._agency_id, col(_R.folded) == fold(name))


def to_domain(row: RecipientGroupRow) -> RecipientGroup:
    return RecipientGroup(
        name=row.name,
        members=from_json(_MEMBERS, row.members),
        saved_by=row.saved_by,
        saved_at=row.saved_at,
        version=row.version,
    )
