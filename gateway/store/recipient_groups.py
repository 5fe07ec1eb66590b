"""Recipient groups of one agency. In: values. Out: the same values as stored."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col

from gateway import errors
from gateway.domain.registry import RecipientGroup
from gateway.domain.text import fold
from gateway.store.repository import AgencyRows
from gateway.store.tables import RecipientGroupRow


class SqlRecipientGroups(AgencyRows):
    """Repository of one agency's recipient groups."""

    async def all(self) -> Sequence[RecipientGroup]:
        """Return all groups, sorted by name."""
        return await self._list(RecipientGroup, RecipientGroupRow, "folded")

    async def find_by_name(self, name: str) -> RecipientGroup | None:
        """Find a group by name; letter case and accents are ignored."""
        return await self._find(RecipientGroup, RecipientGroupRow, folded=fold(name))

    async def save(self, group: RecipientGroup) -> None:
        """Insert a group of version 1, or update a group from the version before. Clash when the new name exists already,
        or when the stored group has another version."""
        row = RecipientGroupRow.from_value(group, agency_id=self._agency_id, folded=fold(group.name))
        if group.version == 1:
            if not await self._tx.insert_new(row):
                raise errors.Clash(
                    f"there is a group named {group.name!r} already, or one that reads the same"
                )
            return
        if await self._tx.update(row, col(RecipientGroupRow.version) == group.version - 1) != 1:
            raise errors.Clash(f"the group {group.name!r} was changed or removed meanwhile; look at it again")

    async def remove(self, name: str) -> bool:
        """Delete a group. Return False when there was none of that name."""
        return await self._delete(RecipientGroupRow, folded=fold(name)) == 1
