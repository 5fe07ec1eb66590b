"""What a row of a list calls its document: the number that people know it by, never an id of ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.document import Urgency
from gateway.office.domain.listing import Card, ListLine, Side, Tab
from gateway.office.web.listing.list_rows import Teller

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
    ("side", "number", "symbol", "state", "shown"),
    [
        (Side.IN, "12", "HTX", "accepted", "12/HTX"),
        (Side.IN, "", "", "accepted", "không số"),
        (Side.OUT, "", "UBND-VP", "draft", "UBND-VP"),
        (Side.OUT, "", "", "draft", "chưa có số"),
        (Side.OUT, "", "", "cancelled", "chưa có số"),
    ],
)
def test_a_letter_without_a_number_says_so_and_shows_no_inner_id(
    side: Side, number: str, symbol: str, state: str, shown: str
) -> None:
    assert Teller(lang="vi", now=NOW).row(line(side, number, symbol, state)).number == shown
