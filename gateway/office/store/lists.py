"""Lists of one agency's documents, as pages show them: what is stored, and over it what is not written yet. In: a `Filter`
and a cursor. Out: one page, with cursors to both sides; or counts. A cursor names the row at the page's edge, so rows
that come meanwhile neither repeat nor hide one; what is overdue is judged by the moment of the first page. Counts that
were worked out a moment ago are not made again: a small one is kept for seconds, and no longer than until this process
changes a document of that agency; one that is beyond counting stays so for minutes. How many are kept is bounded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from sqlalchemy import CompoundSelect, Integer, Select, func, literal, select, text, union_all, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.wall_clock import midnight
from gateway.office.domain.listing import TABS, Filter, ListLine, Side, Tab
from gateway.office.store import lists_figures
from gateway.office.store.lists_figures import Charts, DayHours
from gateway.office.store.lists_overlay import Condition, Overlay
from gateway.office.store.lists_query import (
    SEARCH,
    Band,
    OrderColumn,
    bands,
    behind,
    filters,
    late_condition,
    likes,
    match,
    matching,
    ordering,
    whole,
)
from gateway.office.store.lists_write import ListFolder
from gateway.ports.services import Clock
from gateway.store.row import to_json, value_of
from gateway.store.tables_office import ListRow
from gateway.store.transaction import Transaction

# Counting stops there: a page says "10.000+".
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """`now` is the moment that overdue and attention were judged by; pages behind a cursor keep it."""

    lines: tuple[ListLine, ...]
    now: datetime
    next_cursor: str | None = None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCount:
    """`more`: there are more than this, and nobody counted how many."""

    n: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The dashboard's tiles that are about documents (interfaces.md 2.1); each is the count of a list."""

    late: ListCount
    urgent: ListCount
    today: ListCount
    unsent: ListCount
    silent: ListCount
    rejected: ListCount
    failed: ListCount


COUNT_FRESH = timedelta(seconds=5)
STILL_MANY = timedelta(minutes=5)
MOST_COUNTS_KEPT = 2_000
Counting = Callable[[Sequence[Filter]], Awaitable[Sequence[ListCount]]]
_CountKey = tuple[str, Filter]
# With when it was counted, and at which turn.
_KnownCount = tuple[ListCount, datetime, int]


