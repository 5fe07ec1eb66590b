"""Rows of lists, kept in step with documents. In: the documents that a unit of work changed, as marks that it writes with
them; documents as they are stored. Out: the rows of lists, each worked out anew: written when marks are folded, a hundred
at a time, or kept in memory for a list that is read before that. One function makes both, so both show the same. A mark
goes with the row that it asked for, in one transaction: a crash leaves marks alone, and a document that changed ten times
before it is folded costs one row."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    and_,
    bindparam,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)
from sqlmodel import col

from gateway import errors
from gateway.domain import status
from gateway.domain.account import PrincipalKind
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument, Urgency
from gateway.domain.states import State, Track
from gateway.domain.status import Duty, Fact, Waits
from gateway.domain.text import name_key, number_key
from gateway.ports.services import Clock
from gateway.store.drivers import FEW, SLOW
from gateway.store.repository import Follower
from gateway.store.row import among, among_numbers, from_json, pairs_table, to_json
from gateway.store.tables import DeliveryRow, FactRow, HandoverRow, IncomingRow, OutgoingRow
from gateway.store.tables_node import PrincipalRow
from gateway.store.tables_office import ListChangeRow, ListRow
from gateway.store.transaction import BoundQuery, Open, Transaction
from gateway_office.domain.content import may_be_kept
from gateway_office.domain.listing import (
    SENT,
    SIDES,
    Card,
    ListLine,
    Origin,
    Side,
    book_of,
    doubt_of,
    folded_words,
    incoming_line,
    is_listed_in,
    is_listed_out,
    outgoing_line,
    type_key,
)
from gateway_office.store.content_marks import due_marks, hide_words
from gateway_office.store.lists_overlay import Overlay

# Moment until which a party is waited for, by whose turn it is, since when, and how urgent.
Due = Callable[[str, Duty, Urgency], datetime]
"""Reckons for an agency, by its id."""
DueNow = Callable[[Transaction], Awaitable[Due]]
Key = tuple[str, str]
"""Key of a document: its agency, and its id."""
Documents = Mapping[Key, Side]
"""Keys of documents, each with its side."""
# Readers work out rows of marks that are not folded. Where no worker folds them, units that change documents fold beyond
# MOST_OPEN marks: for each _RELIEF that they add twice as many.
MOST_OPEN, _RELIEF = 500, 100
# A document has at most about so many marks by the time that they are folded.
_MARKS_PER_DOCUMENT = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SPREAD_BITS = 12
_URGENCY_BITS = 52  # above the microseconds of any year to come
_MOST_URGENT = max(Urgency)
_R, _C, _O, _I, _D, _F, _H = (
    ListRow,
    ListChangeRow,
    OutgoingRow,
    IncomingRow,
    DeliveryRow,
    FactRow,
    HandoverRow,
)
# Made once: making a statement takes longer than running it. Few rows are read by each, also where a list is asked for.
_UPDATE_ROW = update(_R).where(col(_R.place) == bindparam("at_place"))
_UPDATE_ROW_SLOW = _UPDATE_ROW.execution_options(**{SLOW: True})
_PLACES = select(col(_R.place)).where(among_numbers(col(_R.place), "places")).execution_options(**FEW)
_MARKS = select(col(_C.id), col(_C.agency_id), col(_C.side), col(_C.document_id)).order_by(col(_C.id))
_MOST: BindParameter[int] = bindparam("most")
_OLDEST = _MARKS.limit(_MOST)
_MARKS_OF_AGENCY = _MARKS.where(col(_C.agency_id) == bindparam("agency")).execution_options(**FEW)
_MARKS_OF_DOCUMENTS = _MARKS_OF_AGENCY.where(among(col(_C.document_id), "ids"))
_ANY_MARK = select(col(_C.id)).limit(1)
_TOO_MANY = select(col(_C.id)).offset(MOST_OPEN).limit(1)
_KEYS = pairs_table("these")
_FOLDED = delete(_C).where(tuple_(col(_C.agency_id), col(_C.id)).in_(select(_KEYS.c.agency_id, _KEYS.c.id)))
# Only for documents whose row does not have it: reading the facts of 500 recipients for each answer of one would cost more
# than everything else.
_HAS_SENT_AT = exists().where(
    col(_R.agency_id) == _KEYS.c.agency_id, col(_R.id) == _KEYS.c.id, col(_R.sent_at).is_not(None)
)
_PRINCIPALS = (
    select(col(PrincipalRow.id), col(PrincipalRow.kind))
    .where(among(col(PrincipalRow.id), "ids"))
    .execution_options(**FEW)
)
_ALL = tuple(name for name in _R.defaults if name not in ("place", "agency_id", "id"))
_ALL_OF, _ALL_IN = attrgetter(*_ALL), itemgetter(*_ALL)
# The columns that change although the document does not.
_MOVING = frozenset(
    ("state", "own_state", "tabs", "due_at", "attention_at", "lead", "sent_at", "latest_at", "card", "unread")
)
_ORIGINS = {
    PrincipalKind.PERSON: Origin.HAND,
    PrincipalKind.PROGRAM: Origin.PROGRAM,
    PrincipalKind.OPERATOR: Origin.MACHINE,
    PrincipalKind.NODE: Origin.MACHINE,
}
_DOCUMENTS = select(col(DeliveryRow.document_id)).where(
    col(DeliveryRow.agency_id) == bindparam("agency"), among(col(DeliveryRow.id), "ids")
)


def _is_among(agency_id: Any, document_id: Any) -> ColumnElement[bool]:  # Any: columns
    return and_(agency_id == _KEYS.c.agency_id, document_id == _KEYS.c.id)


# Queries for everything that rows are made of, for documents of any agencies: each begins with the agency.
_ROWS = select(_R).where(_is_among(_R.agency_id, _R.id)).execution_options(**FEW)
_OUT = select(col(_O.body)).where(_is_among(_O.agency_id, _O.id)).execution_options(**FEW)
_IN = select(col(_I.body)).where(_is_among(_I.agency_id, _I.id)).execution_options(**FEW)
_STATES = (
    select(
        col(_D.agency_id),
        col(_D.document_id),
        col(_D.state),
        func.count().label("n"),
        func.max(col(_D.updated_at)).label("latest_at"),
    )
    .where(_is_among(_D.agency_id, _D.document_id))
    .group_by(col(_D.agency_id), col(_D.document_id), col(_D.state))
    .execution_options(**FEW)
)
_SENT_AT = (
    select(col(_D.agency_id), col(_D.document_id), func.min(col(_F.at)))
    .where(
        _is_among(_D.agency_id, _D.document_id),
        ~_HAS_SENT_AT,
        col(_F.agency_id) == col(_D.agency_id),
        col(_F.subject_id) == col(_D.id),
        col(_F.track) == Track.TRANSPORT.value,
        col(_F.code) == State.SENT,
    )
    .group_by(col(_D.agency_id), col(_D.document_id))
    .execution_options(**FEW)
)
_FACTS = (
    select(col(_F.agency_id), col(_F.subject_id), col(_F.body))
    .where(_is_among(_F.agency_id, _F.subject_id))
    .execution_options(**FEW)
)
_HANDOVERS = (
    select(col(_H.agency_id), col(_H.incoming_id), col(_H.state))
    .where(_is_among(_H.agency_id, _H.incoming_id))
    .execution_options(**FEW)
)
_OUT_QUERIES, _IN_QUERIES = (_OUT, _STATES, _SENT_AT), (_IN, _FACTS, _HANDOVERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of lists as documents are now, and the stored rows in their places; new documents have none in `stored`."""

    now: Sequence[ListRow]
    stored: Mapping[Key, ListRow]


