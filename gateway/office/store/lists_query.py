"""Questions about lists as conditions and orders. In: a `Filter`. Out: bands, which are read one after the other, each in
an order that an index has; and the conditions of its filters and of what is searched for, on either database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, column, false, not_, or_, select, table, text
from sqlmodel import col

from gateway.domain.document import InState, OutState, Recipient, RecipientRole
from gateway.domain.handling import PartState
from gateway.domain.status import HAS_IT
from gateway.domain.text import SearchRole, Sought, Term, exactly, marked, sought
from gateway.office.domain.listing import Filter, ListOrder, Side, Tab, type_key
from gateway.office.store.lists_write import first_place
from gateway.store.outgoing import answered_from
from gateway.store.row import from_json
from gateway.store.tables import DeliveryRow, OutgoingRow, UnitPartRow
from gateway.store.tables_office import (
    ATTACHED,
    ATTENTION,
    BARE,
    LEAD,
    UNREAD,
    URGENT,
    ListRow,
    TagMarkRow,
    in_tab,
)
from gateway.store.transaction import Transaction

_R = ListRow
SEARCH = table("list_search", column("rowid"))
_SHUT = (Tab.ACCEPTED, Tab.PROCESSING, Tab.REJECTED)
Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderColumn:
    """One column of an order."""

    name: str
    down: bool

    @property
    def column(self) -> Any:  # Any: columns of several types
        return getattr(_R, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Rows that stand together. `by` ends with the place, so no two rows are equal; `words` are what must be found."""

    by: tuple[OrderColumn, ...]
    where: tuple[Condition, ...] = ()
    words: tuple[Term, ...] = ()
    but_not: tuple[Term, ...] = ()


_NEWEST = OrderColumn(name="place", down=True)
_OLDEST = OrderColumn(name="place", down=False)
_SORTED = {
    ListOrder.NUMBER: "number_key",
    ListOrder.PARTY: "party_key",
    ListOrder.ISSUED: "issued_on",
    ListOrder.TYPE: "type_key",
}


def bands(wanted: Filter, now: datetime) -> Sequence[Band]:
    """In the order in which the list shows them."""
    found = sought(wanted.text)
    named = _named(wanted)
    if wanted.text.strip():
        return _by_fit(found, named, nothing=not found.terms)
    return [Band(by=by, where=where, words=named) for where, by in _orders(wanted, now)]


def whole(wanted: Filter) -> Band:
    """All of them at once, in whatever order: for counting."""
    found = sought(wanted.text)
    if wanted.text.strip() and not found.terms:
        return Band(by=(_NEWEST,), where=(false(),))
    return Band(by=(_NEWEST,), words=(*found.terms, *_named(wanted)))


def filters(wanted: Filter, now: datetime, agency_id: str) -> list[Condition]:
    """Everything but words."""
    where: list[Condition] = []
    if wanted.side is not None:
        where.append(col(_R.side) == wanted.side.value)
    if wanted.tab is not None:
        where += [in_tab(tab) for tab in Tab if tab & wanted.tab]
    if wanted.attention:
        where.append(_calls(now))
    if wanted.type_name is not None:
        where.append(col(_R.type_key) == type_key(wanted.type_name))
    if wanted.urgency is not None:
        where.append(col(_R.urgency) == int(wanted.urgency))
        if wanted.urgency:
            where.append(URGENT)
    if wanted.pressing:
        where.append(URGENT)
    if wanted.state is not None:
        where.append(col(_R.state) == wanted.state)
    if wanted.origin is not None:
        where.append(col(_R.origin) == wanted.origin.value)
    if wanted.book is not None:
        where.append(col(_R.book) == wanted.book)
    if wanted.tag is not None:
        marked_so = (col(TagMarkRow.agency_id) == agency_id, col(TagMarkRow.tag_id) == wanted.tag)
        where.append(col(_R.id).in_(select(col(TagMarkRow.document_id)).where(*marked_so)))
    if wanted.attached is not None:
        where.append(ATTACHED if wanted.attached else BARE)
    if wanted.unread:
        where.append(UNREAD)
    if wanted.overdue:
        where += [col(_R.due_at) <= now, ATTENTION]
    if wanted.since is not None:
        where.append(col(_R.place) >= first_place(wanted.since))
    if wanted.until is not None:
        where.append(col(_R.place) < first_place(wanted.until))
    return where


def behind(by: Sequence[OrderColumn], values: Sequence[Any], *, back: bool) -> Condition:
    """Rows that come after the row with these values, or before it. The first bound alone tells an index where to
    begin."""
    steps: list[Condition] = []
    for n, order in enumerate(by):
        equal = [each.column == value for each, value in zip(by[:n], values[:n], strict=True)]
        value = values[n]
        past: Condition = order.column < value if order.down != back else order.column > value
        steps.append(and_(*equal, past))
    first = by[0]
    at_least = first.column <= values[0] if first.down != back else first.column >= values[0]
    return and_(at_least, or_(*steps)) if len(by) > 1 else steps[0]


def ordering(by: Sequence[OrderColumn], *, back: bool) -> list[Any]:  # Any: what `order_by` takes
    return [order.column.desc() if order.down != back else order.column.asc() for order in by]


def match(band: Band) -> str:
    """The band's words in the language of SQLite's index; empty when it has none."""
    asked = " AND ".join(map(_quoted, band.words))
    if not band.but_not:
        return asked
    return f"({asked}) NOT ({' AND '.join(map(_quoted, band.but_not))})"


