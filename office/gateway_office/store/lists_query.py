"""Questions about lists as conditions and orders. In: a `Filter`. Out: bands, which are read one after the other, each in
an order that an index has; and the conditions of filters and of searched words, on either database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, column, false, not_, or_, select, table, text
from sqlmodel import col

from gateway.domain.document import InState, OutState, Recipient, RecipientRole
from gateway.domain.handling import PartState
from gateway.domain.states import HAS_IT
from gateway.domain.text import SearchRole, Sought, Term, exactly, marked, sought
from gateway.store.outgoing import answered_from
from gateway.store.row import from_json, same
from gateway.store.tables import DeliveryRow, OutgoingRow
from gateway.store.tables_office import (
    ATTACHED,
    ATTENTION,
    BARE,
    LEAD,
    UNREAD,
    URGENT,
    ListRow,
    TagMarkRow,
    UnitPartRow,
    in_tab,
)
from gateway.store.transaction import Transaction
from gateway_office.domain.listing import Filter, ListOrder, Side, Tab, type_key
from gateway_office.store.lists_write import first_place

_R = ListRow
SEARCH = table("list_search", column("rowid"))
_CLOSED_TABS = (Tab.ACCEPTED, Tab.PROCESSING, Tab.REJECTED)
Condition = ColumnElement[bool]
_D, _O, _P = DeliveryRow, OutgoingRow, UnitPartRow
BACK = timedelta(days=366)
"""Answers that were due earlier are not waited for."""
_WORKED_ON = (InState.ACCEPTED.value, InState.ASSIGNED.value, InState.PROCESSING.value)
_OWED = (
    select(col(_O.id), col(_D.code), col(_D.recipient))
    .join(_D, same(_D.document_id, _O.id))
    .where(
        col(_O.agency_id) == bindparam("agency"),
        col(_O.reply_by) >= bindparam("since"),
        col(_O.reply_by) < bindparam("today"),
        col(_O.state) == OutState.PACKED.value,
        col(_D.state).in_(sorted(HAS_IT)),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderColumn:
    """One column of an order."""

    name: str
    down: bool

    @property
    def column(self) -> Any:  # Any: columns of several types
        return getattr(_R, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyTerm:
    """Terms, one or more of them to be found."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Rows that stand together. `by` ends with the place, so no two rows are equal; `words` must all be found."""

    by: tuple[OrderColumn, ...]
    clauses: tuple[Condition, ...] = ()
    words: tuple[Term | AnyTerm, ...] = ()
    but_not: tuple[Term, ...] = ()


_NEWEST = OrderColumn(name="place", down=True)
_OLDEST = OrderColumn(name="place", down=False)
_SORTED = {
    ListOrder.NUMBER: "number_key",
    ListOrder.PARTY: "party_key",
    ListOrder.ISSUED: "issued_on",
    ListOrder.TYPE: "type_key",
}


def make_bands(criteria: Filter, now: datetime, *, by_statistics: bool = False) -> Sequence[Band]:
    """Return the bands in the order in which the list shows them. `by_statistics`: the database chooses an index by what is
    in the table, as a server does."""
    search = sought(criteria.text)
    terms = _role_terms(criteria)
    if criteria.text.strip():
        return _by_fit(search, terms, nothing=not search.terms)
    return [
        Band(by=by, clauses=clauses, words=terms) for clauses, by in _orders(criteria, now, by_statistics)
    ]


def single_band(criteria: Filter) -> Band:
    """Return one band of all rows, in any order: for counting."""
    search = sought(criteria.text)
    if criteria.text.strip() and not search.terms:
        return Band(by=(_NEWEST,), clauses=(false(),))
    return Band(by=(_NEWEST,), words=(*search.terms, *_role_terms(criteria)))


