"""Incoming documents that one agency admitted, their hand-over to its document system, and the identities of all packets
that were ever admitted. In: these values; the client that takes a hand-over. Out: the
values as last saved.

A document's row has the whole value as `body`; the other columns are derived from it at each write and only used in
conditions. A hand-over is leased until a time and acknowledged once; when its lease expires it is available again. Sealed
documents are in no list of work. An identity keeps body digest and signed packet id for ever, so that a later packet that
repeats or contradicts it is recognised; it is written when a packet is admitted, never when one lands (A3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped
from sqlmodel import col

from gateway import errors
from gateway.domain.document import IncomingDocument, InState, Kind
from gateway.domain.identity import Digest
from gateway.domain.pace import LONGEST_HANDOVER
from gateway.domain.proof import Identity
from gateway.domain.text import fold, number_word
from gateway.store.drivers import SKIPS_OPEN_ROWS
from gateway.store.repository import AgencyRows, Page, WatchedRows, in_parts
from gateway.store.row import JsonField, among, bodies, from_json, one_of, same, to_json, value_of
from gateway.store.tables import HandoverRow, IdentityRow, InboxRow, IncomingRow, ReplacedRow
from gateway.store.transaction import Transaction

_DOCUMENT = IncomingRow
_MOST_ALIKE = 5
_NEW = (Kind.DOCUMENT.value, Kind.REPLACEMENT.value)
# Statements are built once, because building one takes longer than running it.
_OF_AGENCY = select(_DOCUMENT).where(col(_DOCUMENT.agency_id) == bindparam("agency"))
_BY_ID = _OF_AGENCY.where(col(_DOCUMENT.id) == bindparam("id"))
_BY_IDS = _OF_AGENCY.where(among(col(_DOCUMENT.id), "ids"))
_STATES = select(col(_DOCUMENT.id), col(_DOCUMENT.state)).where(
    col(_DOCUMENT.agency_id) == bindparam("agency"), among(col(_DOCUMENT.id), "ids")
)
# Compared without the index of senders, which has all documents of one: the condition beside it leaves few.
_SAME_SENDER = col(_DOCUMENT.sender_folded).concat("") == bindparam("sender")
_BY_DOCUMENT_ID = _OF_AGENCY.where(
    col(_DOCUMENT.document_id) == bindparam("document_id"),
    _SAME_SENDER,
).order_by(col(_DOCUMENT.arrived_at).desc(), col(_DOCUMENT.id).desc())
_NUMBERED = (
    _OF_AGENCY.where(col(_DOCUMENT.number_key) == bindparam("number_key"))
    .order_by(col(_DOCUMENT.arrived_at).desc(), col(_DOCUMENT.id).desc())
    .limit(50)
)
_REPLACING = (
    select(_DOCUMENT)
    .join(ReplacedRow, same(ReplacedRow.incoming_id, _DOCUMENT.id))
    .where(
        col(ReplacedRow.agency_id) == bindparam("agency"),
        col(ReplacedRow.sender_folded) == bindparam("sender"),
        col(ReplacedRow.document_id) == bindparam("document_id"),
    )
    .order_by(col(_DOCUMENT.arrived_at), col(_DOCUMENT.id))
)
_WITH_LEAD = (
    _OF_AGENCY.where(
        col(_DOCUMENT.lead) == bindparam("lead"),
        col(_DOCUMENT.lead) != "",
        _SAME_SENDER,
    )
    .order_by(col(_DOCUMENT.arrived_at).desc(), col(_DOCUMENT.id).desc())
    .limit(_MOST_ALIKE)
)
_ADMITTED: Select[Any] = (
    select(col(IdentityRow.incoming_id).label("body"))
    .where(
        col(IdentityRow.agency_id) == bindparam("agency"),
        col(IdentityRow.sender) == bindparam("verified"),
        col(IdentityRow.document_id) == bindparam("document_id"),
        one_of(col(IdentityRow.kind), _NEW),
    )
    .order_by(col(IdentityRow.at).desc(), col(IdentityRow.inbox_id).desc())
)
_WAITING: Select[Any] = (
    select(col(InboxRow.id).label("body"))
    .where(
        col(InboxRow.agency_id) == bindparam("agency"),
        col(InboxRow.state) == "waiting",
        col(InboxRow.needs_document_id) == bindparam("document_id"),
        func.lower(col(InboxRow.needs_sender)) == bindparam("lower"),
    )
    .order_by(col(InboxRow.received_at), col(InboxRow.id))
)
_PRIOR_KINDS = ("replacing", "numbered", "with_lead", "admitted", "waiting")
# One statement instead of five, because every arriving document needs it. It may skip open rows: a packet that landed in
# the same unit of work is not in the state `waiting` yet.
_PRIOR = union_all(
    *map(bodies, _PRIOR_KINDS, (_REPLACING, _NUMBERED, _WITH_LEAD, _ADMITTED, _WAITING))
).execution_options(**SKIPS_OPEN_ROWS)
_UPDATE = update(_DOCUMENT).where(
    col(_DOCUMENT.agency_id) == bindparam("agency"), col(_DOCUMENT.id) == bindparam("at_id")
)
_UPDATE_AS_READ = _UPDATE.where(col(_DOCUMENT.version) == bindparam("read"))
INCOMING = "incoming"  # first part of the lock's name on an incoming DocumentId
AVAILABLE, LEASED, ACKED = "available", "leased", "acked"
_HANDOVER = HandoverRow
_OLDEST_OFFER = (col(_HANDOVER.offered_at), col(_HANDOVER.incoming_id))
_IDENTITY = IdentityRow
_OF_SENDER = select(_IDENTITY).where(
    col(_IDENTITY.agency_id) == bindparam("agency"), col(_IDENTITY.sender) == bindparam("sender")
)
_BY_BODY = _OF_SENDER.where(col(_IDENTITY.body_digest) == bindparam("body"))
_BY_PACKET = _OF_SENDER.where(col(_IDENTITY.packet_id) == bindparam("packet"))
_BY_DOCUMENT = _OF_SENDER.where(
    col(_IDENTITY.document_id) == bindparam("document"), one_of(col(_IDENTITY.kind), _NEW)
).order_by(col(_IDENTITY.at).desc(), col(_IDENTITY.inbox_id).desc())


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Hand-over of one incoming document to the agency's document system."""

    incoming_id: str
    state: str
    leased_by: str | None = None
    leased_until: datetime | None = None
    acked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorDocuments:
    """Stored documents and packets that concern an arriving document. `replacing`: replacements of the same sender that
    name its DocumentId, admitted or not. `numbered`: documents of the same number. `with_lead`: the sender's newest with
    the same lead file. `admitted`: for each admitted packet of the sender with its DocumentId, newest first, the id of the
    document made of it, or None. `waiting`: ids of packets that wait for it, oldest first. Senders are compared without
    letter case, except in `admitted`."""

    replacing: Sequence[IncomingDocument]
    numbered: Sequence[IncomingDocument]
    with_lead: Sequence[IncomingDocument]
    admitted: Sequence[str | None]
    waiting: Sequence[str]


