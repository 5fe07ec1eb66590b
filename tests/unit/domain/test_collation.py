"""The order of Vietnamese words: that of the dictionary, by keys that any database compares byte by byte."""

from __future__ import annotations

import random
import unicodedata
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.text import name_key, number_key, sort_key

PLACES = (
    "An Giang < Ăn Sơn < Ân Thi < Bà Rịa < Bạc Liêu < Dương Minh Châu < Đà Nẵng < Đắk Lắk < Hà Nam < Ha Noi < Hà Nội "
    "< Hải Dương < Hưng Yên < Ô Môn < Thái Bình < Ứng Hòa"
)
ORDERED = (
    PLACES,
    "ma < mà < mả < mã < má < mạ",
    "a < ă < â < b < d < đ < e < ê < o < ô < ơ < p < u < ư < v < y",
    "Phường 2 < Phường 10 < Phường 10A < Phường Đông",
    "nội vụ < Nội vụ",
    "lan < Lan < lán < lâm",
)


def test_words_and_symbols_stand_in_the_order_of_the_dictionary() -> None:
    for words in ORDERED:
        for composed in (True, False):
            ordered = [
                unicodedata.normalize("NFC" if composed else "NFD", word) for word in words.split(" < ")
            ]
            mixed = random.Random(3).sample(ordered, len(ordered))
            assert sorted(mixed, key=sort_key) == ordered
            assert all(sort_key(a) < sort_key(b) for a, b in pairwise(ordered))

    symbols = ["2 QĐ-UBND", "9 UBND", "09 VP", "88 UBND", "1523 STC", "1523 STC-VP"]
    keys = [number_key(*symbol.split()) for symbol in symbols]
    assert all(a < b for a, b in pairwise(keys))

    names = ["Sở Công Thương", "Ủy ban nhân dân huyện Đông Hưng", "Ủy ban nhân dân huyện Hưng Hà", "Sở Y tế"]

    assert all(name_key(a) < name_key(b) for a, b in pairwise(names))
    assert name_key("Sở") == sort_key("Sở")
    assert name_key("Song Hỷ") == sort_key("Song Hỷ")


@settings(max_examples=200)
@given(st.text(), st.text())
def test_a_key_is_plain_text_and_form_does_not_matter(text: str, other: str) -> None:
    key = sort_key(text)

    assert key.isascii()
    assert key == sort_key(unicodedata.normalize("NFD", text)) or len(text) > 60
    assert len(key) < 2_600
    assert (key.encode() < sort_key(other).encode()) is (key < sort_key(other))