def filter_clauses(criteria: Filter, now: datetime, agency_id: str) -> list[Condition]:
    """Return the conditions for everything but words."""
    clauses: list[Condition] = []
    if criteria.side is not None:
        clauses.append(col(_R.side) == criteria.side.value)
    if criteria.tab is not None:
        clauses += [in_tab(tab) for tab in Tab if tab & criteria.tab]
    if criteria.attention:
        clauses.append(_calls(now))
    if criteria.type_name is not None:
        clauses.append(col(_R.type_key) == type_key(criteria.type_name))
    if criteria.urgency is not None:
        clauses.append(col(_R.urgency) == int(criteria.urgency))
        if criteria.urgency:
            clauses.append(URGENT)
    if criteria.pressing:
        clauses.append(URGENT)
    if criteria.state is not None:
        clauses.append(col(_R.state) == criteria.state)
    if criteria.origin is not None:
        clauses.append(col(_R.origin) == criteria.origin.value)
    if criteria.book is not None:
        clauses.append(col(_R.book) == criteria.book)
    if criteria.tag is not None:
        tag_conditions = (col(TagMarkRow.agency_id) == agency_id, col(TagMarkRow.tag_id) == criteria.tag)
        clauses.append(col(_R.id).in_(select(col(TagMarkRow.document_id)).where(*tag_conditions)))
    if criteria.attached is not None:
        clauses.append(ATTACHED if criteria.attached else BARE)
    if criteria.unread:
        clauses.append(UNREAD)
    if criteria.overdue:
        clauses += [col(_R.due_at) <= now, ATTENTION]
    if criteria.since is not None:
        clauses.append(col(_R.place) >= first_place(criteria.since))
    if criteria.until is not None:
        clauses.append(col(_R.place) < first_place(criteria.until))
    return clauses


def rows_behind(by: Sequence[OrderColumn], values: Sequence[Any], *, back: bool) -> Condition:
    """Select rows that come after the row with these values, or before it. The first bound alone tells an index where to
    begin."""
    steps: list[Condition] = []
    for n, order in enumerate(by):
        equal = [column.column == value for column, value in zip(by[:n], values[:n], strict=True)]
        value = values[n]
        past: Condition = order.column < value if order.down != back else order.column > value
        steps.append(and_(*equal, past))
    first = by[0]
    at_least = first.column <= values[0] if first.down != back else first.column >= values[0]
    return and_(at_least, or_(*steps)) if len(by) > 1 else steps[0]


def order_clauses(by: Sequence[OrderColumn], *, back: bool) -> list[Any]:  # Any: what `order_by` takes
    return [order.column.desc() if order.down != back else order.column.asc() for order in by]


def match_text(band: Band) -> str:
    """Write the band's words in the language of SQLite's index; empty when it has none."""
    required = " AND ".join(map(_quote, band.words))
    if not band.but_not:
        return required
    return f"({required}) NOT ({' AND '.join(map(_quote, band.but_not))})"


def like(band: Band, folded: Any = _R.folded) -> list[Condition]:
    """Return the band's words as conditions on the column itself."""
    parts = [_like(folded, term) for term in band.words]
    return [*parts, not_(and_(*(_like(folded, term) for term in band.but_not)))] if band.but_not else parts


def matches(expression: str) -> Condition:
    condition: Any = text("list_search MATCH :sought").bindparams(sought=expression)
    return condition  # type: ignore[no-any-return]  # text(): only SQLite has MATCH


def _role_terms(criteria: Filter) -> tuple[Term | AnyTerm, ...]:
    """Return filters that are words with a role: an index of columns would need one for each recipient."""
    terms: list[Term | AnyTerm] = []
    if criteria.party:
        role = {Side.OUT: SearchRole.RECIPIENT, Side.IN: SearchRole.SENDER}[criteria.side or Side.OUT]
        terms += marked(role, criteria.party)
    if criteria.signer:
        terms += marked(SearchRole.SIGNER, criteria.signer)
    if criteria.viewer is not None:
        # Without a word nothing is found: no document has an empty one.
        words = sorted(criteria.viewer) or [""]
        terms.append(AnyTerm(terms=tuple(exactly(SearchRole.VIEWER, word) for word in words)))
    return tuple(terms)


