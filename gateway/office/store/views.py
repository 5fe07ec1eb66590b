"""Saved views of lists, on SQL. In: an open transaction of one agency. Out: the `SavedViews` promise."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.text import fold
from gateway.office.domain.listing import Side
from gateway.office.domain.saved_view import SavedView
from gateway.store.tables_office import SavedViewRow
from gateway.store.transaction import Transaction

_R = SavedViewRow


class SqlSavedViews:
    """Keeps the promise of `ports.SavedViews`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def of(self, person_id: str, side: Side) -> Sequence[SavedView]:
        query = select(_R).where(self._are(person_id, side)).order_by(col(_R.folded))
        return [to_domain(row) for row in await self._tx.rows(_R, query)]

    async def save(self, view: SavedView) -> None:
        mine, this = self._are(view.person_id, view.side), col(_R.folded) == fold(view.name)
        if view.is_first:
            await self._tx.change(update(_R).where(mine, col(_R.is_first)).values(is_first=False))
        made = SavedViewRow(
            agency_id=self._agency_id,
            person_id=view.person_id,
            side=view.side.value,
            folded=fold(view.name),
            name=view.name,
            query=view.query,
            is_first=view.is_first,
            saved_at=view.saved_at,
        )
        if not await self._tx.put_new(made):
            values = {
                "name": made.name,
                "query": made.query,
                "is_first": made.is_first,
                "saved_at": made.saved_at,
            }
            await self._tx.change(update(_R).where(mine, this).values(values))

    async def remove(self, person_id: str, side: Side, name: str) -> bool:
        mine = self._are(person_id, side)
        return await self._tx.change(delete(_R).where(mine, col(_R.folded) == fold(name))) == 1

    def _are(self, person_id: str, side: Side) -> ColumnElement[bool]:
        return and_(
            col(_R.agency_id) == self._agency_id,
            col(_R.person_id) == person_id,
            col(_R.side) == side.value,
        )


def to_domain(row: SavedViewRow) -> SavedView:
    return SavedView(
        person_id=row.person_id,
        side=Side(row.side),
        name=row.name,
        query=row.query,
        saved_at=row.saved_at,
        is_first=row.is_first,
    )
