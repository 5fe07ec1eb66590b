"""Words of files of one agency's documents: written after reading, removed with the document's right to be read, searched.
And the marks of documents whose files are to be read, of all agencies. In: pages of words; a `WordQuery`, a list's filter.
Out: documents with the page found, the newest first; documents to read.

Removed words are found no more once the unit of work that removed them ends. On SQLite the index keeps them in its older
parts until these are rewritten, which `SqlContentQueue.rewrite` does in short steps.

A page's place begins with bits of its agency, so that a search reads the places of its agency alone, and goes on with the
second of the document's list row: the newest words are read first, and reading ends when enough of them are found."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    table,
    text,
    update,
)
from sqlmodel import col

from gateway import errors
from gateway.domain.pace import CLOCKS_APART
from gateway.domain.text import Term, sought
from gateway.ports.services import Clock
from gateway.store.drivers import FEW
from gateway.store.repository import AgencyRows, OwnTransactions
from gateway.store.row import Moment, among_numbers, update_by_key, value_of
from gateway.store.tables_office import (
    ContentDueRow,
    ContentReadRow,
    ContentStateRow,
    ContentTextRow,
    ListRow,
)
from gateway.store.transaction import Open, Transaction
from gateway_office.domain.content import RECOGNISED, Reading, WordPage, WordQuery, read_query, searched_words
from gateway_office.domain.listing import Filter, ListLine, Side
from gateway_office.store.content_marks import forget_words
from gateway_office.store.lists import SqlLists
from gateway_office.store.lists_query import Band, like, match_text
from gateway_office.store.lists_write import first_place

_T, _D, _READ, _STATE = ContentTextRow, ContentDueRow, ContentReadRow, ContentStateRow
# Bits of a place: of the agency, of the second, and of the pages within that second.
_AGENCY_BITS, _SECOND_BITS, _SPREAD_BITS = 14, 32, 17
_LIST_SPREAD = 12
_MICROSECONDS = 1_000_000
_WINDOW = 200
# A filter that nearly no match meets ends the look after so many pages; the reader may go on from there.
PAGES_AT_MOST = 4_000
# PostgreSQL sorts all matches of a word. A common one is found among the next rows instead, few at a time, because each is
# unpacked for it; any other among the matches of a span of time, each longer than the one before.
_NEAR, _NEAR_WINDOW = 200, 60
_SPAN_BITS = 18
"""Bits of a second's number that the index has not: spans of three days."""
_SPANS = (1, 4, 16, 64, 256)
# The index has no positions: pages with all words of a phrase are unpacked to look whether they stand in a row.
_PHRASE_WINDOW = 1_000
CLAIMED_FOR = timedelta(minutes=10)
MOST_TRIES = 3
_CURSOR = re.compile(r"([01])-(\d{1,19})")
_FILL, _TRACES = "fill", "traces"
_REWRITTEN_AT_ONCE = 250

