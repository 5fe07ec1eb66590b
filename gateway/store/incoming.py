"""Admitted documents of one agency. In: `IncomingDocument` values. Out: the same, as last saved. The row's `body` is
the whole value; the columns beside it are written from it each time and only asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Update, and_, bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.collation import number_word
from gateway.domain.document import IncomingDocument, InState, Kind
from gateway.domain.text import fold
from gateway.ports.rows import Page
from gateway.ports.services import Clock
from gateway.store import paging
from gateway.store.changes import Follower
from gateway.store.columns import from_json, to_json
from gateway.store.handovers import handover_is
from gateway.store.replaced_tables import ReplacedRow
from gateway.store.tables import IncomingRow
from gateway.store.transaction import Transaction

_R = IncomingRow
# Made once: making a statement takes longer than running it.
_MINE = select(_R).where(col(_R.agency_id) == bindparam("agency"))
_BY_ID = _MINE.where(col(_R.id) == bindparam("id"))
_BY_DOCUMENT_ID = _MINE.where(
    col(_R.document_id) == bindparam("document_id"), col(_R.sender_folded) == bindparam("sender")
).order_by(col(_R.arrived_at).desc(), col(_R.id).desc())
_NUMBERED = (
    _MINE.where(col(_R.number_key) == bindparam("number_key"))
    .order_by(col(_R.arrived_at).desc(), col(_R.id).desc())
    .limit(50)
)
_REPLACING = (
    select(_R)
    .join(
        ReplacedRow,
        and_(col(ReplacedRow.agency_id) == col(_R.agency_id), col(ReplacedRow.incoming_id) == col(_R.id)),
    )
    .where(
        col(ReplacedRow.agency_id) == bindparam("agency"),
        col(ReplacedRow.sender_folded) == bindparam("sender"),
        col(ReplacedRow.document_id) == bindparam("document_id"),
    )
    .order_by(col(_R.arrived_at), col(_R.id))
)
_THIS = update(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.id) == bindparam("at_id"))
_THIS_AS_READ = _THIS.where(col(_R.version) == bindparam("read"))
INCOMING = "incoming"  # the name under which an incoming DocumentId is held, by whoever asks for one or waits for one


class SqlIncomingDocuments:
    """Keeps the promise of `ports.IncomingDocuments`."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower) -> None:
        self._tx = tx
        self._follower = follower
        self._agency_id = scope.agency_id
        self._clock = clock

    async def add(self, document: IncomingDocument) -> None:
        self._check_agency(document)
        if not await self._tx.put_new(from_domain(document)):
            raise errors.Clash(f"the incoming document {document.id} is already stored")
        await self._tx.put(*_replaced(document))
        self._follower.in_changed(document, new=True)

    async def get(self, id: str) -> IncomingDocument:
        return to_domain(await self._kept(id))

    async def by_document_id(self, sender_code: str, document_id: str) -> Sequence[IncomingDocument]:
        await self._tx.hold(self._agency_id, INCOMING, document_id)
        asked = {"document_id": document_id, "sender": sender_code.casefold()}
        rows = await self._tx.rows(_R, self._tx.kept(_BY_DOCUMENT_ID), agency=self._agency_id, **asked)
        return [to_domain(row) for row in rows]

    async def replacing(self, sender_code: str, document_id: str) -> Sequence[IncomingDocument]:
        await self._tx.hold(self._agency_id, INCOMING, document_id)
        asked = {"document_id": document_id, "sender": sender_code.casefold()}
        rows = await self._tx.rows(_R, _REPLACING, agency=self._agency_id, **asked)
        return [to_domain(row) for row in rows]

    async def numbered(self, number: str, symbol: str) -> Sequence[IncomingDocument]:
        asked = {"number_key": number_word(number, symbol)}
        rows = await self._tx.rows(_R, _NUMBERED, agency=self._agency_id, **asked)
        return [to_domain(row) for row in rows]

    async def save(
        self, document: IncomingDocument, *, expect_version: int | None = None
    ) -> IncomingDocument:
        """Writes it with version + 1; StaleVersion when the stored version is not the expected one."""
        self._check_agency(document)
        if expect_version in (None, document.version):
            saved = replace(document, version=document.version + 1)
            if await self._write(_THIS_AS_READ, saved, read=document.version):
                return saved
        stored = await self._kept(document.id)
        if expect_version is not None and stored.version != expect_version:
            raise errors.StaleVersion(
                f"the incoming document {document.id} is at version {stored.version}, not {expect_version}; "
                "read it again"
            )
        saved = replace(document, version=stored.version + 1)
        await self._write(_THIS, saved)
        return saved

    async def page(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        states: Sequence[str] = (),
        query: str | None = None,
        handover: str | None = None,
    ) -> Page[IncomingDocument]:
        """Every word of `query` must be found."""
        wanted = select(_R).where(col(_R.agency_id) == self._agency_id)
        if states:
            wanted = wanted.where(col(_R.state).in_(states))
        if query:
            wanted = wanted.where(*(col(_R.folded).contains(w, autoescape=True) for w in fold(query).split()))
        if handover is not None:
            wanted = wanted.where(handover_is(handover, col(_R.agency_id), col(_R.id), self._clock.now()))
        return await paging.newest_first(
            self._tx,
            _R,
            wanted,
            at=col(_R.arrived_at),
            id=col(_R.id),
            place=lambda row: (row.arrived_at, row.id),
            limit=limit,
            cursor=cursor,
            to_domain=to_domain,
        )

    async def _write(self, this: Update, document: IncomingDocument, **read: int) -> bool:
        values = from_domain(document).values("agency_id", "id")
        written = (
            await self._tx.change(this, agency=self._agency_id, at_id=document.id, **read, **values) == 1
        )
        if written:
            self._follower.in_changed(document)
        return written

    async def _kept(self, id: str) -> IncomingRow:
        row = await self._tx.first(_R, self._tx.kept(_BY_ID), agency=self._agency_id, id=id)
        if row is None:
            raise errors.NotFound(f"this agency has no incoming document {id}")
        return row

    def _check_agency(self, document: IncomingDocument) -> None:
        if document.agency_id != self._agency_id:
            raise errors.NotFound(
                f"the document {document.id} belongs to another agency than this unit of work"
            )


