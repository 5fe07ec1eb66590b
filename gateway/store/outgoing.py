"""The outgoing book of one agency, and the numbers under which its mail left. In: `OutgoingDocument` values; a number,
a notation, a year. Out: the same, as last saved; what has the number, and which is free.

The row's `body` is the whole value; the columns beside it are written from it each time and only asked. Documents
of the exchange and letters on paper are lines of the same book and share its numbers."""

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
    Update,
    bindparam,
    exists,
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
from gateway.domain.text import fold
from gateway.store.drivers import FEW
from gateway.store.repository import AgencyRows, Page, WatchedRows, in_parts
from gateway.store.row import among, bodies, from_json, one_of, to_json
from gateway.store.tables import DeliveryRow, EventRow, OutgoingRow, PaperOutgoingRow
from gateway.store.transaction import Transaction

_R = OutgoingRow
# Made once: making a statement takes longer than running it.
# The body is the whole value: the rest of the row is asked for and not read.
_READ = cast("Select[Any]", select(col(_R.body), col(_R.version)))
_MINE = _READ.where(col(_R.agency_id) == bindparam("agency"))
_BY_ID = _MINE.where(col(_R.id) == bindparam("id"))
# In one order whoever asks, so that no two wait for each other.
_BY_IDS = _MINE.where(among(col(_R.id), "ids")).order_by(col(_R.id))
_BY_EXTERNAL_ID = _MINE.where(col(_R.external_id) == bindparam("external_id"))
_BY_PACKET_ID = _MINE.where(col(_R.packet_id) == bindparam("packet_id"))
_MOST_ALIKE, _LONGEST_NAME = 20, 200
_NEWEST = (col(_R.created_at).desc(), col(_R.id).desc())
_BY_DOCUMENT_ID = _MINE.where(col(_R.document_id) == bindparam("document_id")).order_by(*_NEWEST)
_BY_LEAD = _MINE.where(col(_R.lead) == bindparam("lead")).order_by(*_NEWEST).limit(_MOST_ALIKE)
_BY_OWN_ID = _MINE.where(col(_R.own_id) == bindparam("own_id")).order_by(*_NEWEST).limit(_MOST_ALIKE)
_WANTING = (
    _MINE.where(
        col(_R.reply_by) >= bindparam("since"),
        col(_R.reply_by) <= bindparam("by"),
        col(_R.state) == OutState.PACKED.value,
    )
    .order_by(col(_R.reply_by), col(_R.id))
    .limit(bindparam("most"))
)
_ANSWERED = select(col(EventRow.subject_id), col(EventRow.data)).where(
    col(EventRow.agency_id) == bindparam("agency"),
    col(EventRow.subject_id).in_(bindparam("ids", expanding=True)),
    col(EventRow.kind) == EventKind.INBOX_ANSWERED.value,
)
_CHILDREN = _MINE.where(col(_R.parent_id) == bindparam("parent")).order_by(col(_R.created_at), col(_R.id))
_THIS = update(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.id) == bindparam("at_id"))
_THIS_AS_READ = _THIS.where(col(_R.version) == bindparam("read"))