@dataclass(kw_only=True)
class ListFolder:
    """Writer of rows of lists, one for each process. `due_now`: until when a party is waited for, by the calendar;
    `reading` and `changing` open transactions; `changed` is called with an agency whose lists have changed."""

    clock: Clock
    due_now: DueNow
    reading: Open
    changing: Open
    changed: Callable[[str], None]
    # By principal the way in which it hands mail in, which never changes.
    _origins: dict[str, Origin] = field(default_factory=dict)
    _added: int = 0

    async def any_open(self, tx: Transaction) -> bool:
        """Tell whether a document changed since its row was written."""
        return bool(await tx.tuples(_ANY_MARK))

    async def fold(self, tx: Transaction, limit: int) -> bool:
        """Write the rows of so many documents, those with the oldest marks; return True when there may be more."""
        await self._hold(tx)
        most = limit * _MARKS_PER_DOCUMENT
        marks = await tx.tuples(_OLDEST, most=most)
        documents = dict(list(_documents_of(marks).items())[:limit])
        folded = [mark for mark in marks if (mark.agency_id, mark.document_id) in documents]
        await self._fold(tx, folded, documents)
        return len(marks) == most or len(folded) < len(marks)

    async def fold_documents(self, tx: Transaction, agency_id: str, ids: Sequence[str]) -> None:
        """Write the rows of these documents, where they have a mark: for changes of columns that only the row has."""
        await self._hold(tx)
        marks = await tx.tuples(_MARKS_OF_DOCUMENTS, agency=agency_id, ids=list(ids))
        await self._fold(tx, marks, _documents_of(marks))

    async def mark(self, tx: Transaction, documents: Documents) -> None:
        """Note that these documents changed."""
        marks = [
            ListChangeRow(
                agency_id=agency_id, id=self.clock.new_id("chg_"), side=side.value, document_id=document_id
            )
            for (agency_id, document_id), side in documents.items()
        ]
        tx.insert(*marks)
        self._added += len(documents)
        if self._added >= _RELIEF:
            added, self._added = self._added, 0
            if await tx.tuples(_TOO_MANY):
                await self.fold(tx, 2 * added)

    async def write(self, tx: Transaction, documents: Documents) -> None:
        """Write the rows of these documents, with or without a mark."""
        await self._hold(tx)
        await self._write(tx, await self.rows(tx, documents))

    async def overlay(self, tx: Transaction, agency_id: str) -> Overlay:
        """Make the rows that lists of that agency show in place of stored ones; nothing is written."""
        marks = await tx.tuples(_MARKS_OF_AGENCY, agency=agency_id)
        if not marks:
            return Overlay(tx)
        rows = await self.rows(tx, _documents_of(marks))
        return Overlay(tx, rows.now)

    async def rows(self, tx: Transaction, documents: Documents) -> Rows:
        """Work out rows from stored documents, in the order of the keys; documents that no list shows have none."""
        if not documents:
            return Rows(now=(), stored={})
        due = await self.due_now(tx)
        outs, ins = ([key for key, its in documents.items() if its is side] for side in (Side.OUT, Side.IN))
        queries: list[BoundQuery] = [(_ROWS, {"these": [*documents]})]
        queries += [(query, {"these": outs}) for query in _OUT_QUERIES if outs]
        queries += [(query, {"these": ins}) for query in _IN_QUERIES if ins]
        stored_rows, *answers = await tx.find_all(*queries)
        await _let_others_go_on()
        stored: dict[Key, ListRow] = {(row.agency_id, row.id): row for row in stored_rows}
        by_key, handed_in = _make_out_rows(answers[: len(_OUT_QUERIES)], due, stored) if outs else ({}, {})
        if outs and ins:
            await _let_others_go_on()
        by_key |= _make_in_rows(answers[-len(_IN_QUERIES) :], due, stored) if ins else {}
        now = [by_key[key] for key in documents if key in by_key]
        await self._complete(
            tx, {key: by_key[key] for key in documents if key in by_key.keys() - stored}, handed_in
        )
        return Rows(now=now, stored=stored)

    async def _complete(
        self, tx: Transaction, new: Mapping[Key, ListRow], handed_in: Mapping[Key, str]
    ) -> None:
        """Complete new rows: by whom each document that leaves was handed in, and a place that is free."""
        if not new:
            return
        unknown = [id for id in dict.fromkeys(handed_in.values()) if id not in self._origins]
        place_rows, principals = await tx.find_all(
            (_PLACES, {"places": [row.place for row in new.values()]}), (_PRINCIPALS, {"ids": unknown})
        )
        self._origins |= {id: _ORIGINS[PrincipalKind(kind)] for id, kind in principals}
        for key, principal_id in handed_in.items():
            # A document without a known principal was handed in on the machine itself.
            new[key].change(origin=str(self._origins.get(principal_id, Origin.MACHINE)))
        await _find_free_places(tx, [*new.values()], {place for (place,) in place_rows})

    async def _hold(self, tx: Transaction) -> None:
        """Take the lease of writing rows: it ends with the transaction, also when the process dies. Data read after it is
        as new as what the previous holder read."""
        await tx.hold("lists")

    async def _fold(self, tx: Transaction, marks: Sequence[Any], documents: Documents) -> None:
        if not marks:
            return
        rows = await self.rows(tx, documents)
        await _let_others_go_on()
        await self._write(tx, rows)
        # By their ids: an earlier mark may become visible after a later one.
        tx.change_later(_FOLDED, these=[(mark.agency_id, mark.id) for mark in marks])

    async def _write(self, tx: Transaction, rows: Rows) -> None:
        """Write new rows whole, and of others the columns that differ."""
        new, by_columns = list[ListRow](), defaultdict[tuple[str, ...], list[ListRow]](list)
        for row in rows.now:
            values, stored = row.values(), rows.stored.get((row.agency_id, row.id))
            if stored is None:
                new.append(row)
            elif differ := _changed_columns(values, stored):
                by_columns[differ].append(row)
        await _let_others_go_on()
        tx.insert(*new)
        tx.insert_missing(*due_marks(rows.now, rows.stored, self.clock.now()))
        for columns, many in (_merge(by_columns) if tx.asks_server and by_columns else by_columns).items():
            await _change(tx, columns, many)


