"""Lists of one agency's documents, as pages show them: stored rows, and over them rows that are not written yet. In: a
`Filter` and a cursor. Out: one page, with cursors to both sides; or counts. A cursor names the row at the page's edge, so
rows that arrive meanwhile neither repeat nor hide one; overdue rows are judged by the moment of the first page. Recent
counts are used again: a small one for seconds, and no longer than until this process changes a document of that agency; one
that is beyond counting for minutes. The number of kept counts is bounded."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    bindparam,
    func,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.figure_cells import FigureFilter
from gateway.domain.text import Term
from gateway.domain.wall_clock import midnight
from gateway.ports.services import Clock
from gateway.store.figures import find_counted
from gateway.store.repository import decode_cursor, encode_cursor
from gateway.store.row import one_among, to_json, value_of
from gateway.store.tables_office import ListRow
from gateway.store.transaction import Transaction
from gateway_office.domain.listing import TABS, Filter, ListLine, Side, Tab
from gateway_office.store import lists_figures
from gateway_office.store.lists_figures import Charts, DayHours
from gateway_office.store.lists_overlay import Condition, Overlay
from gateway_office.store.lists_query import (
    SEARCH,
    Band,
    OrderColumn,
    filter_clauses,
    late_condition,
    like,
    make_bands,
    match_text,
    matches,
    order_clauses,
    rows_behind,
    single_band,
)
from gateway_office.store.lists_write import ListFolder

# Counting stops at this number: a page says "10.000+".
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Page of a list. `now` is the moment that overdue and attention were judged by; pages behind a cursor keep it."""

    lines: tuple[ListLine, ...]
    now: datetime
    next_cursor: str | None = None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCount:
    """Number of documents; `more` says that there are more, which were not counted."""

    n: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The dashboard's tiles that are about documents; each is the count of a list."""

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
# The count, when it was made, and the agency's turn at that time.
_KeptCount = tuple[ListCount, datetime, int]


