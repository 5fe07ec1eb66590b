"""Keeps the rows of lists in step with documents. In: which documents a unit of work changed, as marks that it writes with
them; documents as they are stored. Out: the rows of lists, each worked out anew: written by whoever folds marks, a
hundred at a time, or kept in memory by who reads a list before that. Both go by one function, so both show the same.

A mark goes with the row that it asked for, in one transaction: a crash leaves marks alone, and a document that changed
ten times before it is folded costs one row."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain import status
from gateway.domain.account import PrincipalKind
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument, Urgency
from gateway.domain.status import Duty, Fact, Track, Waits
from gateway.domain.text import name_key, number_key
from gateway.office.domain.listing import (
    SENT,
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
from gateway.office.store.lists_overlay import Overlay
from gateway.ports.services import Clock
from gateway.store.drivers import FEW, SLOW
from gateway.store.repository import Follower
from gateway.store.row import among, from_json, to_json
from gateway.store.tables import DeliveryRow, FactRow, HandoverRow, IncomingRow, OutgoingRow
from gateway.store.tables_node import PrincipalRow
from gateway.store.tables_office import ListChangeRow, ListRow
from gateway.store.transaction import Transaction

# Until when somebody is waited for: whose turn it is, since when, how urgent.
Due = Callable[[Duty, Urgency], datetime]
DueNow = Callable[[Transaction], Awaitable[Due]]
Documents = Mapping[str, Side]
"""Ids of one agency's documents, each with its side."""
# Readers work out what is not folded: where nobody folds, as while no worker runs, those who change documents do it beyond
# so many marks, for each so many that they add twice as many.
MOST_OPEN, _RELIEF = 500, 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_APART = 12  # bits
_URGENCY_BITS = 52  # above the microseconds of any year to come
_R, _C = ListRow, ListChangeRow
# Made once: making a statement takes longer than running it. Few rows are read by each, also where a list is asked for.
_THIS = update(_R).where(col(_R.place) == bindparam("at_place"))
_THIS_SLOW = _THIS.execution_options(**{SLOW: True})
_ROWS = (
    select(_R)
    .where(col(_R.agency_id) == bindparam("agency"), among(col(_R.id), "ids"))
    .execution_options(**FEW)
)
_PLACES = (
    select(col(_R.place))
    .where(col(_R.place).in_(bindparam("places", expanding=True)))
    .execution_options(**FEW)
)
_MARKS = select(col(_C.id), col(_C.agency_id), col(_C.side), col(_C.document_id)).order_by(col(_C.id))
_MOST: BindParameter[int] = bindparam("most")
_OLDEST = _MARKS.limit(_MOST)
_OF_AGENCY = _MARKS.where(col(_C.agency_id) == bindparam("agency")).execution_options(**FEW)
_OF_THESE = _OF_AGENCY.where(among(col(_C.document_id), "ids"))
_ANY = select(col(_C.id)).limit(1)
_TOO_MANY = select(col(_C.id)).offset(MOST_OPEN).limit(1)
_FOLDED = delete(_C).where(col(_C.agency_id) == bindparam("agency"), among(col(_C.id), "marks"))
_OUT = (
    select(col(OutgoingRow.body))
    .where(col(OutgoingRow.agency_id) == bindparam("agency"), among(col(OutgoingRow.id), "ids"))
    .execution_options(**FEW)
)
_IN = (
    select(col(IncomingRow.body))
    .where(col(IncomingRow.agency_id) == bindparam("agency"), among(col(IncomingRow.id), "ids"))
    .execution_options(**FEW)
)
_STATES = (
    select(
        col(DeliveryRow.document_id),
        col(DeliveryRow.state),
        func.count().label("n"),
        func.max(col(DeliveryRow.updated_at)).label("latest_at"),
    )
    .where(col(DeliveryRow.agency_id) == bindparam("agency"), among(col(DeliveryRow.document_id), "ids"))
    .group_by(col(DeliveryRow.document_id), col(DeliveryRow.state))
    .execution_options(**FEW)
)
_SENT_AT = (
    select(col(DeliveryRow.document_id), func.min(col(FactRow.at)))
    .join(DeliveryRow, col(DeliveryRow.id) == col(FactRow.subject_id))
    .where(
        col(FactRow.agency_id) == bindparam("agency"),
        col(DeliveryRow.agency_id) == bindparam("agency"),
        among(col(DeliveryRow.document_id), "ids"),
        col(FactRow.track) == Track.TRANSPORT.value,
        col(FactRow.code) == "sent",
    )
    .group_by(col(DeliveryRow.document_id))
    .execution_options(**FEW)
)
_FACTS = (
    select(col(FactRow.subject_id), col(FactRow.body))
    .where(col(FactRow.agency_id) == bindparam("agency"), among(col(FactRow.subject_id), "ids"))
    .execution_options(**FEW)
)
_HANDOVERS = (
    select(col(HandoverRow.incoming_id), col(HandoverRow.state))
    .where(col(HandoverRow.agency_id) == bindparam("agency"), among(col(HandoverRow.incoming_id), "ids"))
    .execution_options(**FEW)
)
_PRINCIPAL = (
    select(col(PrincipalRow.kind)).where(col(PrincipalRow.id) == bindparam("id")).execution_options(**FEW)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of lists as documents stand, and those that are stored in their places; `before` has none for what is new."""

    now: Sequence[ListRow]
    before: Mapping[str, ListRow]


@dataclass(kw_only=True)
class ListFolder:
    """One for each process. `due_now`: until when somebody is waited for, by the calendar."""

    clock: Clock
    due_now: DueNow
    # Who handed mail in, which is for ever.
    _origins: dict[str, Origin] = field(default_factory=dict)
    _added: int = 0

    async def any_open(self, tx: Transaction) -> bool:
        """Whether a document changed since its row was written."""
        return bool(await tx.tuples(_ANY))

    async def fold(self, tx: Transaction, limit: int) -> int:
        """Writes the rows that the oldest marks ask for; how many marks went."""
        await self._hold(tx)
        return await self._fold(tx, await tx.tuples(_OLDEST, most=limit))

    async def fold_these(self, tx: Transaction, agency_id: str, ids: Sequence[str]) -> None:
        """The same for these documents, where they have a mark: for who changes what stands in the row alone."""
        await self._hold(tx)
        await self._fold(tx, await tx.tuples(_OF_THESE, agency=agency_id, ids=list(ids)))

    async def mark(self, tx: Transaction, agency_id: str, documents: Documents) -> None:
        """Notes that these documents changed."""
        marks = (
            ListChangeRow(agency_id=agency_id, id=self.clock.new_id("chg_"), side=side.value, document_id=id)
            for id, side in documents.items()
        )
        tx.put(*marks)
        self._added += len(documents)
        if self._added >= _RELIEF:
            added, self._added = self._added, 0
            if await tx.tuples(_TOO_MANY):
                await self.fold(tx, 2 * added)

    async def write(self, tx: Transaction, agency_id: str, documents: Documents) -> None:
        """The rows of these documents, whether they have a mark or not."""
        await self._hold(tx)
        await self._write(tx, await self.rows(tx, agency_id, documents))

    async def overlay(self, tx: Transaction, agency_id: str) -> Overlay:
        """What lists of that agency show in place of what is stored; nothing is written."""
        marks = await tx.tuples(_OF_AGENCY, agency=agency_id)
        if not marks:
            return Overlay(tx)
        rows = await self.rows(tx, agency_id, {id: Side(side) for _, _, side, id in marks})
        return Overlay(tx, rows.now)

    async def rows(self, tx: Transaction, agency_id: str, documents: Documents) -> Rows:
        """Worked out anew from what is stored, in the order of these documents; of those that a list shows."""
        due = await self.due_now(tx)
        stored = await tx.rows(_R, _ROWS, agency=agency_id, ids=list(documents))
        before = {row.id: row for row in stored}
        made = {
            **await self._rows_out(tx, agency_id, _of_side(documents, Side.OUT), due, before),
            **await self._rows_in(tx, agency_id, _of_side(documents, Side.IN), due, before),
        }
        now = [made[id] for id in documents if id in made]
        await _place_new(tx, [row for row in now if row.id not in before])
        return Rows(now=now, before=before)

    async def _hold(self, tx: Transaction) -> None:
        """The lease of who writes rows: it ends with the transaction, also when the process dies. What is read after it is
        as new as what the one before read."""
        await tx.hold("lists")

    async def _fold(self, tx: Transaction, marks: Sequence[Any]) -> int:
        by_agency: defaultdict[str, list[Any]] = defaultdict(list)
        for mark in marks:
            by_agency[mark.agency_id].append(mark)
        for agency_id, its in by_agency.items():
            documents = {mark.document_id: Side(mark.side) for mark in its}
            await self._write(tx, await self.rows(tx, agency_id, documents))
            # By their ids: a mark of before may become visible after a later one.
            await tx.change(_FOLDED, agency=agency_id, marks=[mark.id for mark in its])
        return len(marks)

    async def _write(self, tx: Transaction, rows: Rows) -> None:
        """New rows whole, and of others the columns that differ: what stays as it is moves in no index."""
        tx.put(*(row for row in rows.now if row.id not in rows.before))
        by_columns: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for row in rows.now:
            if (before := rows.before.get(row.id)) is not None:
                values = {
                    name: value
                    for name, value in row.values("place").items()
                    if value != getattr(before, name)
                }
                if values:
                    by_columns[tuple(values)].append({"at_place": row.place, **values})
        for many in by_columns.values():
            # Words that go are taken out of the whole index: with many documents that is seconds.
            wordless = [values for values in many if values.get("folded") == ""]
            for values in wordless:
                await tx.change(_THIS_SLOW, **values)
            await tx.change_many(_THIS, [values for values in many if values.get("folded") != ""])

    async def _rows_out(
        self,
        tx: Transaction,
        agency_id: str,
        ids: Sequence[str],
        due: Due,
        before: Mapping[str, ListRow],
    ) -> Mapping[str, ListRow]:
        if not ids:
            return {}
        bodies = await tx.tuples(_OUT, agency=agency_id, ids=ids)
        documents = [from_json(OutgoingDocument, body) for (body,) in bodies]
        listed = {document.id: document for document in documents if is_listed_out(document)}
        states: dict[str, list[Any]] = {id: [] for id in listed}
        for row in await tx.tuples(_STATES, agency=agency_id, ids=list(listed)):
            states[row.document_id].append(row)
        sent_at = await _sent_at(tx, agency_id, states, before)
        made = {}
        for id, document in listed.items():
            first_at, urgency = sent_at.get(id), document.draft.urgency
            due_at = due(Duty(waits=Waits.PARTNER, since=first_at), urgency) if first_at else None
            counted = {row.state: row.n for row in states[id]}
            latest_at = max((row.latest_at for row in states[id]), default=None)
            line = outgoing_line(document, counted, first_at, latest_at, due_at)
            made[id] = _over(list_row(line, document), before.get(id))
            if id not in before:
                made[id].change(origin=str(await self._origin(tx, document.accepted_by)))
        return made

    async def _rows_in(
        self,
        tx: Transaction,
        agency_id: str,
        ids: Sequence[str],
        due: Due,
        before: Mapping[str, ListRow],
    ) -> Mapping[str, ListRow]:
        if not ids:
            return {}
        bodies = await tx.tuples(_IN, agency=agency_id, ids=ids)
        documents = [from_json(IncomingDocument, body) for (body,) in bodies]
        listed = {document.id: document for document in documents if is_listed_in(document)}
        facts: dict[str, list[Fact]] = {id: [] for id in listed}
        for id, body in await tx.tuples(_FACTS, agency=agency_id, ids=list(listed)):
            facts[id].append(from_json(Fact, body))
        handovers = dict(await tx.tuples(_HANDOVERS, agency=agency_id, ids=list(listed)))
        made = {}
        for id, document in listed.items():
            owed = status.duty_of(document, facts[id])
            shown = status.incoming_word(document, facts[id])
            due_at = due(owed, document.urgency) if owed is not None else None
            not_handed = handovers.get(id) not in (None, "acked")
            line = incoming_line(document, shown, due_at, not_handed=not_handed)
            made[id] = _over(list_row(line, document, Origin(document.source)), before.get(id))
        return made

    async def _origin(self, tx: Transaction, principal_id: str) -> Origin:
        """Of an outgoing document, by who handed it in; what nobody is known for was done on the machine itself."""
        if principal_id not in self._origins:
            known = await tx.tuples(_PRINCIPAL, id=principal_id)
            if not known:
                return Origin.MACHINE
            self._origins[principal_id] = _ORIGINS[PrincipalKind(known[0][0])]
        return self._origins[principal_id]


class ListMarks(Follower):
    """Of one unit of work and one agency: writes a mark for each document that the unit changed."""

    def __init__(
        self, tx: Transaction, agency_id: str, folder: ListFolder, *, changed: Callable[[str], None]
    ) -> None:
        """`changed` hears of the agency once its marks hold."""
        self._tx = tx
        self._agency_id = agency_id
        self._folder = folder
        self._changed_lists = changed
        self._changed: dict[str, Side] = {}
        self._deliveries: set[str] = set()
        self._sealed: set[str] = set()

    def out_changed(self, document: OutgoingDocument) -> None:
        self.touch_out(document.id)
        self._keep_sealed(document.id, is_sealed=document.is_sealed)

    def in_changed(self, document: IncomingDocument) -> None:
        self.touch_in(document.id)
        self._keep_sealed(document.id, is_sealed=document.state is InState.SEALED)

    def touch_out(self, id: str) -> None:
        self._changed[id] = Side.OUT

    def touch_in(self, id: str) -> None:
        self._changed[id] = Side.IN

    def touch_delivery(self, id: str) -> None:
        self._deliveries.add(id)

    async def write(self) -> None:
        """What is sealed leaves its list with the unit that seals it: of its words nothing may be found after that."""
        if ids := sorted(self._deliveries):
            for (id,) in await self._tx.tuples(_DOCUMENTS, agency=self._agency_id, ids=ids):
                self.touch_out(id)
        if not self._changed:
            return
        await self._folder.mark(self._tx, self._agency_id, self._changed)
        if self._sealed:
            await self._folder.fold_these(self._tx, self._agency_id, sorted(self._sealed))
        self._changed, self._deliveries, self._sealed = {}, set(), set()
        self._tx.when_committed(partial(self._changed_lists, self._agency_id))

    def _keep_sealed(self, id: str, *, is_sealed: bool) -> None:
        if is_sealed:
            self._sealed.add(id)
        else:
            self._sealed.discard(id)


def _of_side(documents: Documents, side: Side) -> list[str]:
    return [id for id, its in documents.items() if its is side]


def _over(row: ListRow, before: ListRow | None) -> ListRow:
    """In place of the stored row: where it stands stays, what was read stays read, and who handed mail in is known."""
    if before is not None:
        origin = before.origin if row.side == Side.OUT else row.origin
        row.change(unread=row.unread and before.unread, origin=origin)
        _stand(row, before.place)
    return row


def _stand(row: ListRow, at: int) -> None:
    """At that place, by which what left and needs a person leads: the newest first."""
    lead = row.lead
    if row.side == Side.OUT:
        lead = -at if row.attention_at is not None else None
    row.change(place=at, lead=lead)


async def _sent_at(
    tx: Transaction, agency_id: str, states: Mapping[str, Sequence[Any]], before: Mapping[str, ListRow]
) -> Mapping[str, datetime]:
    """When the first recipient of each was sent to. Once known it stays: asking the facts of 500 recipients for each
    answer of one would cost more than the rest."""
    sent = [id for id, rows in states.items() if any(row.state in SENT for row in rows)]
    known = {id: before[id].sent_at for id in sent if id in before}
    found = {id: at for id, at in known.items() if at is not None}
    if unknown := [id for id in sent if id not in found]:
        found |= dict(await tx.tuples(_SENT_AT, agency=agency_id, ids=unknown))
    return found


async def _place_new(tx: Transaction, rows: Sequence[ListRow]) -> None:
    """Each at its own place, and at another one of its moment where that is taken; in their order, so that whoever works
    them out gives them the same."""
    taken, waiting = set[int](), [*rows]
    for salt in range(1 << _APART):
        if not waiting:
            return
        for row in waiting:
            _stand(row, place(row.at, row.id, salt))
        found = await tx.tuples(_PLACES, places=[row.place for row in waiting])
        taken |= {place for (place,) in found}
        again = []
        for row in waiting:
            if row.place in taken:
                again.append(row)
            taken.add(row.place)
        waiting = again
    raise errors.StoreFailure(f"no place is left in the list at {waiting[0].at.isoformat()}")


def place(at: datetime, id: str, salt: int = 0) -> int:
    """Where a document of that moment stands: newer is higher. Another `salt` is another place of the same moment."""
    apart = int.from_bytes(hashlib.blake2b(id.encode(), digest_size=2).digest(), "big") + salt
    return (microseconds(at) << _APART) | (apart % (1 << _APART))


def first_place(at: datetime) -> int:
    """No document of that moment or later stands before it."""
    return microseconds(at) << _APART


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def list_row(
    line: ListLine, document: OutgoingDocument | IncomingDocument, origin: Origin | None = None
) -> ListRow:
    """The row of a line; its place is that of the first document of the moment."""
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
    _stand(row, row.place)
    return row


def moving_columns(line: ListLine) -> dict[str, Any]:
    """The columns that change although the document does not."""
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
    """The more urgent first, of those the doubtful, of those what is due first. Half a step is more than the microseconds
    between any two letters."""
    rank = (max(Urgency) - line.urgency) << _URGENCY_BITS
    half = 1 << (_URGENCY_BITS - 1) if doubt_of(line) else 0
    return rank - half + microseconds(due_at)