async def _let_others_go_on() -> None:
    """Let other tasks run between the steps of a fold: a hundred rows take some 25 ms."""
    await asyncio.sleep(0)


class ListMarks(Follower):
    """Writer of marks for one unit of work and one agency: one for each document that the unit changed."""

    def __init__(
        self,
        tx: Transaction,
        agency_id: str,
        folder: ListFolder,
        *,
        changed: Callable[[str], None],
        hidden: Callable[[str], None],
    ) -> None:
        """Call `changed` with the agency once its marks hold, and `hidden` where documents became hidden with them."""
        self._tx = tx
        self._agency_id = agency_id
        self._folder = folder
        self._changed_lists = changed
        self._hid = hidden
        self._changed: dict[Key, Side] = {}
        self._deliveries: set[str] = set()
        self._sealed: set[str] = set()
        self._hidden: dict[str, tuple[Side, int]] = {}
        self._exchanged: dict[str, tuple[Side, int]] = {}

    def out_changed(self, document: OutgoingDocument) -> None:
        self.touch_out(document.id)
        self._keep_sealed(document, is_sealed=document.is_sealed)

    def in_changed(self, document: IncomingDocument) -> None:
        self.touch_in(document.id)
        self._keep_sealed(document, is_sealed=document.state is InState.SEALED)

    def in_files_changed(self, document: IncomingDocument) -> None:
        self._exchanged[document.id] = Side.IN, place(document.arrived_at, document.id)

    def touch_out(self, id: str) -> None:
        self._changed[self._agency_id, id] = Side.OUT

    def touch_in(self, id: str) -> None:
        self._changed[self._agency_id, id] = Side.IN

    def touch_delivery(self, id: str) -> None:
        self._deliveries.add(id)

    async def write(self) -> None:
        """Write the marks. A sealed document leaves its list at once, so that none of its words is found later; so do
        words of files that became hidden or were exchanged."""
        if ids := sorted(self._deliveries):
            for (id,) in await self._tx.tuples(_DOCUMENTS, agency=self._agency_id, ids=ids):
                self.touch_out(id)
        if not self._changed:
            return
        await self._folder.mark(self._tx, self._changed)
        if self._sealed:
            await self._folder.fold_documents(self._tx, self._agency_id, sorted(self._sealed))
        hidden = self._hidden | self._exchanged
        hide_words(self._tx, self._agency_id, hidden, self._folder.clock.now())
        if self._hidden:
            self._tx.when_committed(partial(self._hid, self._agency_id))
        self._changed, self._deliveries, self._sealed, self._hidden = {}, set(), set(), {}
        self._exchanged = {}
        self._tx.when_committed(partial(self._changed_lists, self._agency_id))

    def _keep_sealed(self, document: OutgoingDocument | IncomingDocument, *, is_sealed: bool) -> None:
        self._sealed.discard(document.id)
        self._hidden.pop(document.id, None)
        if is_sealed:
            self._sealed.add(document.id)
        if not may_be_kept(document):
            side, at = (
                (Side.IN, document.arrived_at)
                if isinstance(document, IncomingDocument)
                else (Side.OUT, document.created_at)
            )
            self._hidden[document.id] = side, place(at, document.id)


