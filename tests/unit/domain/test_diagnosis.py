"""A finding tells moments by the wall clock of Viet Nam, and leaves all other parts unchanged."""

from __future__ import annotations

from gateway.domain.diagnosis import green, red
from tests.support.cases import Cases


def test_a_moment_is_told_by_the_wall_clock(cases: Cases) -> None:
    for text in ("2026-11-20T17:05+00:00", "2026-11-20T17:05:59Z", "2026-11-21T00:05:59.123456+07:00"):
        with cases.case(text):
            assert green("log", "log.fine", at=text).says("vi") == "Nhật ký đã niêm đến 00:05 21/11/2026"


def test_other_texts_stay(cases: Cases) -> None:
    for text in ("–", "2026-11-20", "/data/2026-11-20T17:05+00:00/x", ""):
        with cases.case(text or "none"):
            assert (
                red("revocation", "revocation.late", path=text, until="–")
                .says("vi")
                .startswith(f"Danh sách thu hồi {text} đã hết hạn")
            )
