"""What a person may be called."""

from __future__ import annotations

import unicodedata

import pytest

from gateway.domain.person import is_name

NAMES = (
    "Trần Thị Văn Thư",
    "Nguyễn Văn A 2",
    "O'Neill-Đặng",
    "ThS. Lê Mẫu",
    "H’Hen Niê",
    "Ksor Mẫu (Văn phòng)",
)


@pytest.mark.parametrize("name", [*NAMES, *(unicodedata.normalize("NFD", each) for each in NAMES)])
def test_names_of_people_are_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "", "12 34", "a@b", "=1+1", "A\u202eB", "x; DROP", "{{7}}", "A\nB", "--"],
)
def test_signs_of_programs_are_no_names(text: str) -> None:
    assert not is_name(text)