def _changed_columns(values: Mapping[str, Any], stored: ListRow) -> tuple[str, ...]:
    """Return the columns in which the stored row differs. Unchanged columns move in no index."""
    stored_values = _ALL_OF(stored)
    if _ALL_IN(values) == stored_values:
        return ()
    return tuple([name for name, value in zip(_ALL, stored_values, strict=True) if values[name] != value])


def _merge(by_columns: Mapping[tuple[str, ...], Sequence[ListRow]]) -> dict[tuple[str, ...], list[ListRow]]:
    """Merge updates for a server: a call costs more than a column, and an unchanged value moves in no index there."""
    is_moving = _MOVING.issuperset(chain.from_iterable(by_columns))
    return {tuple(sorted(_MOVING)) if is_moving else _ALL: [*chain.from_iterable(by_columns.values())]}


async def _change(tx: Transaction, columns: Sequence[str], rows: Sequence[ListRow]) -> None:
    changes = [{"at_place": row.place, **{name: row.__dict__[name] for name in columns}} for row in rows]
    if "folded" in columns and not tx.asks_server:
        # Removing words walks the whole index, which takes seconds with many documents.
        for change in changes:
            if change["folded"] == "":
                await tx.change(_UPDATE_ROW_SLOW, **change)
        changes = [change for change in changes if change["folded"] != ""]
    await tx.change_many(_UPDATE_ROW, changes)


