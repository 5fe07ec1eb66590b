"""An extract shows the words that were searched for, as they were typed where they are there; a page is searched by words
that both databases take."""

from __future__ import annotations

from gateway.domain.text import sought
from gateway_office.domain.content import EXTRACT_LETTERS, extract, read_query, searched_words

TEXT = f"Mở đầu. {'Đoạn này nói việc khác. ' * 20}Mưa bão lớn; báo cáo ngay. {'Lời kết dài. ' * 30}"


def highlight(text: str, query: str) -> str:
    pieces = extract(text, read_query(sought(query)))
    return "".join(f"[{piece}]" if is_hit else piece for piece, is_hit in pieces)


def test_the_extract_has_the_most_searched_words_and_marks_the_accents_that_were_typed() -> None:
    assert "[báo] [cáo] ngay" in highlight(TEXT, "báo cáo")
    assert "[bão] lớn; báo cáo" in highlight(TEXT, "bão")
    assert "[bão] lớn; [báo] [cáo]" in highlight(TEXT, "bao cao")
    assert "Mưa [bão]" in highlight("Mưa [bão]".replace("[", "").replace("]", ""), "báo")
    assert "[hoa] [thuỷ]" in highlight("hoa thuỷ", "hoa thủy")


def test_the_extract_is_short_whole_words_and_says_that_there_is_more() -> None:
    text = highlight(TEXT, "báo cáo")
    assert text.startswith("… ")
    assert text.endswith(" …")
    assert len(text) <= EXTRACT_LETTERS + 20
    assert highlight("Báo cáo", "báo") == "[Báo] cáo"
    assert highlight("", "báo") == ""
    assert len(highlight("a" * 9_000 + " b", "b")) < 2 * EXTRACT_LETTERS


def test_a_word_in_a_search_of_files_is_a_whole_one_and_roles_are_words_of_the_document() -> None:
    query = read_query(sought('từ:"Sở Y tế" báo "kế hoạch"'))

    assert [term.words for term in query.terms] == [("bao",), ("ke", "hoach")]
    assert {term.is_whole for term in query.terms} == {True}
    assert [len(term.words) for term in query.roles] == [1, 1, 1]


def test_a_word_that_no_index_takes_is_left_out() -> None:
    assert searched_words("chữ " + "x" * 5_000) == " chu ŧ chữ "
    assert searched_words("…") == ""
