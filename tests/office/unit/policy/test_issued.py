"""A stranger hears of a document that left whether it stands, and of any other the same as of one that was never here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from gateway.domain.document import FileItem, FileRole, Kind, OutgoingDocument, OutState, Recipient
from gateway.domain.identity import known_digest
from gateway_office.policy.issued import (
    UNKNOWN,
    IssuedAnswer,
    IssuedDelivery,
    IssuedRecords,
    IssuedWord,
    judge,
)
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.stores import draft, outgoing

CLOCK, DAY, NEXT_DAY = ManualClock(), date(2026, 11, 20), date(2026, 11, 21)
A, B = "Z91.02", "Z91.03"
STAMPED = FileItem(
    n=1,
    name="a.pdf",
    role=FileRole.LEAD,
    content_type="",
    size=1,
    sha256=known_digest("0" * 64),
    stamped=True,
)


def sent(**fields: Any) -> OutgoingDocument:
    return outgoing(CLOCK, **{"state": OutState.PACKED, **fields})


DOCUMENT = sent()


def part(kind: Kind, **fields: Any) -> OutgoingDocument:
    """Return a packet about the document, to its recipient A."""
    own = draft(recipients=(Recipient(code=A.lower()),), number="13")
    return sent(kind=kind, parent_id=DOCUMENT.id, draft=own, **fields)


SAME = {"document_id": DOCUMENT.document_id}
MORE, RECALL, UPDATE = sent(**SAME), part(Kind.RECALL, **SAME), part(Kind.UPDATE, **SAME)
REPLACEMENT, OF_SAME_BYTES = part(Kind.REPLACEMENT), sent(draft=draft(number="9", issued_on=NEXT_DAY))
OK, BOTH, RECALLING = {A: "delivered"}, {A: "accepted", B: "sent"}, {A: "recall_asked"}
YES = IssuedAnswer(word=IssuedWord.ISSUED, agency_id=DOCUMENT.agency_id, issued_on=DAY)
BACK = replace(YES, word=IssuedWord.RECALLED, recalled_on=DAY)
NEW = replace(YES, word=IssuedWord.REPLACED, replaced_by="13/UBND-VP")
SEALED, SECRET = replace(DOCUMENT, is_sealed=True), replace(DOCUMENT, draft=draft(secrecy="mat"))
Rows = Mapping[OutgoingDocument, Mapping[str, str]]


def answer(rows: Rows, asked_ids: Collection[str], silenced: Collection[str] = ()) -> IssuedAnswer:
    """Judge documents with the states of their deliveries by the recipient's code."""
    deliveries = {
        document.id: [
            IssuedDelivery(code=code, state=state, updated_at=document.created_at + timedelta(days=1))
            for code, state in states.items()
        ]
        for document, states in rows.items()
    }
    records = IssuedRecords(
        matching_ids=frozenset(asked_ids),
        documents=[*rows],
        deliveries=deliveries,
        held_documents=frozenset(silenced),
    )
    return judge(records)


def test_a_document_is_of_this_node_once_it_left_and_while_it_stands(cases: Cases) -> None:
    table: dict[str, tuple[IssuedAnswer, Rows]] = {
        "sent": (YES, {DOCUMENT: OK}),
        "refused by all": (YES, {DOCUMENT: {A: "rejected"}}),
        "one of two left": (YES, {DOCUMENT: {A: "failed", B: "sent"}}),
        "an update": (YES, {UPDATE: OK, DOCUMENT: OK}),
        "a draft of an update": (UNKNOWN, {replace(UPDATE, state=OutState.DRAFT): {}, DOCUMENT: OK}),
        "the packet of a recall": (UNKNOWN, {RECALL: OK, DOCUMENT: OK}),
        "no delivery left": (UNKNOWN, {DOCUMENT: {A: "queued", B: "failed"}}),
        "no delivery at all": (UNKNOWN, {DOCUMENT: {}}),
        "sealed": (UNKNOWN, {SEALED: OK}),
        "sealed, sent once more": (UNKNOWN, {MORE: OK, SEALED: OK}),
        "stamped": (UNKNOWN, {replace(DOCUMENT, files=(STAMPED,)): OK}),
        "secret": (UNKNOWN, {SECRET: OK}),
        "recalled": (BACK, {DOCUMENT: RECALLING, RECALL: OK}),
        "recalled, and the recipient refuses": (BACK, {DOCUMENT: OK, RECALL: OK}),
        "recalled from one of two": (YES, {DOCUMENT: BOTH, RECALL: OK}),
        "recalled from one, refused by the second": (BACK, {DOCUMENT: {**OK, B: "rejected"}, RECALL: OK}),
        "a cancelled recall": (YES, {DOCUMENT: OK, replace(RECALL, state=OutState.CANCELLED): {}}),
        "given back": (replace(BACK, recalled_on=NEXT_DAY), {DOCUMENT: {A: "request_agreed"}}),
        "asked back without a notice": (YES, {DOCUMENT: {A: "take_back_asked"}}),
        "recalled, sent to further ones": (YES, {DOCUMENT: OK, RECALL: OK, MORE: OK}),
        "the update of a recalled one": (BACK, {UPDATE: OK, DOCUMENT: OK, RECALL: OK}),
        "replaced": (NEW, {DOCUMENT: OK, REPLACEMENT: OK}),
        "replaced, sent to further ones": (NEW, {MORE: OK, DOCUMENT: OK, REPLACEMENT: OK}),
        "a replacement in the queue": (YES, {DOCUMENT: OK, REPLACEMENT: {A: "queued"}}),
        "replaced by a secret one": (
            replace(NEW, replaced_by=""),
            {DOCUMENT: OK, replace(REPLACEMENT, is_sealed=True): OK},
        ),
        "recalled and replaced": (
            replace(BACK, replaced_by=NEW.replaced_by),
            {DOCUMENT: OK, RECALL: OK, REPLACEMENT: OK},
        ),
    }
    for state in {*OutState} - {OutState.PACKED}:
        table[f"in the state {state}"] = UNKNOWN, {replace(DOCUMENT, state=state): OK}
    for name, (expected, rows) in table.items():
        with cases.case(name):
            assert answer(rows, [next(iter(rows)).id]) == expected


def test_a_hold_silences_its_document_alone_and_of_two_with_the_same_bytes_the_standing_one_counts() -> None:
    rows = {DOCUMENT: OK, RECALL: OK, OF_SAME_BYTES: OK}
    both = [DOCUMENT.id, OF_SAME_BYTES.id]

    assert answer({}, []) == UNKNOWN
    assert answer(rows, both).issued_on == NEXT_DAY
    assert answer(rows, both, [OF_SAME_BYTES.document_id]) == BACK
    assert answer({DOCUMENT: OK}, [DOCUMENT.id], [DOCUMENT.document_id]) == UNKNOWN
