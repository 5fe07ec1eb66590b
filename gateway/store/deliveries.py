"""Deliveries of one agency, the facts known about them (or about incoming documents), and those that go on paper. In:
values. Out: the same.

A fact is only ever added; a delivery's state is the cached fold of its facts, kept for lists. What was cancelled
stays in the table of paper and waits for nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from json.encoder import encode_basestring_ascii
from types import MappingProxyType

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery
from gateway.domain.registry import GroupMember, RecipientGroup
from gateway.domain.status import TAKEN_IN, Fact
from gateway.domain.text import fold
from gateway.ports.services import Clock
from gateway.store.pending_writes import exactly_one
from gateway.store.repository import NOBODY, AgencyRows, Follower, WatchedRows
from gateway.store.row import among, from_json, to_json, value_of
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, PaperPartRow, RecipientGroupRow
from gateway.store.transaction import Transaction

_R, _D = PaperPartRow, DeliveryRow
_MARKS = tuple[str, ...]
# What a recipient's system has said something about.
_HEARD = tuple(sorted(TAKEN_IN | {"delivered", "rejected", "request_agreed", "request_refused"}))
# Made once: making a statement takes longer than running it.
_MINE = (col(_D.agency_id) == bindparam("agency"),)
_BY_ID = select(_D).where(*_MINE, col(_D.id) == bindparam("id"))
_ID_ALONE = select(col(_D.id)).where(*_MINE, col(_D.id) == bindparam("id"))
# In one order whoever asks, so that no two wait for each other.
_IDS_ALONE = select(col(_D.id)).where(*_MINE, among(col(_D.id), "subjects")).order_by(col(_D.id))
_AS_NAMED = (col(_D.attempt), col(_D.position), col(_D.id))
_DELIVERIES = select(_D).where(*_MINE).order_by(*_AS_NAMED)
_OF_DOCUMENT = _DELIVERIES.where(col(_D.document_id) == bindparam("document"))
_OF_DOCUMENTS = _DELIVERIES.where(among(col(_D.document_id), "documents"))
_THIS = update(_D).where(*_MINE, col(_D.id) == bindparam("at_id"))
_FACTS = (
    select(col(FactRow.subject_id), col(FactRow.body))
    .where(col(FactRow.agency_id) == bindparam("agency"))
    .order_by(col(FactRow.at), col(FactRow.key))
)
_OF_SUBJECT = _FACTS.where(col(FactRow.subject_id) == bindparam("id"))
_OF_SUBJECTS = _FACTS.where(among(col(FactRow.subject_id), "subjects"))


class SqlDeliveries(WatchedRows):
    """The recipients of what one agency sends, in the order in which each document names them."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NOBODY
    ) -> None:
        super().__init__(tx, scope, clock, follower)
        self._documents: dict[str, str] = {}  # of those that were read: it stays the same one

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Clash when one of them is stored already, or its document is not."""
        for one in deliveries:
            self._check_own(one.agency_id, f"the delivery {one.id}")
        self._tx.put(*(delivery_row(one, position) for position, one in enumerate(deliveries)))
        for document_id in {one.document_id: None for one in deliveries}:
            self._follower.touch_out(document_id)

    async def get(self, id: str) -> Delivery:
        return self._told(await self._one(_D, _BY_ID, f"this agency has no delivery {id}", id=id))

    async def of(self, document_id: str) -> Sequence[Delivery]:
        return [self._told(row) for row in await self._rows(_D, _OF_DOCUMENT, document=document_id)]

    async def of_many(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Delivery]]:
        """Every id asked for is a key; a document without deliveries has none."""
        found: dict[str, list[Delivery]] = {id: [] for id in document_ids}
        for row in await self._rows(_D, _OF_DOCUMENTS, documents=list(document_ids)):
            found[row.document_id].append(self._told(row))
        return found

    async def silent(self, codes: Collection[str], since: datetime) -> Mapping[str, datetime]:
        """Those of these recipients to whom sending failed since then and who have neither answered nor written after it;
        with the last failure."""
        code, moved = col(_D.code), col(_D.updated_at)

        async def latest(states: Collection[str], since: datetime) -> dict[str, datetime]:
            mine = (col(_D.agency_id) == self._agency_id, code.in_(codes))
            query = select(code, func.max(moved)).where(*mine, col(_D.state).in_(states), moved >= since)
            return dict(await self._tx.tuples(query.group_by(code)))

        found = await latest(("failed",), since)
        if not found:
            return {}
        first = min(found.values())
        heard = await latest(_HEARD, first)
        senders = {code.casefold(): code for code in found}
        wrote = select(col(IncomingRow.sender_folded), func.max(col(IncomingRow.arrived_at))).where(
            col(IncomingRow.agency_id) == self._agency_id,
            col(IncomingRow.arrived_at) >= first,
            col(IncomingRow.sender_folded).in_(senders),
        )
        for sender, at in await self._tx.tuples(wrote.group_by(col(IncomingRow.sender_folded))):
            heard[senders[sender]] = max(at, heard.get(senders[sender], at))
        return {code: at for code, at in found.items() if code not in heard or heard[code] < at}

    async def save_state(self, id: str, state: str, marks: Sequence[str], at: datetime) -> None:
        values = {"state": state, "marks": to_json(_MARKS, tuple(marks)), "updated_at": at}
        await self._change(id, values)
        self._touch(id)

    async def save_number(self, id: str, number: str, year: int | None) -> None:
        """The arrival number that the recipient told. NotFound for a delivery that is not there."""
        await self._change(id, {"register_no": number, "register_year": year})

    async def _change(self, id: str, values: Mapping[str, object]) -> None:
        missing = exactly_one(partial(errors.NotFound, f"this agency has no delivery {id}"))
        await self._tx.change_surely(_THIS, missing, agency=self._agency_id, at_id=id, **values)

    async def save_states(
        self,
        states: Mapping[str, tuple[str, Sequence[str]]],
        at: datetime,
        documents: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """State and marks by id, of deliveries that are there; a large document has hundreds of them. `documents`: those
        whose deliveries they are, where that is known."""
        self._documents.update(documents)
        common = {"agency": self._agency_id, "updated_at": at}
        rows = [
            common | {"at_id": id, "state": state, "marks": to_json(_MARKS, tuple(marks))}
            for id, (state, marks) in states.items()
        ]
        await self._tx.change_many(_THIS, rows)
        for id in states:
            self._touch(id)

    def _told(self, row: DeliveryRow) -> Delivery:
        self._documents[row.id] = row.document_id
        return to_delivery(row)

    def _touch(self, id: str) -> None:
        if id in self._documents:
            self._follower.touch_out(self._documents[id])
        else:
            self._follower.touch_delivery(id)


class SqlFacts(AgencyRows):
    """What is known about each delivery and document of one agency."""

    async def add(self, subject_id: str, fact: Fact) -> bool:
        """False, and nothing changed, when the same fact (track, code, stated_at, packet_digest, request_id) is there."""
        return await self._tx.put_new(fact_row(self._agency_id, subject_id, fact))

    async def add_all(self, facts: Sequence[tuple[str, Fact]]) -> None:
        """Any number for each subject; what is there already stays as it is."""
        rows = [fact_row(self._agency_id, subject_id, fact) for subject_id, fact in facts]
        self._tx.put_missing(*rows)

    async def of(self, subject_id: str) -> Sequence[Fact]:
        """In the order in which our node learnt them."""
        asked = {"agency": self._agency_id, "id": subject_id}
        # Who adds to what a delivery's facts make must not decide on facts to which another one is adding.
        await self._tx.keep(_ID_ALONE, **asked)
        return [from_json(Fact, row.body) for row in await self._tx.tuples(_OF_SUBJECT, **asked)]

    async def of_many(self, subject_ids: Sequence[str]) -> Mapping[str, Sequence[Fact]]:
        """Every id asked for is a key."""
        asked = {"agency": self._agency_id, "subjects": list(subject_ids)}
        await self._tx.keep(_IDS_ALONE, **asked)
        found: dict[str, list[Fact]] = {id: [] for id in subject_ids}
        for row in await self._tx.tuples(_OF_SUBJECTS, **asked):
            found[row.subject_id].append(from_json(Fact, row.body))
        return found


def _key(fact: Fact) -> str:
    """One digest of the five parts that make a fact the same fact; an absent part is a value like any other."""
    stated = fact.stated_at.astimezone(UTC).isoformat() if fact.stated_at else None
    parts = (fact.track, fact.code, stated, fact.packet_digest, fact.request_id)
    # As JSON writes a list of texts.
    told = ", ".join(["null" if part is None else encode_basestring_ascii(part) for part in parts])
    return hashlib.sha256(f"[{told}]".encode()).hexdigest()


def fact_row(agency_id: str, subject_id: str, fact: Fact) -> FactRow:
    given = {"key": _key(fact), "body": to_json(Fact, fact)}
    return FactRow.of(fact, agency_id=agency_id, subject_id=subject_id, **given)


to_delivery = partial(value_of, Delivery)


def delivery_row(delivery: Delivery, position: int) -> DeliveryRow:
    return _D.of(delivery, position=position, code=delivery.recipient.code)


_CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPart:
    """The letter on paper to one recipient. While `handed_over` is None somebody has to carry it; `means` is a word of
    `policy.outgoing.Means`."""

    delivery_id: str
    document_id: str
    opened_at: datetime
    handed_over: date | None = None
    means: str | None = None
    note: str = ""
    closed_at: datetime | None = None
    closed_by: str | None = None


class SqlPaperParts(AgencyRows):
    """The letters on paper of one agency: who waits for one, and what was handed over."""

    async def open(self, document_id: str, delivery_ids: Sequence[str], at: datetime) -> None:
        """They wait from now on."""
        self._tx.put(
            *(
                _R(agency_id=self._agency_id, delivery_id=id, document_id=document_id, opened_at=at)
                for id in delivery_ids
            )
        )

    async def of(self, document_id: str) -> Sequence[PaperPart]:
        query = select(_R).where(col(_R.agency_id) == self._agency_id, col(_R.document_id) == document_id)
        found = await self._tx.rows(_R, self._tx.kept(query.order_by(col(_R.delivery_id))))
        return [value_of(PaperPart, row) for row in found]

    async def close(self, part: PaperPart) -> None:
        """As this value says; said again it is written anew. NotFound for what does not go on paper."""
        this = update(_R).where(col(_R.agency_id) == self._agency_id, col(_R.delivery_id) == part.delivery_id)
        said = ("handed_over", "means", "note", "closed_at", "closed_by")
        if await self._tx.change(this.values({name: getattr(part, name) for name in said})) != 1:
            raise errors.NotFound(f"the delivery {part.delivery_id} does not go on paper")

    async def waiting(self, limit: int) -> Sequence[PaperPart]:
        """Not handed over and not cancelled, the longest waiting first."""
        order = (col(_R.opened_at), col(_R.delivery_id))
        query = self._standing().where(col(_R.handed_over).is_(None))
        return [
            value_of(PaperPart, row) for row in await self._tx.rows(_R, query.order_by(*order).limit(limit))
        ]

    async def handed(self, first: date, last: date, limit: int) -> Sequence[PaperPart]:
        """Handed over in these days, in their order."""
        query = self._standing().where(col(_R.handed_over).between(first, last))
        order = (col(_R.handed_over), col(_R.closed_at), col(_R.delivery_id))
        return [
            value_of(PaperPart, row) for row in await self._tx.rows(_R, query.order_by(*order).limit(limit))
        ]

    def _standing(self) -> Select[PaperPartRow]:
        same = and_(col(_D.agency_id) == col(_R.agency_id), col(_D.id) == col(_R.delivery_id))
        mine = col(_R.agency_id) == self._agency_id
        return select(_R).join(_D, same).where(mine, col(_D.state) != _CANCELLED)


_GROUP = RecipientGroupRow
_MEMBERS = tuple[GroupMember, ...]


class SqlRecipientGroups(AgencyRows):
    """The groups of one agency."""

    async def all(self) -> Sequence[RecipientGroup]:
        """By name."""
        query = select(_GROUP).where(col(_GROUP.agency_id) == self._agency_id).order_by(col(_GROUP.folded))
        return [value_of(RecipientGroup, row) for row in await self._tx.rows(_GROUP, query)]

    async def named(self, name: str) -> RecipientGroup | None:
        """Letter case and accents do not matter."""
        row = await self._tx.first(_GROUP, self._tx.kept(select(_GROUP).where(self._is(name))))
        return value_of(RecipientGroup, row) if row is not None else None

    async def save(self, group: RecipientGroup) -> None:
        """A new group has version 1. Clash when there is one of that name already, or when the one that is changed is no
        longer of the version before."""
        key = {"agency_id": self._agency_id, "folded": fold(group.name)}
        row = _GROUP.of(group, **key)
        if group.version == 1:
            if not await self._tx.put_new(row):
                raise errors.Clash(
                    f"there is a group named {group.name!r} already, or one that reads the same"
                )
            return
        earlier = update(_GROUP).where(self._is(group.name), col(_GROUP.version) == group.version - 1)
        if await self._tx.change(earlier.values(row.values(*key))) != 1:
            raise errors.Clash(f"the group {group.name!r} was changed or removed meanwhile; look at it again")

    async def remove(self, name: str) -> bool:
        """Whether there was one."""
        return await self._tx.change(delete(_GROUP).where(self._is(name))) == 1

    def _is(self, name: str) -> ColumnElement[bool]:
        return and_(col(_GROUP.agency_id) == self._agency_id, col(_GROUP.folded) == fold(name))
