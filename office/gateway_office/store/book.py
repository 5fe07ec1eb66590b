"""The register books of one agency, read line by line, and its outgoing mail on paper. In: a span of one year and the
last line seen. Out: the next lines. The order is the database's, so memory holds no more than was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    cast,
    collate,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.book import Book, OutgoingLine, PaperLetter, RegisterEntry, Span
from gateway.domain.document import (
    STANDING,
    DocumentChange,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    OutState,
)
from gateway.domain.states import NOT_HELD, State
from gateway.domain.text import spelling_key
from gateway.domain.wall_clock import day_text, local, midnight
from gateway.ports.services import Clock
from gateway.store import incoming
from gateway.store.incoming import Handover
from gateway.store.outgoing import (
    IS_LINE,
    LETTERS,
    NO_LINE,
    SENT_UNDER,
    OutgoingTable,
    SqlOutgoingNumbers,
    issued_in,
    number_parameters,
    to_letter,
    to_outgoing,
    under_in,
)
from gateway.store.repository import AgencyRows
from gateway.store.row import from_json, same, to_json, value_of
from gateway.store.tables import (
    DeliveryRow,
    HandoverRow,
    IncomingRow,
    OutgoingRow,
    PaperOutgoingRow,
    RegisterEntryRow,
)
from gateway.store.tables_node import PrincipalRow
from gateway.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingLine:
    """A line of the incoming book with the document that it is about."""

    entry: RegisterEntry
    document: IncomingDocument
    handover: Handover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingSummary:
    """Lines of an incoming book, how many of them are struck, the first and the last day of arrival, and their numbers."""

    lines: int
    struck: int
    first: date | None
    last: date | None
    numbers: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumbersOfType:
    """Outgoing lines of one document type, struck or not, as the check of a run of numbers reads them."""

    type_name: str
    struck: bool
    lines: int
    numbers: Mapping[str, str]
    """Number by id of the document: two lines share both where it was refused and sent anew."""


_E, _I, _H, _O, _P = RegisterEntryRow, IncomingRow, HandoverRow, OutgoingRow, PaperOutgoingRow
_D = DeliveryRow
_A: Any = OutgoingRow.__table__.alias("attempt").c
_DIGITS = "0123456789"
_AT_ONCE = 500
_PAPER = under_in(_P)
_HANDED: tuple[Any, ...] = (
    col(_H.state).label("handed_state"),
    col(_H.leased_by).label("leased_by"),
    col(_H.leased_until).label("leased_until"),
    col(_H.acked_at).label("acked_at"),
)


def _sent_lines(agency_id: str) -> tuple[ColumnElement[bool], ...]:
    """Select one document for each number: of several attempts the last that was not cancelled, else the last."""
    later_attempts = select(_A.id).where(
        *_other_attempts(agency_id), _place_of_attempt(_A) > _place_of_attempt(_O)
    )
    return *IS_LINE, not_(exists(later_attempts))


def _other_attempts(agency_id: str) -> tuple[ColumnElement[bool], ...]:
    """Select the other attempts to send the same document, which have the same number and date."""
    is_other = and_(_A.document_id == col(_O.document_id), _A.id != col(_O.id))
    return _A.agency_id == agency_id, is_other, _A.kind.in_(LETTERS), _A.state.not_in(NO_LINE)


def _place_of_attempt(table: Any) -> Any:  # Any: a table or its alias
    return tuple_(case((table.state == OutState.CANCELLED.value, 0), else_=1), table.created_at, table.id)


def _is_struck(agency_id: str) -> ColumnElement[bool]:
    """Select documents whose line is struck: cancelled, or given back with no other attempt that stands."""
    stands = and_(_A.state != OutState.CANCELLED.value, not_(_is_given_back(_A.id, agency_id)))
    stand = exists(select(_A.id).where(*_other_attempts(agency_id), stands))
    given_back = and_(_is_given_back(col(_O.id), agency_id), not_(stand))
    return or_(col(_O.state) == OutState.CANCELLED.value, given_back)


def _is_given_back(
    document_id: Any, agency_id: str
) -> ColumnElement[bool]:  # Any: a column, or one of an alias
    """Select documents whose recall every recipient who had it agreed to, and there is one."""
    deliveries = select(col(_D.document_id)).where(col(_D.agency_id) == agency_id)
    agreed = deliveries.where(col(_D.state) == State.REQUEST_AGREED)
    keeps = deliveries.where(
        col(_D.document_id) == document_id, col(_D.state).not_in((State.REQUEST_AGREED, *sorted(NOT_HELD)))
    )
    return and_(document_id.in_(agreed), not_(exists(keeps)))


class SqlBooks(AgencyRows):
    """The register books of one agency, line by line in their order."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock) -> None:
        super().__init__(tx, scope)
        self._clock = clock
        self._numbers = SqlOutgoingNumbers(tx, scope)
        self._server_sorts = tx.connection.dialect.name == "postgresql"

    # --- incoming ---------------------------------------------------------------------------------------------

    async def incoming(self, span: Span, *, limit: int, last: str | None = None) -> Sequence[IncomingLine]:
        """List lines by number: 9 before 10, and text that is no number after numbers. `last` is the number of the last
        line seen."""
        order = self._natural(col(_E.number))
        # The order is that of no index. So the year is sorted without its documents, which only these lines then need.
        next_ids = self._in_book(select(col(_E.incoming_id)), span).order_by(*order).limit(limit)
        if last is not None:
            next_ids = next_ids.where(_is_after(order, _place(last)))
        lines = select(*_E.__table__.columns, col(_I.body).label("document"), *_HANDED)
        query = (
            self._join_document(lines)
            .outerjoin(_H, same(_H.incoming_id, _E.incoming_id))
            .where(col(_E.agency_id) == self._agency_id, col(_E.incoming_id).in_(next_ids))
            .order_by(*order)
        )
        now = self._clock.now()
        return [
            IncomingLine(
                entry=value_of(RegisterEntry, row),
                document=from_json(IncomingDocument, row.document),
                handover=None if row.handed_state is None else incoming.to_handover(_handed(row), now),
            )
            for row in await self._tx.tuples(query)
        ]

    async def incoming_numbers(self, span: Span) -> Sequence[str]:
        return [row[0] for row in await self._tx.tuples(self._in_book(select(col(_E.number)), span))]

    async def incoming_summary(self, span: Span) -> IncomingSummary:
        arrived = col(_I.arrived_at)
        counted = select(
            func.count(),
            func.count(col(_E.struck_at)),
            func.min(arrived),
            func.max(arrived),
            self._listed(col(_E.number)),
        )
        query = self._in_book(counted, span, joined=True)
        ((lines, struck, first, last, numbers),) = await self._tx.tuples(query)
        return IncomingSummary(
            lines=lines,
            struck=struck,
            first=_day(first),
            last=_day(last),
            numbers=json.loads(numbers) if lines else (),
        )

    def _join_document(self, query: Any) -> Any:  # Any: a select's type lists its columns
        return query.join(_I, same(_I.id, _E.incoming_id))

    def _in_book(self, query: Any, span: Span, *, joined: bool = False) -> Any:  # Any: as above
        """Narrow a query over entries to a book; documents are joined where they are asked for, or the span has a day."""
        has_days = span.since is not None or span.until is not None
        query = query.select_from(_E)
        query = (self._join_document(query) if joined or has_days else query).where(
            self._where(_E, book=Book.INCOMING.value, year=span.year)
        )
        if span.since is not None:
            query = query.where(col(_I.arrived_at) >= midnight(span.since))
        if span.until is not None:
            query = query.where(col(_I.arrived_at) < midnight(span.until + timedelta(days=1)))
        return query

    # --- outgoing ---------------------------------------------------------------------------------------------

    async def outgoing(
        self, span: Span, *, limit: int, last: OutgoingLine | None = None
    ) -> Sequence[OutgoingLine]:
        """List lines of both tables in the same order, merged."""
        place = _outgoing_place(last) if last is not None else None
        sent = await self._tx.values(
            to_outgoing, self._next(_O, span, place, limit).where(*_sent_lines(self._agency_id))
        )
        letters = await self._tx.values(to_letter, self._next(_P, span, place, limit))
        lines: list[OutgoingLine] = [*sent, *letters]
        return sorted(lines, key=_outgoing_place)[:limit]

    async def outgoing_numbers(self, span: Span) -> Sequence[NumbersOfType]:
        """List the numbers of the book by type. The database makes one text of those of a type: a row for each line would
        take most of the time."""
        struck = _is_struck(self._agency_id)
        of_sent = func.coalesce(col(_O.type_name), self._text_in(col(_O.body), "draft", "type_name"))
        sent = self._by_type(_O, span, of_sent, struck, col(_O.document_id), _sent_lines(self._agency_id))
        of_letter = self._text_in(col(_P.body), "type_name")
        letters = self._by_type(_P, span, of_letter, col(_P.struck_at).is_not(None), col(_P.id))
        return [
            NumbersOfType(type_name=type_name, struck=bool(struck), lines=lines, numbers=json.loads(numbers))
            for query in (sent, letters)
            for type_name, struck, lines, numbers in await self._tx.tuples(query)
        ]

    def _text_in(self, body: Mapped[str], *steps: str) -> ColumnElement[str]:
        """Return a text inside of a body, as the database reads it."""
        if self._server_sorts:
            return func.json_extract_path_text(cast(body, JSON), *steps)
        return func.json_extract(body, "$." + ".".join(steps))

    def _by_type(
        self,
        table: OutgoingTable,
        span: Span,
        type_name: ColumnElement[str],
        is_struck: ColumnElement[bool],
        document_id: Mapped[str],
        which: Sequence[ColumnElement[bool]] = (),
    ) -> Select[Any]:
        """Query the lines of each type: its name, whether they are struck, how many, and their numbers. Types are read
        before the lines are sorted by them, which would else carry whole bodies."""
        struck = case((is_struck, 1), else_=0)
        lines = select(
            type_name.label("type_name"), struck.label("struck"), document_id.label("id"), col(table.number)
        ).where(*issued_in(self._agency_id, table, span), *which)
        line = lines.cte().prefix_with("MATERIALIZED").c
        together = func.json_object_agg if self._server_sorts else func.json_group_object
        numbers = cast(together(line.id, line.number), Text)
        return select(line.type_name, line.struck, func.count(), numbers).group_by(
            line.type_name, line.struck
        )

    def _listed(self, column: Mapped[str]) -> ColumnElement[str]:
        """Return the values of a column as one JSON list."""
        return cast(func.json_agg(column) if self._server_sorts else func.json_group_array(column), Text)

    async def attempts(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[OutgoingDocument]]:
        """Return all attempts to send each of these documents, by the identity that they share, oldest first."""
        query = (
            select(_O)
            .where(col(_O.agency_id) == self._agency_id, col(_O.document_id).in_(document_ids), *IS_LINE)
            .order_by(col(_O.created_at), col(_O.id))
        )
        attempts: dict[str, list[OutgoingDocument]] = {id: [] for id in document_ids}
        for document in await self._tx.values(to_outgoing, query):
            attempts[document.document_id].append(document)
        return attempts

    async def replacements(self, ids: Sequence[str]) -> Mapping[str, OutgoingDocument]:
        """Return the document that replaces each of these, for those that are replaced."""
        query = select(_O).where(
            col(_O.agency_id) == self._agency_id,
            col(_O.parent_id).in_(ids),
            col(_O.kind) == Kind.REPLACEMENT.value,
            col(_O.state).in_(STANDING),
        )
        return {d.parent_id or "": d for d in await self._tx.values(to_outgoing, query)}

    async def recalls(self, ids: Sequence[str]) -> Mapping[str, tuple[DocumentChange, datetime]]:
        """Return the latest recall of each of these outgoing documents that was asked for, and when."""
        query = (
            select(_O)
            .where(
                col(_O.agency_id) == self._agency_id,
                col(_O.parent_id).in_(ids),
                col(_O.kind) == Kind.RECALL.value,
                col(_O.state).not_in((*NO_LINE, OutState.CANCELLED.value)),
                _is_given_back(col(_O.parent_id), self._agency_id),
            )
            .order_by(col(_O.created_at), col(_O.id))
        )
        recall_by_id = {}
        for row in await self._tx.rows(_O, query):
            change = from_json(OutgoingDocument, row.body).change
            if change is not None and row.parent_id is not None:
                recall_by_id[row.parent_id] = change, row.created_at
        return recall_by_id

    async def replies(self, document_ids: Sequence[str], since: datetime) -> Mapping[str, Sequence[str]]:
        """Return the codes of replies. Only bodies name what they reply to, so those that reply are read in batches."""
        wanted_ids = set(document_ids)
        codes_by_document: dict[str, list[str]] = {}
        last = ""
        query = (
            select(_O)
            .where(
                col(_O.agency_id) == self._agency_id,
                col(_O.created_at) >= since,
                col(_O.body).contains('"replies_to":[{', autoescape=True),
                *IS_LINE,
            )
            .order_by(col(_O.id))
            .limit(_AT_ONCE)
        )
        while rows := await self._tx.rows(_O, query.where(col(_O.id) > last)):
            last = rows[-1].id
            for row in rows:
                draft = from_json(OutgoingDocument, row.body).draft
                for link in draft.replies_to:
                    if link.document_id in wanted_ids:
                        codes_by_document.setdefault(str(link.document_id), []).append(draft.code)
        return codes_by_document

    async def names(self, principal_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the names of principals, for those that are known."""
        columns = select(col(PrincipalRow.id), col(PrincipalRow.name))
        return dict(await self._tx.tuples(columns.where(col(PrincipalRow.id).in_(principal_ids))))

    def _next(
        self, table: OutgoingTable, span: Span, place: Sequence[object] | None, limit: int
    ) -> Select[Any]:
        order = (col(table.issued_on), *self._natural(col(table.number)), self._by_bytes(col(table.id)))
        query = select(table).where(*issued_in(self._agency_id, table, span)).order_by(*order).limit(limit)
        return query if place is None else query.where(_is_after(order, place))

    def _natural(self, number: Any) -> tuple[ColumnElement[Any], ...]:
        """Order numbers by size, leading zeros aside, before text that is no number."""
        bare = func.ltrim(number, "0")
        is_text = case((func.ltrim(number, _DIGITS) == "", 0), else_=1)
        return is_text, func.length(bare), self._by_bytes(bare), self._by_bytes(number)

    def _by_bytes(self, text: Any) -> ColumnElement[Any]:
        """Sort by bytes: a server would sort text by the rules of its language; SQLite and Python do not."""
        return collate(text, "C") if self._server_sorts else text

    # --- outgoing mail on paper -------------------------------------------------------------------------------

    async def put_letter(self, letter: PaperLetter) -> None:
        """Enter a letter. Clash when its number and symbol are taken in that year, on paper or by a document of the
        exchange; it names the holder and the next free number."""
        await self._tx.hold(self._agency_id, "outgoing_number", spelling_key(letter.code))
        year = letter.issued_on.year
        parameters = number_parameters(self._agency_id, letter.number, letter.symbol, year)
        sent = await self._tx.first(_O, SENT_UNDER, **parameters) or await self._tx.first(
            _P, _PAPER, **parameters
        )
        body = to_json(PaperLetter, letter)
        more = {"number_word": parameters["word"], "body": body}
        row = PaperOutgoingRow.from_value(letter, agency_id=self._agency_id, year=year, **more)
        if sent is not None or not await self._tx.insert_new(row):
            raise await self._number_clash(letter)

    async def _number_clash(self, letter: PaperLetter) -> errors.Clash:
        year = letter.issued_on.year
        holders = await self._numbers.under(letter.number, letter.symbol, year)
        parameters = number_parameters(self._agency_id, letter.number, letter.symbol, year)
        letters = await self._tx.values(to_letter, _PAPER, **parameters)
        line = next(iter((*holders, *letters)), None)
        on, to = _issued_to(line) if line is not None else ("–", "–")
        following = await self._numbers.free_number(letter.number, letter.symbol, year) or "–"
        return errors.Clash(
            f"the number {letter.code} is taken in {year} by the document of {on} to {to}; "
            f"the next free one is {following}",
            code="GW-LETTER-TAKEN",
            params={
                "number": letter.code,
                "year": str(year),
                "held_by": line.id if line is not None else "",
                "date": on,
                "to": to,
                "next_free": following,
            },
        )

    async def letter(self, id: str) -> PaperLetter:
        return await self._load(to_letter, _P, f"this agency has no paper letter {id}", lock=False, id=id)

    async def strike_letter(self, id: str, at: datetime, by: str, reason: str) -> bool:
        """Strike a letter through; return False when it was struck before. NotFound for a letter that is not ours."""
        await self.letter(id)
        values = {"struck_at": at, "struck_by": by, "struck_reason": reason}
        unstruck = update(_P).where(self._where(_P, id=id, struck_at=None))
        return await self._tx.change(unstruck.values(values)) == 1


def _issued_to(line: OutgoingLine) -> tuple[str, str]:
    """Return a line's date and first recipient, as a refusal names it."""
    if isinstance(line, PaperLetter):
        return day_text(line.issued_on), line.recipients
    first = next(iter(line.draft.recipients), None)
    on = day_text(line.draft.issued_on) or "–"
    return on, (first.name or first.code) if first is not None and not line.is_sealed else "–"


def _place(number: str) -> tuple[int, int, str, str]:
    """Compute the sort key that `_natural` gives this number."""
    bare = number.lstrip("0")
    return int(number.lstrip(_DIGITS) != ""), len(bare), bare, number


def _outgoing_place(line: OutgoingLine) -> tuple[date, int, int, str, str, str]:
    if isinstance(line, PaperLetter):
        return line.issued_on, *_place(line.number), line.id
    # The query selects by this date, so there is one.
    return line.draft.issued_on or date.min, *_place(line.draft.number), line.id


def _is_after(order: Sequence[Any], place: Sequence[object]) -> ColumnElement[bool]:
    return tuple_(*order) > tuple_(*(literal(part) for part in place))


def _day(at: datetime | None) -> date | None:
    return None if at is None else local(at).date()


def _handed(row: Any) -> HandoverRow:
    names = ("agency_id", "incoming_id", "leased_by", "leased_until", "acked_at")
    columns = {name: getattr(row, name) for name in names}
    return HandoverRow(**columns, state=row.handed_state, offered_at=row.entered_at)