def likes(band: Band, folded: Any = _R.folded) -> list[Condition]:
    """The same as conditions on the column itself."""
    found = [_like(folded, term) for term in band.words]
    return [*found, not_(and_(*(_like(folded, term) for term in band.but_not)))] if band.but_not else found


def matching(expression: str) -> Condition:
    found: Any = text("list_search MATCH :sought").bindparams(sought=expression)
    return found  # type: ignore[no-any-return]  # written out: only SQLite has the word


def _named(wanted: Filter) -> tuple[Term, ...]:
    """Filters that are words with a role: an index of columns would need one for each recipient."""
    terms: list[Term] = []
    if wanted.party:
        role = {Side.OUT: SearchRole.RECIPIENT, Side.IN: SearchRole.SENDER}[wanted.side or Side.OUT]
        terms += marked(role, wanted.party)
    if wanted.signer:
        terms += marked(SearchRole.SIGNER, wanted.signer)
    if wanted.viewer is not None:
        terms.append(exactly(SearchRole.VIEWER, wanted.viewer))
    return tuple(terms)


def _by_fit(found: Sought, named: tuple[Term, ...], *, nothing: bool) -> list[Band]:
    """With its accents first, then without. What holds no word at all finds nothing."""
    if nothing:
        return [Band(by=(_NEWEST,), where=(false(),))]
    terms = (*found.terms, *named)
    if not found.exact:
        return [Band(by=(_NEWEST,), words=terms)]
    return [
        Band(by=(_NEWEST,), words=(*terms, *found.exact)),
        Band(by=(_NEWEST,), words=terms, but_not=found.exact),
    ]


def _orders(wanted: Filter, now: datetime) -> list[tuple[tuple[Condition, ...], tuple[OrderColumn, ...]]]:
    sort = wanted.sort
    if sort is ListOrder.FIRST:
        return _first(wanted, now)
    if sort in (ListOrder.NEWEST, ListOrder.OLDEST):
        return [((), (_NEWEST if sort is ListOrder.NEWEST else _OLDEST,))]
    down = sort.value.endswith("-")
    name = _SORTED[ListOrder(sort.value.removesuffix("-"))]
    by = (OrderColumn(name=name, down=down), _NEWEST if down else _OLDEST)
    if name != "issued_on":
        return [((), by)]
    return [((col(_R.issued_on).is_not(None),), by), ((col(_R.issued_on).is_(None),), (_NEWEST,))]


def _first(wanted: Filter, now: datetime) -> list[tuple[tuple[Condition, ...], tuple[OrderColumn, ...]]]:
    """What needs a person; then the rest, newest first. What is taken in or refused needs nobody to hurry."""
    ahead = (OrderColumn(name="lead", down=False), _OLDEST)
    if wanted.side is Side.IN:
        if wanted.tab in _SHUT:
            return [((), (_NEWEST,))]
        return [((LEAD, ATTENTION), ahead), ((col(_R.lead).is_(None),), (_NEWEST,))]
    # The same order twice: an index has the one, the finds of words have the other.
    by = ahead if wanted.side is Side.OUT and not _named(wanted) else (_NEWEST,)
    calls = ((_calls(now),), by)
    rest = ((or_(col(_R.attention_at).is_(None), col(_R.attention_at) > now),), (_NEWEST,))
    return [calls] if wanted.attention else [calls, rest]


def _calls(now: datetime) -> Condition:
    return and_(ATTENTION, col(_R.attention_at) <= now)


def _quoted(term: Term) -> str:
    return f'"{" ".join(term.words)}"' + ("" if term.is_whole else " *")


def _like(folded: Any, term: Term) -> Condition:
    # Letters and digits only: nothing in it means anything to LIKE. The column begins and ends with a space.
    found: Condition = col(folded).like(f"% {' '.join(term.words)}{' %' if term.is_whole else '%'}")
    return found


_D, _O, _P = DeliveryRow, OutgoingRow, UnitPartRow
BACK = timedelta(days=366)
"""An answer that was due earlier is waited for no more."""
_WORKED_ON = (InState.ACCEPTED.value, InState.ASSIGNED.value, InState.PROCESSING.value)
_OWED = (
    select(col(_O.id), col(_D.code), col(_D.recipient))
    .join(_D, and_(col(_D.agency_id) == col(_O.agency_id), col(_D.document_id) == col(_O.id)))
    .where(
        col(_O.agency_id) == bindparam("agency"),
        col(_O.reply_by) >= bindparam("since"),
        col(_O.reply_by) < bindparam("today"),
        col(_O.state) == OutState.PACKED.value,
        col(_D.state).in_(sorted(HAS_IT)),
    )
)


async def late_condition(tx: Transaction, agency_id: str, side: Side | None, today: date) -> Condition:
    if side is not Side.OUT:
        late = (col(_P.state) == PartState.OPEN.value, col(_P.deadline) < today)
        of_parts = select(col(_P.document_id)).where(col(_P.agency_id) == agency_id, *late)
        return and_(col(_R.own_state).in_(_WORKED_ON), col(_R.id).in_(of_parts))
    return col(_R.id).in_(await _unanswered(tx, agency_id, today))


async def _unanswered(tx: Transaction, agency_id: str, today: date) -> list[str]:
    asked: dict[str, Any] = {"agency": agency_id, "since": today - BACK, "today": today}
    owed = [
        (id, code.casefold())
        for id, code, recipient in await tx.tuples(_OWED, **asked)
        if from_json(Recipient, recipient).role is not RecipientRole.TO_KNOW
    ]
    answered = await answered_from(tx, agency_id, sorted({id for id, _ in owed}))
    return sorted({id for id, code in owed if code not in answered[id]})