class SqlIncomingDocuments(WatchedRows):
    """Repository of the incoming documents of one agency."""

    async def add(self, document: IncomingDocument) -> None:
        self._check_own(document.agency_id, f"the document {document.id}")
        stored = partial(errors.Clash, f"the incoming document {document.id} is already stored")
        await self._tx.insert_required(incoming_row(document), stored)
        self._tx.insert(*_replaced(document))
        self._follower.in_changed(document)

    async def get(self, id: str) -> IncomingDocument:
        missing = f"this agency has no incoming document {id}"
        return await self._get(to_incoming, self._tx.lock_rows(_BY_ID), missing, id=id)

    async def of_many(self, ids: Collection[str]) -> Sequence[IncomingDocument]:
        """Return those of these documents that exist, to be read alone: their rows are not locked."""
        return await self._values(to_incoming, _BY_IDS, ids=sorted(ids))

    async def states(self, ids: Collection[str]) -> Mapping[str, InState]:
        """Return the state of each of these documents by id; unknown ids are left out."""
        rows = await self._tx.tuples(_STATES, agency=self._agency_id, ids=sorted(ids))
        return {id: InState(state) for id, state in rows}

    async def by_document_id(self, sender_code: str, document_id: str) -> Sequence[IncomingDocument]:
        """Return every document that the sender sent under this DocumentId, the newest first, and hold that DocumentId
        until the transaction ends. The sender is compared without letter case."""
        await self._tx.hold(self._agency_id, INCOMING, document_id)
        parameters = {"document_id": document_id, "sender": sender_code.casefold()}
        return await self._values(to_incoming, self._tx.lock_rows(_BY_DOCUMENT_ID), **parameters)

    async def find_prior(self, document: IncomingDocument) -> PriorDocuments:
        """Find the stored documents and packets that may concern an arriving document, with one query. Hold its DocumentId
        until the transaction ends."""
        await self._tx.hold(self._agency_id, INCOMING, document.document_id)
        parameters = {
            "agency": self._agency_id,
            "document_id": document.document_id,
            "verified": document.sender_code,
            "sender": document.sender_code.casefold(),
            "lower": document.sender_code.lower(),
            "number_key": number_word(document.number.strip(), document.symbol.strip()),
            "lead": _lead_digest(document),
        }
        bodies_by_kind: dict[str, list[Any]] = {kind: [] for kind in _PRIOR_KINDS}
        for kind, body in await self._tx.tuples(_PRIOR, **parameters):
            bodies_by_kind[kind].append(body)
        return PriorDocuments(
            replacing=[*map(from_body, bodies_by_kind["replacing"])],
            numbered=[*map(from_body, bodies_by_kind["numbered"])],
            with_lead=[*map(from_body, bodies_by_kind["with_lead"])],
            admitted=bodies_by_kind["admitted"],
            waiting=bodies_by_kind["waiting"],
        )

    async def numbered(self, number: str, symbol: str) -> Sequence[IncomingDocument]:
        """Return the 50 newest documents with that number and symbol, in any spelling."""
        return await self._values(to_incoming, _NUMBERED, number_key=number_word(number, symbol))

    async def save(
        self, document: IncomingDocument, *, expect_version: int | None = None
    ) -> IncomingDocument:
        """Save the document with the stored version + 1 and return it. StaleVersion when `expect_version` is given and is
        not the stored version."""
        return await self._save(document, expect_version, self.get, self._write)

    async def page(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        states: Sequence[str] = (),
        query: str | None = None,
        handover: str | None = None,
        without_mark: str | None = None,
        arrived_from: datetime | None = None,
        arrived_to: datetime | None = None,
        sender: str | None = None,
        number: tuple[str, str] | None = None,
        document_id: str | None = None,
        ids: Select[str] | None = None,
        oldest_first: bool = False,
    ) -> Page[IncomingDocument]:
        """Return one page of documents and the cursor of the next, the newest first unless `oldest_first`. A document must
        contain every word of `query`, and lack the mark `without_mark`; `handover` is a state of hand-overs; `arrived_to`
        is exclusive; `number` is a number and its symbol, in any spelling; `ids` is a query
        for the ids of all that may be in it."""
        conditions: list[ColumnElement[bool]] = [
            col(_DOCUMENT.folded).contains(w, autoescape=True) for w in fold(query or "").split()
        ]
        if handover is not None:
            now = self._clock.now()
            conditions.append(handover_is(handover, col(_DOCUMENT.agency_id), col(_DOCUMENT.id), now))
        if without_mark is not None:
            marks = JsonField(col(_DOCUMENT.body), literal_column("marks"))
            conditions.append(not_(marks.contains(f'"{without_mark}"')))
        if sender is not None:
            conditions.append(col(_DOCUMENT.sender_folded) == sender.casefold())
        if number is not None:
            conditions.append(col(_DOCUMENT.number_key) == number_word(*number))
        if document_id is not None:
            conditions.append(col(_DOCUMENT.document_id) == document_id)
        if ids is not None:
            conditions.append(col(_DOCUMENT.id).in_(ids))
        if arrived_from is not None:
            conditions.append(col(_DOCUMENT.arrived_at) >= arrived_from)
        if arrived_to is not None:
            conditions.append(col(_DOCUMENT.arrived_at) < arrived_to)
        return await self._page(
            _DOCUMENT,
            "arrived_at",
            to_incoming,
            *conditions,
            limit=limit,
            cursor=cursor,
            states=states,
            oldest_first=oldest_first,
        )

    def exchange_files(self, document: IncomingDocument) -> None:
        """Note that the document gets other files, so that nothing stays that was made of those before."""
        self._follower.in_files_changed(document)

    async def _write(self, document: IncomingDocument, read: int | None) -> bool:
        columns = incoming_row(document).values("agency_id", "id")
        is_written = await self._update_row((_UPDATE, _UPDATE_AS_READ), document.id, read, columns)
        if is_written:
            self._follower.in_changed(document)
        return is_written