async def answered_from(tx: Transaction, agency_id: str, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """The codes that have answered each of these documents, in small letters."""
    found: dict[str, set[str]] = {id: set() for id in ids}
    for part in in_parts(ids):
        for subject, data in await tx.tuples(_ANSWERED, agency=agency_id, ids=part):
            found[subject].add(str(json.loads(data).get("from", "")).casefold())
    return {id: frozenset(codes) for id, codes in found.items()}


class SqlOutgoingDocuments(WatchedRows):
    """The documents that one agency sends."""

    async def add(self, document: OutgoingDocument) -> None:
        """Clash when external_id is already taken in this agency."""
        row = await self._row(document)
        if (made_by := tracing.at_hand()) is not None:
            row.change(trace=made_by.to_line())
        await self._tx.put_first(row, partial(self._refuse, row, document))
        self._follower.out_changed(document)

    async def _refuse(self, row: OutgoingRow, document: OutgoingDocument) -> None:
        earlier = await self.by_external_id(row.external_id) if row.external_id else None
        if earlier is not None:
            raise errors.Clash(
                f"external_id {row.external_id!r} already names the document {earlier.id}",
                told={"existing": earlier.id},
            )
        raise errors.Clash(f"the document {document.id} or its packet {document.packet_id} is already stored")

    async def get(self, id: str) -> OutgoingDocument:
        """NotFound when there is none in this agency."""
        return to_outgoing(await self._kept(id))

    async def of_many(self, ids: Collection[str]) -> Sequence[OutgoingDocument]:
        """Those that are there. Not kept: who asks has kept deliveries, and others keep the document before those."""
        rows = await self._rows(_R, _BY_IDS, ids=list(ids))
        return [to_outgoing(row) for row in rows]

    async def by_external_id(self, external_id: str) -> OutgoingDocument | None:
        await self._tx.hold(self._agency_id, "external_id", external_id)
        return await self._document(_BY_EXTERNAL_ID, external_id=external_id)

    async def by_document_id(self, document_id: str) -> Sequence[OutgoingDocument]:
        """Every outgoing packet with this DocumentId, newest first; letter for letter."""
        await self._tx.hold(self._agency_id, "outgoing", document_id)
        rows = await self._rows(_R, _BY_DOCUMENT_ID, document_id=document_id)
        return [to_outgoing(row) for row in rows]

    async def by_lead(self, digest: Digest) -> Sequence[OutgoingDocument]:
        """The newest few with this lead file."""
        return [to_outgoing(row) for row in await self._rows(_R, _BY_LEAD, lead=digest)]

    async def by_own_id(self, own_id: str) -> Sequence[OutgoingDocument]:
        """The newest few that the system which sent them calls so."""
        return [to_outgoing(row) for row in await self._rows(_R, _BY_OWN_ID, own_id=own_id)]

    async def by_packet_id(self, packet_id: str) -> OutgoingDocument | None:
        return await self._document(_BY_PACKET_ID, packet_id=packet_id)

    async def children(self, id: str) -> Sequence[OutgoingDocument]:
        return [to_outgoing(row) for row in await self._rows(_R, _CHILDREN, parent=id)]

    async def save(
        self, document: OutgoingDocument, *, expect_version: int | None = None
    ) -> OutgoingDocument:
        """Writes it with version + 1; StaleVersion when the stored version is not the expected one."""
        if expect_version in (None, document.version):
            saved = replace(document, version=document.version + 1)
            if await self._write(_THIS_AS_READ, saved, read=document.version):
                return saved
        stored = await self._kept(document.id)
        if expect_version is not None and stored.version != expect_version:
            raise errors.StaleVersion(
                f"the document {document.id} is at version {stored.version}, not {expect_version}; read it again"
            )
        saved = replace(document, version=stored.version + 1)
        await self._write(_THIS, saved)
        return saved

    async def wanting_replies(self, since: date, by: date, limit: int) -> Sequence[OutgoingDocument]:
        """Those of which answers are wanted by a day of that span, the earliest first."""
        rows = await self._rows(_R, _WANTING, since=since, by=by, most=limit)
        return [to_outgoing(row) for row in rows]

    async def answered_from(self, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Which codes, in small letters, have answered each of these documents."""
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
        oldest_first: bool = False,
    ) -> Page[OutgoingDocument]:
        """Newest first unless asked otherwise, keyset. `states` matches documents having a delivery, or themselves being,
        in one of them. From `created_from` on, and before `created_to`; every word of `query` must be found."""
        wanted: list[ColumnElement[bool]] = [
            col(_R.folded).contains(w, autoescape=True) for w in fold(query or "").split()
        ]
        if states:
            wanted.append(or_(col(_R.state).in_(states), _has_delivery_in(states)))
        if external_id is not None:
            wanted.append(col(_R.external_id) == external_id)
        if created_from is not None:
            wanted.append(col(_R.created_at) >= created_from)
        if created_to is not None:
            wanted.append(col(_R.created_at) < created_to)
        return await self._page(
            _R, "created_at", to_outgoing, *wanted, limit=limit, cursor=cursor, oldest_first=oldest_first
        )

    async def _write(self, this: Update, document: OutgoingDocument, **read: int) -> bool:
        values = (await self._row(document)).values("agency_id", "id", "trace")
        written = (
            await self._tx.change(this, agency=self._agency_id, at_id=document.id, **read, **values) == 1
        )
        if written:
            self._follower.out_changed(document)
        return written

    async def _document(self, query: Select[Any], **asked: str) -> OutgoingDocument | None:
        row = await self._first(_R, query, **asked)
        return to_outgoing(row) if row is not None else None

    async def _kept(self, id: str) -> OutgoingRow:
        missing = f"this agency has no outgoing document {id}"
        return await self._one(_R, self._tx.kept(_BY_ID), missing, id=id)

    async def _row(self, document: OutgoingDocument) -> OutgoingRow:
        self._check_own(document.agency_id, f"the document {document.id}")
        row = outgoing_row(document)
        if document.parent_id is not None and row.external_id is not None:
            parent = await self.get(document.parent_id)
            if parent.draft.external_id == row.external_id:
                # A recall or update carries its parent's draft; the id stays the parent's alone.
                row.change(external_id=None)
        return row


def _has_delivery_in(states: Sequence[str]) -> ColumnElement[bool]:
    return exists().where(
        col(DeliveryRow.agency_id) == col(_R.agency_id),
        col(DeliveryRow.document_id) == col(_R.id),
        col(DeliveryRow.state).in_(states),
    )


def to_outgoing(row: OutgoingRow) -> OutgoingDocument:
    return from_json(OutgoingDocument, row.body)


def outgoing_row(document: OutgoingDocument) -> OutgoingRow:
    draft = document.draft
    parties = (word for to in draft.recipients for word in (to.code, to.name or ""))
    return OutgoingRow.of(
        document,
        external_id=draft.external_id,
        number=draft.number,
        symbol=draft.symbol,
        issued_on=draft.issued_on,
        lead=next((item.sha256 for item in document.files if item.role is FileRole.LEAD), ""),
        own_id=_own_id(draft.callback_data),
        trace=None,  # that of the call that adds it: see there
        folded="" if document.is_sealed else fold(" ".join((draft.code, draft.subject, *parties))),
        body=to_json(OutgoingDocument, document),
    )


def _own_id(told: str | None) -> str | None:
    """What is short enough to be a name."""
    return told if told and len(told) <= _LONGEST_NAME and told.isprintable() else None


OutgoingTable = type[OutgoingRow] | type[PaperOutgoingRow]
_O, _P = OutgoingRow, PaperOutgoingRow
# What was never more than a draft, or waits for its undo time with the right to vanish, took no number.
NO_LINE = (OutState.DRAFT.value,)
_LETTERS = (Kind.DOCUMENT.value, Kind.REPLACEMENT.value)
_MOST = 500


def asked_under(agency_id: str, number: str, symbol: str, year: int) -> dict[str, Any]:
    """What `under_in` is asked with."""
    span = {"first": date(year, 1, 1), "last": date(year, 12, 31)}
    return {"agency": agency_id, "number": number, "symbol": symbol, **span}


def issued_in(agency_id: str, table: OutgoingTable, span: Span) -> list[ColumnElement[bool]]:
    first = max(date(span.year, 1, 1), span.since or date.min)
    last = min(date(span.year, 12, 31), span.until or date.max)
    return [col(table.agency_id) == agency_id, col(table.issued_on).between(first, last)]


def to_letter(row: PaperOutgoingRow) -> PaperLetter:
    """The body is as it was entered; that it was struck stands in its columns."""
    kept = from_json(PaperLetter, row.body)
    return replace(kept, struck_at=row.struck_at, struck_by=row.struck_by, struck_reason=row.struck_reason)


IS_LINE = (one_of(col(_O.kind), _LETTERS), not_(one_of(col(_O.state), NO_LINE)), col(_O.number) != "")


def under_in(table: OutgoingTable, *which: ColumnElement[bool]) -> Select[Any]:
    """Of one number and symbol in one year: few rows, asked for by every document that leaves."""
    same = [col(getattr(table, name)) == bindparam(name) for name in ("number", "symbol")]
    in_year = col(table.issued_on).between(bindparam("first"), bindparam("last"))
    mine = col(table.agency_id) == bindparam("agency")
    return select(table).where(mine, in_year, *same, *which).limit(_MOST).execution_options(**FEW)


SENT_UNDER = under_in(_O, *IS_LINE, col(_O.state) != OutState.CANCELLED.value)
_PAPER_UNDER = under_in(_P, col(_P.struck_at).is_(None))


class _How(StrEnum):
    """Why something is asked about before mail leaves."""

    ID = "id"
    NUMBER = "number"
    PAPER = "paper"
    LEAD = "lead"


_EVERY_HOW = tuple(_How)
# One statement, because every document that leaves asks it.
_ALIKE = union_all(
    bodies(_How.ID, _BY_DOCUMENT_ID),
    bodies(_How.NUMBER, SENT_UNDER),
    bodies(_How.PAPER, _PAPER_UNDER),
    bodies(_How.LEAD, _BY_LEAD),
).execution_options(**FEW)


class SqlOutgoingNumbers(AgencyRows):
    """Of mail that left, on paper or as a document of the exchange."""

    async def free_number(self, number: str, symbol: str, year: int) -> str:
        """The next number behind this one that nothing of that notation has in that year; empty where it is no number."""
        if not (number.isascii() and number.isdigit()):
            return ""
        taken = []
        for table in (_O, _P):
            named = select(col(table.number)).where(
                *issued_in(self._agency_id, table, Span(year=year)), col(table.symbol) == symbol
            )
            taken += [row[0] for row in await self._tx.tuples(named)]
        numbers = (int(each) for each in taken if each.isascii() and each.isdigit())
        return str(end_of_run(numbers, int(number)) + 1)

    async def under(self, number: str, symbol: str, year: int) -> Sequence[OutgoingLine]:
        """What has that number and notation in that year, on paper or as a document of the exchange; struck and cancelled
        ones do not count."""
        these = asked_under(self._agency_id, number, symbol, year)
        sent = await self._tx.rows(_O, SENT_UNDER, **these)
        found: list[OutgoingLine] = [from_json(OutgoingDocument, row.body) for row in sent]
        return [*found, *map(to_letter, await self._tx.rows(_P, _PAPER_UNDER, **these))]

    async def alike(
        self, document_id: DocumentId, number: str, symbol: str, year: int, lead: Digest | None
    ) -> Alike:
        """What `by_document_id` and `under` find, and what has this lead file, asked for in one call."""
        these = asked_under(self._agency_id, number, symbol, year)
        bodies: dict[str, list[str]] = {how: [] for how in _EVERY_HOW}
        for how, body in await self._tx.tuples(_ALIKE, **these, document_id=document_id, lead=lead):
            bodies[how].append(body)
        sent = {
            how: [from_json(OutgoingDocument, body) for body in bodies[how]]
            for how in (_How.ID, _How.NUMBER, _How.LEAD)
        }
        letters = [from_json(PaperLetter, body) for body in bodies[_How.PAPER]]
        return Alike(of_id=sent[_How.ID], of_number=(*sent[_How.NUMBER], *letters), of_lead=sent[_How.LEAD])