def _by_fit(search: Sought, role_terms: tuple[Term | AnyTerm, ...], *, nothing: bool) -> list[Band]:
    """Return a band of matches with the accents typed, then one of those without. A text without words finds nothing."""
    if nothing:
        return [Band(by=(_NEWEST,), clauses=(false(),))]
    terms = (*search.terms, *role_terms)
    if not search.exact:
        return [Band(by=(_NEWEST,), words=terms)]
    return [
        Band(by=(_NEWEST,), words=(*terms, *search.exact)),
        Band(by=(_NEWEST,), words=terms, but_not=search.exact),
    ]


def _orders(
    criteria: Filter, now: datetime, by_statistics: bool
) -> list[tuple[tuple[Condition, ...], tuple[OrderColumn, ...]]]:
    sort = criteria.sort
    if sort is ListOrder.FIRST:
        return _first(criteria, now, by_statistics)
    if sort in (ListOrder.NEWEST, ListOrder.OLDEST):
        return [((), (_NEWEST if sort is ListOrder.NEWEST else _OLDEST,))]
    down = sort.value.endswith("-")
    name = _SORTED[ListOrder(sort.value.removesuffix("-"))]
    by = (OrderColumn(name=name, down=down), _NEWEST if down else _OLDEST)
    if name != "issued_on":
        return [((), by)]
    return [((col(_R.issued_on).is_not(None),), by), ((col(_R.issued_on).is_(None),), (_NEWEST,))]


def _first(
    criteria: Filter, now: datetime, by_statistics: bool
) -> list[tuple[tuple[Condition, ...], tuple[OrderColumn, ...]]]:
    """Order rows that need a person before all others, newest first. Documents taken in or refused need no hurry."""
    ahead = (OrderColumn(name="lead", down=False), _OLDEST)
    if criteria.side is Side.IN:
        if criteria.tab in _CLOSED_TABS:
            return [((), (_NEWEST,))]
        return [((LEAD, ATTENTION), ahead), ((col(_R.lead).is_(None),), (_NEWEST,))]
    # Both are the same order: an index has the first; matches of words and the index of registers have the second. SQLite
    # would read a whole register for the few of its documents that need a person.
    in_register = criteria.book is not None and by_statistics
    by = ahead if criteria.side is Side.OUT and not _role_terms(criteria) and not in_register else (_NEWEST,)
    calls = ((_calls(now),), by)
    quiet = ((or_(col(_R.attention_at).is_(None), col(_R.attention_at) > now),), (_NEWEST,))
    return [calls] if criteria.attention else [calls, quiet]


def _calls(now: datetime) -> Condition:
    return and_(ATTENTION, col(_R.attention_at) <= now)


def _quote(term: Term | AnyTerm) -> str:
    if isinstance(term, AnyTerm):
        return f"({' OR '.join(map(_quote, term.terms))})"
    return f'"{" ".join(term.words)}"' + ("" if term.is_whole else " *")


def _like(folded: Any, term: Term | AnyTerm) -> Condition:
    if isinstance(term, AnyTerm):
        return or_(*(_like(folded, alternative) for alternative in term.terms))
    # Terms are letters and digits, which are not special to LIKE. The column begins and ends with a space.
    condition: Condition = col(folded).like(f"% {' '.join(term.words)}{' %' if term.is_whole else '%'}")
    return condition


async def late_condition(tx: Transaction, agency_id: str, side: Side | None, today: date) -> Condition:
    if side is not Side.OUT:
        late = (col(_P.state) == PartState.OPEN.value, col(_P.deadline) < today)
        of_parts = select(col(_P.document_id)).where(col(_P.agency_id) == agency_id, *late)
        return and_(col(_R.own_state).in_(_WORKED_ON), col(_R.id).in_(of_parts))
    return col(_R.id).in_(await _unanswered(tx, agency_id, today))


async def _unanswered(tx: Transaction, agency_id: str, today: date) -> list[str]:
    parameters: dict[str, Any] = {"agency": agency_id, "since": today - BACK, "today": today}
    owed = [
        (id, code.casefold())
        for id, code, recipient in await tx.tuples(_OWED, **parameters)
        if from_json(Recipient, recipient).role is not RecipientRole.TO_KNOW
    ]
    answered = await answered_from(tx, agency_id, sorted({id for id, _ in owed}))
    return sorted({id for id, code in owed if code not in answered[id]})
