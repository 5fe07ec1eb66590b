"""Keeps the rows of lists in step with documents and with the calendar. In: which documents, deliveries and hand-overs
one unit of work touched; who reckons from the calendar's own days. Out: their rows, written just before it commits,
each worked out anew from what is stored: so a crash never leaves a document without its row, and ten changes of one
document cost one row; a `Due` by days that were read a minute ago at most; and, once those days are other ones, the
rows of what is still waited for, written anew."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import and_, bindparam, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain import status
from gateway.domain.account import PrincipalKind
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument, Urgency
from gateway.domain.office_calendar import CalendarDay
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
    due_within,
    folded_words,
    incoming_line,
    is_listed_in,
    is_listed_out,
    outgoing_line,
    type_key,
)
from gateway.ports.services import Clock
from gateway.store.calendar import days_in
from gateway.store.drivers import SLOW
from gateway.store.repository import Follower
from gateway.store.row import among, from_json, to_json
from gateway.store.tables import DeliveryRow, FactRow, HandoverRow, IncomingRow, OutgoingRow
from gateway.store.tables_node import PrincipalRow
from gateway.store.tables_office import ATTENTION, ListRow
from gateway.store.transaction import Transaction

# Until when somebody is waited for: whose turn it is, since when, how urgent.
Due = Callable[[Duty, Urgency], datetime]
DueNow = Callable[[Transaction], Awaitable[Due]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_APART = 12  # bits
_URGENCY_BITS = 52  # above the microseconds of any year to come
_R = ListRow
# Made once: making a statement takes longer than running it.
_THIS = update(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.id) == bindparam("at_id"))
_THIS_SLOW = _THIS.execution_options(**{SLOW: True})
_OUT = select(col(OutgoingRow.body)).where(
    col(OutgoingRow.agency_id) == bindparam("agency"), among(col(OutgoingRow.id), "ids")
)
_IN = select(col(IncomingRow.body)).where(
    col(IncomingRow.agency_id) == bindparam("agency"), col(IncomingRow.id) == bindparam("id")
)
_KNOWN = and_(col(_R.agency_id) == bindparam("agency"), col(_R.id) == col(DeliveryRow.document_id))
_STATES = (
    select(
        col(DeliveryRow.document_id),
        col(DeliveryRow.state),
        func.count(),
        func.max(col(DeliveryRow.updated_at)),
        select(col(_R.sent_at)).where(_KNOWN).scalar_subquery(),
        select(col(_R.place)).where(_KNOWN).scalar_subquery(),
    )
    .where(col(DeliveryRow.agency_id) == bindparam("agency"), among(col(DeliveryRow.document_id), "ids"))
    .group_by(col(DeliveryRow.document_id), col(DeliveryRow.state))
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
)
_FACTS = select(col(FactRow.body)).where(
    col(FactRow.agency_id) == bindparam("agency"), col(FactRow.subject_id) == bindparam("id")
)
_HANDOVER = select(col(HandoverRow.state)).where(
    col(HandoverRow.agency_id) == bindparam("agency"), col(HandoverRow.incoming_id) == bindparam("id")
)
_PRINCIPAL = select(col(PrincipalRow.kind)).where(col(PrincipalRow.id) == bindparam("id"))
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
class _Recipients:
    """Of one outgoing document. `sent_at`: when the first was sent; `is_listed`: whether the document has its row."""

    counted: Mapping[str, int] = field(default_factory=dict)
    latest_at: datetime | None = None
    sent_at: datetime | None = None
    is_listed: bool = False


def _first_of(deliveries: Sequence[Delivery]) -> _Recipients:
    """Of a document that this unit added."""
    return _Recipients(
        counted=Counter(each.state for each in deliveries),
        latest_at=max((each.updated_at for each in deliveries), default=None),
    )


class ListWriter(Follower):
    """Of one unit of work and one agency. What the unit itself read or wrote is not read again. `whole`: rows are written
    whole also where only recipients were touched."""

    def __init__(
        self,
        tx: Transaction,
        agency_id: str,
        due: DueNow,
        *,
        whole: bool = False,
        changed: Callable[[str], None] = lambda agency_id: None,
        origins: dict[str, Origin] | None = None,
    ) -> None:
        """`changed` hears of the agency once its rows hold. `origins`: of who handed mail in, which is for ever."""
        self._origins = {} if origins is None else origins
        self._changed_lists = changed
        self._whole = whole
        self._tx = tx
        self._agency_id = agency_id
        self._due_now = due
        self._due: Due = due_within
        self._new: set[str] = set()
        self._out: dict[str, OutgoingDocument | None] = {}
        self._out_read: dict[str, OutgoingDocument] = {}
        self._in: dict[str, IncomingDocument | None] = {}
        self._deliveries: set[str] = set()
        # Of what this unit added, while none was sent and nothing happened to them.
        self._first: dict[str, list[Delivery]] = {}
        self._facts: dict[str, list[Fact]] = {}
        self._handovers: dict[str, str | None] = {}

    def out_changed(self, document: OutgoingDocument, *, new: bool = False) -> None:
        self._out[document.id] = document
        if new:
            self._new.add(document.id)
            self._first[document.id] = []

    def in_changed(self, document: IncomingDocument, *, new: bool = False) -> None:
        self._in[document.id] = document
        if new:
            self._new.add(document.id)

    def touch_out(self, id: str) -> None:
        self._out.setdefault(id, None)
        self._first.pop(id, None)

    def touch_in(self, id: str) -> None:
        self._in.setdefault(id, None)

    def touch_delivery(self, id: str) -> None:
        self._deliveries.add(id)
        self._first.clear()

    def out_read(self, document: OutgoingDocument) -> None:
        if not self._tx.is_shared:  # nobody else can change it before this unit ends
            self._out_read[document.id] = document

    def fact_added(self, subject_id: str, fact: Fact) -> None:
        self._facts.setdefault(subject_id, []).append(fact)

    def handed(self, incoming_id: str, state: str | None) -> None:
        self._handovers[incoming_id] = state
        self.touch_in(incoming_id)

    def delivered_to(self, document_id: str, deliveries: Sequence[Delivery]) -> None:
        self._out.setdefault(document_id, None)
        if any(each.state in SENT for each in deliveries):
            self._first.pop(document_id, None)
        elif document_id in self._first:
            self._first[document_id].extend(deliveries)

    async def write(self) -> None:
        """In one order whoever writes, so that no two wait for each other."""
        if not (self._out or self._in or self._deliveries):
            return
        self._due = await self._due_now(self._tx)
        if ids := sorted(self._deliveries):
            for (id,) in await self._tx.tuples(_DOCUMENTS, agency=self._agency_id, ids=ids):
                self.touch_out(id)
        await self._write_out()
        for id, arrived in sorted(self._in.items()):
            await self._write_in(id, arrived)
        self._new, self._out, self._out_read, self._in, self._deliveries = set(), {}, {}, {}, set()
        self._facts, self._handovers, self._first = {}, {}, {}
        self._tx.when_committed(partial(self._changed_lists, self._agency_id))

    async def _write_out(self) -> None:
        ids = sorted(self._out)
        await self._hold(ids)
        listed = [each for each in await self._documents(ids) if is_listed_out(each)]
        recipients = await self._recipients([each.id for each in listed])
        moves = []
        for document in listed:
            its, urgency = recipients[document.id], document.draft.urgency
            due_at = self._due(Duty(waits=Waits.PARTNER, since=its.sent_at), urgency) if its.sent_at else None
            line = outgoing_line(document, its.counted, its.sent_at, its.latest_at, due_at)
            if its.is_listed and self._out[document.id] is None and not self._whole:
                moves.append({"agency": self._agency_id, "at_id": document.id, **moving_columns(line)})
            else:
                await self._put(list_row(line, document), document.accepted_by)
        # What a row is found and sorted by stays as it is.
        await self._tx.change_many(_THIS, moves)

    async def _documents(self, ids: Sequence[str]) -> Sequence[OutgoingDocument]:
        known = self._out_read | {id: each for id, each in self._out.items() if each is not None}
        unread = [id for id in ids if id not in known]
        for (body,) in await self._tx.tuples(_OUT, agency=self._agency_id, ids=unread) if unread else ():
            document = from_json(OutgoingDocument, body)
            known[document.id] = document
        if missing := [id for id in ids if id not in known]:
            raise errors.StoreFailure(f"the document {missing[0]} was just written and is gone")
        return [known[id] for id in ids]

    async def _recipients(self, ids: Sequence[str]) -> Mapping[str, _Recipients]:
        new = {id: _first_of(self._first[id]) for id in ids if id in self._first}
        found: dict[str, list[Any]] = {id: [] for id in ids if id not in new}
        for row in await self._tx.tuples(_STATES, agency=self._agency_id, ids=list(found)) if found else ():
            found[row[0]].append(row)
        # Once known it stays: asking the facts of 500 recipients for each answer of one would cost more than the rest.
        sent_at = {id: rows[0][4] for id, rows in found.items() if any(row[1] in SENT for row in rows)}
        unknown = [id for id, at in sent_at.items() if at is None]
        if unknown:
            sent_at |= dict(await self._tx.tuples(_SENT_AT, agency=self._agency_id, ids=unknown))
        return new | {
            id: _Recipients(
                counted={row[1]: row[2] for row in rows},
                latest_at=max((row[3] for row in rows), default=None),
                sent_at=sent_at.get(id),
                is_listed=any(row[5] is not None for row in rows),
            )
            for id, rows in found.items()
        }

    async def _write_in(self, id: str, document: IncomingDocument | None) -> None:
        await self._hold([id])
        moved = document is None
        document = document or await self._read(IncomingDocument, _IN, id)
        if not is_listed_in(document):
            return
        facts, handover = await self._known(id)
        owed = status.duty_of(document, facts)
        shown = status.incoming_word(document, facts)
        due_at = self._due(owed, document.urgency) if owed is not None else None
        not_handed = handover not in (None, "acked")
        line = incoming_line(document, shown, due_at, not_handed=not_handed)
        # What recipients and hand-overs change is written, and what it is found and sorted by left as it is.
        if not moved or self._whole or not await self._changed(line.id, moving_columns(line)):
            await self._put(list_row(line, document, Origin(document.source)))

    async def _known(self, id: str) -> tuple[Sequence[Fact], str | None]:
        """Its facts, and the state of its hand-over. What is new has those that this unit wrote."""
        if id in self._new:
            return self._facts.get(id, ()), self._handovers.get(id)
        rows = await self._tx.tuples(_FACTS, agency=self._agency_id, id=id)
        offered = await self._tx.tuples(_HANDOVER, agency=self._agency_id, id=id)
        return [from_json(Fact, body) for (body,) in rows], offered[0][0] if offered else None

    async def _hold(self, ids: Sequence[str]) -> None:
        """Who counts recipients must not miss those that another one is changing. Nobody else knows a new document."""
        await self._tx.hold_each([(self._agency_id, "list", id) for id in ids if id not in self._new])

    async def _origin(self, principal_id: str) -> Origin:
        """Of an outgoing document, by who handed it in; what nobody is known for was done on the machine itself."""
        if principal_id not in self._origins:
            known = await self._tx.tuples(_PRINCIPAL, id=principal_id)
            if not known:
                return Origin.MACHINE
            self._origins[principal_id] = _ORIGINS[PrincipalKind(known[0][0])]
        return self._origins[principal_id]

    async def _read(self, kind: Any, query: Any, id: str) -> Any:  # Any: either kind of document
        found = await self._tx.tuples(query, agency=self._agency_id, id=id)
        if not found:
            raise errors.Clash(f"this agency has no document {id}")
        return from_json(kind, found[0][0])

    async def _put(self, made: ListRow, accepted_by: str = "") -> None:
        """`accepted_by` tells the origin, which is asked for a new row alone: it stays."""
        # What was read stays read, whatever happens to it; what nobody needs to read is read.
        kept = {"place", "agency_id", "id", *(["unread"] if made.unread else [])}
        values = made.values(*kept, *(["origin"] if made.origin is None else []))
        if made.id not in self._new and await self._changed(made.id, values):
            return
        if made.origin is None:
            made.change(origin=str(await self._origin(accepted_by)))
        await self._tx.put_or(made, partial(self._put_beside, made, values))

    async def _put_beside(self, made: ListRow, values: Mapping[str, Any]) -> None:
        """Where its own place is taken: by itself, or by another document of the same moment."""
        for salt in range(1, 1 << _APART):
            if await self._changed(made.id, values):
                return
            made.change(place=place(made.at, made.id, salt))
            if await self._tx.put_new(made):
                return
        raise errors.StoreFailure(f"no place is left in the list at {made.at.isoformat()}")

    async def _changed(self, id: str, values: Mapping[str, Any]) -> bool:
        # Words that go are taken out of the whole index: with many documents that is seconds.
        this = _THIS_SLOW if values.get("folded") == "" else _THIS
        return await self._tx.change(this, agency=self._agency_id, at_id=id, **values) == 1


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
    return ListRow(
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


DAYS_FRESH = timedelta(minutes=1)
# What is late since then stays late, whatever day becomes a holiday.
REWRITTEN_BACK = timedelta(days=30)
Reckon = Callable[[Sequence[CalendarDay]], Due]
Unit = Callable[[], AbstractAsyncContextManager[Transaction]]


def reckon_without_office(days: Sequence[CalendarDay]) -> Due:
    """Where nothing knows office hours."""
    return due_within


class Dues:
    """One for each process."""

    def __init__(self, reckon: Reckon, clock: Clock) -> None:
        self._reckon = reckon
        self._clock = clock
        self._days: Sequence[CalendarDay] = ()
        self._due: Due = reckon(())
        self._read_at: datetime | None = None
        self._written_by: Sequence[CalendarDay] | None = None
        self._writing_by: Sequence[CalendarDay] = ()
        self._behind = 0

    def forget(self) -> None:
        """A day was changed a moment ago."""
        self._read_at = None

    async def of(self, tx: Transaction) -> Due:
        now = self._clock.now()
        if self._read_at is None or not self._read_at <= now < self._read_at + DAYS_FRESH:
            days = await days_in(tx)
            if days != self._days:
                self._days, self._due = days, self._reckon(days)
            self._read_at = now
        return self._due

    async def write_again(
        self,
        reading: Unit,
        writing: Unit,
        agencies: Sequence[str],
        limit: int,
        changed: Callable[[str], None],
    ) -> bool:
        """One batch of rows whose moment may be another one by now; True when there may be more. The first time after a
        start all are looked at: somebody may have changed a day meanwhile."""
        async with reading() as tx:
            await self.of(tx)
            if self._days == self._written_by:
                return False
            if self._days != self._writing_by:
                self._writing_by, self._behind = self._days, 0
            found = await self._waiting(tx, agencies, limit)
        for agency_id in agencies:
            async with writing() as tx:
                writer = ListWriter(tx, agency_id, self.of, changed=changed)
                for _, whose, id, side in found:
                    if whose == agency_id:
                        writer.touch_out(id) if side == Side.OUT.value else writer.touch_in(id)
                await writer.write()
                await tx.commit()
        more = len(found) == limit
        self._behind = found[-1][0] if more else 0
        if not more:
            self._written_by = self._writing_by
        return more

    async def _waiting(
        self, tx: Transaction, agencies: Sequence[str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """Oldest first, of all agencies."""
        since = self._clock.now() - REWRITTEN_BACK
        query = select(col(_R.place), col(_R.agency_id), col(_R.id), col(_R.side)).where(
            col(_R.agency_id).in_(agencies),
            ATTENTION,
            col(_R.due_at) >= since,
            col(_R.place) > max(self._behind, first_place(since - REWRITTEN_BACK)),
        )
        found: Sequence[tuple[int, str, str, str]] = await tx.tuples(
            query.order_by(col(_R.place)).limit(limit)
        )
        return found