_UNSEALED = select(_DOCUMENT).where(
    col(_DOCUMENT.agency_id) == bindparam("agency"),
    among(col(_DOCUMENT.id), "ids"),
    col(_DOCUMENT.state) != InState.SEALED.value,
)


async def unsealed(tx: Transaction, agency_id: str, ids: Collection[str]) -> Mapping[str, IncomingDocument]:
    """Return those of these documents that exist and are not sealed."""
    documents: dict[str, IncomingDocument] = {}
    for part in in_parts(sorted(ids)):
        part_documents = await tx.values(to_incoming, _UNSEALED, agency=agency_id, ids=part)
        documents |= {document.id: document for document in part_documents}
    return documents


def _replaced(document: IncomingDocument) -> list[ReplacedRow]:
    """Return one row for each DocumentId that a replacement names as replaced; none for another document."""
    if document.kind is not Kind.REPLACEMENT or document.change is None:
        return []
    return [
        ReplacedRow(
            agency_id=document.agency_id,
            sender_folded=document.sender_code.casefold(),
            document_id=document_id,
            incoming_id=document.id,
        )
        for document_id in sorted({replaced_id for replaced_id, _ in document.change.replaces})
    ]


def to_incoming(row: IncomingRow) -> IncomingDocument:
    return from_body(row.body)


