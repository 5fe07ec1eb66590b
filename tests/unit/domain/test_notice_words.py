"""Notice number and name behind the reason of a recall are read back unchanged, and no other text is taken for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import notice_words
from gateway.domain.fields import CHANGE
from gateway.domain.notice_words import Parts
from gateway.edxml import names

WORDS = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=";()"), min_size=1)


@given(
    st.text(max_size=60),
    WORDS.filter(lambda text: len(text) <= 42),
    WORDS.filter(lambda text: len(text) <= 100),
)
def test_reason_notice_and_name_come_back(reason: str, number: str, name: str) -> None:
    parts = Parts(reason=reason, notice_no=number, approved_by=name)

    assert notice_words.read(notice_words.write(parts)) == parts


def test_the_text_is_one_that_a_clerk_anywhere_reads_and_fits_where_it_is_written() -> None:
    parts = Parts(reason="Ban hành nhầm", notice_no="12/TB-STD", approved_by="Trần Thị Mẫu")

    assert notice_words.write(parts) == (
        "Ban hành nhầm (Thông báo thu hồi số 12/TB-STD; người phê duyệt: Trần Thị Mẫu)"
    )

    longest = {name: "x" * CHANGE[name].longest for name in ("reason", "notice_no", "approved_by")}

    room = next(path.max_length for _, path in names.paths() if path.local == "BussinessDocReason")
    assert len(notice_words.write(Parts(**longest))) <= (room or 0)


def test_a_name_alone_comes_back_and_any_other_text_is_a_reason_alone() -> None:
    parts = Parts(reason="Sửa trích yếu", approved_by="Trần Thị Mẫu")
    assert notice_words.read(notice_words.write(parts)) == parts
    for text in (
        "",
        "Ban hành nhầm",
        "Ban hành nhầm (xem phụ lục)",
        "A (Thông báo thu hồi số ; người phê duyệt: B)",
        "A (Thông báo thu hồi số 7)",
        f"A (Thông báo thu hồi số {'7' * 43}; người phê duyệt: B)",
        f"A (Người phê duyệt: {'B' * 101})",
    ):
        assert notice_words.read(text) == Parts(reason=text)
