"""Facts about deliveries and incoming documents. In: values. Out: the same values as stored. Facts are only ever added."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from json.encoder import encode_basestring_ascii

from sqlalchemy import bindparam, select
from sqlmodel import col

from gateway.domain.status import Fact
from gateway.store.deliveries import OF_AGENCY
from gateway.store.repository import AgencyRows
from gateway.store.row import among, from_json, to_json
from gateway.store.tables import DeliveryRow, FactRow

_ID_ALONE = select(col(DeliveryRow.id)).where(*OF_AGENCY, col(DeliveryRow.id) == bindparam("id"))
# Ordered, because these rows are locked: two transactions that lock in the same order cannot deadlock.
_IDS_ALONE = (
    select(col(DeliveryRow.id))
    .where(*OF_AGENCY, among(col(DeliveryRow.id), "subjects"))
    .order_by(col(DeliveryRow.id))
)
_FACTS = (
    select(col(FactRow.subject_id), col(FactRow.body))
    .where(col(FactRow.agency_id) == bindparam("agency"))
    .order_by(col(FactRow.at), col(FactRow.key))
)
_OF_SUBJECT = _FACTS.where(col(FactRow.subject_id) == bindparam("id"))
_OF_SUBJECTS = _FACTS.where(among(col(FactRow.subject_id), "subjects"))


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
