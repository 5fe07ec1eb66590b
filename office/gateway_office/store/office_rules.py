"""An agency's rules for incoming letters, as rows. In: an open transaction; rules. Out: rules as stored, in their order;
the persons whom a rule may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlmodel import col

from gateway import errors
from gateway.domain.person import AccountStanding
from gateway.store.repository import AgencyRows
from gateway.store.tables_node import PersonRow
from gateway.store.tables_office import OfficeRuleRow, PostRow
from gateway_office.domain.roles import PostRole
from gateway_office.policy.office_rules import OfficeRule

_R, _P = OfficeRuleRow, PostRow
_READING = (PostRole.CLERK, PostRole.HEAD, PostRole.UNIT_HEAD, PostRole.OFFICER, PostRole.VIEWER)


class SqlOfficeRules(AgencyRows):
    """Rules of one agency."""

    async def all(self, **key: bool) -> Sequence[OfficeRule]:
        """List rules in their order, only those with these columns."""
        return await self._list(OfficeRule, _R, "position", "id", **key)

    async def get(self, id: str) -> OfficeRule:
        return await self._load(OfficeRule, _R, f"the agency has no rule {id[:80]}", id=id)

    async def save(self, rule: OfficeRule) -> None:
        await self._tx.upsert(_R.from_value(rule, agency_id=self._agency_id))

    async def remove(self, id: str) -> None:
        if not await self._delete(_R, id=id):
            raise errors.NotFound(f"the agency has no rule {id[:80]}")

    async def readers(self, at: datetime) -> Mapping[str, str]:
        """Return the persons whom a rule may name, by id, each with the name: they have an open account and a post in the
        agency that reads letters. No row is locked: a letter that is taken in holds up no change of posts."""
        query = select(col(PersonRow.id), col(PersonRow.name)).where(
            col(_P.agency_id) == self._agency_id,
            col(_P.role).in_(_READING),
            or_(col(_P.until).is_(None), col(_P.until) > at),
            col(PersonRow.id) == col(_P.person_id),
            col(PersonRow.blocked_at).is_(None),
            or_(col(PersonRow.standing).is_(None), col(PersonRow.standing) == AccountStanding.ACTIVE.value),
        )
        rows = await self._tx.tuples(query.order_by(col(PersonRow.folded), col(PersonRow.id)))
        return {row.id: row.name for row in rows}