def _documents_of(marks: Sequence[Any]) -> dict[Key, Side]:
    return {(mark.agency_id, mark.document_id): SIDES[mark.side] for mark in marks}


def _make_out_rows(
    answers: Sequence[Sequence[Any]], due: Due, stored: Mapping[Key, ListRow]
) -> tuple[dict[Key, ListRow], dict[Key, str]]:
    """Make rows of outgoing documents, with the principals that handed in new ones. `answers`: by `_OUT_QUERIES`."""
    bodies, state_rows, sent_at = answers
    states_by_key = defaultdict[Key, list[Any]](list)
    for row in state_rows:
        states_by_key[row.agency_id, row.document_id].append(row)
    first_sent = {(agency_id, id): at for agency_id, id, at in sent_at}
    by_key, handed_in = dict[Key, ListRow](), dict[Key, str]()
    for (body,) in bodies:
        document = from_json(OutgoingDocument, body)
        if not is_listed_out(document):
            continue
        key = document.agency_id, document.id
        old_row, counts = stored.get(key), states_by_key[key]
        first_at = None
        states = {row.state: row.n for row in counts}
        if not SENT.isdisjoint(states):  # once known it stays
            first_at = (old_row.sent_at if old_row is not None else None) or first_sent.get(key)
        duty = Duty(waits=Waits.PARTNER, since=first_at) if first_at else None
        due_at = due(document.agency_id, duty, document.draft.urgency) if duty else None
        latest_at = max([row.latest_at for row in counts], default=None)
        line = outgoing_line(document, states, first_at, latest_at, due_at)
        by_key[key] = _keep_stored(list_row(line, document), old_row)
        if old_row is None:
            handed_in[key] = document.accepted_by
    return by_key, handed_in


def _make_in_rows(
    answers: Sequence[Sequence[Any]], due: Due, stored: Mapping[Key, ListRow]
) -> dict[Key, ListRow]:
    """Make rows of incoming documents. `answers`: by `_IN_QUERIES`."""
    bodies, fact_rows, handover_rows = answers
    facts = defaultdict[Key, list[Fact]](list)
    for agency_id, id, body in fact_rows:
        facts[agency_id, id].append(from_json(Fact, body))
    handovers = {(agency_id, id): state for agency_id, id, state in handover_rows}
    by_key = {}
    for (body,) in bodies:
        document = from_json(IncomingDocument, body)
        if not is_listed_in(document):
            continue
        key = document.agency_id, document.id
        duty = status.duty_of(document, facts[key])
        word = status.incoming_word(document, facts[key])
        due_at = due(document.agency_id, duty, document.urgency) if duty is not None else None
        not_handed = handovers.get(key) not in (None, "acked")
        line = incoming_line(document, word, due_at, not_handed=not_handed)
        by_key[key] = _keep_stored(list_row(line, document, Origin(document.source)), stored.get(key))
    return by_key


