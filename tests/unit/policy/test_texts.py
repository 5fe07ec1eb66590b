"""Stamps of secrecy on a page (R2): a stamp is one, and the same word inside ordinary text is none."""

from __future__ import annotations

import unicodedata

import pytest

from gateway.policy.profile import Profile
from gateway.policy.texts import stamps_on

STAMPS = Profile().secrecy_stamps


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("UBND TỈNH SAO MAI\nMẬT\nSố: 12/BC", ("MẬT",)),
        ("Số: 12/BC-STN MẬT Hà Nội, ngày 20 tháng 11", ("MẬT",)),
        ("[MẬT]", ("MẬT",)),
        ("( TỐI MẬT )", ("TỐI MẬT",)),
        ("Độ mật: TUYỆT MẬT", ("TUYỆT MẬT",)),
        ("ĐỘ MẬT: TỐI MẬT", ("TỐI MẬT",)),
        ("M Ậ T", ("MẬT",)),
        ("T U Y Ệ T M Ậ T", ("TUYỆT MẬT",)),
        ("  MẬT  \nTỐI MẬT", ("TỐI MẬT", "MẬT")),
        (unicodedata.normalize("NFD", "TUYỆT MẬT"), ("TUYỆT MẬT",)),
    ],
)
def test_a_stamp_is_found_where_it_stands_for_itself(page: str, found: tuple[str, ...]) -> None:
    assert stamps_on(page, STAMPS) == found


@pytest.mark.parametrize(
    "page",
    [
        "",
        "V/v bảo vệ bí mật nhà nước",
        "LUẬT BẢO VỆ BÍ MẬT NHÀ NƯỚC",
        "QUY CHẾ BẢO MẬT",
        "Mật độ dân số, mật khẩu, thân mật",
        "DANH MỤC TÀI LIỆU MẬT NĂM 2026",
        "MẬTĐỘ",
        "Tài liệu đóng dấu mật được gửi riêng",
    ],
)
def test_the_word_inside_other_words_is_no_stamp(page: str) -> None:
    assert stamps_on(page, STAMPS) == ()