def from_body(body: str) -> IncomingDocument:
    return from_json(IncomingDocument, body)


def incoming_row(document: IncomingDocument) -> IncomingRow:
    code = f"{document.number}/{document.symbol}"
    words = (code, document.subject, document.sender_code, document.sender_name or "")
    return IncomingRow.from_value(
        document,
        sender_folded=document.sender_code.casefold(),
        number_key=number_word(document.number, document.symbol) if document.number else "",
        lead=_lead_digest(document),
        reply_by=document.due_on if document.wants_reply else None,
        # R4 (state secrets stay out): a sealed document cannot be found by its words.
        folded="" if document.state is InState.SEALED else fold(" ".join(words)),
        body=to_json(IncomingDocument, document),
    )


def _lead_digest(document: IncomingDocument) -> str:
    """Return the digest of the lead file; empty when it could not be read."""
    lead = document.lead
    return lead.sha256 if lead is not None and lead.found_type is not None else ""


class SqlHandovers(WatchedRows):
    """Repository of one agency's hand-overs: incoming documents offered to document systems, each taken under a lease."""

    async def offer(self, incoming_id: str) -> None:
        """Offer a document to document systems; a second offer changes nothing. Clash when there is no such document."""
        now = self._clock.now()
        row = HandoverRow(agency_id=self._agency_id, incoming_id=incoming_id, state=AVAILABLE, offered_at=now)
        self._tx.insert_missing(row)
        self._follower.touch_in(incoming_id)

    async def get(self, incoming_id: str) -> Handover:
        missing = f"the document {incoming_id} was never offered to a document system"
        read = partial(to_handover, now=self._clock.now())
        return await self._load(read, _HANDOVER, missing, lock=False, incoming_id=incoming_id)

    async def withdraw(self, incoming_id: str) -> bool:
        """Delete the hand-over of a document. Return True when a document system has the document or is taking it now."""
        mine = select(_HANDOVER).where(self._where(_HANDOVER, incoming_id=incoming_id))
        row = await self._tx.first(_HANDOVER, mine.with_for_update())
        if await self._delete(_HANDOVER, incoming_id=incoming_id):
            self._follower.touch_in(incoming_id)
        return row is not None and to_handover(row, self._clock.now()).state != AVAILABLE

    async def lease(self, client: str, limit: int, ends_at: datetime) -> Sequence[Handover]:
        """Lease up to `limit` available hand-overs to `client` until `ends_at`, the oldest first; one whose lease ran out
        is available too."""
        now = self._clock.now()
        is_free = self._where(_HANDOVER, is_available(now))
        query = select(_HANDOVER).where(is_free).order_by(*_OLDEST_OFFER).limit(limit)
        rows = await self._tx.rows(_HANDOVER, query.with_for_update(skip_locked=True))
        ids = [row.incoming_id for row in rows]
        lease = {"state": LEASED, "leased_by": client, "leased_until": ends_at}
        mine = update(_HANDOVER).where(is_free, col(_HANDOVER.incoming_id).in_(ids))
        await self._tx.change(mine.values(lease))
        return [Handover(incoming_id=id, state=LEASED, leased_by=client, leased_until=ends_at) for id in ids]

    async def waiting_since_before(self, at: datetime, limit: int) -> Sequence[str]:
        """Return the ids of documents that were offered before `at` and are still available, the oldest first."""
        waits = self._where(_HANDOVER, is_available(self._clock.now()), col(_HANDOVER.offered_at) < at)
        query = select(col(_HANDOVER.incoming_id)).where(waits).order_by(*_OLDEST_OFFER).limit(limit)
        return [id for (id,) in await self._tx.tuples(query)]

    async def ack(self, incoming_id: str, client: str, at: datetime) -> bool:
        """Record that `client` has the document. Return False when it was acknowledged before, which is harmless. Clash
        while another client holds the lease, because that client may be storing the document at this moment."""
        acked = {"state": ACKED, "leased_by": client, "leased_until": None, "acked_at": at}
        if await self._tx.change(self._take(incoming_id, client).values(acked)) == 1:
            self._follower.touch_in(incoming_id)
            return True
        await self._check_acked(incoming_id)
        return False

    async def take(self, incoming_id: str, client: str, ends_at: datetime) -> bool:
        """Lease one document to `client`. Return False when it was acknowledged before. Clash while another leases it."""
        lease = {"state": LEASED, "leased_by": client, "leased_until": ends_at}
        if await self._tx.change(self._take(incoming_id, client).values(lease)) == 1:
            return True
        await self._check_acked(incoming_id)
        return False

    async def give_back(self, incoming_id: str, client: str) -> None:
        """End the client's lease on a document, which becomes available again; no effect when the client has none."""
        mine = self._where(_HANDOVER, incoming_id=incoming_id, state=LEASED, leased_by=client)
        free = {"state": AVAILABLE, "leased_by": None, "leased_until": None}
        await self._tx.change(update(_HANDOVER).where(mine).values(free))

    async def _check_acked(self, incoming_id: str) -> None:
        """Check that the document was acknowledged. Clash when it was not; NotFound when it was never offered."""
        if (await self.get(incoming_id)).state != ACKED:
            raise errors.Clash(
                f"the document {incoming_id} is being handed over to another client; ask again later"
            )

    def _take(self, incoming_id: str, client: str) -> Update:
        """Return the update of a hand-over that is not acknowledged, and that no other client leases."""
        leased_by = col(_HANDOVER.leased_by)
        is_free = or_(leased_by.is_(None), leased_by == client, is_available(self._clock.now()))
        unacked = self._where(_HANDOVER, col(_HANDOVER.state) != ACKED, is_free, incoming_id=incoming_id)
        return update(_HANDOVER).where(unacked)