_MERGE = text("INSERT INTO content_search (content_search, rank) VALUES ('merge', :pages)")
_SEARCH = table("content_search", column("rowid"))
_MATCH_COLUMNS = (col(_T.place), col(_T.document_id), col(_T.n), col(_T.page))
_WITHIN = (
    col(_T.agency_id) == bindparam("agency"),
    col(_T.place) >= bindparam("low"),
    col(_T.place) <= bindparam("high"),
)
_NEWEST_PLACE = select(col(_T.place)).where(*_WITHIN).order_by(col(_T.place).desc()).limit(1)
# Written so that no other index than that of the words answers them: reading a span of time and making its words anew
# looks cheap to a server that knows little of them, and takes a second.
_AMONG_MATCHES = (
    col(_T.agency_id).concat("") == bindparam("agency"),
    col(_T.place) + 0 >= bindparam("low"),
    col(_T.place) + 0 <= bindparam("high"),
)
_BY_INDEX = (
    select(*_MATCH_COLUMNS, literal(True).label("fits"))
    .select_from(_SEARCH)
    .where(
        _SEARCH.c.rowid == col(_T.place),
        text("content_search MATCH :sought"),
        _SEARCH.c.rowid >= bindparam("low"),
        _SEARCH.c.rowid <= bindparam("high"),
        col(_T.agency_id) == bindparam("agency"),
    )
    .order_by(_SEARCH.c.rowid.desc())
    .limit(bindparam("most"))
    # The words are searched first, and then one row is read for each place.
    .with_hint(_T.__table__, "NOT INDEXED", "sqlite")
)
_OF_DOCUMENT = (col(_T.agency_id) == bindparam("agency"), col(_T.document_id) == bindparam("document"))
_LOWEST = select(func.min(col(_T.place))).where(*_OF_DOCUMENT)
_FIRST_USED_PLACE = (
    select(col(_T.place))
    .where(col(_T.place) >= bindparam("low"), col(_T.place) <= bindparam("high"))
    .limit(1)
)
_TEXTS = select(col(_T.place), col(_T.text)).where(among_numbers(col(_T.place), "places"))
_READINGS = (
    select(col(_READ.n), col(_READ.reading))
    .where(col(_READ.agency_id) == bindparam("agency"), col(_READ.document_id) == bindparam("document"))
    .execution_options(**FEW)
)
_DROP = delete(_D).where(
    col(_D.agency_id) == bindparam("agency"), col(_D.document_id) == bindparam("document")
)
# A later time was written while the clock was ahead.
_DUE = select(_D).where(
    or_(
        col(_D.not_before) <= bindparam("now", type_=Moment()),
        col(_D.not_before) > bindparam("far", type_=Moment()),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueContent:
    """Document whose files are to be read. `is_last`: earlier readings began and did not end."""

    agency_id: str
    document_id: str
    side: Side
    place: int
    tries: int = 0
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentMatch:
    """Document that has the words, with its line and the page that has them, perhaps recognised in a picture."""

    line: ListLine
    n: int
    page: int
    text: str
    recognised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPage:
    """Part of the matches, the newest first. `next_cursor`: there may be more."""

    matches: tuple[ContentMatch, ...] = ()
    next_cursor: str | None = None


class SqlContents(AgencyRows):
    """Words of files of one agency, within one unit of work."""

    async def readings(self, document_id: str) -> Mapping[int, Reading]:
        """Return the outcome of reading the document's files, by number of the file."""
        rows = await self._tx.tuples(_READINGS, agency=self._agency_id, document=document_id)
        return {n: Reading(reading) for n, reading in rows}

    async def keep(
        self, due: DueContent, pages: Sequence[WordPage], readings: Mapping[int, Reading], at: datetime
    ) -> None:
        """Keep the words of a document's files, in place of earlier ones, and take its mark away, unless pictures in it are
        to be read: then it comes back, alone."""
        await self._tx.hold("contents")
        forget_words(self._tx, self._agency_id, [due.document_id])
        await self._tx.flush()
        folded = [(page, words) for page in pages if (words := searched_words(page.text))]
        if folded:
            top = await self._free_place(due, len(folded)) + len(folded) - 1
            self._tx.insert(
                *(
                    ContentTextRow(
                        place=top - n,
                        agency_id=self._agency_id,
                        document_id=due.document_id,
                        n=page.n,
                        page=page.page,
                        folded=words,
                        text=page.stored_text,
                    )
                    for n, (page, words) in enumerate(folded)
                )
            )
        self._tx.insert(
            *(
                ContentReadRow(
                    agency_id=self._agency_id, document_id=due.document_id, n=n, reading=reading.value, at=at
                )
                for n, reading in readings.items()
            )
        )
        if Reading.PARTLY not in readings.values():
            await self.drop(due)
        # Here and not at the end of the unit: indexing many pages takes a thread.
        await self._tx.flush()

    async def drop(self, due: DueContent) -> None:
        """Take the document's mark away."""
        self._tx.change_later(_DROP, agency=self._agency_id, document=due.document_id)

    async def search(
        self, lists: SqlLists, criteria: Filter, *, limit: int, cursor: str | None = None
    ) -> ContentPage:
        """Find documents of a list that have the filter's words in a file: those with the accents typed first, then the
        newest first, each with its first page found. A cursor that cannot be read is none."""
        query = read_query(sought(criteria.text))
        if not query.terms:
            return ContentPage()
        bands, (low, top) = _bands(query), _span(self._agency_id, criteria)
        band, high = _read_cursor(cursor, len(bands), top)
        pairs: dict[str, tuple[ListLine, Any]] = {}
        judged: set[str] = set()
        page_count = 0
        while band < len(bands) and page_count < PAGES_AT_MOST:
            rows, is_full = await self._window(bands[band], low, high)
            fresh = {
                row.document_id: row for row in reversed(rows) if row.fits and row.document_id not in judged
            }
            lines = await lists.among(criteria, list(fresh), query.roles)
            for row in sorted(fresh.values(), key=lambda row: -row.place):
                judged.add(row.document_id)
                if row.document_id not in lines:
                    continue
                pairs[row.document_id] = lines[row.document_id], row
                if len(pairs) == limit:
                    lowest = await self._lowest(row.document_id)
                    return ContentPage(matches=await self._matches(pairs), next_cursor=f"{band}-{lowest - 1}")
            page_count += len(rows)
            band, high = (band, rows[-1].place - 1) if is_full else (band + 1, top)
        return ContentPage(
            matches=await self._matches(pairs), next_cursor=f"{band}-{high}" if band < len(bands) else None
        )

    async def _matches(self, pairs: Mapping[str, tuple[ListLine, Any]]) -> tuple[ContentMatch, ...]:
        places = [row.place for _, row in pairs.values()]
        texts = dict((await self._tx.tuples(_TEXTS, places=places)) if places else ())
        return tuple(
            ContentMatch(
                line=line,
                n=row.n,
                page=row.page,
                text=(stored_text := texts.get(row.place, "")).removeprefix(RECOGNISED),
                recognised=stored_text.startswith(RECOGNISED),
            )
            for line, row in pairs.values()
        )

    async def _window(self, band: Band, low: int, high: int) -> tuple[Sequence[Any], bool]:
        """Read the next pages with the words, and tell whether there may be more; those that do not fit have the words of
        a phrase, but not in a row."""
        bounds: dict[str, Any] = {"agency": self._agency_id, "low": low, "high": high}
        if not self._tx.asks_server:
            rows = await self._tx.tuples(_BY_INDEX, sought=match_text(band), most=_WINDOW, **bounds)
            return rows, len(rows) == _WINDOW
        newest = await self._tx.tuples(_NEWEST_PLACE, **bounds)
        if not newest:
            return (), False
        near_window = min(_WINDOW, _NEAR_WINDOW)
        near = (
            select(*_MATCH_COLUMNS, col(_T.folded))
            .where(*_WITHIN)
            .order_by(col(_T.place).desc())
            .limit(_NEAR)
            .subquery()
        )
        rows = await self._tx.tuples(_newest(near, near_window, like(band, near.c.folded)), **bounds)
        if len(rows) == near_window:
            return rows, True
        most = near_window if _is_answered_by_index(band) else _PHRASE_WINDOW
        rows = []
        for spans, part in _parts_of_time(low, newest[0][0]):
            rows += await self._tx.tuples(
                _by_words(self._agency_id, band, spans, most - len(rows)), **(bounds | part)
            )
            if len(rows) == most:
                break
        return rows, len(rows) == most

    async def _lowest(self, document_id: str) -> int:
        return int(await self._tx.scalar(_LOWEST, agency=self._agency_id, document=document_id))

    async def _free_place(self, due: DueContent, pages: int) -> int:
        """Find the lowest of so many free places in a row, at the document's second or soon after it."""
        second = (due.place >> _LIST_SPREAD) // _MICROSECONDS
        for salt in range(256):
            spread = hashlib.blake2b(f"{salt}{due.document_id}".encode(), digest_size=4).digest()
            offset = int.from_bytes(spread, "big") % ((1 << _SPREAD_BITS) - pages)
            low = _place(self._agency_id, second + salt // 16) + offset
            if not await self._tx.tuples(_FIRST_USED_PLACE, low=low, high=low + pages - 1):
                return low
        raise errors.StoreFailure(f"no place is left for the words of {due.document_id}")


def _bands(query: WordQuery) -> Sequence[Band]:
    """Return the words with the accents typed, then those without."""
    if not query.exact:
        return [Band(by=(), words=query.terms)]
    return [
        Band(by=(), words=(*query.terms, *query.exact)),
        Band(by=(), words=query.terms, but_not=query.exact),
    ]


def _place(agency_id: str, second: int) -> int:
    """Return the first place of an agency's pages of that second. Agencies may share places; rows name their agency."""
    bits = int.from_bytes(hashlib.blake2b(agency_id.encode(), digest_size=2).digest(), "big")
    at = min(max(second, 0), (1 << _SECOND_BITS) - 1)
    return ((bits >> (16 - _AGENCY_BITS)) << _SECOND_BITS | at) << _SPREAD_BITS


def _span(agency_id: str, criteria: Filter) -> tuple[int, int]:
    """Return the lowest and the highest place that a match can have. A day's bounds are whole seconds, and pages may stand
    some seconds behind their document."""
    low, high = _place(agency_id, 0), _place(agency_id, (1 << _SECOND_BITS) - 1) + (1 << _SPREAD_BITS) - 1
    if criteria.since is not None:
        low = _place(agency_id, (first_place(criteria.since) >> _LIST_SPREAD) // _MICROSECONDS)
    if criteria.until is not None:
        high = _place(agency_id, (first_place(criteria.until) >> _LIST_SPREAD) // _MICROSECONDS + 17) - 1
    return low, high


def _read_cursor(cursor: str | None, bands: int, high: int) -> tuple[int, int]:
    match = _CURSOR.fullmatch(cursor or "")
    if match is None or int(match[1]) >= bands:
        return 0, high
    return int(match[1]), min(int(match[2]), high)


def _parts_of_time(low: int, high: int) -> Iterator[tuple[Sequence[int], dict[str, Any]]]:
    """Split these places into parts, the newest first, each with its spans as the index names them; the last part is all
    that is left, and has none."""
    bits = _SPAN_BITS + _SPREAD_BITS
    for count in _SPANS:
        top = high >> bits
        bottom = top - count + 1
        if bottom <= low >> bits:
            break
        yield range(bottom, top + 1), {"low": bottom << bits, "high": high}
        high = (bottom << bits) - 1
    yield (), {"low": low, "high": high}


def _newest(rows: Any, most: int, words: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Select the newest of these rows that meet the conditions."""
    columns = [rows.c[name] for name in ("place", "document_id", "n", "page")]
    return (
        select(*columns, literal(True).label("fits")).where(*words).order_by(rows.c.place.desc()).limit(most)
    )


def _by_words(agency_id: str, band: Band, spans: Sequence[int], most: int) -> Select[Any]:
    """Select the newest pages that a server's index finds, and tell of each whether it fits."""
    pages = (
        select(*_MATCH_COLUMNS, col(_T.folded))
        .where(*_AMONG_MATCHES, _has_words(agency_id, band, spans))
        # Keeps the order out of the plan: for a rare word all pages would be read in order.
        .offset(0)
        .subquery()
    )
    newest = select(pages).order_by(pages.c.place.desc()).limit(most).subquery()
    if _is_answered_by_index(band):
        fits: Any = literal(True)
    else:
        phrases = tuple(term for term in _terms(band) if len(term.words) > 1)
        fits = and_(*like(Band(by=(), words=phrases, but_not=band.but_not), newest.c.folded))
    columns = [newest.c[name] for name in ("place", "document_id", "n", "page")]
    return select(*columns, fits.label("fits")).order_by(newest.c.place.desc())


def _has_words(agency_id: str, band: Band, spans: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a server's index answers; it must name the words as the index does. A word is letters and
    digits, so it needs no more than quotation marks."""
    words = text(
        "array_to_tsvector(string_to_array(content_text.agency_id || ' T' ||"
        " CAST(content_text.place >> 35 AS VARCHAR) || rtrim(content_text.folded), ' '))"
    )
    lexemes = [f"'{agency_id}'", *(f"'{word}'" for term in _terms(band) for word in term.words)]
    if spans:
        lexemes.append("(" + " | ".join(f"'T{span}'" for span in spans) + ")")
    if band.but_not and _is_answered_by_index(band):
        lexemes.append("!(" + " & ".join(f"'{word}'" for term in band.but_not for word in term.words) + ")")
    condition: Any = text(f"{words} @@ CAST(:wanted AS tsquery)").bindparams(wanted=" & ".join(lexemes))
    return condition  # type: ignore[no-any-return]  # text(): no common operator


def _terms(band: Band) -> Iterator[Term]:
    """Yield the words of a text; it has no alternatives, which only a person's view of lists has."""
    return (term for term in band.words if isinstance(term, Term))


def _is_answered_by_index(band: Band) -> bool:
    """Tell whether no words of the band must stand in a row."""
    return all(len(term.words) == 1 for term in (*_terms(band), *band.but_not))


class SqlContentQueue(OwnTransactions):
    """Marks of documents whose files are to be read, of all agencies. Each call is durable on return."""

    def __init__(
        self, writing: Open, reading: Open, clock: Clock, when_rewritten: Callable[[], None]
    ) -> None:
        """Call `when_rewritten` once nothing of removed words is left in the index."""
        super().__init__(writing, reading)
        self._clock, self._when_rewritten = clock, when_rewritten

    async def claim(self, limit: int) -> Sequence[DueContent]:
        """Take so many documents, the newest first. Those that are not read come back later, each alone and behind all
        others, since one of them may have ended the node; those that were taken too often are taken a last time."""
        now = self._clock.now()
        times = {"now": now, "far": now + CLAIMED_FOR + CLOCKS_APART}
        query = _DUE.order_by(col(_D.tries) > 0, col(_D.place).desc()).limit(limit)
        async with self._reading() as tx:
            if not await tx.tuples(query, **times):
                return ()
        async with self._changing() as tx:
            await tx.hold("contents")
            due = await tx.rows(_D, query, **times)
            rows = [row for row in due if not row.tries] or due[:1]
            renewals = [
                {
                    "at_agency_id": row.agency_id,
                    "at_document_id": row.document_id,
                    "not_before": now + CLAIMED_FOR,
                    "tries": row.tries + 1,
                }
                for row in rows
            ]
            await tx.change_many(update_by_key(_D), renewals)
        return [value_of(DueContent, row, is_last=row.tries >= MOST_TRIES) for row in rows]

    async def take_back_try(self, due: DueContent) -> None:
        """Do not count a try that failed through no fault of the file."""
        is_due = (col(_D.agency_id) == due.agency_id, col(_D.document_id) == due.document_id)
        async with self._changing() as tx:
            await tx.change(update(_D).where(*is_due, col(_D.tries) > 0).values(tries=_D.tries - 1))

    async def fill(self, limit: int) -> bool:
        """Mark so many documents that have a list row and were never marked, the newest first; False when there are no
        more. A database without words, such as a restored one, begins at the newest."""
        async with self._reading() as tx:
            place = await _state(tx, _FILL)
        if place == 0:
            return False
        now, below = self._clock.now(), [] if place is None else [col(ListRow.place) < place]
        columns = (ListRow.agency_id, ListRow.id, ListRow.side, ListRow.place)
        query = select(*map(col, columns)).where(*below).order_by(col(ListRow.place).desc()).limit(limit)
        async with self._changing() as tx:
            rows = await tx.tuples(query)
            tx.insert_missing(
                *(
                    ContentDueRow(
                        agency_id=agency_id, document_id=id, side=side, place=at, not_before=now, tries=0
                    )
                    for agency_id, id, side, at in rows
                )
            )
            lowest = rows[-1].place if len(rows) == limit else 0
            await tx.upsert(ContentStateRow(name=_FILL, place=lowest))
        return bool(rows)

    async def restart_fill(self, name: str) -> None:
        """Mark all documents once more, once for each name: more of their files can be read than before."""
        async with self._reading() as tx:
            if await _state(tx, name) is not None:
                return
        async with self._changing() as tx:
            await tx.change(delete(_STATE).where(col(_STATE.name) == _FILL))
            await tx.upsert(ContentStateRow(name=name, place=1))

    async def clear(self, limit: int) -> bool:
        """Remove so many pages, and all marks and results; False when nothing was left. Reading begins anew afterwards."""
        async with self._reading() as tx:
            remaining = [await tx.tuples(select(literal(1)).select_from(t).limit(1)) for t in (_T, _D, _READ)]
            if not any(remaining) and await _state(tx, _FILL) is None:
                return False
        async with self._changing() as tx:
            places = [place for (place,) in await tx.tuples(select(col(_T.place)).limit(limit))]
            await tx.change(delete(_T).where(among_numbers(col(_T.place), "places")), places=places)
            for marks in (_D, _READ):
                await tx.change(delete(marks))
            await tx.change(delete(_STATE).where(col(_STATE.name) == _FILL))
        return True

    async def rewrite(self) -> bool:
        """Rewrite a part of SQLite's index, so that removed words leave its file; False when nothing of them is left."""
        async with self._reading() as tx:
            stage = await _state(tx, _TRACES)
        if stage is None:
            return False
        async with self._changing() as tx:
            changes_at_start = await tx.scalar(text("SELECT total_changes()"))
            pages = _REWRITTEN_AT_ONCE if stage else -_REWRITTEN_AT_ONCE
            await tx.tuples(_MERGE, pages=pages)
            changes_at_end = await tx.scalar(text("SELECT total_changes()"))
            if stage and changes_at_end - changes_at_start < 2:
                await tx.change(delete(_STATE).where(col(_STATE.name) == _TRACES))
                tx.when_committed(self._when_rewritten)
            elif not stage:
                await tx.upsert(ContentStateRow(name=_TRACES, place=1))
        return True


async def _state(tx: Transaction, name: str) -> int | None:
    place: int | None = await tx.scalar(select(col(_STATE.place)).where(col(_STATE.name) == name))
    return place
