"""The table of standings and acts, pair by pair; and the standing of each kind of document."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.document import Kind, OutState
from gateway.domain.outgoing_acts import Act, Standing, objection, standing_by_states, standing_of
from gateway.domain.status import document_word
from tests.support.cases import Cases
from tests.unit.policy.test_change import SENT

# A column for each act, in the order of `Act`; "." where it may be done.
_PAIRS = """
sealed      sealed      sealed      sealed      .           sealed    sealed      .        .         sealed
cancelled   cancelled   cancelled   cancelled   .           cancelled cancelled   .        cancelled .
draft       not_sent    not_sent    not_sent    .           not_sent  not_sent    not_left .         draft
part        .           part        part        .           part      part        part     .         .
recall_open recall_open recall_open recall_open recall_open recall_open recall_open .      on_axis   .
recalled    recalled    recalled    recalled    recalled    .         recalled    .        on_axis   .
paper       not_sent    not_sent    not_sent    .           not_sent  not_sent    not_left .         .
unpacked    .           not_sent    not_sent    .           not_sent  not_sent    not_left .         .
queued      not_sent    not_sent    not_sent    .           not_sent  not_sent    not_left .         .
packed      .           .           .           .           .         .           .        .         .
"""


def test_each_pair_of_a_standing_and_an_act_has_its_answer(cases: Cases) -> None:
    rows = {row.split()[0]: row.split()[1:] for row in _PAIRS.strip().splitlines()}
    assert [*rows] == [str(standing) for standing in Standing]
    for standing in Standing:
        assert len(rows[standing]) == len(Act)
        for act, expected in zip(Act, rows[standing], strict=True):
            with cases.case(f"{standing} × {act}"):
                assert objection(standing, act) == expected.replace(".", "")


@pytest.mark.parametrize(
    ("own", "states", "standing", "word"),
    [
        ("draft", "", "draft", "draft"),
        ("blocked", "", "draft", "blocked"),
        ("queued", "queued", "queued", "queued"),
        ("queued", "failed", "unpacked", "failed"),
        ("packed", "failed delivered", "packed", "failed"),
        ("packed", "failed recall_asked", "recall_open", "recall_asked"),
        ("packed", "rejected take_back_asked accepted", "recall_open", "take_back_asked"),
        ("packed", "failed request_agreed", "recalled", "request_agreed"),
        ("packed", "request_agreed accepted", "packed", "accepted"),
        ("packed", "update_asked failed", "packed", "failed"),
        ("paper", "paper", "paper", "paper"),
        ("cancelled", "cancelled", "cancelled", "cancelled"),
    ],
)
def test_the_recall_is_the_standing_and_the_word_of_a_document_while_it_is_open(
    own: str, states: str, standing: str, word: str
) -> None:
    assert standing_by_states(OutState(own), states.split()) == standing
    assert document_word(OutState(own), states.split()) == word


def test_a_seal_goes_before_all_else_and_a_change_is_part_of_its_document() -> None:
    update = replace(SENT, kind=Kind.UPDATE)
    assert standing_of(replace(SENT, is_sealed=True), {"recall_asked"}) is Standing.SEALED
    assert standing_of(update, {"failed"}) is Standing.PART
    assert standing_of(replace(update, state=OutState.CANCELLED), {"cancelled"}) is Standing.CANCELLED
    assert standing_of(replace(update, state=OutState.DRAFT), ()) is Standing.DRAFT