class CountCache:
    """Recent counts of lists, one object for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cache: OrderedDict[_CountKey, _KeptCount] = OrderedDict()
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, agency_id: str) -> int:
        """Return how often the agency's documents were changed; to be asked before they are read."""
        return self._turns[agency_id]

    def changed(self, agency_id: str) -> None:
        self._turns[agency_id] += 1

    async def get(
        self, agency_id: str, turn: int, lists: Sequence[Filter], counting: Counting
    ) -> Sequence[ListCount]:
        """Return recent counts and make missing ones; callers of one agency wait for each other and mostly share."""
        async with self._counting[agency_id]:
            counts = {criteria: count for criteria in lists if (count := self._fresh(agency_id, criteria))}
            unknown = [criteria for criteria in dict.fromkeys(lists) if criteria not in counts]
            if unknown:
                for criteria, count in zip(unknown, await counting(unknown), strict=True):
                    counts[criteria] = count
                    self._cache[agency_id, criteria] = count, self._clock.now(), turn
                    self._cache.move_to_end((agency_id, criteria))
                while len(self._cache) > MOST_COUNTS_KEPT:
                    self._cache.popitem(last=False)
        return [counts[criteria] for criteria in lists]

    def _fresh(self, agency_id: str, criteria: Filter) -> ListCount | None:
        kept_count = self._cache.get((agency_id, criteria))
        if kept_count is None:
            return None
        count, at, turn = kept_count
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
_INTS = ("place", "lead")  # columns of whole numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """Start of a page: behind the row with these values in that band, or before it."""

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
        cache: CountCache | None = None,
    ) -> None:
        """Take recent counts from `cache`."""
        self._tx = tx
        self._agency_id = scope.agency_id
        self._clock = clock
        self._folder = folder
        self._overlay: Overlay | None = None
        self._cache = cache or CountCache(clock)
        self._turn = self._cache.turn(scope.agency_id)
        self._counted: dict[FigureFilter, Sequence[str]] = {}

    async def page(self, criteria: Filter, *, limit: int, cursor: str | None = None) -> ListPage:
        """Read each row once, in the order asked for, forward or back. NotFound for a cursor of another question."""
        limit = max(1, min(limit, MOST_ROWS))
        edge = _read_cursor(cursor, criteria) if cursor is not None else None
        now = edge.now if edge else self._clock.now()
        bands = self._bands(criteria, now)
        if edge is not None:
            edge = _convert_values(edge, bands)
        back = edge is not None and edge.back
        rows = await self._walk(bands, await self._clauses(criteria, now), edge, back=back, limit=limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        if back:
            rows.reverse()
        cursors = [
            _write_cursor(criteria, bands, now, rows[at], back=at == 0) if rows else None for at in (0, -1)
        ]
        return ListPage(
            lines=tuple(to_line(row) for _, row in rows),
            now=now,
            previous_cursor=cursors[0] if (more if back else edge is not None) else None,
            next_cursor=cursors[1] if (True if back else more) else None,
        )

    async def count(self, criteria: Filter) -> ListCount:
        (count,) = await self._counts([criteria])
        return count

    async def tabs(self, side: Side) -> Mapping[Tab | None, ListCount]:
        """Count the documents in each tab; None is all of them, and `Tab(0)` those that need a person."""
        tabs: dict[Tab | None, Filter] = {
            None: Filter(side=side),
            _ATTENTION: Filter(side=side, attention=True),
        }
        tabs |= {tab: Filter(side=side, tab=tab) for tab in TABS[side]}
        counted = await self._counts(list(tabs.values()))
        return dict(zip(tabs, counted, strict=True))

    async def neighbours(self, criteria: Filter, id: str) -> tuple[str | None, str | None]:
        """Return the ids of the rows before and after that one; None for both where the list does not have it."""
        now = self._clock.now()
        bands, clauses = self._bands(criteria, now), await self._clauses(criteria, now)
        for n, band in enumerate(bands):
            matches = await self._rows(band, [*clauses, col(_R.id) == id], None, back=False, limit=1)
            if matches:
                values = tuple(getattr(matches[0], order.name) for order in band.by)
                neighbours = []
                for back in (True, False):
                    edge = _Edge(band=n, values=values, back=back, now=now)
                    rows = await self._walk(bands, clauses, edge, back=back, limit=1)
                    neighbours.append(rows[0][1].id if rows else None)
                return neighbours[0], neighbours[1]
        return None, None

    async def late(self, side: Side, ids: Sequence[str], today: date) -> frozenset[str]:
        """Return those of the ids on which work or an answer is late."""
        if not ids:
            return frozenset()
        is_late = await late_condition(self._tx, self._agency_id, side, today)
        query = select(col(_R.id)).where(col(_R.agency_id) == self._agency_id, col(_R.id).in_(ids), is_late)
        overlay = await self._load_overlay()
        return frozenset(id for (id,) in await overlay.find(lambda more: query.where(*more)))

    async def line(self, id: str) -> ListLine | None:
        """Find one document as its list has it."""
        overlay = await self._load_overlay()
        for fresh in overlay.rows:
            if fresh.id == id:
                return to_line(fresh)
        mine = (col(_R.agency_id) == self._agency_id, col(_R.id) == id)
        row = await self._tx.first(_R, select(_R).where(*mine))
        return to_line(row) if row is not None else None

    async def lines(self, ids: Collection[str]) -> Mapping[str, ListLine]:
        """Return documents as their lists have them, by id; unknown ids are left out."""
        if not ids:
            return {}
        overlay = await self._load_overlay()
        mine = (col(_R.agency_id) == self._agency_id, col(_R.id).in_(sorted(set(ids))))
        rows = await self._tx.rows(_R, select(_R).where(*mine))
        fresh_rows = [row for row in overlay.rows if row.id in ids]
        return {row.id: to_line(row) for row in (*rows, *fresh_rows)}

    async def among(
        self, criteria: Filter, ids: Sequence[str], words: Sequence[Term] = ()
    ) -> Mapping[str, ListLine]:
        """Return the lines of those of the ids that the list has, whatever its text. `words` are words of rows."""
        if not ids:
            return {}
        band, now = single_band(replace(criteria, text="")), self._clock.now()
        band = replace(band, words=(*band.words, *words))
        clauses = [*await self._clauses(criteria, now), one_among(col(_R.id), ids)]
        overlay = await self._load_overlay()
        rows = await overlay.find(lambda more: self._base(band, [*clauses, *more], few=True))
        return {row.id: to_line(row) for row in rows}

    async def mark_read(self, ids: Sequence[str], *, unread: bool = False) -> int:
        """Mark incoming documents as read in the agency, or as unread again; return how many changed. This stands in their
        rows alone, so the rows are written first."""
        if not ids:
            return 0
        await self._folder.fold_documents(self._tx, self._agency_id, ids)
        self._overlay = None
        statement = update(_R).where(
            col(_R.agency_id) == self._agency_id,
            col(_R.side) == Side.IN.value,
            col(_R.id).in_(ids),
            col(_R.unread).is_(not unread),
        )
        changed = await self._tx.change(statement.values(unread=unread))
        if changed:
            self._tx.when_committed(partial(self._folder.changed, self._agency_id))
        return changed

    async def types(self, side: Side) -> Sequence[str]:
        """List the keys of the types of document there are, for the choice of a filter."""
        return await self._values(col(_R.type_key), side)

    async def books(self, side: Side) -> Sequence[str]:
        """List the years of the register books in which there are documents; with `NO_BOOK` where some are in none."""
        return await self._values(col(_R.book), side)

    async def _values(self, column: Any, side: Side) -> Sequence[str]:
        """List a column's values: there are few, and many documents."""
        overlay, query = await self._load_overlay(), _values_of(column.key)
        if overlay.without:
            query = _steps_through(column, *overlay.without)
        keys = [key for (key,) in await self._tx.tuples(query, agency=self._agency_id, of_side=side.value)]
        fresh = {getattr(row, column.key) for row in overlay.rows if row.side == side}
        return sorted({*keys, *fresh} - {None})[:MOST_ROWS]

    async def tiles(self, today: date) -> Tiles:
        since = midnight(today)
        out, arrived = Filter(side=Side.OUT), Filter(side=Side.IN)
        tiles = {
            "late": replace(arrived, tab=Tab.NEW, overdue=True),
            "urgent": replace(arrived, tab=Tab.NEW, pressing=True),
            "today": replace(arrived, since=since, until=since + timedelta(days=1)),
            "unsent": replace(out, tab=Tab.UNSENT),
            "silent": replace(out, tab=Tab.SILENT),
            "rejected": replace(out, tab=Tab.REJECTED),
            "failed": replace(out, tab=Tab.FAILED),
        }
        return Tiles(**dict(zip(tiles, await self._counts(list(tiles.values())), strict=True)))

    async def day(self, today: date) -> DayHours:
        return await lists_figures.count_hours(await self._load_overlay(), self._agency_id, today)

    async def charts(self, today: date, days: int = 30) -> Charts:
        return await lists_figures.charts(self._tx, await self._load_overlay(), self._agency_id, today, days)

    async def _counts(self, lists: Sequence[Filter]) -> Sequence[ListCount]:
        return await self._cache.get(self._agency_id, self._turn, lists, self._count)

    async def _count(self, lists: Sequence[Filter]) -> Sequence[ListCount]:
        """Count several lists by one statement."""
        now, overlay = self._clock.now(), await self._load_overlay()
        clauses = [await self._clauses(criteria, now) for criteria in lists]
        most = MOST_COUNTED + 1 + len(overlay.rows)

        def query(more: Sequence[Condition], *, few: bool) -> CompoundSelect[Any]:
            parts = []
            for n, criteria in enumerate(lists):
                rows = self._base(single_band(criteria), [*clauses[n], *more], text("1"), few=few).limit(most)
                number = literal(n, Integer).label("n")
                parts.append(select(number, func.count().label("found")).select_from(rows.subquery()))
            return union_all(*parts)

        counts = await overlay.count(lambda more: query(more, few=False), partial(query, few=True))
        numbers = [counts.get(n, 0) for n in range(len(lists))]
        return [ListCount(n=min(n, MOST_COUNTED), more=n > MOST_COUNTED) for n in numbers]

    async def _load_overlay(self) -> Overlay:
        """Load the rows that were not written yet when this unit first asked."""
        if self._overlay is None:
            self._overlay = await self._folder.overlay(self._tx, self._agency_id)
        return self._overlay

    async def _clauses(self, criteria: Filter, now: datetime) -> list[Condition]:
        clauses = filter_clauses(criteria, now, self._agency_id)
        if criteria.late is not None:
            clauses.append(await late_condition(self._tx, self._agency_id, criteria.side, criteria.late))
        if criteria.figure is not None:
            clauses.append(one_among(col(_R.id), sorted(set(await self.counted(criteria.figure)))))
        return clauses

    async def counted(self, figure: FigureFilter) -> Sequence[str]:
        """Return the ids of the documents that a report's figure counts, one for each time that it does."""
        if figure not in self._counted:
            self._counted[figure] = await find_counted(self._tx, self._agency_id, figure)
        return self._counted[figure]

    async def _walk(
        self, bands: Sequence[Band], clauses: list[Condition], edge: _Edge | None, *, back: bool, limit: int
    ) -> list[tuple[int, Any]]:
        """Read rows of one band after the other, each with the number of its band."""
        numbers = range(len(bands))
        order = list(reversed(numbers)) if back else list(numbers)
        if edge is not None:
            order = order[order.index(edge.band) :]
        pairs: list[tuple[int, Any]] = []
        for n in order:
            values = edge.values if edge is not None and edge.band == n else None
            rows = await self._rows(bands[n], clauses, values, back=back, limit=limit - len(pairs))
            pairs += [(n, row) for row in rows]
            if len(pairs) >= limit:
                break
        return pairs

    async def _rows(
        self, band: Band, clauses: list[Condition], values: tuple[Any, ...] | None, *, back: bool, limit: int
    ) -> Sequence[Any]:
        """Read rows of one band up to the limit, stored ones and those that are not written yet."""
        bound = [rows_behind(band.by, values, back=back)] if values is not None else []
        overlay = await self._load_overlay()
        stored = await self._stored(band, [*clauses, *bound, *overlay.without], back=back, limit=limit)
        if not overlay.rows:
            return stored
        query = self._base(band, [*clauses, *bound], few=True)
        fresh = await overlay.find_unwritten(query.order_by(*order_clauses(band.by, back=back)).limit(limit))
        return _sort_rows([*stored, *fresh], band.by, back=back)[:limit]

    async def _stored(self, band: Band, clauses: list[Condition], *, back: bool, limit: int) -> Sequence[Any]:
        if band.words and not self._has_index:
            return await self._find(band, clauses, back=back, limit=limit)
        if band.words and len(band.by) == 1:
            place: Any = SEARCH.c.rowid
            by_place = place.desc() if band.by[0].down != back else place.asc()
            return await self._tx.tuples(self._base(band, clauses).order_by(by_place).limit(limit))
        order = order_clauses(band.by, back=back)
        if band.words:
            return await self._tx.tuples(self._base(band, clauses).order_by(*order).limit(limit))
        # An index alone gives the places, where it covers the question: a server uses an index's own bits nowhere else.
        places = self._base(band, clauses, col(_R.place)).order_by(*order).limit(limit)
        query = select(*_COLUMNS).where(col(_R.place).in_(places)).order_by(*order)
        return await self._tx.tuples(query)

    async def _find(self, band: Band, clauses: list[Condition], *, back: bool, limit: int) -> Sequence[Any]:
        """Read rows by their words. Reading in the list's order ends as soon as the page is full, which a common word does
        at once; where too few of the next rows match, the words are searched first and their matches are sorted."""
        near = self._select([*clauses, *band.clauses]).add_columns(col(_R.folded))
        near = near.order_by(*order_clauses(band.by, back=back)).limit(_NEAR)
        # Each index has the rows of one side in order; an order of both is made of the two.
        sides = union_all(*(near.where(col(_R.side) == side.value) for side in Side)).subquery()
        near_rows = _in_order(sides, band, [], back, _NEAR, with_words=True).subquery()
        rows = await self._tx.tuples(_in_order(near_rows, band, like(band, near_rows.c.folded), back, limit))
        if len(rows) >= limit:
            return rows
        # The offset keeps the order out of the plan: an index of the order would be read to its end for a rare word.
        all_rows = self._base(band, clauses).offset(0).subquery()
        return await self._tx.tuples(_in_order(all_rows, band, [], back, limit))

    def _base(self, band: Band, clauses: list[Condition], *columns: Any, few: bool = False) -> Select[Any]:
        """Select the band's rows, in no order. `few`: there are so few of them that each is searched for its words."""
        query = self._select([*clauses, *band.clauses], *columns)
        if not band.words:
            return query
        if few or not self._has_index:
            return query.where(*like(band))
        # No index of the rows is used: the words are searched first, and then one row is read for each place.
        search = query.select_from(SEARCH).where(SEARCH.c.rowid == col(_R.place), matches(match_text(band)))
        return search.with_hint(_R, "NOT INDEXED", "sqlite")

    def _select(self, clauses: list[Condition], *columns: Any) -> Select[Any]:
        query = select(*(columns or _COLUMNS)).select_from(_R)
        return query.where(col(_R.agency_id) == self._agency_id, *clauses)

    def _bands(self, criteria: Filter, now: datetime) -> Sequence[Band]:
        return make_bands(criteria, now, by_statistics=not self._has_index)

    @property
    def _has_index(self) -> bool:
        """SQLite's index of words gives its places in order, so a common word costs no more than a rare one."""
        return self._tx.connection.dialect.name == "sqlite"


_COLUMNS = [getattr(_R, name) for name in _R.defaults if name != "folded"]


def _sort_rows(rows: list[Any], by: Sequence[OrderColumn], *, back: bool) -> list[Any]:
    """Sort rows in the order that a database gives."""
    for order in reversed(by):
        rows.sort(key=attrgetter(order.name), reverse=order.down != back)
    return rows


def _in_order(
    rows: Any,
    band: Band,
    clauses: list[Condition],
    back: bool,
    limit: int,
    *,
    with_words: bool = False,
) -> Select[Any]:
    """Select the first of these rows in the band's order."""
    columns = [c for c in rows.c if with_words or c.name != "folded"]
    order = [rows.c[c.name].desc() if c.down != back else rows.c[c.name].asc() for c in band.by]
    return select(*columns).where(*clauses).order_by(*order).limit(limit)


def _steps_through(column: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Select a column's values by one step into the index for each, up to `MOST_ROWS`."""
    mine = (col(_R.agency_id) == bindparam("agency"), col(_R.side) == bindparam("of_side"), *conditions)
    steps = select(func.min(column).label("key")).where(*mine).cte("steps", recursive=True)
    behind = select(func.min(column)).where(*mine, column > steps.c.key).scalar_subquery()
    steps = steps.union_all(select(behind).where(steps.c.key.is_not(None)))
    return select(steps.c.key).where(steps.c.key.is_not(None)).limit(MOST_ROWS)


@cache
def _values_of(name: str) -> Select[Any]:
    return _steps_through(getattr(_R, name))


def to_line(row: Any) -> ListLine:  # Any: a row with the columns that are shown
    return value_of(ListLine, row)


def _write_cursor(
    criteria: Filter, bands: Sequence[Band], now: datetime, at: tuple[int, Any], *, back: bool
) -> str:
    band, row = at
    values = [getattr(row, order.name) for order in bands[band].by]
    plain = [value.isoformat() if isinstance(value, date) else value for value in values]
    fields = [_digest(criteria), now.astimezone(UTC).isoformat(), band, back, plain]
    return encode_cursor(fields)


def _read_cursor(cursor: str, criteria: Filter) -> _Edge:
    try:
        digest, now, band, back, values = decode_cursor(cursor)
        moment = datetime.fromisoformat(now)
        if digest != _digest(criteria) or moment.tzinfo is None or type(band) is not int or band < 0:
            raise ValueError("of another question")
        checked_values = tuple(_check_value(value) for value in values)
        if not values or type(values[-1]) is not int or abs(values[-1]) >= 1 << 63:
            raise ValueError("no place")
    except (ValueError, TypeError, RecursionError) as cause:
        raise _foreign_cursor() from cause
    return _Edge(band=band, values=checked_values, back=back is True, now=moment)


def _convert_values(edge: _Edge, bands: Sequence[Band]) -> _Edge:
    """Convert the edge's values to the types that the columns of its band have."""
    try:
        by = bands[edge.band].by
        values = [
            date.fromisoformat(value) if order.name == "issued_on" else value
            for order, value in zip(by, edge.values, strict=True)
        ]
    except (IndexError, TypeError, ValueError) as cause:
        raise _foreign_cursor() from cause
    if any(
        isinstance(value, int) is not (order.name in _INTS) for order, value in zip(by, values, strict=True)
    ):
        raise _foreign_cursor()
    return replace(edge, values=tuple(values))


def _check_value(value: Any) -> Any:
    if (
        not isinstance(value, str | int)
        or isinstance(value, bool)
        or (isinstance(value, int) and abs(value) >= 1 << 63)
    ):
        raise ValueError("no value of a row")
    return value


def _digest(criteria: Filter) -> str:
    return hashlib.sha256(to_json(Filter, criteria).encode()).hexdigest()[:16]


def _foreign_cursor() -> errors.NotFound:
    return errors.NotFound(
        "this page cursor was not given for this list; ask for the first page again, without a cursor"
    )