def handover_is(
    state: str, agency_id: Mapped[str], incoming_id: Mapped[str], now: datetime
) -> ColumnElement[bool]:
    """Return the SQL condition that the incoming document has a hand-over in that state at `now`."""
    is_leased = and_(col(_HANDOVER.state) == LEASED, not_(_ran_out(now)))
    condition = {AVAILABLE: is_available(now), LEASED: is_leased}.get(state, col(_HANDOVER.state) == state)
    return exists().where(
        col(_HANDOVER.agency_id) == agency_id, col(_HANDOVER.incoming_id) == incoming_id, condition
    )


def is_available(now: datetime) -> ColumnElement[bool]:
    return or_(col(_HANDOVER.state) == AVAILABLE, and_(col(_HANDOVER.state) == LEASED, _ran_out(now)))


def _ran_out(now: datetime) -> ColumnElement[bool]:
    """Return the SQL condition of a lease that ran out, or ends so late that it was made while the clock was ahead."""
    return or_(col(_HANDOVER.leased_until) <= now, col(_HANDOVER.leased_until) > now + 2 * LONGEST_HANDOVER)


def to_handover(row: HandoverRow, now: datetime) -> Handover:
    if (
        row.state == LEASED
        and row.leased_until is not None
        and not now < row.leased_until <= now + 2 * LONGEST_HANDOVER
    ):
        return Handover(incoming_id=row.incoming_id, state=AVAILABLE)
    return value_of(Handover, row)


