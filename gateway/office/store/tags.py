"""An agency's own labels, on SQL. In: an open transaction of one agency. Out: the `Tags` promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.text import fold
from gateway.office.domain.listing import Side
from gateway.office.domain.tag import Tag
from gateway.store.tables_office import TagMarkRow, TagRow
from gateway.store.transaction import Transaction

_R, _M = TagRow, TagMarkRow
_AT_ONCE = 500


class SqlTags:
    """Keeps the promise of `ports.Tags`."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, *, changed: Callable[[str], None] = lambda agency_id: None
    ) -> None:
        """`changed` hears which agency's lists are other ones now."""
        self._tx = tx
        self._agency_id = scope.agency_id
        self._changed = changed

    async def all(self) -> Sequence[Tag]:
        query = select(_R).where(col(_R.agency_id) == self._agency_id).order_by(col(_R.folded))
        return [to_domain(row) for row in await self._tx.rows(_R, query)]

    async def named(self, name: str) -> Tag | None:
        this = select(_R).where(col(_R.agency_id) == self._agency_id, col(_R.folded) == fold(name))
        row = await self._tx.first(_R, this)
        return to_domain(row) if row is not None else None

    async def add(self, tag: Tag) -> None:
        made = TagRow(
            agency_id=self._agency_id,
            id=tag.id,
            folded=fold(tag.name),
            name=tag.name,
            made_by=tag.made_by,
            made_at=tag.made_at,
        )
        if not await self._tx.put_new(made):
            raise errors.Clash(f"there is a label named {tag.name!r} already, or one that reads the same")

    async def remove(self, id: str) -> bool:
        marks = delete(_M).where(col(_M.agency_id) == self._agency_id, col(_M.tag_id) == id)
        await self._tx.change(marks)
        this = delete(_R).where(col(_R.agency_id) == self._agency_id, col(_R.id) == id)
        self._tell()
        return await self._tx.change(this) == 1

    async def of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Tag]]:
        found: dict[str, list[Tag]] = {}
        known = {each.id: each for each in await self.all()} if ids else {}
        order = {id: n for n, id in enumerate(known)}
        for start in range(0, len(ids) if known else 0, _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            query = select(col(_M.document_id), col(_M.tag_id)).where(
                col(_M.agency_id) == self._agency_id, col(_M.document_id).in_(part)
            )
            for document_id, tag_id in await self._tx.tuples(query):
                found.setdefault(document_id, []).append(known[tag_id])
        return {id: sorted(tags, key=lambda tag: order[tag.id]) for id, tags in found.items()}

    async def mark(self, id: str, side: Side, document_id: str, at: datetime, by: str) -> bool:
        self._tell()
        return await self._tx.put_new(
            TagMarkRow(
                agency_id=self._agency_id,
                tag_id=id,
                document_id=document_id,
                side=side.value,
                marked_by=by,
                marked_at=at,
            )
        )

    async def unmark(self, id: str, document_id: str) -> bool:
        self._tell()
        return await self._tx.change(delete(_M).where(self._is(id, document_id))) == 1

    async def counts(self) -> Mapping[tuple[str, Side], int]:
        query = (
            select(col(_M.tag_id), col(_M.side), func.count())
            .where(col(_M.agency_id) == self._agency_id)
            .group_by(col(_M.tag_id), col(_M.side))
        )
        return {(tag_id, Side(side)): n for tag_id, side, n in await self._tx.tuples(query)}

    def _is(self, id: str, document_id: str) -> ColumnElement[bool]:
        return and_(
            col(_M.agency_id) == self._agency_id,
            col(_M.tag_id) == id,
            col(_M.document_id) == document_id,
        )

    def _tell(self) -> None:
        self._tx.when_committed(partial(self._changed, self._agency_id))


def to_domain(row: TagRow) -> Tag:
    return Tag(id=row.id, name=row.name, made_by=row.made_by, made_at=row.made_at)
