"""The name of a document in a list: the number that people know it by, never an id of ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.domain.document import Urgency
from gateway_office.domain.listing import Card, ListLine, Side, Tab
from gateway_office.web.display_names import short_name
from gateway_office.web.listing.list_rows import RowRenderer

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def line(side: Side, number: str, symbol: str, state: str = "accepted") -> ListLine:
    return ListLine(
        id="inb_01JDAAAAAAAAAAAAAAAAAAAAAA",
        side=side,
        at=NOW,
        state=state,
        own_state=state,
        tabs=Tab.ACCEPTED,
        urgency=Urgency.NORMAL,
        issued_on=None,
        card=Card(
            number=number,
            symbol=symbol,
            subject="Đề nghị sửa đường",
            document_id="paper,inb_01JDAAAAAAAAAAAAAAAAAAAAAA",
        ),
    )


@pytest.mark.parametrize(
    ("side", "number", "symbol", "state", "expected"),
    [
        (Side.IN, "12", "HTX", "accepted", "12/HTX"),
        (Side.IN, "", "", "accepted", "không số"),
        (Side.OUT, "", "UBND-VP", "draft", "UBND-VP"),
        (Side.OUT, "", "", "draft", "chưa có số"),
        (Side.OUT, "", "", "cancelled", "chưa có số"),
    ],
)
def test_a_letter_without_a_number_says_so_and_shows_no_inner_id(
    side: Side, number: str, symbol: str, state: str, expected: str
) -> None:
    assert RowRenderer(lang="vi", now=NOW).row(line(side, number, symbol, state)).number == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"accepted": 1, "done": 1}, "2/2 đã tiếp nhận"),
        ({"accepted": 1, "rejected": 1}, "1/2 đã tiếp nhận, 1 từ chối tiếp nhận"),
        ({"recall_asked": 2}, "2 thông báo thu hồi, chờ trả lời"),
        (
            {"recall_asked": 1, "request_agreed": 1},
            "1 thông báo thu hồi, chờ trả lời, 1 đồng ý lấy lại, cập nhật",
        ),
    ],
)
def test_whoever_is_asked_to_give_back_is_not_counted_as_one_who_never_took_it_in(
    states: dict[str, int], expected: str
) -> None:
    plain = line(Side.OUT, "12", "UBND-VP", "accepted")
    with_states = replace(plain, card=replace(plain.card, states=states))

    assert RowRenderer(lang="vi", now=NOW).row(with_states).summary == expected


def test_what_is_not_registered_of_a_sender_is_said_in_its_first_row_alone() -> None:
    unknown = {"seal": "own", "signatory": "unknown", "envelope_signature": "valid"}
    senders = ("Z92.12", "z92.12", "Z91.07", "Z92.12")
    lines = [
        replace(bare, card=replace(bare.card, party_code=code, checks=unknown))
        for code in senders
        if (bare := line(Side.IN, "12", "HTX", "new"))
    ]
    notes = [bool(row.note) for row in RowRenderer(lang="vi", now=NOW).rows(lines)]
    assert notes == [True, False, True, False]


def test_the_name_of_an_agency_is_shortened_by_the_words_for_its_kind() -> None:
    assert short_name("Ủy ban nhân dân tỉnh Sao Mai") == "UBND tỉnh Sao Mai"
    assert [short_name(name) for name in ("Sở Nội vụ", "", None)] == ["Sở Nội vụ", "", ""]
