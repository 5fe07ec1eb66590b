"""Stamps of secrecy on a page (R2): a stamp is one, and the same word inside ordinary text is none. Letters of before
Unicode (R8) are known, and no others are taken for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.policy.profile import Profile
from gateway.policy.texts import (
    Letters,
    _is_abbreviation,
    _is_syllable,
    _odd_words,
    is_legacy_font,
    stamps_on,
    to_unicode,
)
from tests.office.support.words import texts

STAMPS = Profile().secrecy_stamps


def test_a_stamp_is_found_where_it_stands_for_itself_and_not_inside_other_words() -> None:
    pages = {
        "UBND TỈNH SAO MAI\nMẬT\nSố: 12/BC": ("MẬT",),
        "Số: 12/BC-STN MẬT Hà Nội, ngày 20 tháng 11": ("MẬT",),
        "[MẬT]": ("MẬT",),
        "( TỐI MẬT )": ("TỐI MẬT",),
        "Độ mật: TUYỆT MẬT": ("TUYỆT MẬT",),
        "ĐỘ MẬT: TỐI MẬT": ("TỐI MẬT",),
        "M Ậ T": ("MẬT",),
        "T U Y Ệ T M Ậ T": ("TUYỆT MẬT",),
        "  MẬT  \nTỐI MẬT": ("TỐI MẬT", "MẬT"),
        unicodedata.normalize("NFD", "TUYỆT MẬT"): ("TUYỆT MẬT",),
    }
    other_texts = (
        *("", "V/v bảo vệ bí mật nhà nước", "LUẬT BẢO VỆ BÍ MẬT NHÀ NƯỚC", "QUY CHẾ BẢO MẬT", "MẬTĐỘ"),
        *("Mật độ dân số, mật khẩu, thân mật", "DANH MỤC TÀI LIỆU MẬT NĂM 2026"),
        "Tài liệu đóng dấu mật được gửi riêng",
    )
    expected = pages | dict.fromkeys(other_texts, ())
    assert {page: stamps_on(page, STAMPS) for page in expected} == expected


OLD = (
    *("QuyÕt ®Þnh vÒ viÖc", "QuyÕt ®Þnh vÒ viÖc thµnh lËp Tæ c«ng t¸c", "V/v b¸o c¸o sè liÖu quý III"),
    "QuyÕt ®Þnh theo NghÞ ®Þnh 30/2020/N§-CP",
    "Danh s¸ch H§ND, Q§ vµ N§",
    "Hoaëc nhaäp tay theo Nghò ñònh 30/2020/NÑ-CP",
    *("Coâng vaên", "Quyeát ñònh veà vieäc thaønh laäp", "V/v baùo caùo – soá lieäu “quyù III”"),
)
FOREIGN = (
    *("Société Générale và Crédit Agricole", "Côte d'Ivoire", "Ông Loïc Martin", "Bà Chloë Noël"),
    *(
        "Müller & Söhne",
        "Nestlé Việt Nam",
        "Citroën, Peugeot",
        "São Tomé và Príncipe",
        "Curaçao",
        "Renée Zoë",
    ),
    *("Ålesund, Tromsø", "École française d'Extrême-Orient", "Công ty TNHH Böhm", "naïve café résumé"),
    *("Øresund", "20 °C ± 0,5 µm", "Agency for Research", "Saint-Étienne", "José Peña Núñez"),
    *("Ho Chi Minh City", "André Maïs", "§ 5, © 2026"),
)


def test_letters_of_before_unicode_are_known_and_no_other_name_or_bundled_text_is_taken_for_them() -> None:
    assert [text for text in OLD if not is_legacy_font(text)] == []
    assert [text for text in FOREIGN if is_legacy_font(text)] == []

    assert len(VIETNAMESE) > 1000
    assert [text for text in VIETNAMESE if is_legacy_font(text)] == []
    assert [text for text in VIETNAMESE if is_legacy_font(unicodedata.normalize("NFD", text))] == []


VIETNAMESE = sorted(set(texts("vi")))
# Each letter as it was written before Unicode.
_SIGNS = [chr(code) for code in range(0xA1, 0x100)]
_OLD_TCVN3 = {to_unicode(sign, Letters.TCVN3): sign for sign in _SIGNS}
_PAIRS = [*_SIGNS, *(base + mark for base in "aeouyAEOUY\xf4\xf6\xd4\xd6" for mark in _SIGNS)]
_OLD_VNI = {new: old for old in _PAIRS if len(new := to_unicode(old, Letters.VNI)) == 1 and new != old}


def _in_tcvn3(text: str) -> str:
    return "".join(_OLD_TCVN3.get(letter, letter) for letter in text)


def _in_vni(text: str) -> str:
    return "".join(_OLD_VNI.get(letter, letter) for letter in text)


BACK = (_in_tcvn3, _in_vni)
# Words that have no letter which only Unicode has: nothing but their form tells them from old letters.
BARE = sorted(
    {word for text in VIETNAMESE for word in text.split() if not word.isascii() and max(word) <= "\xff"}
)


@given(st.lists(st.sampled_from(BARE), min_size=1, max_size=30).map(" ".join))
def test_good_vietnamese_is_never_taken_for_old_letters(text: str) -> None:
    assert not is_legacy_font(text)


@given(st.lists(st.sampled_from(VIETNAMESE), min_size=1, max_size=3).map(" ".join), st.sampled_from(BACK))
def test_the_same_text_in_old_letters_is_recognised(text: str, back: Callable[[str], str]) -> None:
    old_text = back(text)
    words = [word for word in _odd_words([old_text]) if not _is_abbreviation(word)]
    # "Bá bé läc": what reads like Unicode but for one word may be a foreign name in it.
    assume(len(words) > 4 and sum(not _is_syllable(word) for word in words) >= 2)
    assume(max(old_text) <= "\xff")

    assert is_legacy_font(old_text)
