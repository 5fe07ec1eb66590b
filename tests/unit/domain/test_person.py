"""Names that a person may have."""

from __future__ import annotations

import unicodedata

from gateway.domain.person import is_name

NAMES = (
    "Trần Thị Văn Thư",
    "Nguyễn Văn A 2",
    "O'Neill-Đặng",
    "ThS. Lê Mẫu",
    "H’Hen Niê",
    "Ksor Mẫu (Văn phòng)",
)


def test_names_of_people_are_names_and_signs_of_programs_are_none() -> None:
    names = [*NAMES, *(unicodedata.normalize("NFD", name) for name in NAMES)]
    assert [name for name in names if not is_name(name)] == []
    signs = (
        "<script>alert(1)</script>",
        "",
        "12 34",
        "a@b",
        "=1+1",
        "A\u202eB",
        "x; DROP",
        "{{7}}",
        "A\nB",
        "--",
    )
    assert [text for text in signs if is_name(text)] == []
