"""Deliveries of one agency, facts about deliveries and incoming documents, paper letters, and recipient groups. In: values.
Out: the same values as stored.

Facts are only ever added. A delivery's state follows from its facts; it is stored for lists. A cancelled delivery keeps its
row in the table of paper letters, but is not listed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from json.encoder import encode_basestring_ascii
from types import MappingProxyType

from sqlalchemy import Select, bindparam, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery
from gateway.domain.registry import RecipientGroup
from gateway.domain.states import BUSINESS_STATES, NEVER_LEFT, REQUEST_ANSWERS, State
from gateway.domain.status import Fact
from gateway.domain.text import fold
from gateway.ports.services import Clock
from gateway.store.pending_writes import exactly_one
from gateway.store.repository import NO_FOLLOWER, AgencyRows, Follower, WatchedRows, select_by
from gateway.store.row import among, from_json, same, to_json, value_of
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, PaperPartRow, RecipientGroupRow
from gateway.store.transaction import Transaction

_PAPER, _DELIVERY = PaperPartRow, DeliveryRow
_MARKS = tuple[str, ...]
# States that show an answer of the recipient's system.
_ANSWERED_STATES = tuple(sorted(BUSINESS_STATES | REQUEST_ANSWERS))
# Statements are built once, because building one takes longer than running it.
_OF_AGENCY = (col(_DELIVERY.agency_id) == bindparam("agency"),)
_BY_ID = select(_DELIVERY).where(*_OF_AGENCY, col(_DELIVERY.id) == bindparam("id"))
_ID_ALONE = select(col(_DELIVERY.id)).where(*_OF_AGENCY, col(_DELIVERY.id) == bindparam("id"))
# Ordered, because these rows are locked: two transactions that lock in the same order cannot deadlock.
_IDS_ALONE = (
    select(col(_DELIVERY.id))
    .where(*_OF_AGENCY, among(col(_DELIVERY.id), "subjects"))
    .order_by(col(_DELIVERY.id))
)
_AS_NAMED = (col(_DELIVERY.attempt), col(_DELIVERY.position), col(_DELIVERY.id))
_DELIVERIES = select(_DELIVERY).where(*_OF_AGENCY).order_by(*_AS_NAMED)
_OF_DOCUMENT = _DELIVERIES.where(col(_DELIVERY.document_id) == bindparam("document"))
_OF_DOCUMENTS = _DELIVERIES.where(among(col(_DELIVERY.document_id), "documents"))
_NEVER_LEFT = (State.DRAFT, State.BLOCKED, *sorted(NEVER_LEFT))
_REACHED = (
    select(col(_DELIVERY.code))
    .where(*_OF_AGENCY, among(col(_DELIVERY.code), "codes"), col(_DELIVERY.state).not_in(_NEVER_LEFT))
    .distinct()
)
_UPDATE = update(_DELIVERY).where(*_OF_AGENCY, col(_DELIVERY.id) == bindparam("at_id"))
_FACTS = (
    select(col(FactRow.subject_id), col(FactRow.body))
    .where(col(FactRow.agency_id) == bindparam("agency"))
    .order_by(col(FactRow.at), col(FactRow.key))
)
_OF_SUBJECT = _FACTS.where(col(FactRow.subject_id) == bindparam("id"))
_OF_SUBJECTS = _FACTS.where(among(col(FactRow.subject_id), "subjects"))


class SqlDeliveries(WatchedRows):
    """Repository of one agency's deliveries; those of a document are in the order in which it names the recipients."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NO_FOLLOWER
    ) -> None:
        super().__init__(tx, scope, clock, follower)
        self._documents: dict[str, str] = {}  # document ids by delivery id, of the deliveries read so far

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Add the deliveries of a document, in the order of its recipients. Clash when one is stored already, or its
        document is not."""
        for delivery in deliveries:
            self._check_own(delivery.agency_id, f"the delivery {delivery.id}")
        self._tx.insert(*(delivery_row(delivery, position) for position, delivery in enumerate(deliveries)))
        for document_id in {delivery.document_id: None for delivery in deliveries}:
            self._follower.touch_out(document_id)

    async def find_reached(self, codes: Collection[str]) -> frozenset[str]:
        """Return those of these codes to which a document of the agency has left before."""
        rows = await self._tx.tuples(_REACHED, agency=self._agency_id, codes=[*codes])
        return frozenset(code for (code,) in rows)

    async def get(self, id: str) -> Delivery:
        return await self._get(self._read, _BY_ID, f"this agency has no delivery {id}", id=id)

    async def of_document(self, document_id: str) -> Sequence[Delivery]:
        return await self._values(self._read, _OF_DOCUMENT, document=document_id)

    async def of_documents(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Delivery]]:
        """Return the deliveries of each document by its id; every given id is a key."""
        deliveries: dict[str, list[Delivery]] = {id: [] for id in document_ids}
        for delivery in await self._values(self._read, _OF_DOCUMENTS, documents=list(document_ids)):
            deliveries[delivery.document_id].append(delivery)
        return deliveries

    async def silent(self, codes: Collection[str], since: datetime) -> Mapping[str, datetime]:
        """Return the time of the last failed delivery since `since` by code, for those of these recipients that have
        neither answered nor sent a document after it."""
        code, moved = col(_DELIVERY.code), col(_DELIVERY.updated_at)

        async def latest(states: Collection[str], since: datetime) -> dict[str, datetime]:
            mine = (col(_DELIVERY.agency_id) == self._agency_id, code.in_(codes))
            query = select(code, func.max(moved)).where(
                *mine, col(_DELIVERY.state).in_(states), moved >= since
            )
            return dict(await self._tx.tuples(query.group_by(code)))

        failed_at = await latest(("failed",), since)
        if not failed_at:
            return {}
        first_failure = min(failed_at.values())
        heard_at = await latest(_ANSWERED_STATES, first_failure)
        senders = {code.casefold(): code for code in failed_at}
        wrote = select(col(IncomingRow.sender_folded), func.max(col(IncomingRow.arrived_at))).where(
            col(IncomingRow.agency_id) == self._agency_id,
            col(IncomingRow.arrived_at) >= first_failure,
            col(IncomingRow.sender_folded).in_(senders),
        )
        for sender, at in await self._tx.tuples(wrote.group_by(col(IncomingRow.sender_folded))):
            heard_at[senders[sender]] = max(at, heard_at.get(senders[sender], at))
        return {code: at for code, at in failed_at.items() if code not in heard_at or heard_at[code] < at}

    async def save_state(self, id: str, state: str, marks: Sequence[str], at: datetime) -> None:
        columns = {"state": state, "marks": to_json(_MARKS, tuple(marks)), "updated_at": at}
        await self._change(id, columns)
        self._touch(id)

    async def save_number(self, id: str, number: str, year: int | None) -> None:
        """Save the recipient's arrival number. NotFound when the delivery does not exist."""
        await self._change(id, {"register_no": number, "register_year": year})

    async def _change(self, id: str, columns: Mapping[str, object]) -> None:
        missing = exactly_one(partial(errors.NotFound, f"this agency has no delivery {id}"))
        await self._tx.change_required(_UPDATE, missing, agency=self._agency_id, at_id=id, **columns)

    async def save_states(
        self,
        states: Mapping[str, tuple[str, Sequence[str]]],
        at: datetime,
        documents: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Save the state and marks of several deliveries, by id, at once, because a large document has hundreds.
        `documents` has the document ids by delivery id where the caller knows them."""
        self._documents.update(documents)
        common = {"agency": self._agency_id, "updated_at": at}
        rows = [
            common | {"at_id": id, "state": state, "marks": to_json(_MARKS, tuple(marks))}
            for id, (state, marks) in states.items()
        ]
        await self._tx.change_many(_UPDATE, rows)
        for id in states:
            self._touch(id)

    def _read(self, row: DeliveryRow) -> Delivery:
        self._documents[row.id] = row.document_id
        return to_delivery(row)

    def _touch(self, id: str) -> None:
        if id in self._documents:
            self._follower.touch_out(self._documents[id])
        else:
            self._follower.touch_delivery(id)


class SqlFacts(AgencyRows):
    """Repository of the facts about one agency's deliveries and documents."""

    async def add(self, subject_id: str, fact: Fact) -> bool:
        """Add a fact. Return False, and change nothing, when a fact with the same track, code, stated_at, packet_digest and
        request_id exists."""
        return await self._tx.insert_new(fact_row(self._agency_id, subject_id, fact))

    async def add_all(self, facts: Sequence[tuple[str, Fact]]) -> None:
        """Add facts, each with its subject's id; facts that exist stay unchanged."""
        rows = [fact_row(self._agency_id, subject_id, fact) for subject_id, fact in facts]
        self._tx.insert_missing(*rows)

    async def of_subject(self, subject_id: str) -> Sequence[Fact]:
        """Return a subject's facts in the order in which our node learnt them; a writing transaction locks the delivery."""
        parameters = {"agency": self._agency_id, "id": subject_id}
        # The lock keeps two transactions from both deciding on these facts and adding to them.
        await self._tx.lock(_ID_ALONE, **parameters)
        return [from_json(Fact, row.body) for row in await self._tx.tuples(_OF_SUBJECT, **parameters)]

    async def of_subjects(self, subject_ids: Sequence[str]) -> Mapping[str, Sequence[Fact]]:
        """Return the facts of each subject by its id, as `of_subject` does; every given id is a key."""
        parameters = {"agency": self._agency_id, "subjects": list(subject_ids)}
        await self._tx.lock(_IDS_ALONE, **parameters)
        facts: dict[str, list[Fact]] = {id: [] for id in subject_ids}
        for row in await self._tx.tuples(_OF_SUBJECTS, **parameters):
            facts[row.subject_id].append(from_json(Fact, row.body))
        return facts


def _key(fact: Fact) -> str:
    """Return the digest of the five parts that identify a fact; an absent part counts as a value."""
    stated = fact.stated_at.astimezone(UTC).isoformat() if fact.stated_at else None
    parts = (fact.track, fact.code, stated, fact.packet_digest, fact.request_id)
    # The text is that of a JSON list, written directly because that is faster.
    json_parts = ", ".join(["null" if part is None else encode_basestring_ascii(part) for part in parts])
    return hashlib.sha256(f"[{json_parts}]".encode()).hexdigest()


def fact_row(agency_id: str, subject_id: str, fact: Fact) -> FactRow:
    columns = {"key": _key(fact), "body": to_json(Fact, fact)}
    return FactRow.from_value(fact, agency_id=agency_id, subject_id=subject_id, **columns)


to_delivery = partial(value_of, Delivery)


def delivery_row(delivery: Delivery, position: int) -> DeliveryRow:
    return _DELIVERY.from_value(delivery, position=position, code=delivery.recipient.code)


_CANCELLED = State.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPart:
    """Paper letter to one recipient. `handed_over` is None while the letter is still to be carried; `means` is a value of
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
    """Repository of one agency's paper letters, both waiting and handed over."""

    async def open(self, document_id: str, delivery_ids: Sequence[str], at: datetime) -> None:
        """Add a paper letter for each of these deliveries of a document, waiting since `at`."""
        self._tx.insert(
            *(
                _PAPER(agency_id=self._agency_id, delivery_id=id, document_id=document_id, opened_at=at)
                for id in delivery_ids
            )
        )

    async def of_document(self, document_id: str) -> Sequence[PaperPart]:
        query = self._tx.lock_rows(select_by(_PAPER, ("agency_id", "document_id"), ("delivery_id",)))
        parameters = {"agency_id": self._agency_id, "document_id": document_id}
        return await self._tx.values(PaperPart, query, **parameters)

    async def close(self, part: PaperPart) -> None:
        """Save the hand-over of a letter; a second call replaces it. NotFound when the delivery does not go on paper."""
        query = update(_PAPER).where(self._where(_PAPER, delivery_id=part.delivery_id))
        names = ("handed_over", "means", "note", "closed_at", "closed_by")
        if await self._tx.change(query.values({name: getattr(part, name) for name in names})) != 1:
            raise errors.NotFound(f"the delivery {part.delivery_id} does not go on paper")

    async def waiting(self, limit: int) -> Sequence[PaperPart]:
        """Return up to `limit` letters that are neither handed over nor cancelled, the longest waiting first."""
        order = (col(_PAPER.opened_at), col(_PAPER.delivery_id))
        query = self._uncancelled().where(col(_PAPER.handed_over).is_(None))
        return await self._tx.values(PaperPart, query.order_by(*order).limit(limit))

    async def handed_over(self, first: date, last: date, limit: int) -> Sequence[PaperPart]:
        """Return up to `limit` letters that were handed over from the day `first` to `last`, the earliest first."""
        query = self._uncancelled().where(col(_PAPER.handed_over).between(first, last))
        order = (col(_PAPER.handed_over), col(_PAPER.closed_at), col(_PAPER.delivery_id))
        return await self._tx.values(PaperPart, query.order_by(*order).limit(limit))

    def _uncancelled(self) -> Select[PaperPartRow]:
        is_mine = self._where(_PAPER, col(_DELIVERY.state) != _CANCELLED)
        return select(_PAPER).join(_DELIVERY, same(_DELIVERY.id, _PAPER.delivery_id)).where(is_mine)


_GROUP = RecipientGroupRow


class SqlRecipientGroups(AgencyRows):
    """Repository of one agency's recipient groups."""

    async def all(self) -> Sequence[RecipientGroup]:
        """Return all groups, sorted by name."""
        return await self._list(RecipientGroup, _GROUP, "folded")

    async def find_by_name(self, name: str) -> RecipientGroup | None:
        """Find a group by name; letter case and accents are ignored."""
        return await self._find(RecipientGroup, _GROUP, folded=fold(name))

    async def save(self, group: RecipientGroup) -> None:
        """Insert a group of version 1, or update a group from the version before. Clash when the new name exists already,
        or when the stored group has another version."""
        row = _GROUP.from_value(group, agency_id=self._agency_id, folded=fold(group.name))
        if group.version == 1:
            if not await self._tx.insert_new(row):
                raise errors.Clash(
                    f"there is a group named {group.name!r} already, or one that reads the same"
                )
            return
        if await self._tx.update(row, col(_GROUP.version) == group.version - 1) != 1:
            raise errors.Clash(f"the group {group.name!r} was changed or removed meanwhile; look at it again")

    async def remove(self, name: str) -> bool:
        """Delete a group. Return False when there was none of that name."""
        return await self._delete(_GROUP, folded=fold(name)) == 1
