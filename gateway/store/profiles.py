"""Profiles of agencies: versions of settings, which are only added. In: a version. Out: all versions of an agency, and the
value in force of one setting. The way of numbering is read together with the agency (`store.accounts`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam
from sqlmodel import col

from gateway.domain.agency_profile import ProfileVersion
from gateway.store.repository import AgencyRows, select_by
from gateway.store.row import Moment
from gateway.store.tables_node import AgencyProfileRow

_R = AgencyProfileRow
_NEWEST_FIRST = ("set_at DESC", "id DESC")
_IN_FORCE = (
    select_by(_R, ("agency_id", "key"), _NEWEST_FIRST)
    .where(col(_R.from_when) <= bindparam("now", type_=Moment))
    .limit(1)
)


class SqlAgencyProfile(AgencyRows):
    """Settings of one agency."""

    async def add(self, version: ProfileVersion) -> None:
        self._tx.insert(_R.from_value(version, agency_id=self._agency_id))

    async def versions(self) -> Sequence[ProfileVersion]:
        """List every version, the newest first."""
        return await self._list(ProfileVersion, _R, *_NEWEST_FIRST)

    async def value(self, key: str, at: datetime) -> str | None:
        """Return the value in force; None where the agency chose nothing."""
        row = await self._tx.first(_R, _IN_FORCE, agency_id=self._agency_id, key=key, now=at)
        return row.value or None if row is not None else None
