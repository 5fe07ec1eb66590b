"""Acts of destruction of one agency, with their lines (R102). In: `Destruction` and `DestructionItem` values. Out: the
values as last saved. Rows are never deleted, so that each destroyed document stays named with its digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, select
from sqlmodel import col

from gateway.domain.destruction import Destruction, DestructionItem, ItemState
from gateway.store.repository import AgencyRows, Page
from gateway.store.row import among, from_json, one_of, to_json
from gateway.store.tables_records import DestructionItemRow, DestructionRow
from gateway.store.work import SqlWork

_ACT, _ITEM = DestructionRow, DestructionItemRow
_ITEMS = (
    select(_ITEM)
    .where(
        col(_ITEM.agency_id) == bindparam("agency"),
        col(_ITEM.act_id) == bindparam("act"),
        col(_ITEM.n) > bindparam("last_n"),
    )
    .order_by(col(_ITEM.n))
    .limit(bindparam("most"))
)
_COUNTS = (
    select(col(_ITEM.state), func.count())
    .where(col(_ITEM.agency_id) == bindparam("agency"), col(_ITEM.act_id) == bindparam("act"))
    .group_by(col(_ITEM.state))
)


_ITEM_OF = select(_ITEM).where(
    col(_ITEM.agency_id) == bindparam("agency"),
    col(_ITEM.document_id) == bindparam("document"),
    col(_ITEM.act_id) == bindparam("act"),
)
_DESTROYED = select(col(_ITEM.document_id)).where(
    col(_ITEM.agency_id) == bindparam("agency"),
    among(col(_ITEM.document_id), "ids"),
    col(_ITEM.state) == ItemState.DESTROYED.value,
)


class SqlDestructions(AgencyRows):
    """Repository of one agency's acts of destruction."""

    async def add(self, act: Destruction) -> None:
        self._check_own(act.agency_id, f"the act of destruction {act.id}")
        self._tx.insert(_act_row(act))

    async def get(self, id: str) -> Destruction:
        return await self._load(
            _to_act,
            _ACT,
            f"this agency has no act of destruction {id}",
            "see: gateway destruction list",
            id=id,
        )

    async def save(self, act: Destruction) -> None:
        await self._tx.update(_act_row(act), self._where(_ACT))

    async def page(self, *, limit: int, cursor: str | None = None) -> Page[Destruction]:
        """Return one page of acts and the cursor of the next, the newest first."""
        return await self._page(_ACT, "at", _to_act, limit=limit, cursor=cursor)

    async def work_on(self, id: str) -> Destruction:
        """Load an act, and keep other units of work from destroying documents of the agency until this one ends."""
        await self._tx.hold("destruction", self._agency_id)
        return await self.get(id)

    async def add_items(self, items: Sequence[DestructionItem]) -> None:
        self._tx.insert(*(self._item_row(item) for item in items))

    async def save_item(self, item: DestructionItem) -> None:
        await self._tx.update(self._item_row(item), self._where(_ITEM))

    async def items(
        self, act_id: str, *, limit: int, last_n: int = 0, states: Sequence[ItemState] = ()
    ) -> Sequence[DestructionItem]:
        """Return the lines behind that one, in the order of the list."""
        query = (
            _ITEMS.where(one_of(col(_ITEM.state), [state.value for state in states])) if states else _ITEMS
        )
        return await self._values(_to_item, query, act=act_id, last_n=last_n, most=limit)

    async def item_of(self, act_id: str, document_id: str) -> DestructionItem | None:
        """Return the line of a document in an act; None where it has none."""
        return await self._value(_to_item, _ITEM_OF, act=act_id, document=document_id)

    async def destroyed_among(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of these documents whose content was destroyed."""
        return frozenset(
            id for (id,) in await self._tx.tuples(_DESTROYED, agency=self._agency_id, ids=list(ids))
        )

    async def counts(self, act_id: str) -> Mapping[str, int]:
        """Return the number of lines by state."""
        rows = await self._tx.tuples(_COUNTS, agency=self._agency_id, act=act_id)
        return {state: int(count) for state, count in rows}

    def _item_row(self, item: DestructionItem) -> DestructionItemRow:
        return DestructionItemRow(
            agency_id=self._agency_id,
            act_id=item.act_id,
            n=item.n,
            document_id=item.document_id,
            state=item.state.value,
            body=to_json(DestructionItem, item),
        )


def open_destructions(work: SqlWork) -> SqlDestructions:
    """Open the repository of a unit of work: no part of one, because few nodes destroy anything."""
    tx, scope, *_ = work.arguments
    return SqlDestructions(tx, scope)


def _act_row(act: Destruction) -> DestructionRow:
    return DestructionRow(
        agency_id=act.agency_id, id=act.id, state=act.state.value, at=act.at, body=to_json(Destruction, act)
    )


def _to_act(row: DestructionRow) -> Destruction:
    return from_json(Destruction, row.body)


def _to_item(row: DestructionItemRow) -> DestructionItem:
    return from_json(DestructionItem, row.body)
