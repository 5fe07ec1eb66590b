"""Outgoing documents of one agency, and the numbers of its sent mail. In: `OutgoingDocument` values; a number, a notation,
a year. Out: the values as last saved; the documents that have the number, and the next free number.

The row's `body` is the whole value; the other columns are derived from it at each write and only used in conditions.
Documents of the exchange and paper letters are lines of the same book and share its numbers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlmodel import col

from gateway import errors, tracing
from gateway.domain.book import Alike, OutgoingLine, PaperLetter, Span, end_of_run
from gateway.domain.document import FileRole, Kind, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.text import fold, number_word, spelling_key
from gateway.domain.upload import OWNER as UPLOAD
from gateway.store.drivers import FEW
from gateway.store.repository import AgencyRows, Page, WatchedRows, in_parts
from gateway.store.row import among, bodies, from_json, one_of, same, to_json
from gateway.store.tables import BlobRefRow, BlobRow, DeliveryRow, OutboxRow, OutgoingRow, PaperOutgoingRow
from gateway.store.tables_node import EventRow
from gateway.store.transaction import Transaction

# Only these columns are read, because the body is the whole value.
_READ = cast("Select[Any]", select(col(OutgoingRow.body), col(OutgoingRow.version)))
_OF_AGENCY = _READ.where(col(OutgoingRow.agency_id) == bindparam("agency"))
_BY_ID = _OF_AGENCY.where(col(OutgoingRow.id) == bindparam("id"))
# Ordered, so that transactions which lock these rows cannot deadlock.
_BY_IDS = _OF_AGENCY.where(among(col(OutgoingRow.id), "ids")).order_by(col(OutgoingRow.id))
_BY_EXTERNAL_ID = _OF_AGENCY.where(col(OutgoingRow.external_id) == bindparam("external_id"))
_BY_PACKET_ID = _OF_AGENCY.where(col(OutgoingRow.packet_id) == bindparam("packet_id"))
_MOST_ALIKE, _LONGEST_NAME = 20, 200
_NEWEST = (col(OutgoingRow.created_at).desc(), col(OutgoingRow.id).desc())
_BY_DOCUMENT_ID = _OF_AGENCY.where(col(OutgoingRow.document_id) == bindparam("document_id")).order_by(
    *_NEWEST
)
_BY_LEAD = _OF_AGENCY.where(col(OutgoingRow.lead) == bindparam("lead")).order_by(*_NEWEST).limit(_MOST_ALIKE)
_BY_OWN_ID = (
    _OF_AGENCY.where(col(OutgoingRow.own_id) == bindparam("own_id")).order_by(*_NEWEST).limit(_MOST_ALIKE)
)
_AWAITING_REPLY = (
    _OF_AGENCY.where(
        col(OutgoingRow.reply_by) >= bindparam("since"),
        col(OutgoingRow.reply_by) <= bindparam("by"),
        col(OutgoingRow.state) == OutState.PACKED.value,
    )
    .order_by(col(OutgoingRow.reply_by), col(OutgoingRow.id))
    .limit(bindparam("most"))
)
_ANSWERED = select(col(EventRow.subject_id), col(EventRow.data)).where(
    col(EventRow.agency_id) == bindparam("agency"),
    among(col(EventRow.subject_id), "ids"),
    col(EventRow.kind) == EventKind.INBOX_ANSWERED.value,
)
_CHILDREN = _OF_AGENCY.where(col(OutgoingRow.parent_id) == bindparam("parent")).order_by(
    col(OutgoingRow.created_at), col(OutgoingRow.id)
)
_UPDATE = update(OutgoingRow).where(
    col(OutgoingRow.agency_id) == bindparam("agency"), col(OutgoingRow.id) == bindparam("at_id")
)
_UPDATE_AS_READ = _UPDATE.where(col(OutgoingRow.version) == bindparam("read"))
_WAITING = select(func.coalesce(func.sum(col(OutboxRow.envelope_size)), 0)).where(
    col(OutboxRow.agency_id) == bindparam("agency"), col(OutboxRow.state) == "waiting"
)
OutgoingTable = type[OutgoingRow] | type[PaperOutgoingRow]
# States in which a document has no line in the book: a draft, also one that waits for its undo time, may still vanish.
NO_LINE = (OutState.DRAFT.value,)
LETTERS = (Kind.DOCUMENT.value, Kind.REPLACEMENT.value)
_MOST = 500
IS_LINE = (
    one_of(col(OutgoingRow.kind), LETTERS),
    not_(one_of(col(OutgoingRow.state), NO_LINE)),
    col(OutgoingRow.number) != "",
)
_ZERO = len(number_word("0", ""))


async def answered_from(tx: Transaction, agency_id: str, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """Return the casefolded codes of the agencies that have answered each of these documents, by document id."""
    codes_by_id: dict[str, set[str]] = {id: set() for id in ids}
    for part in in_parts(ids):
        for subject, data in await tx.tuples(_ANSWERED, agency=agency_id, ids=part):
            codes_by_id[subject].add(str(json.loads(data).get("from", "")).casefold())
    return {id: frozenset(codes) for id, codes in codes_by_id.items()}


def _kept_bytes(owner: type[BlobRow] | type[BlobRefRow]) -> ColumnElement[int]:
    """Return the size of an agency's uploads and of the files of its documents that were not packed, by one table of
    owners."""
    unsent = one_of(
        col(OutgoingRow.state), (OutState.DRAFT.value, OutState.BLOCKED.value, OutState.QUEUED.value)
    )
    is_source = and_(
        col(owner.owner_kind) == "source", exists().where(same(OutgoingRow.id, owner.owner_id), unsent)
    )
    query = select(func.coalesce(func.sum(col(BlobRow.size)), 0)).where(
        col(owner.agency_id) == bindparam("agency"), or_(col(owner.owner_kind) == UPLOAD, is_source)
    )
    if owner is BlobRefRow:
        query = query.join_from(BlobRow, BlobRefRow, col(BlobRefRow.digest) == col(BlobRow.digest))
    return query.scalar_subquery()


UNSENT_BYTES = select(_kept_bytes(BlobRow) + _kept_bytes(BlobRefRow) + _WAITING.scalar_subquery())


class SqlOutgoingDocuments(WatchedRows):
    """Repository of one agency's outgoing documents."""

    async def add(self, document: OutgoingDocument) -> None:
        """Add a document, with the trace of the current call. Clash when its external_id, id or packet id is taken."""
        row = await self._make_row(document)
        if (made_by := tracing.current_trace()) is not None:
            row.change(trace=made_by.to_line())
        await self._tx.insert_or_else(row, partial(self._refuse, row, document))
        self._follower.out_changed(document)

    async def _refuse(self, row: OutgoingRow, document: OutgoingDocument) -> None:
        earlier = await self.by_external_id(row.external_id) if row.external_id else None
        if earlier is not None:
            raise errors.Clash(
                f"external_id {row.external_id!r} already names the document {earlier.id}",
                code="GW-EXTERNAL-ID",
                params={"existing": earlier.id},
            )
        raise errors.Clash(f"the document {document.id} or its packet {document.packet_id} is already stored")

    async def get(self, id: str) -> OutgoingDocument:
        """Return a document. NotFound when there is none in this agency."""
        missing = f"this agency has no outgoing document {id}"
        return await self._get(to_outgoing, self._tx.lock_rows(_BY_ID), missing, id=id)

    async def of_many(self, ids: Collection[str]) -> Sequence[OutgoingDocument]:
        """Return those of these documents that exist. Their rows are not locked, because the caller has locked deliveries,
        and other transactions lock documents before deliveries."""
        return await self._values(to_outgoing, _BY_IDS, ids=sorted(ids))

    async def by_external_id(self, external_id: str) -> OutgoingDocument | None:
        await self._tx.hold(self._agency_id, "external_id", external_id)
        return await self._value(to_outgoing, _BY_EXTERNAL_ID, external_id=external_id)

    async def by_document_id(self, document_id: str) -> Sequence[OutgoingDocument]:
        """Return every outgoing document with exactly this DocumentId, the newest first, and hold all its spellings."""
        await self._tx.hold(self._agency_id, "outgoing", spelling_key(document_id))
        return await self._values(to_outgoing, _BY_DOCUMENT_ID, document_id=document_id)

    async def by_lead(self, digest: Digest) -> Sequence[OutgoingDocument]:
        """Return the newest documents with this lead file, 20 at most."""
        return await self._values(to_outgoing, _BY_LEAD, lead=digest)

    async def by_own_id(self, own_id: str) -> Sequence[OutgoingDocument]:
        """Return the newest documents with this id of their document system, 20 at most."""
        return await self._values(to_outgoing, _BY_OWN_ID, own_id=own_id)

    async def by_packet_id(self, packet_id: str) -> OutgoingDocument | None:
        return await self._value(to_outgoing, _BY_PACKET_ID, packet_id=packet_id)

    async def children(self, id: str) -> Sequence[OutgoingDocument]:
        return await self._values(to_outgoing, _CHILDREN, parent=id)

    async def save(
        self, document: OutgoingDocument, *, expect_version: int | None = None
    ) -> OutgoingDocument:
        """Save the document with the stored version + 1 and return it. StaleVersion when `expect_version` is given and is
        not the stored version."""
        return await self._save(document, expect_version, self.get, self._write)

    async def wanting_replies(self, since: date, by: date, limit: int) -> Sequence[OutgoingDocument]:
        """Return up to `limit` sent documents that ask for a reply by a day from `since` to `by`, the earliest first."""
        return await self._values(to_outgoing, _AWAITING_REPLY, since=since, by=by, most=limit)

    async def answered_from(self, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Return the casefolded codes of the agencies that have answered each of these documents, by document id."""
        return await answered_from(self._tx, self._agency_id, ids)

    async def page(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        states: Sequence[str] = (),
        query: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        external_id: str | None = None,
        number: tuple[str, str] | None = None,
        document_id: str | None = None,
        recipient: str | None = None,
        ids: Select[str] | None = None,
        oldest_first: bool = False,
    ) -> Page[OutgoingDocument]:
        """Return one page of documents and the cursor of the next, the newest first unless `oldest_first`. `states` matches
        the state of the document or of one of its deliveries; a document must contain every word of `query`; `created_to`
        is exclusive; `number` is a number and its symbol, in any spelling; `ids` is a query
        for the ids of all that may be in it."""
        conditions: list[ColumnElement[bool]] = [
            col(OutgoingRow.folded).contains(w, autoescape=True) for w in fold(query or "").split()
        ]
        if states:
            conditions.append(or_(col(OutgoingRow.state).in_(states), _has_delivery_in(states)))
        if external_id is not None:
            conditions.append(col(OutgoingRow.external_id) == external_id)
        if number is not None:
            conditions.append(col(OutgoingRow.number_word) == number_word(*number))
        if document_id is not None:
            conditions.append(col(OutgoingRow.document_id) == document_id)
        if recipient is not None:
            conditions.append(col(OutgoingRow.id).in_(self._sent_to(recipient)))
        if ids is not None:
            conditions.append(col(OutgoingRow.id).in_(ids))
        if created_from is not None:
            conditions.append(col(OutgoingRow.created_at) >= created_from)
        if created_to is not None:
            conditions.append(col(OutgoingRow.created_at) < created_to)
        return await self._page(
            OutgoingRow,
            "created_at",
            to_outgoing,
            *conditions,
            limit=limit,
            cursor=cursor,
            oldest_first=oldest_first,
        )

    def _sent_to(self, code: str) -> Select[str]:
        return select(col(DeliveryRow.document_id)).where(
            col(DeliveryRow.agency_id) == self._agency_id,
            col(DeliveryRow.code).in_((code, code.upper())),  # the registry has capitals
        )

    async def _write(self, document: OutgoingDocument, read: int | None) -> bool:
        columns = (await self._make_row(document)).values("agency_id", "id", "trace")
        is_written = await self._update_row((_UPDATE, _UPDATE_AS_READ), document.id, read, columns)
        if is_written:
            self._follower.out_changed(document)
        return is_written

    async def _make_row(self, document: OutgoingDocument) -> OutgoingRow:
        self._check_own(document.agency_id, f"the document {document.id}")
        row = outgoing_row(document)
        if document.parent_id is not None and row.external_id is not None:
            parent = await self.get(document.parent_id)
            if parent.draft.external_id == row.external_id:
                # A recall or update carries its parent's draft; the id stays the parent's alone.
                row.change(external_id=None)
        return row


def _has_delivery_in(states: Sequence[str]) -> ColumnElement[bool]:
    return exists().where(same(DeliveryRow.document_id, OutgoingRow.id), col(DeliveryRow.state).in_(states))


def to_outgoing(row: OutgoingRow) -> OutgoingDocument:
    return from_json(OutgoingDocument, row.body)


def outgoing_row(document: OutgoingDocument) -> OutgoingRow:
    draft = document.draft
    parties = (word for to in draft.recipients for word in (to.code, to.name or ""))
    return OutgoingRow.from_value(
        document,
        external_id=draft.external_id,
        number=draft.number,
        symbol=draft.symbol,
        issued_on=draft.issued_on,
        type_name=draft.type_name,
        number_word=number_word(draft.number, draft.symbol),
        lead=next((item.sha256 for item in document.files if item.role is FileRole.LEAD), ""),
        own_id=_own_id(draft.callback_data),
        trace=None,  # `add` writes the trace of its call
        folded="" if document.is_sealed else fold(" ".join((draft.code, draft.subject, *parties))),
        body=to_json(OutgoingDocument, document),
    )


def _own_id(text: str | None) -> str | None:
    """Return the callback data as the sending system's id if it is a short printable text, else None."""
    return text if text and len(text) <= _LONGEST_NAME and text.isprintable() else None


def number_parameters(agency_id: str, number: str, symbol: str, year: int) -> dict[str, Any]:
    """Return the values of the parameters of `under_in` queries."""
    span = {"first": date(year, 1, 1), "last": date(year, 12, 31)}
    return {"agency": agency_id, "word": number_word(number, symbol), **span}


def issued_in(agency_id: str, table: OutgoingTable, span: Span) -> list[ColumnElement[bool]]:
    first = max(date(span.year, 1, 1), span.since or date.min)
    last = min(date(span.year, 12, 31), span.until or date.max)
    return [col(table.agency_id) == agency_id, col(table.issued_on).between(first, last)]


def to_letter(row: PaperOutgoingRow) -> PaperLetter:
    """Convert a row to a paper letter: the body is as it was entered, the columns tell whether it was struck."""
    letter = from_json(PaperLetter, row.body)
    return replace(letter, struck_at=row.struck_at, struck_by=row.struck_by, struck_reason=row.struck_reason)


def under_in(table: OutgoingTable, *which: ColumnElement[bool]) -> Select[Any]:
    """Return the query for a table's lines of one number and symbol, in any spelling, in one year. It is marked as
    `FEW`, because it finds few rows and runs for every document that leaves."""
    in_year = col(table.issued_on).between(bindparam("first"), bindparam("last"))
    mine = (col(table.agency_id) == bindparam("agency"), col(table.number_word) == bindparam("word"))
    return select(table).where(*mine, in_year, *which).limit(_MOST).execution_options(**FEW)


SENT_UNDER = under_in(OutgoingRow, *IS_LINE, col(OutgoingRow.state) != OutState.CANCELLED.value)
_PAPER_UNDER = under_in(PaperOutgoingRow, col(PaperOutgoingRow.struck_at).is_(None))


class _By(StrEnum):
    """What a stored document has in common with one that is about to leave."""

    ID = "id"
    NUMBER = "number"
    PAPER = "paper"
    LEAD = "lead"


_MATCHES = tuple(_By)
# One statement instead of four, because it runs for every document that leaves.
_ALIKE = union_all(
    bodies(_By.ID, _BY_DOCUMENT_ID),
    bodies(_By.NUMBER, SENT_UNDER),
    bodies(_By.PAPER, _PAPER_UNDER),
    bodies(_By.LEAD, _BY_LEAD),
).execution_options(**FEW)


class SqlOutgoingNumbers(AgencyRows):
    """Numbers of one agency's sent mail, both paper letters and documents of the exchange."""

    async def free_number(self, number: str, symbol: str, year: int) -> str:
        """Return the first free number after `number` and the used ones that follow it, in that notation and year; empty
        when `number` has other characters than digits."""
        if not (number.isascii() and number.isdigit()):
            return ""
        used_numbers = []
        for table in (OutgoingRow, PaperOutgoingRow):
            query = select(col(table.number), col(table.number_word)).where(
                *issued_in(self._agency_id, table, Span(year=year)),
                col(table.number_word).endswith(number_word("0", symbol)[_ZERO:], autoescape=True),
            )
            lines = await self._tx.tuples(query)
            used_numbers += [used for used, word in lines if word == number_word(used, symbol)]
        numbers = (int(text) for text in used_numbers if text.isascii() and text.isdigit())
        return str(end_of_run(numbers, int(number)) + 1)

    async def used(self, year: int, number: int | None = None) -> Sequence[tuple[str, str]]:
        """Return number and notation of the year's documents and letters, drafts apart; or of those with that number, with
        any zeros before it."""
        lines: list[tuple[str, str]] = []
        for table, which in ((OutgoingRow, IS_LINE), (PaperOutgoingRow, ())):
            query = select(col(table.number), col(table.symbol)).where(
                *issued_in(self._agency_id, table, Span(year=year)), *which
            )
            if number is not None:
                spellings = [str(number).zfill(width) for width in range(len(str(number)), 8)]
                query = query.where(col(table.number).in_(spellings))
            lines += [(row[0], row[1]) for row in await self._tx.tuples(query)]
        return lines

    async def under(self, number: str, symbol: str, year: int) -> Sequence[OutgoingLine]:
        """Return the year's documents and letters with that number and notation, in any spelling, without struck or
        cancelled ones."""
        parameters = number_parameters(self._agency_id, number, symbol, year)
        sent = await self._tx.values(to_outgoing, SENT_UNDER, **parameters)
        return [*sent, *await self._tx.values(to_letter, _PAPER_UNDER, **parameters)]

    async def alike(
        self, document_id: DocumentId, number: str, symbol: str, year: int, lead: Digest | None
    ) -> Alike:
        """Return the documents that `by_document_id`, `under` and `by_lead` would find, by one query."""
        parameters = number_parameters(self._agency_id, number, symbol, year)
        bodies_by_match: dict[str, list[str]] = {match: [] for match in _MATCHES}
        for match, body in await self._tx.tuples(_ALIKE, **parameters, document_id=document_id, lead=lead):
            bodies_by_match[match].append(body)
        sent = {
            match: [from_json(OutgoingDocument, body) for body in bodies_by_match[match]]
            for match in (_By.ID, _By.NUMBER, _By.LEAD)
        }
        letters = [from_json(PaperLetter, body) for body in bodies_by_match[_By.PAPER]]
        return Alike(of_id=sent[_By.ID], of_number=(*sent[_By.NUMBER], *letters), of_lead=sent[_By.LEAD])