def _replaced(document: IncomingDocument) -> list[ReplacedRow]:
    if document.kind is not Kind.REPLACEMENT or document.change is None:
        return []
    return [
        ReplacedRow(
            agency_id=document.agency_id,
            sender_folded=document.sender_code.casefold(),
            document_id=document_id,
            incoming_id=document.id,
        )
        for document_id in sorted({named for named, _ in document.change.replaces})
    ]


def to_domain(row: IncomingRow) -> IncomingDocument:
    return from_json(IncomingDocument, row.body)


def from_domain(document: IncomingDocument) -> IncomingRow:
    code = f"{document.number}/{document.symbol}"
    words = (code, document.subject, document.sender_code, document.sender_name or "")
    return IncomingRow(
        agency_id=document.agency_id,
        id=document.id,
        inbox_id=document.inbox_id,
        kind=document.kind.value,
        sender_code=document.sender_code,
        sender_folded=document.sender_code.casefold(),
        document_id=document.document_id,
        packet_id=document.packet_id,
        state=document.state.value,
        number=document.number,
        symbol=document.symbol,
        issued_on=document.issued_on,
        number_key=number_word(document.number, document.symbol) if document.number else "",
        arrived_at=document.arrived_at,
        reply_by=document.due_on if document.wants_reply else None,
        version=document.version,
        folded=""
        if document.state is InState.SEALED
        else fold(" ".join(words)),  # R4: nobody finds it by its words
        body=to_json(IncomingDocument, document),
    )
