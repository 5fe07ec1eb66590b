"""The slip for settling a letter says what was decided at the node, and leaves lines for the rest."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any

from gateway.domain.agency_profile import Letterhead
from gateway.domain.document import IncomingDocument
from gateway.domain.handling import PartState, UnitPart
from gateway_office.book import routing_slip
from gateway_office.book.routing_slip import Slip
from tests.office.support.printed_words import printed
from tests.support.clock import ManualClock
from tests.support.stores import incoming

TODAY, DECIDED = date(2026, 11, 24), datetime(2026, 11, 23, 3, tzinfo=UTC)
UNIT, OTHER_UNIT = "Phòng Tài chính", "Phòng Kế hoạch"


def letter() -> IncomingDocument:
    return incoming(
        ManualClock(),
        number="118",
        symbol="UBND-VP",
        type_name="Công văn",
        sender_name="Ủy ban nhân dân tỉnh Sao Mai",
        subject="V/v dự toán quý 3",
        register_no="57",
    )


def part(unit: str, **fields: Any) -> UnitPart:
    values: dict[str, Any] = {"is_lead": False, "deadline": date(2026, 11, 30)} | fields
    return UnitPart(
        id=f"prt_{unit}", document_id="inc_1", unit=unit, given_by="prn_head", given_at=DECIDED, **values
    )


def words(**fields: Any) -> str:
    values: dict[str, Any] = {
        "letter": letter(),
        "opinion": "",
        "decided_by": "",
        "decided_at": None,
        "parts": (),
        "names": {"per_1": "Lý Chuyên Viên"},
    }
    out = io.BytesIO()
    head = Letterhead(agency="Sở Thử nghiệm", parent="Ủy ban nhân dân tỉnh Sao Mai", place="Sao Mai")
    routing_slip.write(Slip(**values | fields), head, TODAY, out)
    return printed(out.getvalue())


def test_opinion_units_persons_and_deadlines_stand_in_their_parts() -> None:
    text = words(
        opinion="Chủ trì xử lý, báo cáo kết quả.",
        decided_by="Đặng Giám Đốc",
        decided_at=DECIDED,
        parts=(
            part(UNIT, is_lead=True, person_id="per_1"),
            part(OTHER_UNIT, deadline=None),
            part("Phòng Trả Lại", state=PartState.CHANGED),
            part("Phòng Để Biết", is_informed=True),
        ),
    )

    leader, unit_head = (
        text.index("1. Ý kiến của lãnh đạo cơ quan"),
        text.index("2. Ý kiến của lãnh đạo đơn vị"),
    )
    assert "Công văn số 118/UBND-VP ngày 20/11/2026 của Ủy ban nhân dân tỉnh Sao Mai" in text[:leader]
    assert "Số đến 57" in text[:leader]
    assert "Chủ trì xử lý, báo cáo kết quả." in text[leader:unit_head]
    assert f"Chủ trì: Lý Chuyên Viên ({UNIT}), hạn 30/11/2026" in text[leader:unit_head]
    assert f"Phối hợp: {OTHER_UNIT} Ngày 23/11/2026 Đặng Giám Đốc" in text[leader:unit_head]
    assert f"Lý Chuyên Viên ({UNIT}), hạn 30/11/2026" in text[unit_head:]
    assert "Phòng Trả Lại" not in text
    assert "Phòng Để Biết" not in text


def test_what_was_not_decided_is_left_to_be_written() -> None:
    text = words()

    assert text.count("…… / …… / …………") == 3
    assert text.count("…" * 40) == 12
    assert text.endswith("Trang 1/ 1")