class SqlIdentities(AgencyRows):
    """Repository of the identities of all packets that one agency admitted, kept for ever. A sender is the verified code,
    compared letter for letter. Each query holds its name until the transaction ends, so that no other transaction admits
    the same packet meanwhile."""

    async def by_body(self, sender: str, body_digest: Digest) -> Identity | None:
        await self._tx.hold(self._agency_id, "body", sender, body_digest)
        return await self._value(Identity, _BY_BODY, sender=sender, body=body_digest)

    async def by_packet(self, sender: str, packet_id: str) -> Identity | None:
        await self._tx.hold(self._agency_id, "packet", sender, packet_id)
        return await self._value(Identity, _BY_PACKET, sender=sender, packet=packet_id)

    async def by_document(self, sender: str, document_id: str) -> Sequence[Identity]:
        """Return the sender's admitted packets of new and replacing documents with this DocumentId, the newest first."""
        await self._tx.hold(self._agency_id, INCOMING, document_id)
        return await self._values(Identity, _BY_DOCUMENT, sender=sender, document=document_id)

    async def claim(self, identity: Identity) -> None:
        """Record the identity of an admitted packet in the caller's transaction. Conflict when the sender's body digest or
        packet id is recorded already."""
        # The database checks both unique keys in the insert, so two workers cannot both find them free (G3, admitted once).
        row = IdentityRow.from_value(identity, agency_id=self._agency_id)
        ids = f"the body {identity.body_digest} or the packet id {identity.packet_id} of {identity.sender}"
        conflict = partial(errors.Conflict, f"{ids} was admitted before; the first stays")
        await self._tx.insert_required(row, conflict)