def _keep_stored(row: ListRow, stored: ListRow | None) -> ListRow:
    """Keep of the stored row its place, that it was read, and the known origin of mail that leaves."""
    if stored is not None:
        origin = stored.origin if row.side == Side.OUT else row.origin
        row.change(unread=row.unread and stored.unread, origin=origin)
        _set_place(row, stored.place)
    return row


def _set_place(row: ListRow, at: int) -> None:
    """Set the row's place; outgoing documents that need a person are led by it, the newest first."""
    lead = row.lead
    if row.side == Side.OUT:
        lead = -at if row.attention_at is not None else None
    row.change(place=at, lead=lead)


async def _find_free_places(tx: Transaction, rows: Sequence[ListRow], taken_places: set[int]) -> None:
    """Give each row another place of its moment where its own is taken; in their order, so that every process gives them
    the same."""
    for salt in range(1, (1 << _SPREAD_BITS) + 1):
        waiting = []
        for row in rows:
            if row.place in taken_places:
                waiting.append(row)
            taken_places.add(row.place)
        if not waiting:
            return
        rows = waiting
        for row in rows:
            _set_place(row, place(row.at, row.id, salt))
        place_rows = await tx.tuples(_PLACES, places=[row.place for row in rows])
        taken_places |= {place for (place,) in place_rows}
    raise errors.StoreFailure(f"no place is left in the list at {rows[0].at.isoformat()}")


def place(at: datetime, id: str, salt: int = 0) -> int:
    """Return the place of a document of that moment: newer is higher. Each `salt` gives another one."""
    spread = int.from_bytes(hashlib.blake2b(id.encode(), digest_size=2).digest(), "big") + salt
    return (microseconds(at) << _SPREAD_BITS) | (spread % (1 << _SPREAD_BITS))


def first_place(at: datetime) -> int:
    """Return the lowest place of that moment: no document of it or later stands before."""
    return microseconds(at) << _SPREAD_BITS


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def list_row(
    line: ListLine, document: OutgoingDocument | IncomingDocument, origin: Origin | None = None
) -> ListRow:
    """Make the row of a line; its place is that of the first document of the moment."""
    card, words = line.card, folded_words(document)
    row = ListRow(
        place=place(line.at, line.id),
        agency_id=document.agency_id,
        id=line.id,
        side=str(line.side),
        at=line.at,
        urgency=int(line.urgency),
        issued_on=line.issued_on,
        attached=card.appendixes > 0,
        origin=str(origin) if origin is not None else None,
        book=book_of(document),
        number_key=number_key(card.number, card.symbol),
        party_key=name_key(card.party or card.party_code),
        type_key=type_key(card.type_name),
        # So that each word stands between two spaces.
        folded=f" {words} " if words else "",
        **({"unread": True} | moving_columns(line)),
    )
    _set_place(row, row.place)
    return row


def moving_columns(line: ListLine) -> dict[str, Any]:
    """Return the columns that change although the document does not."""
    is_open = line.side is Side.IN and line.due_at is not None
    return {
        "state": line.state,
        "own_state": line.own_state,
        "tabs": int(line.tabs),
        "due_at": line.due_at,
        "attention_at": line.attention_at,
        "lead": _lead(line, line.due_at) if is_open and line.due_at else None,
        "sent_at": line.sent_at,
        "latest_at": line.latest_at,
        "card": to_json(Card, line.card),
        **({} if line.unread else {"unread": False}),
    }


def _lead(line: ListLine, due_at: datetime) -> int:
    """Rank the more urgent first, of those the doubtful, of those the first due. Half a step is more than the microseconds
    between any two letters."""
    rank = (_MOST_URGENT - line.urgency) << _URGENCY_BITS
    half = 1 << (_URGENCY_BITS - 1) if doubt_of(line) else 0
    return rank - half + microseconds(due_at)
