"""Decide how the node answers a stranger: did it issue a document? In: the documents with these bytes and what
belongs to them. Out: one `IssuedAnswer`, which tells nothing of contents and recipients. A document that never left, is
secret or is under a hold is answered as one that was never here. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.document import Kind, OutgoingDocument, OutState
from gateway.domain.states import GIVEN_BACK, NEVER_LEFT, State
from gateway.domain.wall_clock import local

_OPEN = "none"
_DECIDED = (OutState.QUEUED, OutState.PACKED)


class IssuedWord(StrEnum):
    """Answer in one word. Of several documents with the same bytes the first of these counts."""

    ISSUED = "issued"
    REPLACED = "replaced"
    RECALLED = "recalled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedAnswer:
    """Answer, with the issuing agency and the day of issue; `replaced_by` is the number of the document in its place, where
    that may be told."""

    word: IssuedWord
    agency_id: str = ""
    issued_on: date | None = None
    recalled_on: date | None = None
    replaced_by: str = ""


UNKNOWN = IssuedAnswer(word=IssuedWord.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedDelivery:
    """Delivery of a document, as far as an answer depends on it."""

    code: str
    state: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedRecords:
    """Ids of the documents whose lead file or packet has the asked bytes; all sendings of these documents, with their
    updates, recalls and replacements; the deliveries of each by its id; DocumentIds under a hold that was not lifted."""

    matching_ids: frozenset[str]
    documents: Sequence[OutgoingDocument]
    deliveries: Mapping[str, Sequence[IssuedDelivery]]
    held_documents: frozenset[str]

    def has_left(self, document: OutgoingDocument) -> bool:
        states = {delivery.state for delivery in self.deliveries.get(document.id, ())}
        return document.state is OutState.PACKED and not states <= NEVER_LEFT

    def is_secret(self, document: OutgoingDocument) -> bool:
        is_stamped = any(file.stamped for file in document.files)
        is_held = document.is_sealed or document.document_id in self.held_documents
        return is_held or is_stamped or document.draft.secrecy != _OPEN


def judge(records: IssuedRecords) -> IssuedAnswer:
    """Return the answer to the question for these bytes."""
    groups: dict[tuple[str, str], list[OutgoingDocument]] = {}
    for document in records.documents:
        groups.setdefault((document.agency_id, document.document_id), []).append(document)
    answers = [_answer(records, group) for group in groups.values()]
    return min(answers, key=lambda answer: [*IssuedWord].index(answer.word), default=UNKNOWN)


def _answer(records: IssuedRecords, group: Sequence[OutgoingDocument]) -> IssuedAnswer:
    """Answer for all sendings of one document, with its updates and recalls."""
    sendings = [document for document in group if document.kind.is_whole and records.has_left(document)]
    matches = [d for d in group if d.id in records.matching_ids and d.kind is not Kind.RECALL]
    if not sendings or not any(map(records.has_left, matches)) or any(map(records.is_secret, group)):
        return UNKNOWN
    group_ids = {document.id for document in group}
    replacements = [
        document
        for document in records.documents
        if document.kind is Kind.REPLACEMENT
        and document.parent_id in group_ids
        and records.has_left(document)
    ]
    recalled_at = _recall_time(records, sendings, group)
    word = IssuedWord.RECALLED if recalled_at else IssuedWord.REPLACED if replacements else IssuedWord.ISSUED
    tellable = [document for document in replacements if not records.is_secret(document)]
    return IssuedAnswer(
        word=word,
        agency_id=sendings[0].agency_id,
        issued_on=sendings[0].draft.issued_on,
        recalled_on=local(recalled_at).date() if recalled_at else None,
        replaced_by=max(tellable, key=lambda d: d.created_at).draft.code if tellable else "",
    )


def _recall_time(
    records: IssuedRecords, sendings: Iterable[OutgoingDocument], group: Iterable[OutgoingDocument]
) -> datetime | None:
    """Return when the last recipient that had the document was asked by a notice to give it back, or gave it back; None
    while one has it that was never asked. Recipients that refused the document never had it."""
    asked_at = {
        (notice.parent_id, recipient.code.casefold()): notice.created_at
        for notice in group
        if notice.kind is Kind.RECALL and notice.state in _DECIDED
        for recipient in notice.draft.recipients
    }
    times: list[datetime] = []
    for document in sendings:
        for delivery in records.deliveries[document.id]:
            notice_at = asked_at.get((document.id, delivery.code.casefold()))
            if delivery.state in NEVER_LEFT | {State.REJECTED}:
                continue
            if notice_at is None and delivery.state != GIVEN_BACK:
                return None
            times.append(notice_at or delivery.updated_at)
    return max(times, default=None)