class KnownCounts:
    """One for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[_CountKey, _KnownCount] = OrderedDict()
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, agency_id: str) -> int:
        """How often its documents were changed; to be asked before they are looked at."""
        return self._turns[agency_id]

    def changed(self, agency_id: str) -> None:
        self._turns[agency_id] += 1

    async def of(
        self, agency_id: str, turn: int, asked: Sequence[Filter], counting: Counting
    ) -> Sequence[ListCount]:
        """Who comes while somebody counts for the same agency waits, and mostly finds what it wants."""
        async with self._counting[agency_id]:
            found = {wanted: count for wanted in asked if (count := self._fresh(agency_id, wanted))}
            unknown = [wanted for wanted in dict.fromkeys(asked) if wanted not in found]
            if unknown:
                for wanted, count in zip(unknown, await counting(unknown), strict=True):
                    found[wanted] = count
                    self._known[agency_id, wanted] = count, self._clock.now(), turn
                    self._known.move_to_end((agency_id, wanted))
                while len(self._known) > MOST_COUNTS_KEPT:
                    self._known.popitem(last=False)
        return [found[wanted] for wanted in asked]

    def _fresh(self, agency_id: str, wanted: Filter) -> ListCount | None:
        known = self._known.get((agency_id, wanted))
        if known is None:
            return None
        count, at, turn = known
        age = self._clock.now() - at
        if count.more:
            return count if timedelta() <= age < STILL_MANY else None
        same = turn == self._turns[agency_id]
        return count if same and timedelta() <= age < COUNT_FRESH else None


_R = ListRow
MOST_ROWS = 500
# A common word is found among the next rows; a rare one by the index of words, which would read every row of a common one.
_NEAR = 4_000
_ATTENTION = Tab(0)
_WHOLE = ("place", "lead")  # columns of whole numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """Where a page begins: behind the row with these values in that band, or before it."""

    band: int
    values: tuple[Any, ...]
    back: bool
    now: datetime


class SqlLists:
    """The lists of one agency, within one unit of work."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        folder: ListFolder,
        *,
        known: KnownCounts | None = None,
        changed: Callable[[str], None] = lambda agency_id: None,
    ) -> None:
        """`known`: counts of a moment ago are good enough; `changed` hears which agency's lists are other ones now."""
        self._changed = changed
        self._tx = tx
        self._agency_id = scope.agency_id
        self._clock = clock
        self._folder = folder
        self._overlay: Overlay | None = None
        self._known = known or KnownCounts(clock)
        self._turn = self._known.turn(scope.agency_id)

    async def page(self, wanted: Filter, *, limit: int, cursor: str | None = None) -> ListPage:
        """Each row once, in the order asked for, forward or back. NotFound for a cursor of another question."""
        limit = max(1, min(limit, MOST_ROWS))
        edge = _read_cursor(cursor, wanted) if cursor is not None else None
        now = edge.now if edge else self._clock.now()
        asked = bands(wanted, now)
        if edge is not None:
            edge = _typed(edge, asked)
        back = edge is not None and edge.back
        found = await self._through(asked, await self._where(wanted, now), edge, back=back, limit=limit + 1)
        more, found = len(found) > limit, found[:limit]
        if back:
            found.reverse()
        cursors = [
            _write_cursor(wanted, asked, now, found[at], back=at == 0) if found else None for at in (0, -1)
        ]
        return ListPage(
            lines=tuple(to_line(row) for _, row in found),
            now=now,
            previous_cursor=cursors[0] if (more if back else edge is not None) else None,
            next_cursor=cursors[1] if (True if back else more) else None,
        )

    async def count(self, wanted: Filter) -> ListCount:
        (count,) = await self._counts([wanted])
        return count

    async def tabs(self, side: Side) -> Mapping[Tab | None, ListCount]:
        """How many stand in each tab; None is all of them, and `Tab(0)` those that need a person."""
        asked: dict[Tab | None, Filter] = {
            None: Filter(side=side),
            _ATTENTION: Filter(side=side, attention=True),
        }
        asked |= {tab: Filter(side=side, tab=tab) for tab in TABS[side]}
        counted = await self._counts(list(asked.values()))
        return dict(zip(asked, counted, strict=True))

    async def beside(self, wanted: Filter, id: str) -> tuple[str | None, str | None]:
        """The ids of the rows before and after that one; none for both where the list does not have it."""
        now = self._clock.now()
        asked, where = bands(wanted, now), await self._where(wanted, now)
        for n, band in enumerate(asked):
            found = await self._rows(band, [*where, col(_R.id) == id], None, back=False, limit=1)
            if found:
                values = tuple(getattr(found[0], order.name) for order in band.by)
                beside = []
                for back in (True, False):
                    edge = _Edge(band=n, values=values, back=back, now=now)
                    rows = await self._through(asked, where, edge, back=back, limit=1)
                    beside.append(rows[0][1].id if rows else None)
                return beside[0], beside[1]
        return None, None

    async def late(self, side: Side, ids: Sequence[str], today: date) -> frozenset[str]:
        """Those of them on which work or an answer is late."""
        if not ids:
            return frozenset()
        is_late = await late_condition(self._tx, self._agency_id, side, today)
        these = select(col(_R.id)).where(col(_R.agency_id) == self._agency_id, col(_R.id).in_(ids), is_late)
        overlay = await self._over()
        return frozenset(id for (id,) in await overlay.found(lambda more: these.where(*more)))

    async def line(self, id: str) -> ListLine | None:
        """One document as its list has it."""
        overlay = await self._over()
        for fresh in overlay.rows:
            if fresh.id == id:
                return to_line(fresh)
        mine = (col(_R.agency_id) == self._agency_id, col(_R.id) == id)
        row = await self._tx.first(_R, select(_R).where(*mine))
        return to_line(row) if row is not None else None

    async def mark_read(self, ids: Sequence[str], *, unread: bool = False) -> int:
        """Incoming documents that somebody of the agency has read now, or wants to have unread again; how many were not.
        Their rows alone know it, so these are written first."""
        if not ids:
            return 0
        await self._folder.fold_these(self._tx, self._agency_id, ids)
        self._overlay = None
        these = update(_R).where(
            col(_R.agency_id) == self._agency_id,
            col(_R.side) == Side.IN.value,
            col(_R.id).in_(ids),
            col(_R.unread).is_(not unread),
        )
        changed = await self._tx.change(these.values(unread=unread))
        if changed:
            self._tx.when_committed(partial(self._changed, self._agency_id))
        return changed

    async def types(self, side: Side) -> Sequence[str]:
        """The keys of the types of document there are, for the choice of a filter."""
        return await self._values(col(_R.type_key), side)

    async def books(self, side: Side) -> Sequence[str]:
        """The years of the register books in which there are documents; with `NO_BOOK` where some are in none."""
        return await self._values(col(_R.book), side)

    async def _values(self, column: Any, side: Side) -> Sequence[str]:
        """One step into the index for each: there are few values and many documents."""
        overlay, found = await self._over(), list[str]()
        mine = (col(_R.agency_id) == self._agency_id, col(_R.side) == side.value, *overlay.without)
        while len(found) < MOST_ROWS:
            behind_last = [column > found[-1]] if found else []
            ((next_key,),) = await self._tx.tuples(select(func.min(column)).where(*mine, *behind_last))
            if next_key is None:
                break
            found.append(next_key)
        fresh = {getattr(row, column.key) for row in overlay.rows if row.side == side}
        return sorted({*found, *fresh} - {None})[:MOST_ROWS]

    async def tiles(self, today: date) -> Tiles:
        since = midnight(today)
        out, arrived = Filter(side=Side.OUT), Filter(side=Side.IN)
        asked = {
            "late": replace(arrived, tab=Tab.NEW, overdue=True),
            "urgent": replace(arrived, tab=Tab.NEW, pressing=True),
            "today": replace(arrived, since=since, until=since + timedelta(days=1)),
            "unsent": replace(out, tab=Tab.UNSENT),
            "silent": replace(out, tab=Tab.SILENT),
            "rejected": replace(out, tab=Tab.REJECTED),
            "failed": replace(out, tab=Tab.FAILED),
        }
        return Tiles(**dict(zip(asked, await self._counts(list(asked.values())), strict=True)))

    async def day(self, today: date) -> DayHours:
        return await lists_figures.hours_of(await self._over(), self._agency_id, today)

    async def charts(self, today: date, days: int = 30) -> Charts:
        return await lists_figures.charts(self._tx, await self._over(), self._agency_id, today, days)

    async def _counts(self, asked: Sequence[Filter]) -> Sequence[ListCount]:
        return await self._known.of(self._agency_id, self._turn, asked, self._count)

    async def _count(self, asked: Sequence[Filter]) -> Sequence[ListCount]:
        """Several at once."""
        now, overlay = self._clock.now(), await self._over()
        where = [await self._where(wanted, now) for wanted in asked]
        most = MOST_COUNTED + 1 + len(overlay.rows)

        def counted(more: Sequence[Condition], *, few: bool) -> CompoundSelect[Any]:
            parts = []
            for n, wanted in enumerate(asked):
                rows = self._base(whole(wanted), [*where[n], *more], text("1"), few=few).limit(most)
                number = literal(n, Integer).label("n")
                parts.append(select(number, func.count().label("found")).select_from(rows.subquery()))
            return union_all(*parts)

        found = await overlay.counted(lambda more: counted(more, few=False), partial(counted, few=True))
        numbers = [found.get(n, 0) for n in range(len(asked))]
        return [ListCount(n=min(n, MOST_COUNTED), more=n > MOST_COUNTED) for n in numbers]

    async def _over(self) -> Overlay:
        """Of what was committed when this unit asked first."""
        if self._overlay is None:
            self._overlay = await self._folder.overlay(self._tx, self._agency_id)
        return self._overlay

    async def _where(self, wanted: Filter, now: datetime) -> list[Condition]:
        where = filters(wanted, now, self._agency_id)
        if wanted.late is not None:
            where.append(await late_condition(self._tx, self._agency_id, wanted.side, wanted.late))
        return where

    async def _through(
        self, asked: Sequence[Band], where: list[Condition], edge: _Edge | None, *, back: bool, limit: int
    ) -> list[tuple[int, Any]]:
        """Rows of one band after the other, each with the number of its band."""
        numbers = range(len(asked))
        order = list(reversed(numbers)) if back else list(numbers)
        if edge is not None:
            order = order[order.index(edge.band) :]
        found: list[tuple[int, Any]] = []
        for n in order:
            values = edge.values if edge is not None and edge.band == n else None
            rows = await self._rows(asked[n], where, values, back=back, limit=limit - len(found))
            found += [(n, row) for row in rows]
            if len(found) >= limit:
                break
        return found

    async def _rows(
        self, band: Band, where: list[Condition], values: tuple[Any, ...] | None, *, back: bool, limit: int
    ) -> Sequence[Any]:
        """As many of the band as there should be, from what is stored and from what is not written yet."""
        bound = [behind(band.by, values, back=back)] if values is not None else []
        overlay = await self._over()
        stored = await self._stored(band, [*where, *bound, *overlay.without], back=back, limit=limit)
        if not overlay.rows:
            return stored
        asked = self._base(band, [*where, *bound], few=True)
        fresh = await overlay.fresh(asked.order_by(*ordering(band.by, back=back)).limit(limit))
        return _merged([*stored, *fresh], band.by, back=back)[:limit]

    async def _stored(self, band: Band, where: list[Condition], *, back: bool, limit: int) -> Sequence[Any]:
        if band.words and not self._has_index:
            return await self._worded(band, where, back=back, limit=limit)
        if band.words and len(band.by) == 1:
            place: Any = SEARCH.c.rowid
            by_place = place.desc() if band.by[0].down != back else place.asc()
            return await self._tx.tuples(self._base(band, where).order_by(by_place).limit(limit))
        order = ordering(band.by, back=back)
        if band.words:
            return await self._tx.tuples(self._base(band, where).order_by(*order).limit(limit))
        # Found in an index alone, where that has all that is asked: a server judges an index's own bits nowhere else.
        found = self._base(band, where, col(_R.place)).order_by(*order).limit(limit)
        shown = select(*_SHOWN).where(col(_R.place).in_(found)).order_by(*order)
        return await self._tx.tuples(shown)

    async def _worded(self, band: Band, where: list[Condition], *, back: bool, limit: int) -> Sequence[Any]:
        """By the words themselves. Reading in the list's order ends as soon as the page is full, which a common word does
        at once; where too few of the next rows have them, the words are asked for first and what they find is sorted."""
        near = self._mine([*where, *band.where]).add_columns(col(_R.folded))
        near = near.order_by(*ordering(band.by, back=back)).limit(_NEAR)
        # Each index has the rows of one side in order; an order of both is made of the two.
        sides = union_all(*(near.where(col(_R.side) == side.value) for side in Side)).subquery()
        near_rows = _ordered(sides, band, [], back, _NEAR, with_words=True).subquery()
        found = await self._tx.tuples(_ordered(near_rows, band, likes(band, near_rows.c.folded), back, limit))
        if len(found) >= limit:
            return found
        # The offset keeps the order out of the plan: no index of an order would be read to its end for a rare word.
        all_rows = self._base(band, where).offset(0).subquery()
        return await self._tx.tuples(_ordered(all_rows, band, [], back, limit))

    def _base(self, band: Band, where: list[Condition], *columns: Any, few: bool = False) -> Select[Any]:
        """The band's rows, in no order. `few`: there are so few of them that each is looked at for its words."""
        query = self._mine([*where, *band.where], *columns)
        if not band.words:
            return query
        if few or not self._has_index:
            return query.where(*likes(band))
        # Not by an index of the rows: the words are to be found first, and then one row for each place.
        found = query.select_from(SEARCH).where(SEARCH.c.rowid == col(_R.place), matching(match(band)))
        return found.with_hint(_R, "NOT INDEXED", "sqlite")

    def _mine(self, where: list[Condition], *columns: Any) -> Select[Any]:
        query = select(*(columns or _SHOWN)).select_from(_R)
        return query.where(col(_R.agency_id) == self._agency_id, *where)

    @property
    def _has_index(self) -> bool:
        """SQLite's index of words gives its places in order, so a common word costs no more than a rare one."""
        return self._tx.connection.dialect.name == "sqlite"


