"""The words of the search field: filters in both languages, the free text beside them, what completes a word, and that a
written text reads as what it was written from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_office.web.listing.tokens import Token, TokenValue, offer, read_tokens, write_tokens


def value(words: str, parameter: str, key: str) -> TokenValue:
    return TokenValue(words=words, parameter=parameter, value=key)


FROM = Token(names=("từ", "from"), parameter="co-quan", about="nơi gửi", is_text=True)
TYPE = Token(
    names=("loại", "type"),
    parameter="loai",
    about="loại",
    values=(value("Công văn", "loai", "cong van"), value("Công điện", "loai", "cong dien")),
    is_open=True,
)
DUE = Token(
    names=("hạn", "due"),
    parameter="",
    about="hạn",
    values=(value("quá hạn", "qua-han", "1"), value("xử lý quá hạn", "tre", "1")),
)
SINCE = Token(names=("từ ngày", "since"), parameter="tu", about="từ ngày", is_open=True)
STATE = Token(
    names=("trạng thái", "state"),
    parameter="trang-thai",
    about="trạng thái",
    values=(value("chờ tiếp nhận", "trang-thai", "new"), value("đã tiếp nhận", "trang-thai", "accepted")),
)
TOKENS = (FROM, TYPE, DUE, SINCE, STATE)


@pytest.mark.parametrize(
    ("text", "values", "free_text"),
    [
        ("báo cáo quý", {}, "báo cáo quý"),
        ("loại:công văn báo cáo", {"loai": "cong van"}, "báo cáo"),
        ('báo cáo loại:"Công văn"', {"loai": "cong van"}, "báo cáo"),
        ("loai:cong van han:qua han", {"loai": "cong van", "qua-han": "1"}, ""),
        ("type:công văn due:quá hạn", {"loai": "cong van", "qua-han": "1"}, ""),
        ("loại:sắc lệnh", {"loai": "sắc lệnh"}, ""),
        ("loại:sắc lệnh hạn:quá hạn", {"loai": "sắc lệnh", "qua-han": "1"}, ""),
        ("loại:công", {"loai": "cong van"}, ""),
        ("hạn:xử lý", {"tre": "1"}, ""),
        ("trạng thái:chờ tiếp nhận 12", {"trang-thai": "new"}, "12"),
        ("từ ngày:1/11/2026 điện", {"tu": "1/11/2026"}, "điện"),
        ("từ:Sở Nội vụ hạn:quá hạn", {"qua-han": "1"}, 'từ:"Sở Nội vụ"'),
        ("from:H41", {}, "từ:H41"),
        ("hạn:mai", {}, "hạn:mai"),
        ("V/v: điện", {}, "V/v: điện"),
        ('"loại: công văn"', {}, '"loại: công văn"'),
        ("12:30 loại:", {}, "12:30 loại:"),
        ("", {}, ""),
    ],
)
def test_a_text_is_read_as_filters_and_free_text(text: str, values: dict[str, str], free_text: str) -> None:
    assert read_tokens(text, TOKENS) == (values, free_text)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", ["từ:", "loại:", "hạn:", "từ ngày:", "trạng thái:"]),
        ("trạng", ["trạng thái:"]),
        ("báo cáo t", ["báo cáo từ:", "báo cáo loại:", "báo cáo từ ngày:", "báo cáo trạng thái:"]),
        ("hạn:", ['hạn:"quá hạn" ', 'hạn:"xử lý quá hạn" ']),
        ("hạn:xu", ['hạn:"xử lý quá hạn" ']),
        ("12 hạn:qu", ['12 hạn:"quá hạn" ', '12 hạn:"xử lý quá hạn" ']),
        ("công x", []),
        ("công", ['loại:"Công văn" ', 'loại:"Công điện" ']),
        ("từ:so", ["từ:Sở ", 'từ:"Sở Y tế" ']),
        ('hạn:"quá hạn" loại:"công đi', ['hạn:"quá hạn" loại:"Công điện" ']),
        ('loại:"công văn"', []),
    ],
)
def test_the_last_word_is_completed(text: str, offered: list[str]) -> None:
    assert [completion.text for completion in offer(text, TOKENS, ["Sở", "Sở Y tế"])] == offered


PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "loai": st.sampled_from(["cong van", "cong dien"]),
        "qua-han": st.just("1"),
        "trang-thai": st.sampled_from(["new", "accepted"]),
        "tu": st.sampled_from(["1/11/2026", "20/11/2026"]),
        "q": st.sampled_from(["báo cáo", "12", 'từ:"Sở Nội vụ"', "công văn", '"đúng câu này"']),
    },
)


@given(PARAMETERS)
def test_what_is_written_reads_as_it_was(parameters: dict[str, str]) -> None:
    text = write_tokens(parameters, TOKENS)
    values, free_text = read_tokens(text, TOKENS)
    assert {**values, **({"q": free_text} if free_text else {})} == parameters


@given(st.text(alphabet='abtừhạn:" loại\u0301', max_size=60))
def test_any_text_is_read_and_completed(text: str) -> None:
    values, free_text = read_tokens(text, TOKENS)
    assert read_tokens(free_text, TOKENS)[1] == free_text
    offer(text, TOKENS, ["Sở"])
    assert values.keys() <= {"loai", "qua-han", "tre", "tu", "trang-thai"}


@pytest.mark.parametrize(
    "behind", ["", " hạn:quá hạn", " từ:Sở Nội vụ", " trạng thái:chờ tiếp nhận", " từ ngày:1/11/2026"]
)
def test_every_offered_value_typed_by_hand_gives_what_pressing_its_offer_gives(behind: str) -> None:
    for token in TOKENS:
        pressed = offer(f"{token.names[0]}:", TOKENS)
        for offered, token_value in zip(pressed, token.values, strict=False):
            if token.names[0] not in behind:
                for name in token.names:
                    text = f"{name}:{token_value.words}{behind}"
                    assert read_tokens(text, TOKENS) == read_tokens(offered.text + behind, TOKENS), text
