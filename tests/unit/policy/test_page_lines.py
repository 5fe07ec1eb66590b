"""Pieces at one height become lines; a line that is printed over itself is doubted, and one of neighbours is not."""

from __future__ import annotations

from gateway.domain.pdf import Area, TextRun
from gateway.policy.page_lines import lines_of
from tests.support.cases import Cases

SIZE = 10.0


def drawn(text: str, start: float) -> TextRun:
    area = Area(left=start, top=100, width=50, height=SIZE)
    return TextRun(text=text, page=1, area=area, type_size=SIZE)


def test_pieces_are_joined_by_their_gap_and_a_line_printed_over_itself_is_doubted(cases: Cases) -> None:
    """The second piece begins so many points after the first has ended."""
    rows = {
        0: [("SốSở", False)],
        1: [("SốSở", False)],
        2: [("Số Sở", False)],
        15: [("Số Sở", False)],
        16: [("Số", False), ("Sở", False)],
        -14: [("SốSở", False)],
        -16: [("SốSở", True)],
    }

    def check(gap: int) -> None:
        lines = lines_of([drawn("Sở", 100 + gap), drawn("Số", 50)])
        assert [(line.text, line.shaky) for line in lines] == rows[gap]

    cases.check_rows(rows.keys(), check)