def _merged(rows: list[Any], by: Sequence[OrderColumn], *, back: bool) -> list[Any]:
    """In the order that a database gives."""
    for order in reversed(by):
        rows.sort(key=attrgetter(order.name), reverse=order.down != back)
    return rows


def _ordered(
    rows: Any,
    band: Band,
    where: list[Condition],
    back: bool,
    limit: int,
    *,
    with_words: bool = False,
) -> Select[Any]:
    """The first of these rows in the band's order."""
    shown = [each for each in rows.c if with_words or each.name != "folded"]
    order = [rows.c[each.name].desc() if each.down != back else rows.c[each.name].asc() for each in band.by]
    return select(*shown).where(*where).order_by(*order).limit(limit)


_SHOWN = [getattr(_R, name) for name in _R.model_fields if name != "folded"]


def to_line(row: Any) -> ListLine:  # Any: a row with the columns that are shown
    return value_of(ListLine, row)


def _write_cursor(
    wanted: Filter, asked: Sequence[Band], now: datetime, at: tuple[int, Any], *, back: bool
) -> str:
    band, row = at
    values = [getattr(row, order.name) for order in asked[band].by]
    plain = [value.isoformat() if isinstance(value, date) else value for value in values]
    told = [_digest(wanted), now.astimezone(UTC).isoformat(), band, back, plain]
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, wanted: Filter) -> _Edge:
    try:
        told = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, now, band, back, values = json.loads(told)
        moment = datetime.fromisoformat(now)
        if digest != _digest(wanted) or moment.tzinfo is None or type(band) is not int or band < 0:
            raise ValueError("of another question")
        read = tuple(_value(each) for each in values)
        if not values or type(values[-1]) is not int or abs(values[-1]) >= 1 << 63:
            raise ValueError("no place")
    except (ValueError, TypeError, RecursionError) as cause:
        raise _foreign() from cause
    return _Edge(band=band, values=read, back=back is True, now=moment)


def _typed(edge: _Edge, asked: Sequence[Band]) -> _Edge:
    """The values as the columns of that band have them."""
    try:
        by = asked[edge.band].by
        values = [
            date.fromisoformat(value) if order.name == "issued_on" else value
            for order, value in zip(by, edge.values, strict=True)
        ]
    except (IndexError, TypeError, ValueError) as cause:
        raise _foreign() from cause
    if any(
        isinstance(value, int) is not (order.name in _WHOLE) for order, value in zip(by, values, strict=True)
    ):
        raise _foreign()
    return replace(edge, values=tuple(values))


def _value(value: Any) -> Any:
    if (
        not isinstance(value, str | int)
        or isinstance(value, bool)
        or (isinstance(value, int) and abs(value) >= 1 << 63)
    ):
        raise ValueError("no value of a row")
    return value


def _digest(wanted: Filter) -> str:
    return hashlib.sha256(to_json(Filter, wanted).encode()).hexdigest()[:16]


def _foreign() -> errors.NotFound:
    return errors.NotFound(
        "this page cursor was not given for this list; ask for the first page again, without a cursor"
    )
