"""In search accents, case, dashes and the placing of tones do not matter, and a second folding changes nothing."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.text import SearchRole, bare_words, fold, hits, indexed, marked, sought


def test_text_is_folded() -> None:
    folded = {
        "Đôn đốc THU HỒI": "don doc thu hoi",
        "  Sở   Nông\tnghiệp\n": "so nong nghiep",
        "ưỡng ẳ ỵ ơ": "uong a y o",
        unicodedata.normalize("NFD", "Đường Trường Sơn"): "duong truong son",
        "12/2026/QĐ-UBND": "12/2026/qd-ubnd",
        "": "",
    }
    assert {text: fold(text) for text in folded} == folded


@settings(max_examples=100)
@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def finds(query: str, *texts: str) -> bool:
    """Search as both databases do: words in sequence, the last one perhaps only begun."""
    column = f" {indexed(texts, [(SearchRole.SENDER, texts[-1])])} "
    return bool(sought(query).terms) and all(
        f" {' '.join(term.words)}{' ' if term.is_whole else ''}" in column for term in sought(query).terms
    )


def test_what_is_typed_finds_what_was_written_and_nothing_else() -> None:
    matches = (
        ("uỷ thác", "Ủy thác"),
        ("hòa giải", "Hoà giải"),
        ("Hoà", unicodedata.normalize("NFD", "hòa")),
        ("thuý", "Thúy Kiều"),
        ("ubnd tinh", "Uỷ ban nhân dân tỉnh"),
        ("STC–VP", "1523/STC-VP"),
        ("Z91.07", "Z91.07.12"),
        ("z910712", "Z91.07.12"),
        ("12.07.Z91", "000.12.07.Z91"),
        ("7", "007/BC"),
        ("007", "7/BC"),
        ('"ban nhân dân"', "Ủy ban nhân dân"),
        ("tu:giao duc", "Sở Giáo dục"),
        ("từ:Z91.07", "Z91.07"),
        ('tu:"giao duc"', "Sở Giáo dục"),
    )
    misses = (
        ("152", "1523/STC"),
        ('"ban dan"', "Ủy ban nhân dân"),
        ("ký:giao", "Sở Giáo dục"),
        ("", "Sở"),
        ("-- %_ ''", "Sở"),
        ("so noi", "Sở Y tế"),
    )
    assert [pair for pair in matches if not finds(*pair)] == []
    assert [pair for pair in misses if finds(*pair)] == []


def test_a_search_with_accents_asks_for_them_and_hits_are_marked_as_they_stand() -> None:
    assert [term.words for term in sought("thuỷ điện so").exact] == [("thủy",), ("điện",)]
    assert sought("thuy dien").exact == ()
    assert sought("từ:thủy").exact == ()

    text = "Về việc hoà giải, viết"

    assert [text[slice(*span)] for span in hits(text, sought("viê hòa"))] == ["việc", "hoà", "viết"]

    assert marked(SearchRole.SIGNER, "Trần Bình") == sought("ký:tran ky:binh").terms
    assert not finds(SearchRole.SENDER + "giao", "Giáo")


@settings(max_examples=200)
@given(st.text(max_size=600))
def test_whatever_is_typed_asks_for_plain_words_and_not_too_many(query: str) -> None:
    """No typed character is an operator of a database."""
    search = sought(query)

    assert len(search.terms) <= 12
    for term in (*search.terms, *search.exact):
        assert term.words
        assert all(word.isalnum() for word in term.words)


@settings(max_examples=200)
@given(st.lists(st.text(max_size=60), max_size=3))
def test_an_indexed_text_holds_its_own_words_and_indexing_them_again_adds_nothing(texts: list[str]) -> None:
    column = indexed(texts)
    bare = bare_words(" ".join(texts))

    assert column.split()[: len(bare)] == bare
    assert bare_words(" ".join(bare)) == bare
