"""An agency's own labels, its persons' saved views of lists, and what each person's own desk remembers, on SQL. In: an
open transaction of one agency. Out: the `Tags`, the `SavedViews` and the `OwnDesks` promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.text import fold
from gateway.office.domain.listing import SavedView, Side, Tag
from gateway.office.domain.ringing import OwnDesk, RingKind
from gateway.store.repository import AgencyRows, in_parts
from gateway.store.row import to_json, value_of
from gateway.store.tables_office import OwnDeskRow, SavedViewRow, TagMarkRow, TagRow
from gateway.store.transaction import Transaction

_TAG, _MARK = TagRow, TagMarkRow


class SqlTags(AgencyRows):
    """The labels of one agency."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, *, changed: Callable[[str], None] = lambda agency_id: None
    ) -> None:
        """`changed` hears which agency's lists are other ones now."""
        super().__init__(tx, scope)
        self._changed = changed

    async def all(self) -> Sequence[Tag]:
        """By name."""
        query = select(_TAG).where(col(_TAG.agency_id) == self._agency_id).order_by(col(_TAG.folded))
        return [value_of(Tag, row) for row in await self._tx.rows(_TAG, query)]

    async def named(self, name: str) -> Tag | None:
        """Letter case and accents do not matter."""
        this = select(_TAG).where(col(_TAG.agency_id) == self._agency_id, col(_TAG.folded) == fold(name))
        row = await self._tx.first(_TAG, this)
        return value_of(Tag, row) if row is not None else None

    async def add(self, tag: Tag) -> None:
        """Clash when there is one that reads the same."""
        made = TagRow.of(tag, agency_id=self._agency_id, folded=fold(tag.name))
        if not await self._tx.put_new(made):
            raise errors.Clash(f"there is a label named {tag.name!r} already, or one that reads the same")

    async def remove(self, id: str) -> bool:
        """With every mark of it. Whether there was one."""
        marks = delete(_MARK).where(col(_MARK.agency_id) == self._agency_id, col(_MARK.tag_id) == id)
        await self._tx.change(marks)
        this = delete(_TAG).where(col(_TAG.agency_id) == self._agency_id, col(_TAG.id) == id)
        self._tell()
        return await self._tx.change(this) == 1

    async def of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Tag]]:
        """What these documents carry, by name; only those that carry any."""
        found: dict[str, list[Tag]] = {}
        known = {each.id: each for each in await self.all()} if ids else {}
        order = {id: n for n, id in enumerate(known)}
        for part in in_parts(ids if known else ()):
            query = select(col(_MARK.document_id), col(_MARK.tag_id)).where(
                col(_MARK.agency_id) == self._agency_id, col(_MARK.document_id).in_(part)
            )
            for document_id, tag_id in await self._tx.tuples(query):
                found.setdefault(document_id, []).append(known[tag_id])
        return {id: sorted(tags, key=lambda tag: order[tag.id]) for id, tags in found.items()}

    async def mark(self, id: str, side: Side, document_id: str, at: datetime, by: str) -> bool:
        """Whether the document did not carry it yet."""
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
        """Whether the document carried it."""
        self._tell()
        this = (
            col(_MARK.agency_id) == self._agency_id,
            col(_MARK.tag_id) == id,
            col(_MARK.document_id) == document_id,
        )
        return await self._tx.change(delete(_MARK).where(*this)) == 1

    async def counts(self) -> Mapping[tuple[str, Side], int]:
        """How many documents of each direction carry each label; only those that some carry."""
        query = (
            select(col(_MARK.tag_id), col(_MARK.side), func.count())
            .where(col(_MARK.agency_id) == self._agency_id)
            .group_by(col(_MARK.tag_id), col(_MARK.side))
        )
        return {(tag_id, Side(side)): n for tag_id, side, n in await self._tx.tuples(query)}

    def _tell(self) -> None:
        self._tx.when_committed(partial(self._changed, self._agency_id))


_VIEW = SavedViewRow


class SqlSavedViews(AgencyRows):
    """Views of lists that persons of one agency saved."""

    async def of(self, person_id: str, side: Side) -> Sequence[SavedView]:
        """By name."""
        query = select(_VIEW).where(self._are(person_id, side)).order_by(col(_VIEW.folded))
        return [value_of(SavedView, row) for row in await self._tx.rows(_VIEW, query)]

    async def save(self, view: SavedView) -> None:
        """In place of one of the same name; letter case and accents do not matter. The list opens with at most one."""
        mine, this = self._are(view.person_id, view.side), col(_VIEW.folded) == fold(view.name)
        if view.is_first:
            await self._tx.change(update(_VIEW).where(mine, col(_VIEW.is_first)).values(is_first=False))
        made = SavedViewRow.of(view, agency_id=self._agency_id, folded=fold(view.name))
        if not await self._tx.put_new(made):
            values = made.values("agency_id", "person_id", "side", "folded")
            await self._tx.change(update(_VIEW).where(mine, this).values(values))

    async def remove(self, person_id: str, side: Side, name: str) -> bool:
        """Whether there was one."""
        mine = self._are(person_id, side)
        return await self._tx.change(delete(_VIEW).where(mine, col(_VIEW.folded) == fold(name))) == 1

    def _are(self, person_id: str, side: Side) -> ColumnElement[bool]:
        return and_(
            col(_VIEW.agency_id) == self._agency_id,
            col(_VIEW.person_id) == person_id,
            col(_VIEW.side) == side.value,
        )


_DESK = OwnDeskRow
_KINDS = tuple[RingKind, ...]


class SqlOwnDesks(AgencyRows):
    """What each person's desk in this agency remembers."""

    async def of(self, person_id: str) -> OwnDesk:
        """An empty one where nothing was kept yet."""
        mine = (col(_DESK.agency_id) == self._agency_id, col(_DESK.person_id) == person_id)
        row = await self._tx.first(_DESK, select(_DESK).where(*mine))
        return value_of(OwnDesk, row) if row is not None else OwnDesk()

    async def save(self, person_id: str, desk: OwnDesk) -> None:
        muted = to_json(_KINDS, tuple(sorted(desk.muted))) if desk.muted is not None else None
        row = OwnDeskRow.of(desk, agency_id=self._agency_id, person_id=person_id, muted=muted)
        await self._tx.put_over(row, *row.values("agency_id", "person_id"))
